//! The comparison of two runs, stage by stage and bit for bit.

use crate::{
    arithmetic::{
        float_order::place,
        instruction_set::Instructions,
        matmul::same_bits,
        ordered_sum::{BLOCK, LANES, Lanes, Total},
    },
    program::Step,
    record::{
        Digests, Record, StageDigest, TokenSet,
        digest::{canonical, count},
    },
};

/// Every stage of a pair, compared: over all tokens, and over the last one.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Two rows for each stage, in the order of execution: all tokens, then the last one.
    pub rows: Vec<Row>,
}

/// A stage of both models for one set of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stage.
    pub step: Step,
    /// The record of each model; `None` where a model has no such stage.
    pub records: [Option<Record>; 2],
    /// What comparing them came to.
    pub outcome: Outcome,
}

/// What comparing two records came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// All values have the same bits, a NaN being a NaN.
    Equal,
    /// Some values differ.
    Different(Difference),
    /// They are unlike in this field, so nothing was compared.
    NotComparable(&'static str),
    /// One model has no such stage.
    Missing,
}

/// How the values of two comparable records differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// How many values differ.
    pub elements: usize,
    /// The first value that differs, from 0.
    pub first: usize,
    /// Both values there.
    pub values: [f32; 2],
    /// The largest distance in units in the last place, between values that are numbers.
    pub largest_ulp: u32,
    /// The largest absolute difference, between values that are numbers.
    pub largest_absolute: f64,
    /// The cosine of the angle between both; NaN where one of them is zero or has a NaN.
    pub cosine: f64,
}

impl Comparison {
    /// Returns the first row that is not equal, in the order of execution.
    pub fn first_difference(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.outcome != Outcome::Equal)
    }

    /// Compares a stage: the number of tokens, and the values of each side, token-major; `None` where a model has no such
    /// stage.
    pub(crate) fn stage(&mut self, step: Step, tokens: usize, values: [Option<&[f32]>; 2]) {
        let all = TokenSet::All { count: tokens };
        let position = tokens.saturating_sub(1);
        self.rows.push(row(step, all, values));
        let last = values.map(|values| values.map(|values| last_token(values, tokens)));
        self.rows.push(row(step, TokenSet::Last { position }, last));
    }

    /// Returns the digests of one side, 0 or 1, over all tokens.
    pub fn digests(&self, side: usize) -> Digests {
        let records = self.rows.iter().filter_map(|row| {
            let record = row.records.get(side)?.as_ref()?;
            matches!(record.tokens, TokenSet::All { .. }).then(|| StageDigest {
                step: record.step,
                elements: record.elements,
                nans: record.statistics.nans,
                digest: record.digest,
            })
        });
        Digests {
            stages: records.collect(),
        }
    }
}

impl Row {
    /// Makes a row of the records of both sides; `compared` is asked for the outcome where they are comparable.
    pub(crate) fn new(
        step: Step,
        records: [Option<Record>; 2],
        compared: impl FnOnce() -> Outcome,
    ) -> Self {
        let outcome = match &records {
            [Some(a), Some(b)] => match a.unlike(b) {
                Some(field) => Outcome::NotComparable(field),
                None => compared(),
            },
            _ => Outcome::Missing,
        };
        Self {
            step,
            records,
            outcome,
        }
    }

    /// Returns the standard deviation of the first side divided by that of the second.
    pub fn ratio(&self) -> Option<f64> {
        let [a, b] = self.deviations()?;
        Some(a / b).filter(|ratio| ratio.is_finite())
    }

    /// Returns |std A - std B| / std B: a number that others judge by, and that misses flipped bits and swapped tensors.
    pub fn drift(&self) -> Option<f64> {
        let [a, b] = self.deviations()?;
        Some((a - b).abs() / b.max(f64::EPSILON)).filter(|drift| drift.is_finite())
    }

    fn deviations(&self) -> Option<[f64; 2]> {
        let [a, b] = &self.records;
        Some([a.as_ref()?, b.as_ref()?].map(|record| record.statistics.standard_deviation))
    }
}

fn last_token(values: &[f32], tokens: usize) -> &[f32] {
    let length = values.len().checked_div(tokens).unwrap_or_default();
    let skipped = values.len().saturating_sub(length);
    values.get(skipped..).unwrap_or_default()
}

fn row(step: Step, tokens: TokenSet, values: [Option<&[f32]>; 2]) -> Row {
    let record = |values: &[f32]| Record::new(step, tokens, values);
    match values {
        [Some(a), Some(b)] if same_bits(a, b) => {
            // Equal values have equal records, which are not cheap to make.
            let of_both = record(a);
            Row::new(step, [Some(of_both.clone()), Some(of_both)], || {
                Outcome::Equal
            })
        }
        [Some(a), Some(b)] => Row::new(step, [Some(record(a)), Some(record(b))], || {
            difference(a, b)
        }),
        values => Row::new(step, values.map(|values| values.map(record)), || {
            Outcome::Missing
        }),
    }
}

fn difference(a: &[f32], b: &[f32]) -> Outcome {
    let mut pairs = a.iter().copied().zip(b.iter().copied()).enumerate();
    let Some((first, (at_a, at_b))) = pairs.find(|(_, (a, b))| differs(*a, *b)) else {
        return Outcome::Equal;
    };
    let found = Instructions::best().run(|| Sums::new(a, b));
    Outcome::Different(Difference {
        elements: found.elements,
        first,
        values: [at_a, at_b],
        largest_ulp: found.largest_ulp,
        largest_absolute: found.largest_absolute,
        cosine: cosine(found.products),
    })
}

