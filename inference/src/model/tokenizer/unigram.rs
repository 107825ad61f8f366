//! Unigram pieces: tokenizer model `t5`.

use super::{kinds::Kind, normalizer::Normalizer, prefixes::Prefixes, vocabulary::Vocabulary};
use crate::error::Error;

/// A vocabulary whose scores add up: of all ways to cut a text, the one with the highest sum is taken.
#[derive(Debug)]
pub(super) struct Unigram {
    tokens: Prefixes,
    /// The score of each token.
    scores: Vec<f64>,
    /// The token of what no token is made of, and its score.
    unknown: (u32, f64),
    normalizer: Normalizer,
}

/// The best way to cut a text up to some place.
#[derive(Debug, Clone, Copy)]
struct Best {
    /// The last token.
    token: u32,
    /// Where it begins.
    start: usize,
    score: f64,
}

impl Unigram {
    /// Takes the normal, user-defined and unused tokens; there is one kind and one score for each token.
    pub(super) fn new(
        vocabulary: &Vocabulary,
        kinds: &[Kind],
        scores: &[f32],
        unknown: u32,
        normalizer: Normalizer,
    ) -> Self {
        let joins = |kind| matches!(kind, Kind::Normal | Kind::UserDefined | Kind::Unused);
        let pairs = || scores.iter().zip(kinds);
        let normal = pairs().filter(|(_, kind)| **kind == Kind::Normal);
        let lowest = normal.fold(f32::MAX, |lowest, (score, _)| lowest.min(*score));
        let score = |(score, kind): (&f32, &Kind)| match kind {
            Kind::UserDefined => 0.0,
            _ => f64::from(*score),
        };
        Self {
            tokens: Prefixes::new(vocabulary.of_kinds(kinds, joins)),
            scores: pairs().map(score).collect(),
            unknown: (unknown, f64::from(lowest - 10.0)),
            normalizer,
        }
    }

    /// Encodes a text in one pass: at each character every token is tried that begins there.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        let text = self.normalizer.normalize(text)?;
        let nowhere = Best {
            token: self.unknown.0,
            start: 0,
            score: -f64::MAX,
        };
        let mut best = vec![nowhere; text.len().saturating_add(1)];
        if let Some(first) = best.first_mut() {
            first.score = 0.0;
        }
        let mut start = 0;
        while let (Some(rest), Some(so_far)) = (text.get(start..), best.get(start).copied()) {
            let Some(length) = rest.first().map(|byte| character_length(*byte, rest.len())) else {
                break;
            };
            let mut offer = |length: usize, token, score: f64| {
                let score = so_far.score + score;
                if let Some(known) = best.get_mut(start.saturating_add(length))
                    && score > known.score
                {
                    *known = Best {
                        token,
                        start,
                        score,
                    };
                }
            };
            let mut is_known = false;
            for (token_length, token) in self.tokens.of(rest) {
                is_known |= token_length == length;
                let score = usize::try_from(token)
                    .ok()
                    .and_then(|id| self.scores.get(id));
                offer(token_length, token, score.copied().unwrap_or_default());
            }
            if !is_known {
                offer(length, self.unknown.0, self.unknown.1);
            }
            start = start.saturating_add(length);
        }
        self.collect(&best, ids);
        Ok(())
    }

    /// Follows the best way from the end to the beginning. Unknown tokens side by side are one.
    fn collect(&self, best: &[Best], ids: &mut Vec<u32>) {
        let mut tokens = Vec::new();
        let mut end = best.len().saturating_sub(1);
        while end > 0
            && let Some(last) = best.get(end)
        {
            if last.token != self.unknown.0 || tokens.last() != Some(&last.token) {
                tokens.push(last.token);
            }
            end = last.start;
        }
        ids.extend(tokens.into_iter().rev());
    }
}

/// The number of bytes of a character, by its first byte.
fn character_length(first: u8, left: usize) -> usize {
    let length = match first {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    };
    left.min(length)
}
