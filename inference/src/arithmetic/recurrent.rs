//! Layers with a state: convolutions over positions, the gated delta rule, a state space (rule 11). Every value is one
//! prompt's, token-major; a state starts as +0.
#![expect(
    clippy::indexing_slicing,
    reason = "loading checked that the shapes fit each other"
)]

use crate::{
    arithmetic::number::Real,
    program::{Delta, StateSpace},
};

/// Convolves each channel over the positions so far: one chain of fma from +0, the oldest tap first; then the bias.
pub(crate) fn convolve<F: Real>(
    values: &[F],
    weight: &[F],
    bias: Option<&[F]>,
    channels: usize,
) -> Vec<F> {
    let taps = weight.len() / channels;
    let rows: Vec<&[F]> = values.chunks(channels).collect();
    let mut out = Vec::with_capacity(values.len());
    for position in 0..rows.len() {
        for (channel, weight) in weight.chunks(taps).enumerate() {
            let mut sum = F::default();
            for (tap, w) in weight.iter().enumerate() {
                // Before the first token there is nothing.
                if let Some(then) = (position + tap + 1).checked_sub(taps) {
                    sum = w.fma(rows[then][channel], sum);
                }
            }
            out.push(bias.map_or(sum, |bias| sum + bias[channel]));
        }
    }
    out
}

/// ln(1 + e^x), in f64 and rounded once.
fn softplus<F: Real>(x: F) -> F {
    x.through_f64(|x| {
        if x > 30.0 {
            x
        } else {
            libm::log1p(libm::exp(x))
        }
    })
}

/// The gated delta rule, position by position.
///
/// Queries and keys are divided by their length. For each value head: the state decays, the error of what it reads under
/// the key is written under the key by a share, and what it then reads under the query is the result, divided by the root
/// of the length of a key.
pub(crate) fn delta<F: Real>(
    rule: &Delta,
    (mixed, beta, alpha): (&[F], &[F], &[F]),
    (step_bias, rates): (&[F], &[F]),
) -> Vec<F> {
    let (keys, dk, dv) = (rule.key_heads, rule.key_dim, rule.value_dim);
    let epsilon = F::from_f32(rule.epsilon);
    let root = F::from_count(dk).square_root();
    let mut states = vec![F::default(); rule.value_heads * dk * dv];
    let mut out = Vec::new();
    let tokens = mixed.chunks((2 * keys * dk) + rule.value_heads * dv);
    let shares = beta.chunks(rule.value_heads);
    let steps = alpha.chunks(rule.value_heads);
    for ((mixed, beta), alpha) in tokens.zip(shares).zip(steps) {
        let (queries, rest) = mixed.split_at(keys * dk);
        let (all_keys, values) = rest.split_at(keys * dk);
        let [queries, all_keys] = [queries, all_keys].map(|rows| {
            let rows = rows.chunks(dk).map(|row| unit(row, epsilon));
            rows.collect::<Vec<_>>()
        });
        for (head, value) in values.chunks(dv).enumerate() {
            let of = match rule.modulo {
                true => head % keys,
                false => head / (rule.value_heads / keys),
            };
            let (query, key) = (&queries[of], &all_keys[of]);
            let decay = (softplus(alpha[head] + step_bias[head]) * rates[head]).exponential();
            let share = beta[head].sigmoid();
            let state = &mut states[head * dk * dv..(head + 1) * dk * dv];
            for x in &mut *state {
                *x *= decay;
            }
            let read = under(state, key, dv);
            let write: Vec<F> = value
                .iter()
                .zip(read)
                .map(|(value, read)| (*value - read) * share)
                .collect();
            for (row, k) in state.chunks_mut(dv).zip(key) {
                for (x, e) in row.iter_mut().zip(&write) {
                    *x = k.fma(*e, *x);
                }
            }
            out.extend(under(state, query, dv).into_iter().map(|x| x / root));
        }
    }
    out
}

/// A row divided by its length.
fn unit<F: Real>(row: &[F], epsilon: F) -> Vec<F> {
    let squares = row.iter().fold(F::default(), |sum, x| x.fma(*x, sum));
    let length = (squares + epsilon).square_root();
    row.iter().map(|x| *x / length).collect()
}

/// What a state reads under a key: one chain of fma for each value, from +0.
fn under<F: Real>(state: &[F], key: &[F], dv: usize) -> Vec<F> {
    let mut out = vec![F::default(); dv];
    for (row, k) in state.chunks(dv).zip(key) {
        for (out, x) in out.iter_mut().zip(row) {
            *out = k.fma(*x, *out);
        }
    }
    out
}

/// The state space of Mamba 2, position by position: state = state * e^(step * rate) + step * input * B, output =
/// state C + skip * input.
pub(crate) fn state_space<F: Real>(
    space: &StateSpace,
    (mixed, steps): (&[F], &[F]),
    [step_bias, rates, skip]: [&[F]; 3],
) -> Vec<F> {
    let (n, heads) = (space.state, space.heads);
    let width = space.inner / heads;
    let mut states = vec![F::default(); space.inner * n];
    let mut out = Vec::new();
    let tokens = mixed.chunks(space.inner + 2 * space.groups * n);
    for (mixed, steps) in tokens.zip(steps.chunks(heads)) {
        let (inputs, rest) = mixed.split_at(space.inner);
        let (all_b, all_c) = rest.split_at(space.groups * n);
        for (head, inputs) in inputs.chunks(width).enumerate() {
            let group = head / (heads / space.groups);
            let [b, c] = [all_b, all_c].map(|all| &all[group * n..(group + 1) * n]);
            let step = softplus(steps[head] + step_bias[head]);
            let decay = (step * rates[head]).exponential();
            let states = &mut states[head * width * n..(head + 1) * width * n];
            for (state, input) in states.chunks_mut(n).zip(inputs) {
                let write = step * *input;
                let mut sum = F::default();
                for ((x, b), c) in state.iter_mut().zip(b).zip(c) {
                    *x = write.fma(*b, *x * decay);
                    sum = x.fma(*c, sum);
                }
                out.push(skip[head].fma(*input, sum));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tap_is_the_token_itself() {
        // Two channels, three taps.
        let found = convolve(
            &[1.0f32, 10.0, 2.0, 20.0, 3.0, 30.0],
            &[100.0, 10.0, 1.0, 0.0, 0.0, 1.0],
            Some(&[0.5, 0.0]),
            2,
        );
        assert_eq!(found, [1.5, 10.0, 12.5, 20.0, 123.5, 30.0]);
    }
}
