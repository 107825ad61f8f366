use fixtures::random::Random;

use super::{
    super::device::{Device, in_every_order},
    any_values, normals,
};
use crate::{
    arithmetic::attention,
    program::{Heads, Reach, ScoreScale},
};

#[test]
fn attention_has_the_bits_of_a_cpu() {
    let mut random = Random::new(6);
    for (queries, key_values, dim, tokens) in
        [(4, 2, 64, 40), (3, 1, 20, 17), (2, 2, 130, 5), (1, 1, 8, 1)]
    {
        let inputs = Inputs::new([queries, key_values, dim, tokens], normals, &mut random);
        for are_odd in [false, true] {
            in_every_order(|device| inputs.agree(device, are_odd));
        }
    }
}

#[test]
fn attention_of_every_shape() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut below = |bound: u64| random.below(bound) as usize + 1;
        let (tokens, dim, key_values, group) = (below(40), below(70), below(3), below(3));
        let shape = [key_values * group, key_values, dim, tokens];
        let inputs = Inputs::new(shape, any_values, &mut random);
        let agree = inputs.agree(&mut Device::of_seed(seed), false);
        assert_eq!(agree, Ok(()), "{seed}");
    }
}

struct Inputs {
    heads: Heads,
    tokens: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Inputs {
    fn new(
        [queries, key_values, dim, tokens]: [usize; 4],
        values: fn(usize, &mut Random) -> Vec<f32>,
        random: &mut Random,
    ) -> Self {
        Self {
            heads: Heads {
                queries,
                key_values,
                key_dim: dim,
                value_dim: dim,
                reach: Reach::All,
            },
            tokens,
            q: values(tokens * queries * dim, random),
            k: values(tokens * key_values * dim, random),
            v: values(tokens * key_values * dim, random),
        }
    }

    /// Holds each kernel against the CPU; odd scores are not those of the first one.
    fn agree(&self, device: &mut Device<'_>, are_odd: bool) -> Result<(), String> {
        let (heads, tokens) = (self.heads, self.tokens);
        let scale = ScoreScale::InverseRoot(heads.key_dim).as_f32();
        let [q, k, v] = [&self.q, &self.k, &self.v].map(|values| device.put(values));
        let mut scores = attention::scores(heads, scale, &self.q, &self.k, 1);
        let mut found = device.scores(heads, scale, tokens, q, k)?;
        device.holds(found, &scores)?;
        if are_odd {
            // The first row stays as it is.
            for (index, score) in scores.iter_mut().enumerate().skip(1) {
                match index % 61 {
                    0 => *score = f32::NAN,
                    7 => *score = f32::NEG_INFINITY,
                    11 => *score = -0.0,
                    13 => *score *= 100.0,
                    _ => {}
                }
            }
            found = device.put(&scores);
        }
        let probabilities = attention::softmax(heads, None, &scores, tokens, 1);
        let found = device.softmax(heads, tokens, found)?;
        device.holds(found, &probabilities)?;
        let found = device.weighted(heads, tokens, found, v)?;
        let attended = attention::weighted(heads, &probabilities, &self.v, tokens, 1);
        device.holds(found, &attended)
    }
}
