//! SentencePiece byte pairs: tokenizer model `llama`.

use super::{
    merge::merge,
    vocabulary::{SPACE, Vocabulary},
};
use crate::error::Error;

/// A vocabulary whose scores say which pieces are joined first.
#[derive(Debug)]
pub(super) struct SentencePieces {
    vocabulary: Vocabulary,
    /// The rank of each token: 0 for the highest score, the same rank for the same score.
    ranks: Vec<u32>,
    space_prefix: bool,
}

impl SentencePieces {
    /// There is one score for each token.
    pub(super) fn new(vocabulary: Vocabulary, scores: &[f32], space_prefix: bool) -> Self {
        Self {
            vocabulary,
            ranks: ranks(scores),
            space_prefix,
        }
    }

    /// Encodes a text with nothing or a special token in front of it, which is where the prefix belongs.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        let prefix = if self.space_prefix { " " } else { "" };
        let text = format!("{prefix}{text}").replace(' ', SPACE);
        let rank = |left: &str, right: &str| {
            let id = self.vocabulary.id(&format!("{left}{right}"))?;
            self.ranks.get(usize::try_from(id).ok()?).copied()
        };
        for piece in merge(&text, rank) {
            self.vocabulary.push_or_bytes(piece, ids)?;
        }
        Ok(())
    }
}

/// Numbers the scores from the highest down; +0 and -0 are equal.
fn ranks(scores: &[f32]) -> Vec<u32> {
    let mut order: Vec<(usize, f32)> = scores.iter().map(|score| score + 0.0).enumerate().collect();
    order.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut ranks = vec![0; scores.len()];
    let (mut rank, mut last) = (0_u32, None);
    for (id, score) in order {
        if last.is_some_and(|last| last != score) {
            rank = rank.saturating_add(1);
        }
        last = Some(score);
        if let Some(slot) = ranks.get_mut(id) {
            *slot = rank;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_have_one_rank() {
        let scores = [-1.0, 0.0, f32::NEG_INFINITY, -0.0, 5.0, -1.0];
        assert_eq!(ranks(&scores), [2, 1, 3, 1, 0, 2]);
    }
}
