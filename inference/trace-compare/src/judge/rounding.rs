//! How engines round activations before they multiply.
//!
//! An engine that multiplies integers turns the activations of a product into 8 bits first. Done the same way here, on the
//! same activations, its products can be compared with exact ones.

use inference::WeightType;

/// A rounding of the activations of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rounding {
    /// None: the product of the values as they are.
    None,
    /// 8 bits and one f32 scale for each 256 values (Q8_K of ggml).
    Q8K,
    /// 8 bits and one f16 scale for each 32 values (Q8_0 of ggml).
    Q8_0,
    /// As [`Self::Q8_0`], and the sum of the 32, which the minimum of the weights is multiplied by, is rounded to f16 (Q8_1 of
    /// ggml).
    Q8_1,
    /// To f16.
    F16,
    /// To bf16.
    BF16,
}

impl Rounding {
    /// Returns the name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Q8K => "Q8_K, 8 bits per 256",
            Self::Q8_0 => "Q8_0, 8 bits per 32",
            Self::Q8_1 => "Q8_1, 8 bits per 32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        }
    }

    /// The roundings that engines use for weights of a type: none, that of ggml, others.
    pub(crate) const fn candidates(weight_type: WeightType) -> &'static [Self] {
        match weight_type {
            WeightType::F32 => &[Self::None],
            WeightType::F16 => &[Self::None, Self::F16],
            WeightType::BF16 => &[Self::None, Self::BF16],
            WeightType::Q4_0
            | WeightType::Q5_0
            | WeightType::Q8_0
            | WeightType::Iq4Nl
            | WeightType::Mxfp4
            | WeightType::Nvfp4
            | WeightType::Q1_0
            | WeightType::Q2_0 => &[Self::None, Self::Q8_0],
            WeightType::Q4_1 | WeightType::Q5_1 => &[Self::None, Self::Q8_1, Self::Q8_0],
            WeightType::Q2K
            | WeightType::Q3K
            | WeightType::Q4K
            | WeightType::Q5K
            | WeightType::Q6K
            | WeightType::Iq1S
            | WeightType::Iq1M
            | WeightType::Iq2Xxs
            | WeightType::Iq2Xs
            | WeightType::Iq2S
            | WeightType::Iq3Xxs
            | WeightType::Iq3S
            | WeightType::Iq4Xs
            | WeightType::Tq1_0
            | WeightType::Tq2_0 => &[Self::None, Self::Q8K, Self::Q8_0],
        }
    }

    /// Rounds rows of `columns` values; a block never spans rows.
    pub(crate) fn apply(self, values: &[f32], columns: usize) -> Vec<f64> {
        let rows = values.chunks(columns.max(1));
        match self {
            Self::None => values.iter().map(|x| f64::from(*x)).collect(),
            Self::F16 => values
                .iter()
                .map(|x| half::f16::from_f32(*x).to_f64())
                .collect(),
            Self::BF16 => values
                .iter()
                .map(|x| half::bf16::from_f32(*x).to_f64())
                .collect(),
            Self::Q8K => rows
                .flat_map(|row| row.chunks(256))
                .flat_map(q8_k)
                .collect(),
            Self::Q8_0 | Self::Q8_1 => rows.flat_map(|row| row.chunks(32)).flat_map(q8_0).collect(),
        }
    }
}

/// What the rounding of the sums of Q8_1 adds, for each block of 32: the sum as it is stored, less that of the rounded values.
pub(crate) fn sum_corrections(values: &[f32], columns: usize) -> Vec<f64> {
    let blocks = values.chunks(columns.max(1)).flat_map(|row| row.chunks(32));
    let correction = |block: &[f32]| {
        let Scaled { scale, quantised } = scaled(block);
        let sum: f32 = quantised.iter().sum();
        let stored = half::f16::from_f32(scale * sum).to_f64();
        let rounded = half::f16::from_f32(scale).to_f64() * f64::from(sum);
        stored - rounded
    };
    blocks.map(correction).collect()
}

/// The value of the largest magnitude, the first of them, becomes -127; ties of the rest go to the even integer.
fn q8_k(block: &[f32]) -> Vec<f64> {
    let largest = block
        .iter()
        .fold(0f32, |max, x| if x.abs() > max.abs() { *x } else { max });
    if largest == 0.0 {
        return vec![0.0; block.len()];
    }
    let inverse = -127.0 / largest;
    let scale = f64::from(1.0 / inverse);
    let quantised = block
        .iter()
        .map(|x| f64::from((inverse * x).round_ties_even().min(127.0)));
    quantised.map(|q| q * scale).collect()
}

/// The scale is stored as f16, the integers are made with the unrounded one.
fn q8_0(block: &[f32]) -> Vec<f64> {
    let Scaled { scale, quantised } = scaled(block);
    let scale = half::f16::from_f32(scale).to_f64();
    quantised
        .into_iter()
        .map(|q| f64::from(q) * scale)
        .collect()
}

/// A block whose largest magnitude is 127 units.
struct Scaled {
    scale: f32,
    quantised: Vec<f32>,
}

fn scaled(block: &[f32]) -> Scaled {
    let largest = block.iter().fold(0f32, |max, x| max.max(x.abs()));
    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    Scaled {
        scale: largest / 127.0,
        quantised: block
            .iter()
            .map(|x| (inverse * x).round_ties_even())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_is_kept_and_zeros_stay_zeros() {
        let mut values = vec![0.0f32; 512];
        values[3] = -2.5;
        values[4] = 1.0;
        let rounded = Rounding::Q8K.apply(&values, 512);
        assert!((rounded[3] + 2.5).abs() < 1e-6);
        // -127 / -2.5 = 50.8 steps of 2.5 / 127.
        assert!((rounded[4] - 51.0 * 2.5 / 127.0).abs() < 1e-6);
        assert!(rounded[256..].iter().all(|x| *x == 0.0));
        let rounded = Rounding::Q8_0.apply(&values, 512);
        assert!((rounded[3] + 2.5).abs() < 2e-3);
    }

    #[test]
    fn positive_values_are_capped_at_127() {
        // The largest magnitude is negative, so its inverse is positive and an equal positive value becomes 127.
        let mut values = vec![0.0f32; 256];
        values[0] = -1.0;
        values[1] = 1.0;
        let rounded = Rounding::Q8K.apply(&values, 256);
        assert_eq!(rounded[1], -rounded[0]);
    }

    #[test]
    fn blocks_do_not_span_rows() {
        let values: Vec<f32> = (0..128).map(|i| i as f32).collect();
        let whole = Rounding::Q8K.apply(&values, 64);
        let rows = [
            Rounding::Q8K.apply(&values[..64], 64),
            Rounding::Q8K.apply(&values[64..], 64),
        ];
        assert_eq!(whole, rows.concat());
    }
}
