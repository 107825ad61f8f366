//! The router of a mixture of experts, and the sum of what they give (rule 9).
#![expect(
    clippy::indexing_slicing,
    reason = "the numbers of experts are below their count"
)]

use std::cmp::Ordering;

use crate::{
    arithmetic::{attention::softmax_row, number::Real},
    program::{Choice, Weighing},
};

/// Softmax of each row, or the sigmoid of each value.
pub(crate) fn probabilities<F: Real>(logits: &[F], experts: usize, softmax: bool) -> Vec<F> {
    if !softmax {
        return logits.iter().map(|x| x.sigmoid()).collect();
    }
    let rows = logits.chunks(experts);
    rows.flat_map(softmax_of).collect()
}

/// The softmax of an attention.
fn softmax_of<F: Real>(row: &[F]) -> Vec<F> {
    let mut out = vec![F::default(); row.len()];
    softmax_row(row, None, &mut out);
    out
}

/// The numbers of the chosen experts of each token, the greatest value first; of equal ones the lower number. A NaN is
/// less than every number.
pub(crate) fn choose<F: Real>(
    values: &[F],
    experts: usize,
    choice: &Choice,
    bias: Option<&[F]>,
) -> Vec<F> {
    let mut chosen = Vec::new();
    for row in values.chunks(experts) {
        let mut row = row.to_vec();
        for (x, b) in row.iter_mut().zip(bias.unwrap_or_default()) {
            *x += *b;
        }
        let kept = match choice.groups {
            None => (0..experts).collect(),
            Some((groups, kept)) => of_best_groups(&row, groups, kept),
        };
        let best = ranked(kept, |expert| row[expert]);
        chosen.extend(best.into_iter().take(choice.used).map(F::from_count));
    }
    chosen
}

/// The experts of the groups whose two best add up to most.
fn of_best_groups<F: Real>(row: &[F], groups: usize, kept: usize) -> Vec<usize> {
    let size = row.len() / groups;
    let score = |group: usize| {
        let members = (group * size..(group + 1) * size).collect();
        let best = ranked(members, |expert| row[expert]);
        let best = best.into_iter().take(2).map(|expert| row[expert]);
        best.fold(F::default(), |sum, x| sum + x)
    };
    let mut best = ranked((0..groups).collect(), score);
    best.truncate(kept);
    best.sort_unstable();
    let members = |group: usize| group * size..(group + 1) * size;
    best.into_iter().flat_map(members).collect()
}

/// The greatest first, the lower number among equals.
fn ranked<F: Real>(mut numbers: Vec<usize>, value: impl Fn(usize) -> F) -> Vec<usize> {
    numbers.sort_by(|a, b| {
        let (x, y) = (value(*a), value(*b));
        // A NaN goes last.
        let order = y.partial_cmp(&x);
        order.unwrap_or_else(|| match (is_nan(x), is_nan(y)) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => Ordering::Equal,
        })
    });
    numbers
}

#[expect(clippy::eq_op, reason = "what a NaN is")]
fn is_nan<F: Real>(x: F) -> bool {
    x != x
}

/// The weights of the chosen experts of each token.
pub(crate) fn weights<F: Real>(
    values: &[F],
    chosen: &[F],
    experts: usize,
    weighing: &Weighing,
) -> Vec<F> {
    let scale = F::from_f32(weighing.scale);
    let least = F::from_f64(LEAST_SUM);
    let mut out = Vec::new();
    for (values, chosen) in values.chunks(experts).zip(chosen.chunks(weighing.used)) {
        let mut row: Vec<F> = chosen
            .iter()
            .map(|chosen| values[number(*chosen)])
            .collect();
        if weighing.softmax {
            row = softmax_of(&row);
        }
        if weighing.normalised {
            let sum = row.iter().fold(F::default(), |sum, x| sum + *x);
            let sum = sum.greatest(least);
            for x in &mut row {
                *x /= sum;
            }
        }
        for x in &mut row {
            *x *= scale;
        }
        out.extend(row);
    }
    out
}

/// The number of an expert, which is below 2^24.
pub(crate) fn number<F: Real>(chosen: F) -> usize {
    let number = chosen.to_f64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that was made a float"
    )]
    let number = number as usize;
    number
}

/// Adds up what the experts of each token gave, in the order of their rank, from +0: one product and one addition each.
pub(crate) fn sum<F: Real>(
    values: &[F],
    weights: Option<&[F]>,
    used: usize,
    tokens: usize,
) -> Vec<F> {
    let row = values.len() / (used * tokens);
    let mut out = vec![F::default(); row * tokens];
    for (token, (out, values)) in out
        .chunks_mut(row)
        .zip(values.chunks(row * used))
        .enumerate()
    {
        for (rank, values) in values.chunks(row).enumerate() {
            let weight = weights.map(|weights| weights[token * used + rank]);
            for (out, x) in out.iter_mut().zip(values) {
                *out += weight.map_or(*x, |weight| *x * weight);
            }
        }
    }
    out
}

/// 2^-14: what llama.cpp divides by at least.
const LEAST_SUM: f64 = 6.103_515_625e-5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Slot;

    #[test]
    fn ties_go_to_the_lower_number() {
        let chosen = choose(&[0.5f32, 0.7, 0.7, 0.1], 4, &choice(3, None), None);
        assert_eq!(chosen, [1.0, 2.0, 0.0]);
    }

    #[test]
    fn a_nan_is_chosen_last() {
        let chosen = choose(&[f32::NAN, 0.7, -1.0], 3, &choice(3, None), None);
        assert_eq!(chosen, [1.0, 2.0, 0.0]);
    }

    #[test]
    fn a_bias_changes_the_choice_and_not_the_weight() {
        let values = [0.6f32, 0.3, 0.1];
        let chosen = choose(&values, 3, &choice(1, None), Some(&[0.0, 0.0, 1.0]));
        assert_eq!(chosen, [2.0]);
        let weighing = Weighing {
            of: Slot::Router,
            used: 1,
            softmax: false,
            normalised: false,
            scale: 2.0,
        };
        assert_eq!(weights(&values, &chosen, 3, &weighing), [0.2]);
    }

    #[test]
    fn groups_are_kept_by_their_two_best() {
        // The best expert is in the group that is left out.
        let values = [0.9f32, 0.0, 0.6, 0.5, 0.1, 0.1];
        let chosen = choose(&values, 6, &choice(2, Some((3, 1))), None);
        assert_eq!(chosen, [2.0, 3.0]);
    }

    #[test]
    fn experts_are_added_in_the_order_of_their_rank() {
        let values = [16_777_216.0f32, 1.0, 1.0];
        assert_eq!(sum(&values, None, 3, 1), [16_777_216.0]);
        let values = [1.0f32, 1.0, 16_777_216.0];
        assert_eq!(sum(&values, None, 3, 1), [16_777_218.0]);
        assert_eq!(sum(&[1.0f32, 2.0], Some(&[0.5, 2.0]), 2, 1), [4.5]);
    }

    fn choice(used: usize, groups: Option<(usize, usize)>) -> Choice {
        Choice {
            by: Slot::Router,
            bias: None,
            experts: 4,
            used,
            groups,
        }
    }
}
