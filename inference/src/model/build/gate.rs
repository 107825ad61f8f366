//! How the logits of a router become weights, as a key says or its absence means.

use architectures::{Gate, KeyedGate};

use super::Builder;
use crate::{
    error::Error,
    model::{Assumption, keys::Keys},
};

const KEY: &str = "expert_gating_func";

impl Builder<'_> {
    pub(super) fn gate(&mut self, gate: Gate) -> Result<Gate, Error> {
        let Gate::Key(default) = gate else {
            return Ok(gate);
        };
        let numbers = (self.numbers.layers, self.numbers.vocabulary);
        let (gate, assumption) = settled(default, self.keys, numbers)?;
        // Once for all layers.
        let new = |assumption: &Assumption| !self.assumptions.contains(assumption);
        if let Some(assumption) = assumption.filter(new) {
            self.assumptions.push(assumption);
        }
        Ok(gate)
    }
}

fn settled(
    default: KeyedGate,
    keys: &Keys<'_>,
    (layers, vocabulary): (usize, usize),
) -> Result<(Gate, Option<Assumption>), Error> {
    let gate = match (keys.count(KEY)?.unwrap_or(0), default) {
        (0, KeyedGate::SoftmaxButFlash) => {
            // The key counts, not the rows of the embedding (src/models/deepseek2.cpp of llama.cpp).
            let tokens = keys.count("vocab_size")?.unwrap_or(vocabulary);
            if matches!(layers, 47 | 48) && tokens == 154_880 {
                let assumption = Assumption {
                    what: keys.name(KEY),
                    value: "2 (sigmoid)".to_owned(),
                    why: "as llama.cpp does for this number of layers and tokens",
                };
                return Ok((Gate::Sigmoid, Some(assumption)));
            }
            Gate::Softmax
        }
        (1, _) | (0, KeyedGate::Softmax) => Gate::Softmax,
        (2, _) | (0, KeyedGate::Sigmoid) => Gate::Sigmoid,
        (3, _) => Gate::SoftmaxOfChosen,
        // The square root of softplus, which llama.cpp has.
        (4, _) => return Err(Error::not_covered(format_args!("{} 4", keys.name(KEY)))),
        (other, _) => return Err(Error::model(keys.name(KEY), "1, 2 or 3", other)),
    };
    Ok((gate, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::keys::Listed;

    #[test]
    fn glm_4_7_flash_is_known_by_its_numbers() {
        for (numbers, layers, vocabulary, gate) in [
            (&[][..], 47, 154_880, Gate::Sigmoid),
            (&[], 48, 154_880, Gate::Sigmoid),
            (&[], 46, 154_880, Gate::Softmax),
            (&[], 47, 154_881, Gate::Softmax),
            (&[("vocab_size", 154_880.0)], 47, 320, Gate::Sigmoid),
            (&[("vocab_size", 320.0)], 47, 154_880, Gate::Softmax),
            (&[(KEY, 1.0)], 47, 154_880, Gate::Softmax),
        ] {
            let stated = Listed {
                numbers,
                texts: &[],
            };
            let keys = Keys::new(&stated);
            let default = KeyedGate::SoftmaxButFlash;
            let (found, assumption) = settled(default, &keys, (layers, vocabulary)).unwrap();
            assert_eq!(found, gate, "{numbers:?} {layers} {vocabulary}");
            assert_eq!(assumption.is_some(), gate == Gate::Sigmoid);
        }
        let stated = Listed {
            numbers: &[(KEY, 4.0)],
            texts: &[],
        };
        let error = settled(KeyedGate::Softmax, &Keys::new(&stated), (2, 320)).unwrap_err();
        assert_eq!(error.to_string(), "not covered (expert_gating_func 4)");
    }
}
