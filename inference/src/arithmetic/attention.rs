//! Causal attention in the order of rule 5, stage by stage.
#![expect(clippy::indexing_slicing, reason = "sizes of values in memory")]

use std::convert::Infallible;

use crate::{
    arithmetic::{instruction_set::Instructions, norm::tree, number::Real, thread_pool},
    program::{Heads, ScoreScale},
};

impl ScoreScale {
    /// Returns the factor as the contract has it.
    pub fn as_f32(self) -> f32 {
        self.value()
    }

    /// The factor of attention scores.
    pub(crate) fn value<F: Real>(self) -> F {
        match self {
            Self::InverseRoot(number) => F::ONE / F::from_count(number).square_root(),
            Self::Is(number) => F::from_f64(number),
        }
    }
}

/// Computes the scores of every token and those before it: for each token and head a row of one score per position, 0
/// where the token does not see the position. Sum and product are those of f64, rounded once.
pub(crate) fn scores<F: Real>(heads: Heads, scale: F, q: &[F], k: &[F], threads: usize) -> Vec<F> {
    let tokens = heads.tokens(q);
    let mut scores = vec![F::default(); heads.queries * tokens * tokens];
    let jobs = heads.jobs(tokens, &mut scores, q);
    for_each(
        threads,
        jobs,
        #[inline(always)]
        |position, scores, q| {
            let first = heads.reach.first(position);
            let rows = scores.chunks_mut(tokens).zip(q.chunks(heads.key_dim));
            for (head, (scores, q)) in rows.enumerate() {
                let scores = &mut scores[first..=position];
                let mut keys = heads.served(k, heads.key_dim, head).skip(first);
                for scores in scores.chunks_mut(AT_ONCE) {
                    // Sums after the last position are dropped, so any key will do.
                    let keys = std::array::from_fn(|_| keys.next().unwrap_or(q));
                    for (score, sum) in scores.iter_mut().zip(chains(q, keys)) {
                        *score = F::from_f64(sum * scale.to_f64());
                    }
                }
            }
        },
    );
    scores
}

/// Turns scores into probabilities, in the same order: e^(score - maximum), divided by 32 strided sums and a tree.
///
/// A sink is one more score of its head, without a value: part of the maximum, and added to the sum at the end.
pub(crate) fn softmax<F: Real>(
    heads: Heads,
    sinks: Option<&[F]>,
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
            let seen = heads.reach.first(position)..=position;
            let rows = probabilities.chunks_mut(tokens).zip(scores.chunks(tokens));
            for (head, (probabilities, scores)) in rows.enumerate() {
                let sink = sinks.map(|sinks| sinks[head]);
                softmax_row(
                    &scores[seen.clone()],
                    sink,
                    &mut probabilities[seen.clone()],
                );
            }
        },
    );
    probabilities
}

/// Adds up the values by their probabilities: for each token and head `dim` values.
pub(crate) fn weighted<F: Real>(
    heads: Heads,
    probabilities: &[F],
    v: &[F],
    tokens: usize,
    threads: usize,
) -> Vec<F> {
    let length = heads.queries * heads.value_dim;
    let mut out = vec![F::default(); length * tokens];
    let jobs = heads.jobs(tokens, &mut out, probabilities);
    for_each(
        threads,
        jobs,
        #[inline(always)]
        |position, out, probabilities| {
            let first = heads.reach.first(position);
            let rows = out
                .chunks_mut(heads.value_dim)
                .zip(probabilities.chunks(tokens));
            for (head, (out, probabilities)) in rows.enumerate() {
                let values = heads.served(v, heads.value_dim, head).skip(first);
                for (p, v) in probabilities[first..=position].iter().zip(values) {
                    for (out, v) in out.iter_mut().zip(v) {
                        *out = p.fma(*v, *out);
                    }
                }
            }
        },
    );
    out
}

