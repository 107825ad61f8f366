//! What unigram pieces make of a text before they cut it.

use super::{charsmap::Charsmap, prefixes::Prefixes, vocabulary::SPACE};
use crate::error::Error;

/// Replaces characters and writes spaces as U+2581.
#[derive(Debug)]
pub(super) struct Normalizer {
    /// User-defined tokens, whose beginnings no table replaces.
    pub(super) kept: Prefixes,
    pub(super) charsmap: Option<Charsmap>,
    /// Whether a space stands in front of the text.
    pub(super) space_prefix: bool,
    /// Whether there is one space in front of each word and none elsewhere.
    pub(super) merges_spaces: bool,
}

impl Normalizer {
    /// Normalises a text. What is kept may end inside a character, which then is replaced: the result is bytes.
    pub(super) fn normalize(&self, text: &str) -> Result<Vec<u8>, Error> {
        let mut normal = Vec::with_capacity(text.len());
        let mut wants_prefix = self.space_prefix;
        let mut in_word = false;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (part, length) = self.next(rest)?;
            for byte in part {
                if *byte == b' ' {
                    in_word = false;
                    if !self.merges_spaces {
                        normal.extend(SPACE.bytes());
                    }
                    continue;
                }
                if !in_word && (wants_prefix || self.merges_spaces) {
                    normal.extend(SPACE.bytes());
                    wants_prefix = false;
                }
                in_word = true;
                normal.push(*byte);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(normal)
    }

    /// What the beginning of a text becomes, and how many of its bytes that are.
    fn next<'t>(&'t self, text: &'t [u8]) -> Result<(&'t [u8], usize), Error> {
        let whole = |length: usize| (text.get(..length).unwrap_or(text), length);
        let kept = self.kept.longest(text);
        if kept > 0 {
            return Ok(whole(kept));
        }
        if let Some(charsmap) = &self.charsmap
            && let Some(replaced) = charsmap.replace(text)?
        {
            return Ok(replaced);
        }
        // The rest of a character whose beginning is gone.
        let is_inside = |byte: &u8| byte & 0xC0 == 0x80;
        if text.first().is_some_and(is_inside) {
            return Ok(("\u{FFFD}".as_bytes(), 1));
        }
        let inside = text.iter().skip(1).take_while(|byte| is_inside(byte));
        Ok(whole(inside.count().saturating_add(1)))
    }
}
