//! Which tokens a text begins with.

/// Tokens in the order of their bytes, so that those with one beginning stand together.
#[derive(Debug)]
pub(super) struct Prefixes(Vec<(String, u32)>);

impl Prefixes {
    pub(super) fn new<'t>(tokens: impl Iterator<Item = (&'t str, u32)>) -> Self {
        let mut tokens: Vec<_> = tokens.map(|(text, id)| (text.to_owned(), id)).collect();
        tokens.sort();
        Self(tokens)
    }

    /// The length and the id of every token that the text begins with, the shortest first. Reads no more of the text
    /// than the longest token has bytes.
    pub(super) fn of(&self, text: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        self.steps(text).filter_map(|(length, tokens)| {
            let (token, id) = tokens.first()?;
            (token.len() == length).then_some((length, *id))
        })
    }

    /// The number of bytes for which some token begins as the text does.
    pub(super) fn longest(&self, text: &[u8]) -> usize {
        self.steps(text).last().map_or(0, |(length, _)| length)
    }

    /// For one byte, then two, and so on: the tokens that begin with them, as long as there are some.
    fn steps(&self, text: &[u8]) -> impl Iterator<Item = (usize, &[(String, u32)])> {
        let mut left = self.0.as_slice();
        text.iter().enumerate().map_while(move |(at, byte)| {
            let start = left.partition_point(|(token, _)| token.as_bytes().get(at) < Some(byte));
            left = left.get(start..)?;
            let end = left.partition_point(|(token, _)| token.as_bytes().get(at) == Some(byte));
            left = left.get(..end)?;
            (!left.is_empty()).then_some((at.saturating_add(1), left))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_that_a_text_begins_with_is_found() {
        let tokens = [
            ("b", 0),
            ("abc", 1),
            ("a", 2),
            ("\u{e9}", 3),
            ("abz", 4),
            ("ab", 5),
        ];
        let prefixes = Prefixes::new(tokens.into_iter());
        let of = |text: &str| prefixes.of(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(of("abcabc"), [(1, 2), (2, 5), (3, 1)]);
        assert_eq!(of("b"), [(1, 0)]);
        assert_eq!(of("\u{e9}"), [(2, 3)]);
        assert_eq!((of(""), of("c"), of("\u{e8}")), (vec![], vec![], vec![]));
        // A character may be shared by half.
        for (text, length) in [("abx", 2), ("abcx", 3), ("\u{e8}", 1), ("x", 0), ("", 0)] {
            assert_eq!(prefixes.longest(text.as_bytes()), length, "{text}");
        }
    }
}
