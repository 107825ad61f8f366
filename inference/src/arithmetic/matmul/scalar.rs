//! The reference of rule 2, for any CPU: every other kernel has its bits.

use super::BLOCK;

/// Adds to each `y[row][token]` the chain of one block of columns.
///
/// `weights` holds rows of [`BLOCK`] values of which the first `columns` count, `x[column][token]` the activations.
pub(super) fn product(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    let tokens = x.len() / columns;
    for (weights, y) in weights.chunks(BLOCK).zip(y.chunks_mut(tokens)) {
        for (token, y) in y.iter_mut().enumerate() {
            let x = x.iter().skip(token).step_by(tokens);
            let steps = weights.iter().zip(x);
            *y += steps.fold(0f32, |p, (w, x)| w.mul_add(*x, p));
        }
    }
}
