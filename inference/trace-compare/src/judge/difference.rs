//! The distance between two sets of values.

use schemars::JsonSchema;
use serde::Serialize;

/// The difference between their values and ours. In JSON, a number that is not finite is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TraceDifference")]
pub struct Difference {
    /// |theirs - ours| / |ours|, Euclidean; infinite where ours are 0 and theirs are not, or where one is not finite.
    #[schemars(with = "Option<f64>")]
    pub relative: f64,
    /// The largest distance of one value.
    #[schemars(with = "Option<f64>")]
    pub largest: f64,
    /// The cosine between both; 1 where both are 0.
    #[schemars(with = "Option<f64>")]
    pub cosine: f64,
    /// The value that is farthest away.
    pub worst: Option<Element>,
    /// The first value that is farther away than its gate times the root mean square of ours.
    pub first: Option<Element>,
}

/// One value on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "TraceElement")]
pub struct Element {
    /// The position in the prompt.
    pub token: usize,
    /// The index among the values of the token.
    pub index: usize,
    /// Their value.
    #[schemars(with = "Option<f64>")]
    pub theirs: f64,
    /// Ours.
    #[schemars(with = "Option<f64>")]
    pub ours: f64,
}

impl Difference {
    /// Compares as many values as both have; `width` values belong to a token, the first of which is at `first_token`.
    pub(crate) fn between(
        theirs: &[f32],
        ours: &[f64],
        width: usize,
        first_token: usize,
        element_gate: f64,
    ) -> Self {
        let (mut gap, mut norm, mut their_norm, mut inner) = (0f64, 0f64, 0f64, 0f64);
        for (a, b) in theirs.iter().map(|a| f64::from(*a)).zip(ours) {
            gap += (a - b).powi(2);
            norm += b * b;
            their_norm += a * a;
            inner += a * b;
        }
        let mean_square = norm / number(ours.len().max(1));
        let threshold = element_gate * mean_square.sqrt();
        let mut found = Self {
            relative: ratio(gap.sqrt(), norm.sqrt()),
            largest: 0.0,
            cosine: match norm * their_norm {
                0.0 if gap == 0.0 => 1.0,
                product => inner / product.sqrt(),
            },
            worst: None,
            first: None,
        };
        for (position, (a, b)) in theirs.iter().zip(ours).enumerate() {
            let (theirs, ours) = (f64::from(*a), *b);
            let distance = (theirs - ours).abs();
            let beyond = distance > threshold || distance.is_nan();
            if !(beyond || distance > found.largest) {
                continue;
            }
            let element = Element {
                token: position / width + first_token,
                index: position % width,
                theirs,
                ours,
            };
            if beyond && found.first.is_none() {
                found.first = Some(element);
            }
            if distance > found.largest || distance.is_nan() && !found.largest.is_nan() {
                found.largest = distance;
                found.worst = Some(element);
            }
        }
        found
    }

    /// Returns whether the whole is within `gate` and no value is beyond the gate of elements.
    pub(crate) fn within(&self, gate: f64) -> bool {
        self.relative <= gate && self.first.is_none()
    }
}

fn ratio(gap: f64, norm: f64) -> f64 {
    if gap == 0.0 {
        0.0
    } else if gap.is_nan() || norm == 0.0 {
        f64::INFINITY
    } else {
        gap / norm
    }
}

pub(crate) const fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_farthest_value_are_named() {
        let ours = vec![1.0; 12];
        let mut theirs = vec![1.0; 12];
        theirs[5] = 1.01;
        theirs[10] = 0.5;
        let found = Difference::between(&theirs, &ours, 4, 3, 1e-5);
        let place = |element: Option<Element>| element.map(|e| (e.token, e.index));
        assert_eq!(place(found.first), Some((4, 1)));
        assert_eq!(place(found.worst), Some((5, 2)));
        assert!((found.largest - 0.5).abs() < 1e-6 && found.cosine < 1.0);
        assert!(!found.within(1.0));
    }

    #[test]
    fn equal_values_zeros_and_nans() {
        let same = Difference::between(&[0.0, 0.0], &[0.0, 0.0], 2, 0, 1e-5);
        assert_eq!((same.relative, same.cosine), (0.0, 1.0));
        assert!(same.within(0.0));
        let invented = Difference::between(&[1e-9, 0.0], &[0.0, 0.0], 2, 0, 1e-5);
        assert!(invented.relative.is_infinite() && invented.first.is_some());
        let broken = Difference::between(&[1.0, f32::NAN], &[1.0, 1.0], 2, 0, 1e-5);
        assert!(broken.relative.is_infinite());
        assert_eq!(broken.first.map(|element| element.index), Some(1));
        assert!(!broken.within(1.0));
    }
}