/// The cosine of the angle between two vectors a and b, from the sums of a * b, a * a and b * b.
pub(crate) fn cosine([dot, square_a, square_b]: [f64; 3]) -> f64 {
    dot / (square_a * square_b).sqrt()
}

const fn differs(a: f32, b: f32) -> bool {
    canonical(a) != canonical(b)
}

/// What all values of two spans add up to, in the order of rule 10.
pub(crate) struct Sums {
    elements: usize,
    largest_ulp: u32,
    largest_absolute: f64,
    /// The sums of a * b, a * a and b * b.
    pub(crate) products: [f64; 3],
}

impl Sums {
    #[inline(always)]
    pub(crate) fn new(a: &[f32], b: &[f32]) -> Self {
        let mut elements = 0usize;
        let mut largest_ulp = 0;
        let mut largest_absolute = Lanes::ZERO;
        let mut products = [Total::ZERO; 3];
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            let pairs = || a.iter().copied().zip(b.iter().copied());
            let different = count(pairs().map(|(a, b)| differs(a, b)));
            elements = elements.saturating_add(different);
            largest_ulp = pairs().map(|(a, b)| ulp(a, b)).fold(largest_ulp, u32::max);
            let mut sums = [Lanes::ZERO; 3];
            let [dot, square_a, square_b] = &mut sums;
            for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                let pairs = || a.iter().copied().zip(b.iter().copied());
                largest_absolute.raise(pairs().map(|(a, b)| absolute(a, b)));
                dot.add(pairs().map(|(a, b)| f64::from(a) * f64::from(b)));
                square_a.add(a.iter().map(|a| f64::from(*a) * f64::from(*a)));
                square_b.add(b.iter().map(|b| f64::from(*b) * f64::from(*b)));
            }
            for (product, sums) in products.iter_mut().zip(sums) {
                product.add(sums);
            }
        }
        Self {
            elements,
            largest_ulp,
            largest_absolute: largest_absolute.greatest(),
            products: products.map(Total::sum),
        }
    }
}

/// The distance of two numbers in units in the last place; 0 where one is a NaN.
#[inline(always)]
const fn ulp(a: f32, b: f32) -> u32 {
    if a.is_nan() || b.is_nan() {
        0
    } else {
        place(a).abs_diff(place(b))
    }
}

/// The absolute difference of two numbers. Equal infinities differ by nothing, and so does a NaN from anything.
#[inline(always)]
fn absolute(a: f32, b: f32) -> f64 {
    if a.is_nan() || b.is_nan() || a == b {
        0.0
    } else {
        (f64::from(a) - f64::from(b)).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Stage;

    const STEP: Step = Step::in_layer(3, Stage::FfnGate);

    #[test]
    fn all_tokens_and_the_last_one_are_judged_apart() {
        let mut comparison = Comparison::default();
        comparison.stage(
            STEP,
            2,
            [Some(&[1.0, 2.0, 3.0, 4.0]), Some(&[1.0, 2.5, 3.0, 4.0])],
        );
        let [all, last] = comparison.rows.as_slice() else {
            panic!("{comparison:?}");
        };
        let Outcome::Different(found) = all.outcome else {
            panic!("{all:?}");
        };
        assert_eq!(
            (found.elements, found.first, found.values),
            (1, 1, [2.0, 2.5])
        );
        assert_eq!((found.largest_ulp, found.largest_absolute), (1 << 21, 0.5));
        assert!(found.cosine > 0.99 && found.cosine < 1.0);
        assert_eq!(last.outcome, Outcome::Equal);
        assert_eq!(last.records[0].as_ref().unwrap().elements, 2);
        assert_eq!(comparison.first_difference().unwrap().step, STEP);
    }

    #[test]
    fn a_nan_is_a_nan_and_the_zeros_differ() {
        let outcome = |a: &[f32], b: &[f32]| {
            row(STEP, TokenSet::All { count: 1 }, [Some(a), Some(b)]).outcome
        };
        let other_nan = f32::from_bits(0xFFC0_0001);
        assert_eq!(outcome(&[f32::NAN, 1.0], &[other_nan, 1.0]), Outcome::Equal);
        let Outcome::Different(zeros) = outcome(&[0.0], &[-0.0]) else {
            panic!("the zeros were taken for equal");
        };
        assert_eq!((zeros.largest_ulp, zeros.largest_absolute), (1, 0.0));
        let Outcome::Different(nan) = outcome(&[f32::NAN, 2.0], &[1.0, 2.0]) else {
            panic!("a NaN was taken for a number");
        };
        assert_eq!((nan.elements, nan.first, nan.largest_absolute), (1, 0, 0.0));
        assert!(nan.cosine.is_nan());
    }

    #[test]
    fn unlike_and_missing_stages_are_refused_and_never_compared() {
        let all = TokenSet::All { count: 1 };
        let unlike = row(STEP, all, [Some(&[1.0]), Some(&[1.0, 2.0])]);
        assert_eq!(unlike.outcome, Outcome::NotComparable("element count"));
        let missing = row(STEP, all, [None, Some(&[1.0])]);
        assert_eq!(missing.outcome, Outcome::Missing);
        assert_eq!(missing.ratio(), None);
    }

    #[test]
    fn ratio_and_drift_are_those_of_the_deviations() {
        let all = TokenSet::All { count: 1 };
        let found = row(STEP, all, [Some(&[0.0, 3.0]), Some(&[0.0, 2.0])]);
        assert_eq!((found.ratio(), found.drift()), (Some(1.5), Some(0.5)));
    }
}
