//! Rotary positions (rule 4): tables in f64, rounded once, and a rotation of two products and one sum.

use std::f64::consts::PI;

use crate::{
    arithmetic::number::Real,
    model::{Pairing, Rope, Scaling, Yarn},
};

/// The cosines and sines of all positions of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table<F> {
    pairing: Pairing,
    /// Values of a head that rotate.
    dims: usize,
    /// `dims / 2` pairs (cosine, sine) for each position.
    turns: Vec<(F, F)>,
}

impl<F: Real> Table<F> {
    /// Computes the table for positions 0 to `tokens` - 1; `factors` divide the angle of each pair (llama3).
    #[expect(
        clippy::indexing_slicing,
        reason = "loading checked that there is a factor for each pair"
    )]
    pub(crate) fn new(rope: &Rope, factors: Option<&[f32]>, tokens: usize) -> Self {
        let pairs = rope.dims / 2;
        let angles: Vec<f64> = (0..pairs)
            .map(|pair| {
                let factor = factors.map_or(1.0, |factors| factors[pair]);
                if rope.still.contains(&pair) {
                    return 0.0;
                }
                angle_of_one_step(rope, pair, f64::from(factor))
            })
            .collect();
        let magnitude = rope.magnitude;
        let turns = (0..tokens)
            .flat_map(|position| angles.iter().map(move |angle| number(position) * angle))
            .map(|angle| {
                let (sine, cosine) = libm::sincos(angle);
                (
                    F::from_f64(cosine * magnitude),
                    F::from_f64(sine * magnitude),
                )
            })
            .collect();
        Self {
            pairing: rope.pairing,
            dims: rope.dims,
            turns,
        }
    }

    /// Rotates every head of every token, `dims` values from the given one on; the others of a head are kept.
    #[expect(
        clippy::indexing_slicing,
        reason = "loading checked that what rotates is a part of a head"
    )]
    pub(crate) fn rotate(
        &self,
        values: &mut [F],
        token_length: usize,
        (head_dim, first): (usize, usize),
    ) {
        let pairs = self.dims / 2;
        let tokens = values.chunks_mut(token_length);
        for (token, turns) in tokens.zip(self.turns.chunks(pairs)) {
            for head in token.chunks_mut(head_dim) {
                self.rotate_head(&mut head[first..], turns);
            }
        }
    }

    /// Cosine and sine of each pair, position by position.
    #[cfg(test)]
    pub(crate) fn pairs(&self) -> Vec<F> {
        let pairs = self.turns.iter();
        pairs.flat_map(|(cosine, sine)| [*cosine, *sine]).collect()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "dims is at most the length of a head, and a pair is below dims / 2"
    )]
    fn rotate_head(&self, head: &mut [F], turns: &[(F, F)]) {
        for (pair, (cosine, sine)) in turns.iter().copied().enumerate() {
            let (i, j) = match self.pairing {
                Pairing::Norm => (2 * pair, 2 * pair + 1),
                Pairing::Neox => (pair, pair + self.dims / 2),
            };
            let (x, y) = (head[i], head[j]);
            head[i] = x * cosine - y * sine;
            head[j] = x * sine + y * cosine;
        }
    }
}

/// The parts that a GPU needs.
#[cfg(feature = "cuda")]
impl<F> Table<F> {
    /// The values of a head that rotate.
    pub(crate) const fn dims(&self) -> usize {
        self.dims
    }

    /// Which values of a head are a pair.
    pub(crate) const fn pairing(&self) -> Pairing {
        self.pairing
    }

    /// `dims / 2` pairs (cosine, sine) for each position.
    pub(crate) fn turns(&self) -> &[(F, F)] {
        &self.turns
    }
}

/// The angle that a pair turns by from one position to the next.
fn angle_of_one_step(rope: &Rope, pair: usize, factor: f64) -> f64 {
    let exponent = -2.0 * number(pair) / number(rope.dims);
    let plain = libm::pow(rope.base, exponent) / factor;
    match &rope.scaling {
        Scaling::None => plain,
        Scaling::Linear { factor } => plain / f64::from(*factor),
        Scaling::Yarn(yarn) => {
            let stretched = plain / f64::from(yarn.factor);
            let mix = f64::from(yarn.extrapolation) * (1.0 - ramp(rope, yarn, pair));
            stretched * (1.0 - mix) + plain * mix
        }
    }
}

