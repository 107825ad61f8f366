//! Builds the program of a model from the description of its architecture and what a file states: settles what is missing,
//! holds every tensor against the numbers, and writes down the steps.

mod attention;
mod experts;
mod feed_forward;
mod gate;
mod kinds;
mod latent;
mod layer;
mod layer_inputs;
mod numbers;
mod output;
mod projections;
mod recurrent;
mod rope;
mod yarn;

use std::collections::BTreeSet;

use architectures::{Architecture, NormKind};

use super::{
    Model,
    config::{Assumption, Format, Pairing},
    keys::{Keys, Stated},
    tensor::Tensor,
    tensors::{Place, Tensors},
    unhonoured::is_used_elsewhere,
};
use crate::{
    error::Error,
    program::{Factors, Instruction, Norm, Op, Setting, Slot, Stage, Step, Width},
};
use numbers::Numbers;

/// The key of APR files that says whether the embedding is the output matrix.
pub(super) const TIED: &str = "tied_embeddings";

/// A model, and the keys that were read for it.
pub(super) struct Built {
    pub(super) model: Model,
    pub(super) asked: BTreeSet<&'static str>,
}

/// Builds the model of an architecture; `pairing` is what the file itself says of the rotation.
///
/// # Errors
/// Fails when a key or a tensor is missing or contradicts others, and when it is not covered.
pub(super) fn build(
    format: Format,
    name: &str,
    stated: &dyn Stated,
    tensors: Tensors,
    pairing: Option<Pairing>,
) -> Result<Built, Error> {
    let Some(architecture) = architectures::find(name) else {
        let known = architectures::undescribed(name);
        let lacking = known.map_or_else(String::new, |known| format!(": {}", known.lacking));
        let what = format_args!("arch {}{lacking}", name.escape_debug());
        return Err(Error::not_covered(what));
    };
    let keys = Keys::new(stated);
    let mut assumptions = Vec::new();
    let numbers = Numbers::resolve(
        architecture,
        format,
        &keys,
        &tensors,
        pairing,
        &mut assumptions,
    )?;
    let mut builder = Builder {
        architecture,
        keys: &keys,
        numbers: &numbers,
        tensors,
        assumptions,
        program: Vec::new(),
        factors: None,
    };
    builder.embedding()?;
    for index in 0..numbers.layers {
        builder.layer(index)?;
    }
    builder.refuse_further_layers()?;
    let tied = builder.output(format)?;
    let Builder {
        tensors,
        assumptions,
        program,
        ..
    } = builder;
    let drafts = numbers.layers..numbers.blocks;
    let left = tensors.left.keys().map(String::as_str);
    refuse_unread(
        left.filter(|name| !layer_of(name).is_some_and(|layer| drafts.contains(&layer))),
    )?;
    Ok(Built {
        model: Model {
            format,
            config: numbers.config(tied),
            assumptions,
            unused: tensors.left.into_keys().collect(),
            program,
        },
        asked: keys.asked(),
    })
}

/// A program while it is written.
pub(super) struct Builder<'a> {
    architecture: &'static Architecture,
    keys: &'a Keys<'a>,
    numbers: &'a Numbers,
    tensors: Tensors,
    assumptions: Vec<Assumption>,
    program: Vec<Instruction>,
    /// The factors of angles, once they were looked for.
    factors: Option<Option<Factors>>,
}

