//! Captures: which of our stages a record of another engine may be.

use std::fmt;

use inference::{Heads, Model, Stage, Step};

/// One meaning of a record: stages of ours joined for each token, and the order of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The stages, joined for each token in this order; never empty.
    pub steps: Vec<Step>,
    /// The order of the values.
    pub layout: Layout,
    /// Whether no name tells it: then the values must be near.
    pub by_value: bool,
}

/// The order of the values of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Token by token, as ours.
    Tokens,
    /// Token by token, but the rope pairs of a head are its two halves and ours are neighbours: matrices of llama as
    /// Hugging Face orders them.
    Halves,
    /// Head by head; for each head and token a row of positions, which may be padded.
    Heads,
    /// As [`Self::Heads`], before the scale and for unseen positions as well.
    UnscaledHeads,
    /// Head by head; for each head and token the values that the head has.
    HeadRows,
    /// As ours, with other values behind them: the state of a recurrence.
    Leading,
}

impl Capture {
    pub(crate) fn one(step: Step) -> Self {
        Self {
            steps: vec![step],
            layout: Layout::Tokens,
            by_value: false,
        }
    }

    /// Several stages of a layer, joined.
    pub(crate) fn joined(layer: usize, stages: &[Stage]) -> Self {
        let steps = stages.iter().map(|stage| Step::in_layer(layer, *stage));
        Self {
            steps: steps.collect(),
            layout: Layout::Tokens,
            by_value: false,
        }
    }

    pub(crate) const fn by_value(mut self) -> Self {
        self.by_value = true;
        self
    }

    pub(crate) const fn laid_out(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Where ours is taken, as in `pre-bias`; `None` where the name leaves no choice.
    pub(crate) fn point(&self) -> Option<&'static str> {
        match self.steps.first()?.stage {
            Stage::QPreBias | Stage::KPreBias | Stage::VPreBias => Some("pre-bias"),
            Stage::QPostBias | Stage::KPostBias | Stage::VPostBias => Some("post-bias"),
            _ => None,
        }
    }

    /// Puts the values of a record in our order; `None` when their number does not fit.
    pub(crate) fn ours(&self, values: Vec<f32>, tokens: usize, model: &Model) -> Option<Vec<f32>> {
        let layer = self.steps.first().and_then(|step| step.layer);
        let scores = layer.and_then(|layer| model.scores(layer));
        match self.layout {
            Layout::Tokens | Layout::Leading => Some(values),
            Layout::Halves => neighbours(&values, model, layer?),
            Layout::Heads => by_token(&values, tokens, scores?.0, 1.0),
            Layout::UnscaledHeads => {
                let (heads, scale) = scores?;
                by_token(&values, tokens, heads, scale.as_f32())
            }
            Layout::HeadRows => {
                let heads = scores?.0.queries;
                let width = values.len().checked_div(heads.checked_mul(tokens)?)?;
                let rows: Vec<_> = values.chunks_exact(width.max(1)).collect();
                let token = |token| rows.iter().skip(token).step_by(tokens).copied().flatten();
                Some((0..tokens).flat_map(token).copied().collect())
            }
        }
    }
}

/// From heads x tokens x columns to tokens x heads x positions. Unseen positions become +0, which they may already be.
fn by_token(values: &[f32], tokens: usize, heads: Heads, scale: f32) -> Option<Vec<f32>> {
    let rows = heads.queries.checked_mul(tokens)?;
    let columns = values.len().checked_div(rows)?;
    if columns < tokens || values.len() != columns.checked_mul(rows)? {
        return None;
    }
    let rows: Vec<_> = values.chunks_exact(columns).collect();
    let mut out = Vec::new();
    for token in 0..tokens {
        let first = heads.reach.first(token);
        for head in rows.chunks(tokens) {
            let row = head.get(token)?.iter().take(tokens).enumerate();
            out.extend(row.map(|(position, value)| {
                if position <= token && position >= first {
                    value * scale
                } else {
                    0.0
                }
            }));
        }
    }
    Some(out)
}

/// Moves the pairs of each head from (i, i + half) to (2i, 2i + 1).
fn neighbours(values: &[f32], model: &Model, layer: usize) -> Option<Vec<f32>> {
    let (heads, _) = model.scores(layer)?;
    let dims = model.rope(layer)?.dims;
    let half = (dims / 2).max(1);
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks(heads.key_dim.max(1)) {
        let (rotated, rest) = head.split_at(dims.min(head.len()));
        let (first, second) = rotated.split_at(half.min(rotated.len()));
        out.extend(first.iter().zip(second).flat_map(|(x, y)| [*x, *y]));
        out.extend(rest);
    }
    Some(out)
}

impl fmt::Display for Capture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            let key = step.to_string();
            // The layer once: `0.q_pre_bias + k_pre_bias`.
            match (index, key.split_once('.')) {
                (0, _) => formatter.write_str(&key)?,
                (_, Some((_, stage))) => write!(formatter, " + {stage}")?,
                (_, None) => write!(formatter, " + {key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use inference::Reach;

    use super::*;

    const HEADS: Heads = Heads {
        queries: 2,
        key_values: 2,
        key_dim: 1,
        value_dim: 1,
        reach: Reach::All,
    };

    #[test]
    fn heads_of_padded_rows_become_rows_of_tokens() {
        // 2 heads, 2 tokens, 3 columns of which the third is padding.
        let values = [1.0, 9.0, 0.0, 2.0, 3.0, 0.0, 4.0, 9.0, 0.0, 5.0, 6.0, 0.0];
        let found = by_token(&values, 2, HEADS, 2.0);
        assert_eq!(found, Some(vec![2.0, 0.0, 8.0, 0.0, 4.0, 6.0, 10.0, 12.0]));
        assert_eq!(by_token(&values, 5, HEADS, 1.0), None);
        assert_eq!(by_token(&values[..11], 2, HEADS, 1.0), None);
        assert_eq!(by_token(&[], 0, HEADS, 1.0), None);
    }

    #[test]
    fn scores_that_a_window_hides_become_zeros() {
        let values = [1.0, 9.0, 9.0, 1.0, 2.0, 9.0, 1.0, 2.0, 3.0];
        let heads = Heads {
            queries: 1,
            reach: Reach::Last(2),
            ..HEADS
        };
        let expected = vec![1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 2.0, 3.0];
        assert_eq!(by_token(&values, 3, heads, 1.0), Some(expected));
    }
}