/// Subtracts from each score the distance of the position times a slope of the head (ALiBi), with `largest` as the exponent
/// of the last head: slopes are 2^(-largest (h + 1) / n) for the first n heads, a power of two, and lie between them for
/// the others.
pub(crate) fn sloped<F: Real>(heads: Heads, scores: &[F], tokens: usize, largest: f32) -> Vec<F> {
    let n = 1usize << heads.queries.ilog2();
    let step = f64::from(largest) / n as f64;
    let slope = |head: usize| {
        let exponent = match head < n {
            true => (head + 1) as f64 * step,
            false => (2 * (head - n) + 1) as f64 * step / 2.0,
        };
        F::from_f64(libm::pow(2.0, -exponent))
    };
    let slopes: Vec<F> = (0..heads.queries).map(slope).collect();
    let mut out = scores.to_vec();
    for (position, token) in out.chunks_mut(heads.queries * tokens).enumerate() {
        let first = heads.reach.first(position);
        for (row, slope) in token.chunks_mut(tokens).zip(&slopes) {
            for (distance, score) in row[first..=position].iter_mut().rev().enumerate() {
                *score = *score - *slope * F::from_count(distance);
            }
        }
    }
    out
}

impl Heads {
    const fn tokens<F>(self, q: &[F]) -> usize {
        q.len() / (self.queries * self.key_dim)
    }

    /// The work for each token: what it writes and what it reads.
    fn jobs<'a, F: Real>(
        self,
        tokens: usize,
        written: &'a mut [F],
        read: &'a [F],
    ) -> Vec<Job<'a, F>> {
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
    fn served<F>(self, values: &[F], dim: usize, head: usize) -> impl Iterator<Item = &[F]> {
        let group = self.queries / self.key_values;
        values
            .chunks(dim)
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

/// One chain of fma in f64 from +0 for each key: several at a time, since a step of a chain waits for the last one.
#[inline(always)]
fn chains<F: Real>(q: &[F], keys: [&[F]; AT_ONCE]) -> [f64; AT_ONCE] {
    let mut sums = [0.0; AT_ONCE];
    let [a, b, c, d] = keys;
    for ((((q, a), b), c), d) in q.iter().zip(a).zip(b).zip(c).zip(d) {
        for (sum, k) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = q.to_f64().mul_add(k.to_f64(), *sum);
        }
    }
    sums
}

/// The probabilities of a row of scores, of which a sink is one more without a value.
#[inline(always)]
pub(crate) fn softmax_row<F: Real>(scores: &[F], sink: Option<F>, probabilities: &mut [F]) {
    let all = scores.iter().chain(&sink);
    let maximum = all.fold(F::NEG_INFINITY, |maximum, score| {
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
    let mut sum = tree(&mut sums);
    if let Some(sink) = sink {
        sum += (sink - maximum).exponential();
    }
    for p in probabilities {
        *p /= sum;
    }
}

/// Chains that run in parallel.
const AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use fixtures::random::Random;

    use super::*;
    use crate::program::Reach;

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
    fn a_large_score_is_rounded_once() {
        let (q, k, _) = example(40);
        let larger = |values: Vec<f32>| values.iter().map(|x| x * 30.0).collect::<Vec<_>>();
        let (q, k) = (larger(q), larger(k));
        let scale = 0.3f32;
        let found = scores(HEADS, scale, &q, &k, 2);
        let rows = q.chunks(8).zip(found.chunks(40)).enumerate();
        for (row, (q, found)) in rows {
            let (position, head) = (row / 4, row % 4);
            for (j, found) in found[..=position].iter().enumerate() {
                let k = &k[(j * 2 + head / 2) * 8..][..8];
                let products = q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k));
                // In another order: of f64 that is far below what a rounding to f32 moves.
                let exact = products.rev().sum::<f64>() * f64::from(scale);
                let half = f64::from(found.abs()) * f64::from(f32::EPSILON) / 2.0;
                let error = (f64::from(*found) - exact).abs();
                assert!(error <= half + 1e-9, "{found} {exact}");
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

    fn attend(heads: Heads, q: &[f32], k: &[f32], v: &[f32], threads: usize) -> Attended {
        let tokens = q.len() / 32;
        let scores = scores(heads, 0.25, q, k, threads);
        let probabilities = softmax(heads, None, &scores, tokens, threads);
        let out = weighted(heads, &probabilities, v, tokens, threads);
        Attended {
            scores,
            probabilities,
            out,
        }
    }

    const HEADS: Heads = Heads {
        queries: 4,
        key_values: 2,
        key_dim: 8,
        value_dim: 8,
        reach: Reach::All,
    };
}
