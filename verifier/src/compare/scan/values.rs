//! The decoded values of two tensors side by side.

use crate::decode::blocks::can_decode;
use crate::decode::types::BlockType;

/// What the values of two tensors say. Sums are in f64, in the order of the elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Statistics {
    /// Elements compared.
    pub(crate) elements: u64,
    /// Elements whose f32 bits differ.
    pub(crate) different: u64,
    /// The first of them.
    pub(crate) first: Option<u64>,
    /// The last of them.
    pub(crate) last: Option<u64>,
    /// Mean of each side, APR first.
    pub(crate) mean: [f64; 2],
    /// Standard deviation of each side, APR first.
    pub(crate) standard_deviation: [f64; 2],
    /// Largest absolute difference.
    pub(crate) maximum: f64,
    /// Root of the mean squared difference.
    pub(crate) root_mean_square: f64,
    /// The quotient APR / GGUF, when it is the same for all elements to one part in ten thousand.
    pub(crate) ratio: Option<f64>,
}

pub(crate) struct ValueWalk {
    statistics: Statistics,
    sum: [f64; 2],
    squares: [f64; 2],
    difference_squares: f64,
    ratio: Ratio,
}

enum Ratio {
    Unknown,
    Same(f64),
    None,
}

impl ValueWalk {
    /// Starts a walk; none when one of the types cannot be decoded.
    pub(crate) fn new(apr: &BlockType, gguf: &BlockType) -> Option<Self> {
        (can_decode(apr) && can_decode(gguf)).then_some(Self {
            statistics: Statistics {
                elements: 0,
                different: 0,
                first: None,
                last: None,
                mean: [0.0; 2],
                standard_deviation: [0.0; 2],
                maximum: 0.0,
                root_mean_square: 0.0,
                ratio: None,
            },
            sum: [0.0; 2],
            squares: [0.0; 2],
            difference_squares: 0.0,
            ratio: Ratio::Unknown,
        })
    }

    /// Takes the values from `element` on.
    pub(crate) fn compare(&mut self, element: u64, apr: &[f32], gguf: &[f32]) {
        for (index, (&a, &g)) in apr.iter().zip(gguf).enumerate() {
            let statistics = &mut self.statistics;
            statistics.elements += 1;
            let values = [f64::from(a), f64::from(g)];
            for (side, value) in values.iter().enumerate() {
                if let (Some(sum), Some(squares)) =
                    (self.sum.get_mut(side), self.squares.get_mut(side))
                {
                    *sum += value;
                    *squares += value * value;
                }
            }
            if a.to_bits() != g.to_bits() {
                let at = element + index as u64;
                statistics.different += 1;
                statistics.first.get_or_insert(at);
                statistics.last = Some(at);
                let difference = (values[0] - values[1]).abs();
                // NaN is larger than any difference that could be measured.
                if difference > statistics.maximum || difference.is_nan() {
                    statistics.maximum = difference;
                }
                self.difference_squares += difference * difference;
            }
            self.ratio.note(values);
        }
    }

    pub(crate) fn end(mut self) -> Statistics {
        let count = self.statistics.elements.max(1) as f64;
        for side in 0..2 {
            let (Some(sum), Some(squares)) = (self.sum.get(side), self.squares.get(side)) else {
                continue;
            };
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            if let (Some(slot), Some(deviation)) = (
                self.statistics.mean.get_mut(side),
                self.statistics.standard_deviation.get_mut(side),
            ) {
                *slot = mean;
                *deviation = variance.sqrt();
            }
        }
        self.statistics.root_mean_square = (self.difference_squares / count).sqrt();
        if let Ratio::Same(ratio) = self.ratio
            && (ratio - 1.0).abs() > RATIO_TOLERANCE
        {
            self.statistics.ratio = Some(ratio);
        }
        self.statistics
    }
}

impl Ratio {
    fn note(&mut self, [a, g]: [f64; 2]) {
        if a == 0.0 && g == 0.0 {
            return;
        }
        let ratio = a / g;
        *self = match *self {
            Self::Unknown if ratio.is_finite() && ratio != 0.0 => Self::Same(ratio),
            Self::Same(first) if (ratio / first - 1.0).abs() <= RATIO_TOLERANCE => return,
            _ => Self::None,
        };
    }
}

const RATIO_TOLERANCE: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::types::TYPES;

    #[test]
    fn a_scaled_tensor_shows_its_factor() {
        let gguf: Vec<f32> = (0..100).map(|index| (index as f32 - 50.0) / 7.0).collect();
        let apr: Vec<f32> = gguf.iter().map(|value| value * 10.0).collect();
        let mut walk = ValueWalk::new(&TYPES[0], &TYPES[0]).unwrap();
        walk.compare(0, &apr, &gguf);
        let found = walk.end();
        assert!((found.ratio.unwrap() - 10.0).abs() < 1e-4);
        assert_eq!(
            (found.different, found.first, found.last),
            (99, Some(0), Some(99))
        );
        assert!((found.maximum - 9.0 * 50.0 / 7.0).abs() < 1e-4);
    }
}
