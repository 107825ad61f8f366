//! What gemma4 adds: an embedding for every layer, keys and values that later layers read, a scale of each layer.

use super::{Builder, projections::Widths, setting, times};
use crate::{
    error::Error,
    program::{Op, Slot, Stage, Width},
};

/// Keys and values of another layer.
pub(super) struct Lent {
    pub(super) source: usize,
    pub(super) slots: (Slot, Slot),
}

impl Builder<'_> {
    /// What every layer gets besides: rows of a second embedding, and what the first one gives.
    pub(super) fn layer_inputs(&mut self) -> Result<(), Error> {
        let Some(each) = self.layer_input_size()? else {
            return Ok(());
        };
        let hidden = self.numbers.hidden;
        let all = times(
            each,
            self.numbers.layers,
            "embedding_length_per_layer_input",
        )?;
        let table = self.take(
            None,
            "per_layer_token_embd.weight",
            &[all, self.numbers.vocabulary],
        )?;
        let rows = (Slot::Up, Width::Token(all));
        let op = Op::Lookup { table };
        let settings = self.push(None, Stage::LayerInputsRows, op, rows);
        settings.push(setting("embedding_length_per_layer_input", each));
        let factor = (each as f64).sqrt();
        self.push(None, Stage::LayerInputsScaled, Op::Scale { factor }, rows);
        let stage = Stage::LayerInputsProduct;
        let slots = (Slot::Residual, Slot::LayerInputs);
        self.product(None, stage, "per_layer_model_proj", slots, [hidden, all])?;
        let to = (Slot::LayerInputs, Width::Token(all));
        let factor = 1.0 / (hidden as f64).sqrt();
        self.push(
            None,
            Stage::LayerInputsProductScaled,
            Op::Scale { factor },
            to,
        );
        let weight = Some(self.take(None, "per_layer_proj_norm.weight", &[each])?);
        let slots = (Slot::LayerInputs, Slot::LayerInputs);
        self.rms_norm(None, Stage::LayerInputsNorm, (each, weight), slots, all);
        self.push(None, Stage::LayerInputsSum, Op::Add { from: Slot::Up }, to);
        let factor = 1.0 / 2f64.sqrt();
        self.push(None, Stage::LayerInputs, Op::Scale { factor }, to);
        Ok(())
    }

    fn layer_input_size(&self) -> Result<Option<usize>, Error> {
        if !self.architecture.layer_inputs {
            return Ok(None);
        }
        let size = self.keys.count("embedding_length_per_layer_input")?;
        Ok(size.filter(|size| *size != 0))
    }

    /// The end of a layer: the feed-forward is added, and what follows.
    pub(super) fn leave(&mut self, index: usize) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let residual = (Slot::Residual, Width::Token(hidden));
        let each = self.layer_input_size()?;
        let scale = match self.architecture.layer_scale {
            true => self.vector(layer, "layer_output_scale.weight", 1)?,
            false => None,
        };
        let last = |follows: bool, stage| if follows { stage } else { Stage::LayerOut };
        let stage = last(each.is_some() || scale.is_some(), Stage::FfnResidual);
        self.push(layer, stage, Op::Add { from: Slot::Out }, residual);
        if let Some(each) = each {
            let stage = Stage::InputGate;
            let slots = (Slot::Residual, Slot::Gate);
            self.product(layer, stage, "inp_gate", slots, [hidden, each])?;
            let to = (Slot::Gate, Width::Token(each));
            let op = Op::Activate {
                from: Slot::Gate,
                function: self.architecture.activation,
            };
            self.push(layer, Stage::InputAct, op, to);
            let op = Op::Pick {
                from: Slot::LayerInputs,
                chunk: times(each, self.numbers.layers, "layers")?,
                first: times(each, index, "layers")?,
                count: each,
            };
            let rows = (Slot::LayerInput, Width::Token(each));
            self.push(layer, Stage::InputRows, op, rows);
            let op = Op::Multiply {
                from: Slot::LayerInput,
            };
            self.push(layer, Stage::InputGated, op, to);
            let stage = Stage::InputProduct;
            let slots = (Slot::Gate, Slot::Out);
            self.product(layer, stage, "proj", slots, [each, hidden])?;
            self.norm(
                layer,
                Stage::InputNorm,
                "post_norm",
                (Slot::Out, Slot::Out),
                hidden,
            )?;
            let stage = last(scale.is_some(), Stage::InputResidual);
            self.push(layer, stage, Op::Add { from: Slot::Out }, residual);
        }
        if let Some(vector) = scale {
            self.push(
                layer,
                Stage::LayerOut,
                Op::MultiplyVector { vector },
                residual,
            );
        }
        Ok(())
    }

    /// The first layer that has no keys of its own.
    fn first_without_keys(&self) -> Result<usize, Error> {
        let layers = self.numbers.layers;
        if !self.architecture.shared_keys {
            return Ok(layers);
        }
        let key = "attention.shared_kv_layers";
        let shared = self.keys.count(key)?.unwrap_or(0);
        let own = layers.checked_sub(shared);
        match own {
            Some(own) if shared == 0 || own >= 2 => Ok(own),
            _ => {
                let expected = format_args!("two less than {layers} layers");
                Err(Error::model(self.keys.name(key), expected, shared))
            }
        }
    }

    /// Keys and values of an earlier layer, where a layer has none of its own: those of the last layer of its kind.
    pub(super) fn lent(&self, index: usize) -> Result<Option<Lent>, Error> {
        let first = self.first_without_keys()?;
        if index < first {
            return Ok(None);
        }
        let (back, slots) = match self.numbers_of(index).has_window {
            true => (2, (Slot::WindowKey, Slot::WindowValue)),
            false => (1, (Slot::FullKey, Slot::FullValue)),
        };
        let source = first.saturating_sub(back);
        let [own, lender] = [index, source].map(|index| {
            let numbers = self.numbers_of(index);
            (numbers.key_value_heads, numbers.key_dim, numbers.value_dim)
        });
        match own == lender {
            true => Ok(Some(Lent { source, slots })),
            false => Err(Error::not_covered(format_args!(
                "layer {index}, which reads keys of another shape from layer {source}"
            ))),
        }
    }

    /// Keeps the keys and values that later layers read; returns where a layer's own are.
    pub(super) fn kept(&mut self, index: usize, widths: &Widths) -> Result<(Slot, Slot), Error> {
        let own = (Slot::Key, Slot::Value);
        let first = self.first_without_keys()?;
        if first == self.numbers.layers {
            return Ok(own);
        }
        let (key, value) = match first.checked_sub(index) {
            Some(2) => (Slot::WindowKey, Slot::WindowValue),
            Some(1) => (Slot::FullKey, Slot::FullValue),
            _ => return Ok(own),
        };
        let layer = Some(index);
        let op = Op::Copy { from: Slot::Key };
        self.push(layer, Stage::KKept, op, (key, Width::Token(widths.key)));
        let op = Op::Copy { from: Slot::Value };
        self.push(layer, Stage::VKept, op, (value, Width::Token(widths.value)));
        Ok(own)
    }
}
