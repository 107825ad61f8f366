//! Causal attention in the order of rule 5.

use std::convert::Infallible;

use crate::{exp::exp32, instructions::Instructions, norm::tree, parallel};

/// The heads of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) queries: usize,
    /// Key/value heads; each serves `queries / key_values` query heads in a row.
    pub(crate) key_values: usize,
    /// Values of a head.
    pub(crate) dim: usize,
    /// What a score is multiplied by.
    pub(crate) scale: f32,
}

/// What an attention computes; the scores of positions that a token does not see are 0.
#[derive(Debug)]
pub(crate) struct Attended {
    /// After the scale: for each token and head a row of one score per position.
    pub(crate) scores: Vec<f32>,
    /// The probabilities, in the same order.
    pub(crate) probabilities: Vec<f32>,
    /// The weighted values: for each token and head `dim` values.
    pub(crate) out: Vec<f32>,
}

/// Attends from every token to itself and those before it.
pub(crate) fn attend(heads: Heads, q: &[f32], k: &[f32], v: &[f32], threads: usize) -> Attended {
    let query_length = heads.queries.saturating_mul(heads.dim).max(1);
    let tokens = q.len().checked_div(query_length).unwrap_or_default();
    let row = heads.queries.saturating_mul(tokens);
    let mut scores = vec![0f32; row.saturating_mul(tokens)];
    let mut probabilities = scores.clone();
    let mut out = vec![0f32; q.len()];
    let jobs: Vec<_> = scores
        .chunks_mut(row.max(1))
        .zip(probabilities.chunks_mut(row.max(1)))
        .zip(out.chunks_mut(query_length))
        .zip(q.chunks(query_length))
        .enumerate()
        .collect();
    let instructions = Instructions::best();
    let Ok(()) = parallel::for_each(
        threads,
        jobs,
        |(position, (((scores, probabilities), out), q))| {
            let seen = position.saturating_add(1);
            let rows = scores
                .chunks_mut(tokens)
                .zip(probabilities.chunks_mut(tokens));
            let values = out.chunks_mut(heads.dim).zip(q.chunks(heads.dim));
            for (head, ((scores, probabilities), (out, q))) in rows.zip(values).enumerate() {
                let (scores, _) = scores.split_at_mut(seen);
                let (probabilities, _) = probabilities.split_at_mut(seen);
                instructions.run(|| {
                    heads.scores(q, k, head, scores);
                    softmax(scores, probabilities);
                    for (p, v) in probabilities.iter().zip(heads.rows(v, head)) {
                        for (out, v) in out.iter_mut().zip(v) {
                            *out = p.mul_add(*v, *out);
                        }
                    }
                });
            }
            Ok::<_, Infallible>(())
        },
    );
    Attended {
        scores,
        probabilities,
        out,
    }
}

impl Heads {
    /// The scores of the first positions, as many as there is room for.
    #[inline(always)]
    fn scores(self, q: &[f32], k: &[f32], head: usize, scores: &mut [f32]) {
        let mut keys = self.rows(k, head);
        for scores in scores.chunks_mut(AT_ONCE) {
            // After the last position anything will do: its sums are dropped.
            let keys = std::array::from_fn(|_| keys.next().unwrap_or(q));
            for (score, sum) in scores.iter_mut().zip(chains(q, keys)) {
                *score = sum * self.scale;
            }
        }
    }

    /// The rows of the key/value head that serves a query head, one per position.
    #[inline(always)]
    fn rows(self, values: &[f32], head: usize) -> impl Iterator<Item = &[f32]> {
        let group = self.queries.checked_div(self.key_values).unwrap_or(1);
        let serving = head.checked_div(group).unwrap_or_default();
        values
            .chunks(self.dim)
            .skip(serving)
            .step_by(self.key_values.max(1))
    }
}

/// One chain of fma from +0 for each row: several at a time, since a step of a chain waits for the last one.
#[inline(always)]
fn chains(q: &[f32], keys: [&[f32]; AT_ONCE]) -> [f32; AT_ONCE] {
    let mut sums = [0f32; AT_ONCE];
    let [a, b, c, d] = keys;
    for ((((q, a), b), c), d) in q.iter().zip(a).zip(b).zip(c).zip(d) {
        for (sum, k) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = q.mul_add(*k, *sum);
        }
    }
    sums
}

/// e^(score - maximum), divided by the sum of 32 strided sums and a tree.
#[inline(always)]
fn softmax(scores: &[f32], probabilities: &mut [f32]) {
    let maximum = scores.iter().fold(f32::NEG_INFINITY, |maximum, score| {
        if *score > maximum { *score } else { maximum }
    });
    for (p, score) in probabilities.iter_mut().zip(scores) {
        *p = exp32(score - maximum);
    }
    let mut sums = [0f32; 32];
    for chunk in probabilities.chunks(32) {
        for (sum, p) in sums.iter_mut().zip(chunk) {
            *sum += *p;
        }
    }
    let sum = tree(&mut sums);
    for p in probabilities {
        *p /= sum;
    }
}

/// Chains that run side by side.
const AT_ONCE: usize = 4;

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the shapes are those of the tests"
)]
mod tests {
    use fixtures::random::Random;

    use super::*;

    #[test]
    fn attention_is_near_its_value_in_f64() {
        let (q, k, v) = example(40);
        let attended = attend(HEADS, &q, &k, &v, 2);
        for (token, head) in [(0, 0), (3, 1), (39, 3), (39, 2), (20, 0)] {
            let row = |x: &[f32], token: usize, heads: usize, head: usize| {
                let start = (token * heads + head) * 8;
                x[start..start + 8]
                    .iter()
                    .map(|x| f64::from(*x))
                    .collect::<Vec<_>>()
            };
            let q = row(&q, token, 4, head);
            let weights: Vec<f64> = (0..=token)
                .map(|j| {
                    row(&k, j, 2, head / 2)
                        .iter()
                        .zip(&q)
                        .map(|(k, q)| k * q)
                        .sum::<f64>()
                        * 0.25
                })
                .map(f64::exp)
                .collect();
            let sum: f64 = weights.iter().sum();
            for (d, found) in row(&attended.out, token, 4, head).iter().enumerate() {
                let expected = (0..=token)
                    .map(|j| weights[j] / sum * row(&v, j, 2, head / 2)[d])
                    .sum::<f64>();
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_longer_prompt_and_more_threads_keep_the_first_rows() {
        let (q, k, v) = example(40);
        let long = attend(HEADS, &q, &k, &v, 3);
        let short = attend(HEADS, &q[..8 * 32], &k[..8 * 16], &v[..8 * 16], 1);
        assert_eq!(short.out, long.out[..8 * 32]);
        for row in 0..8 * 4 {
            assert_eq!(short.scores[row * 8..][..8], long.scores[row * 40..][..8]);
        }
    }

    #[test]
    fn unseen_positions_are_zero_and_the_first_token_sees_only_itself() {
        let (q, k, v) = example(3);
        let attended = attend(HEADS, &q, &k, &v, 1);
        assert_eq!(attended.probabilities[..3], [1.0, 0.0, 0.0]);
        assert_eq!(attended.scores[1..3], [0.0, 0.0]);
        assert_eq!(attended.out[..8], v[..8]);
    }

    fn example(tokens: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let mut random = Random::new(3);
        let mut values = |count: usize| (0..count).map(|_| random.normal()).collect();
        (
            values(tokens * 32),
            values(tokens * 16),
            values(tokens * 16),
        )
    }

    const HEADS: Heads = Heads {
        queries: 4,
        key_values: 2,
        dim: 8,
        scale: 0.25,
    };
}
