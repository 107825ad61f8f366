//! The stages of a run and their sizes, before it runs.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "sizes of a model that fits its file"
)]

use inference::{Model, Step, Width};

/// Returns the stages that a run of `tokens` tokens hands out, in execution order, and the values of each for a token.
pub fn stage_widths(model: &Model, tokens: usize) -> Vec<(Step, usize)> {
    let steps = model.program.iter();
    steps
        .map(|taken| match taken.width {
            Width::Token(width) => (taken.step, width),
            Width::Positions(heads) => (taken.step, heads * tokens),
        })
        .collect()
}