/// 0 for the pairs that turn fast, 1 for those that turn slowly.
fn ramp(rope: &Rope, yarn: &Yarn, pair: usize) -> f64 {
    let corrected = |beta: f32| {
        let turns = number(yarn.original_context) / (f64::from(beta) * 2.0 * PI);
        number(rope.dims) * libm::log(turns) / (2.0 * libm::log(rope.base))
    };
    let low = libm::floor(corrected(yarn.beta_fast)).max(0.0);
    let high = libm::ceil(corrected(yarn.beta_slow)).min(number(rope.dims) - 1.0);
    ((number(pair) - low) / (high - low).max(0.001)).clamp(0.0, 1.0)
}

impl Scaling {
    /// What cosine and sine are multiplied by, as YaRN has it.
    pub(crate) fn magnitude(&self) -> f64 {
        match self {
            Self::Yarn(yarn) if yarn.extrapolation != 0.0 && yarn.factor > 1.0 => {
                f64::from(yarn.attention) * (1.0 + 0.1 * libm::log(f64::from(yarn.factor)))
            }
            Self::Yarn(yarn) => f64::from(yarn.attention),
            Self::None | Self::Linear { .. } => 1.0,
        }
    }
}

const fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
mod tests {
    use super::*;

    type Table = super::Table<f32>;

    #[test]
    fn the_two_pairings_rotate_other_pairs() {
        let mut head = [1.0, 2.0, 3.0, 4.0];
        let norm = Table::new(&rope(Pairing::Norm, Scaling::None), None, 2);
        norm.rotate_head(&mut head, &norm.turns[2..]);
        let (sine, cosine) = 1f64.sin_cos();
        assert_eq!(head[0], (cosine as f32) - 2.0 * (sine as f32));
        let mut head = [1.0, 2.0, 3.0, 4.0];
        let neox = Table::new(&rope(Pairing::Neox, Scaling::None), None, 2);
        neox.rotate_head(&mut head, &neox.turns[2..]);
        assert_eq!(head[0], (cosine as f32) - 3.0 * (sine as f32));
        assert_eq!(norm.turns, neox.turns);
    }

    #[test]
    fn position_zero_changes_nothing() {
        let table = Table::new(&rope(Pairing::Neox, Scaling::None), None, 1);
        let mut values = [1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        table.rotate(&mut values, 8, (4, 0));
        assert_eq!(values, [1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn scaling_divides_the_position_and_factors_the_angle() {
        let plain = Table::new(&rope(Pairing::Neox, Scaling::None), None, 3);
        let linear = Scaling::Linear { factor: 2.0 };
        let linear = Table::new(&rope(Pairing::Neox, linear), None, 5);
        assert_eq!(linear.turns[8..], plain.turns[4..]);
        let factors = Table::new(&rope(Pairing::Neox, Scaling::None), Some(&[2.0, 2.0]), 5);
        assert_eq!(factors, linear);
    }

    #[test]
    fn yarn_keeps_fast_pairs_and_stretches_slow_ones() {
        let yarn = Yarn {
            factor: 4.0,
            original_context: 512,
            extrapolation: 1.0,
            attention: 1.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
        };
        let mut rope = rope(Pairing::Norm, Scaling::Yarn(yarn));
        rope.dims = 64;
        let plain = |pair: usize| 10_000f64.powf(-2.0 * pair as f64 / 64.0);
        assert!((angle_of_one_step(&rope, 0, 1.0) - plain(0)).abs() < 1e-15);
        assert!((angle_of_one_step(&rope, 31, 1.0) - plain(31) / 4.0).abs() < 1e-15);
        let middle = angle_of_one_step(&rope, 8, 1.0);
        assert!(middle < plain(8) && middle > plain(8) / 4.0);
        assert!((rope.scaling.magnitude() - 1.138_629_436).abs() < 1e-9);
    }

    fn rope(pairing: Pairing, scaling: Scaling) -> Rope {
        Rope {
            pairing,
            base: 10_000.0,
            dims: 4,
            magnitude: scaling.magnitude(),
            scaling,
            still: Vec::new(),
        }
    }
}