impl Builder<'_> {
    /// Adds a step of a layer, or of the whole model, and returns its settings.
    fn push(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        op: Op,
        (to, width): (Slot, Width),
    ) -> &mut Vec<Setting> {
        let step = Step { layer, stage };
        let in_order = self.program.last();
        let in_order = in_order.is_none_or(|last| last.step.order() < step.order());
        assert!(in_order, "{step} is written in the order of execution");
        let apart = op.product().is_none_or(|(from, _)| from != to);
        assert!(apart, "{step}: a product does not write where it reads");
        let instruction = Instruction {
            step,
            op,
            to,
            width,
            settings: Vec::new(),
        };
        self.program.push(instruction);
        let last = self.program.last_mut();
        &mut last
            .unwrap_or_else(|| unreachable!("it was just added"))
            .settings
    }

    /// Adds the product of a matrix without a bias; one that is there all the same is left, and refused with its name.
    fn product(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        part: &str,
        (from, to): (Slot, Slot),
        dims: [usize; 2],
    ) -> Result<(), Error> {
        let [_, rows] = dims;
        let matrix = self.take(layer, &format!("{part}.weight"), &dims)?;
        let op = Op::Product { from, matrix };
        self.push(layer, stage, op, (to, Width::Token(rows)));
        Ok(())
    }

    /// Adds a product, with a bias where the model has one under the name of the matrix.
    fn biased_product(
        &mut self,
        layer: Option<usize>,
        [stage, bias_stage]: [Stage; 2],
        part: &str,
        slots: (Slot, Slot),
        dims: [usize; 2],
    ) -> Result<(), Error> {
        self.product(layer, stage, part, slots, dims)?;
        let ((_, to), [_, rows]) = (slots, dims);
        self.bias(layer, bias_stage, part, (to, rows))
    }

    /// Adds the bias of a matrix other than query, key and value, where the model has one.
    fn bias(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        part: &str,
        (to, rows): (Slot, usize),
    ) -> Result<(), Error> {
        if let Some(vector) = self.further_bias(layer, part, rows)? {
            let op = Op::AddVector { vector };
            self.push(layer, stage, op, (to, Width::Token(rows)));
        }
        Ok(())
    }

    /// Multiplies a product by the one number that a file may state beside its matrix.
    fn factor(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        factor: Option<Tensor>,
        to: (Slot, Width),
    ) {
        if let Some(vector) = factor {
            self.push(layer, stage, Op::MultiplyVector { vector }, to);
        }
    }

    /// Adds the norm of rows of the architecture, with the tensors of a name.
    fn norm(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        part: &str,
        (from, to): (Slot, Slot),
        width: usize,
    ) -> Result<(), Error> {
        let norm = self.row_norm(layer, part, width)?;
        self.push_norm(layer, stage, norm, (from, to), width);
        Ok(())
    }

    /// Adds a norm by root mean square of each `length` values of a slot, whatever the norms of whole rows are.
    fn rms_norm(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        (length, weight): (usize, Option<Tensor>),
        slots: (Slot, Slot),
        width: usize,
    ) {
        let norm = Norm {
            centred: false,
            epsilon: self.numbers.epsilon,
            length,
            weight,
            bias: None,
        };
        self.push_norm(layer, stage, norm, slots, width);
    }

    fn push_norm(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        norm: Norm,
        (from, to): (Slot, Slot),
        width: usize,
    ) {
        let name = match norm.centred {
            false => "rms_norm_eps",
            true => "layer_norm_eps",
        };
        let value = norm.epsilon.to_string();
        let settings = self.push(
            layer,
            stage,
            Op::Norm { from, norm },
            (to, Width::Token(width)),
        );
        settings.push(Setting { name, value });
    }

    fn row_norm(&mut self, layer: Option<usize>, part: &str, length: usize) -> Result<Norm, Error> {
        let kind = self.architecture.norm;
        let weight = match kind {
            NormKind::LayerWithoutWeight => None,
            NormKind::Rms | NormKind::Layer => {
                Some(self.take(layer, &format!("{part}.weight"), &[length])?)
            }
        };
        let bias = self.further_bias(layer, part, length)?;
        Ok(Norm {
            centred: kind != NormKind::Rms,
            epsilon: self.numbers.epsilon,
            length,
            weight,
            bias,
        })
    }

    fn take(&mut self, layer: Option<usize>, part: &str, dims: &[usize]) -> Result<Tensor, Error> {
        let dims: Vec<_> = dims.iter().copied().map(Some).collect();
        self.tensors.take(Place { layer, part }, &dims)
    }

    fn has(&self, layer: Option<usize>, part: &str) -> bool {
        self.tensors.has(Place { layer, part })
    }

    fn dims(&self, layer: Option<usize>, part: &str) -> Option<Vec<usize>> {
        self.tensors.dims(Place { layer, part })
    }

    /// The rows of a matrix, if present.
    fn rows(&self, layer: Option<usize>, part: &str) -> Option<usize> {
        self.tensors.rows(Place { layer, part })
    }

    /// The first of some norms that a layer has.
    fn first_of(&self, layer: usize, names: &[&'static str]) -> Option<&'static str> {
        if self.architecture.norm == NormKind::LayerWithoutWeight {
            return names.first().copied();
        }
        let mut present = names.iter().copied();
        let has = |name: &&str| self.has(Some(layer), &format!("{name}.weight"));
        // The last one is required.
        present.find(has).or_else(|| names.last().copied())
    }

    fn refuse_further_layers(&self) -> Result<(), Error> {
        let layers = self.numbers.blocks;
        if self.has(Some(layers), "attn_norm.weight") {
            let found = format_args!("tensors of layer {layers}");
            let expected = format_args!("no more than {layers}");
            return Err(Error::model(self.keys.name("block_count"), expected, found));
        }
        Ok(())
    }
}

/// The layer of a tensor, by its name in GGUF.
fn layer_of(name: &str) -> Option<usize> {
    let (layer, _) = name.strip_prefix("blk.")?.split_once('.')?;
    layer.parse().ok()
}

/// What leaves out a tensor that an engine would use is not that model.
fn refuse_unread<'a>(left: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let used = left.filter(|name| is_used_elsewhere(name));
    let unread: Vec<String> = used.map(str::to_owned).collect();
    let Some((first, others)) = unread.split_first() else {
        return Ok(());
    };
    let first = first.escape_debug();
    let what = match others.len() {
        0 => format!("tensor \"{first}\""),
        more => format!("tensor \"{first}\" and {more} more"),
    };
    Err(Error::NotCovered { what, unread })
}

/// A setting of a step.
fn setting(name: &'static str, value: impl ToString) -> Setting {
    Setting {
        name,
        value: value.to_string(),
    }
}

/// The product of two sizes that a file states.
fn times(a: usize, b: usize, what: &str) -> Result<usize, Error> {
    let product = a.checked_mul(b);
    product.ok_or_else(|| Error::model(what, "smaller numbers", format_args!("{a} * {b}")))
}
