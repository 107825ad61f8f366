//! Default prompts.

/// A prompt of token ids with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The name: `edges`, `eight` or `thirty-two`.
    pub name: &'static str,
    /// The token ids.
    pub tokens: Vec<u32>,
}

/// Returns the default prompts of a vocabulary: the same ids for the same number of tokens, on any machine.
///
/// `edges` holds the first two ids, the middle one and the last two, so that an embedding that is short or shifted is
/// seen. `eight` and `thirty-two` are the first 8 and 32 values of SplitMix64 (seed 0), each modulo the vocabulary.
/// An empty vocabulary has no prompts.
pub fn default_prompts(vocabulary: u32) -> Vec<Prompt> {
    let Some(last) = vocabulary.checked_sub(1) else {
        return Vec::new();
    };
    let middle = vocabulary / 2;
    let edges = vec![0, 1.min(last), middle, last.saturating_sub(1), last];
    let drawn: Vec<u32> = (1..=32).map(|turn| draw(turn, vocabulary)).collect();
    let eight = drawn.iter().copied().take(8).collect();
    [("edges", edges), ("eight", eight), ("thirty-two", drawn)]
        .map(|(name, tokens)| Prompt { name, tokens })
        .into()
}

/// The `turn`-th value of SplitMix64 with seed 0, modulo the vocabulary, which is not zero.
fn draw(turn: u64, vocabulary: u32) -> u32 {
    let mut z = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let token = u32::try_from(z % u64::from(vocabulary));
    token.unwrap_or_else(|_| unreachable!("a remainder is below the vocabulary"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_the_same_everywhere_and_inside_the_vocabulary() {
        let prompts = default_prompts(151_936);
        let lengths: Vec<_> = prompts.iter().map(|prompt| prompt.tokens.len()).collect();
        assert_eq!(lengths, [5, 8, 32]);
        assert_eq!(prompts[0].tokens, [0, 1, 75_968, 151_934, 151_935]);
        assert_eq!(prompts[1].tokens, prompts[2].tokens[..8]);
        assert_eq!(
            prompts[1].tokens[0],
            (0xE220_A839_7B1D_CDAF_u64 % 151_936) as u32
        );
        for vocabulary in [1, 2, 7] {
            for prompt in default_prompts(vocabulary) {
                assert!(prompt.tokens.iter().all(|token| *token < vocabulary));
            }
        }
        assert_eq!(default_prompts(0), []);
    }
}
