//! Causal attention in the order of rule 5, stage by stage.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "floats behind a generic type; sizes of values in memory, and no number of a model is zero"
)]

use std::convert::Infallible;

use crate::arithmetic::{instruction_set::Instructions, norm::tree, number::Real, thread_pool};

/// The heads of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Heads<F> {
    /// Query heads.
    pub(crate) queries: usize,
    /// Key/value heads; each serves `queries / key_values` query heads in a row.
    pub(crate) key_values: usize,
    /// Values of a head.
    pub(crate) dim: usize,
    /// The factor of scores.
    pub(crate) scale: F,
}

/// The factor of attention scores: one square root and one division.
pub(crate) fn scale<F: Real>(head_dim: usize) -> F {
    F::ONE / F::from_count(head_dim).square_root()
}

/// Computes the scores of every token and those before it: for each token and head a row of one score per position, 0
/// where the token does not see the position.
pub(crate) fn scores<F: Real>(heads: Heads<F>, q: &[F], k: &[F], threads: usize) -> Vec<F> {
    let tokens = heads.tokens(q);
    let mut scores = vec![F::default(); heads.queries * tokens * tokens];
    let jobs = heads.jobs(tokens, &mut scores, q);
    for_each(
        threads,
        jobs,
        #[inline(always)]
        |position, scores, q| {
            let rows = scores.chunks_mut(tokens).zip(q.chunks(heads.dim));
            for (head, (scores, q)) in rows.enumerate() {
                let (scores, _) = scores.split_at_mut(position + 1);
                let mut keys = heads.served(k, head);
                for scores in scores.chunks_mut(AT_ONCE) {
                    // Sums after the last position are dropped, so any key will do.
                    let keys = std::array::from_fn(|_| keys.next().unwrap_or(q));
                    for (score, sum) in scores.iter_mut().zip(chains(q, keys)) {
                        *score = sum * heads.scale;
                    }
                }
            }
        },
    );
    scores
}

/// Turns scores into probabilities, in the same order: e^(score - maximum), divided by 32 strided sums and a tree.
pub(crate) fn softmax<F: Real>(
    heads: Heads<F>,
    scores: &[F],
    tokens: usize,
    threads: usize,
) -> Vec<F> {
    let mut probabilities = vec![F::default(); scores.len()];
    let jobs = heads.jobs(tokens, &mut probabilities, scores);
    for_each(
        threads,
        jobs,
        #[inline(always)]
        |position, probabilities, scores| {
            let rows = probabilities.chunks_mut(tokens).zip(scores.chunks(tokens));
            for (probabilities, scores) in rows {
                let (scores, _) = scores.split_at(position + 1);
                let (probabilities, _) = probabilities.split_at_mut(position + 1);
                softmax_row(scores, probabilities);
            }
        },
    );
    probabilities
}

/// Adds up the values by their probabilities: for each token and head `dim` values.
pub(crate) fn weighted<F: Real>(
    heads: Heads<F>,
    probabilities: &[F],
    v: &[F],
    tokens: usize,
    threads: usize,
) -> Vec<F> {
    let length = heads.queries * heads.dim;
    let mut out = vec![F::default(); length * tokens];
    let jobs = heads.jobs(tokens, &mut out, probabilities);
    for_each(
        threads,
        jobs,
        #[inline(always)]
        |position, out, probabilities| {
            let rows = out.chunks_mut(heads.dim).zip(probabilities.chunks(tokens));
            for (head, (out, probabilities)) in rows.enumerate() {
                let seen = probabilities.iter().take(position + 1);
                for (p, v) in seen.zip(heads.served(v, head)) {
                    for (out, v) in out.iter_mut().zip(v) {
                        *out = p.fma(*v, *out);
                    }
                }
            }
        },
    );
    out
}

impl<F: Real> Heads<F> {
    fn tokens(self, q: &[F]) -> usize {
        q.len() / (self.queries * self.dim)
    }

    /// The work for each token: what it writes and what it reads.
    fn jobs<'a>(self, tokens: usize, written: &'a mut [F], read: &'a [F]) -> Vec<Job<'a, F>> {
        let share = |length: usize| length / tokens;
        let (written_share, read_share) = (share(written.len()), share(read.len()));
        written
            .chunks_mut(written_share)
            .zip(read.chunks(read_share))
            .enumerate()
            .map(|(position, (written, read))| (position, written, read))
            .collect()
    }

    /// The rows of the key/value head that serves a query head, one per position.
    #[inline(always)]
    fn served(self, values: &[F], head: usize) -> impl Iterator<Item = &[F]> {
        let group = self.queries / self.key_values;
        values
            .chunks(self.dim)
            .skip(head / group)
            .step_by(self.key_values)
    }
}

/// A position, what is written for it and what is read.
type Job<'a, F> = (usize, &'a mut [F], &'a [F]);

fn for_each<F: Real>(
    threads: usize,
    jobs: Vec<Job<'_, F>>,
    work: impl Fn(usize, &mut [F], &[F]) + Sync,
) {
    let instructions = Instructions::best();
    let Ok(()) = thread_pool::for_each(threads, jobs, |(position, written, read)| {
        instructions.run(
            #[inline(always)]
            || work(position, written, read),
        );
        Ok::<_, Infallible>(())
    });
}

/// One chain of fma from +0 for each key: several at a time, since a step of a chain waits for the last one.
#[inline(always)]
fn chains<F: Real>(q: &[F], keys: [&[F]; AT_ONCE]) -> [F; AT_ONCE] {
    let mut sums = [F::default(); AT_ONCE];
    let [a, b, c, d] = keys;
    for ((((q, a), b), c), d) in q.iter().zip(a).zip(b).zip(c).zip(d) {
        for (sum, k) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = q.fma(*k, *sum);
        }
    }
    sums
}

#[inline(always)]
fn softmax_row<F: Real>(scores: &[F], probabilities: &mut [F]) {
    let maximum = scores.iter().fold(F::NEG_INFINITY, |maximum, score| {
        if *score > maximum { *score } else { maximum }
    });
    for (p, score) in probabilities.iter_mut().zip(scores) {
        *p = (*score - maximum).exponential();
    }
    let mut sums = [F::default(); 32];
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

/// Chains that run in parallel.
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

    struct Attended {
        scores: Vec<f32>,
        probabilities: Vec<f32>,
        out: Vec<f32>,
    }

    fn attend(heads: Heads<f32>, q: &[f32], k: &[f32], v: &[f32], threads: usize) -> Attended {
        let tokens = q.len() / 32;
        let scores = scores(heads, q, k, threads);
        let probabilities = softmax(heads, &scores, tokens, threads);
        let out = weighted(heads, &probabilities, v, tokens, threads);
        Attended {
            scores,
            probabilities,
            out,
        }
    }

    const HEADS: Heads<f32> = Heads {
        queries: 4,
        key_values: 2,
        dim: 8,
        scale: 0.25,
    };
}
