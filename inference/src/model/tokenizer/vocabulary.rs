//! The tokens: text to id.

use std::collections::HashMap;

use super::kinds::Kind;
use crate::error::Error;

/// How a space is written in tokens of characters.
pub(super) const SPACE: &str = "\u{2581}";

/// The ids of the tokens by their texts.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// The key of the tokens.
    pub(super) field: &'static str,
    /// The number of tokens, those without a text included.
    pub(super) length: usize,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// Numbers the tokens. A token without a text keeps its id and is never found.
    pub(super) fn new(field: &'static str, tokens: Vec<String>) -> Result<Self, Error> {
        if tokens.is_empty() {
            return Err(Error::model(field, "at least one token", "none"));
        }
        let length = tokens.len();
        let mut ids = HashMap::with_capacity(length);
        for (id, token) in (0..).zip(tokens) {
            if token.is_empty() {
                continue;
            }
            if let Some(other) = ids.insert(token, id) {
                let expected = format_args!("another text than that of token {other}");
                return Err(Error::model(
                    format_args!("{field}[{id}]"),
                    expected,
                    "the same",
                ));
            }
        }
        Ok(Self { field, length, ids })
    }

    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        self.ids.iter().map(|(text, id)| (text.as_str(), *id))
    }

    /// The tokens of some kinds; there is one kind for each token.
    pub(super) fn of_kinds<'v>(
        &'v self,
        kinds: &'v [Kind],
        is_wanted: impl Fn(Kind) -> bool + 'v,
    ) -> impl Iterator<Item = (&'v str, u32)> {
        self.tokens().filter(move |(_, id)| {
            let kind = usize::try_from(*id).ok().and_then(|id| kinds.get(id));
            kind.is_some_and(|kind| is_wanted(*kind))
        })
    }

    /// The id of a piece of a prompt that must be a token.
    pub(super) fn needed(&self, piece: &str) -> Result<u32, Error> {
        self.id(piece).ok_or_else(|| {
            let expected = format_args!(
                "a token \"{}\", which the prompt needs",
                piece.escape_debug()
            );
            Error::model(self.field, expected, "none")
        })
    }

    /// Adds the id of a piece, or of each of its bytes: `<0x0A>` is the token of a byte.
    pub(super) fn push_or_bytes(&self, piece: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        if let Some(id) = self.id(piece) {
            ids.push(id);
            return Ok(());
        }
        for byte in piece.bytes() {
            ids.push(self.needed(&format!("<0x{byte:02X}>"))?);
        }
        Ok(())
    }
}
