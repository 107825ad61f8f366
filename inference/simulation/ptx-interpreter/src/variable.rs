//! Declarations of variables, and the types of their elements.

use crate::{
    error::Error,
    tokens::{Token, Tokens},
};

/// A variable: its name, alignment, the size of an element and the number of elements; none where the brackets are empty.
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    pub(crate) align: u64,
    pub(crate) kind: &'a str,
    pub(crate) element: u64,
    pub(crate) count: Option<u64>,
    pub(crate) is_array: bool,
}

impl<'a> Variable<'a> {
    /// Reads what stands between the space and the end of a declaration, as `.align 4 .b8 name[16]`.
    pub(crate) fn parse(tokens: &mut Tokens<'a>) -> Result<Self, Error> {
        let mut align = None;
        let (kind, element) = loop {
            match tokens.peek() {
                Some(Token::Word(".align")) => {
                    tokens.next();
                    align = Some(alignment(tokens)?);
                }
                Some(Token::Word(word)) => {
                    let kind = word.strip_prefix('.').unwrap_or_default();
                    let Some(bits) = bits(kind) else {
                        return Err(tokens.unexpected("a type"));
                    };
                    tokens.next();
                    break (kind, u64::from(bits / 8));
                }
                _ => return Err(tokens.unexpected("a type")),
            }
        };
        // What a parameter points to.
        if tokens.accept_word(".ptr") {
            let spaces = [".global", ".const", ".shared"];
            let _is_told = spaces.into_iter().any(|space| tokens.accept_word(space));
            if tokens.accept_word(".align") {
                alignment(tokens)?;
            }
        }
        let name = tokens.word("a name")?;
        let mut count = Some(1u64);
        let mut is_array = false;
        while tokens.accept('[') {
            is_array = true;
            if tokens.accept(']') {
                count = None;
                continue;
            }
            let line = tokens.line();
            let length = tokens.integer()?;
            let product = count.and_then(|count| count.checked_mul(length));
            count = Some(
                product
                    .filter(|count| *count <= MOST_BYTES)
                    .ok_or_else(|| too_much(line, "the size of a variable", MOST_BYTES))?,
            );
            tokens.expect(']')?;
        }
        Ok(Self {
            name,
            align: align.unwrap_or(element),
            kind,
            element,
            count,
            is_array,
        })
    }

    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.count.unwrap_or_default().saturating_mul(self.element)
    }

    /// The next place for it in a list of variables; the place after it.
    pub(crate) fn place(&self, end: u64, line: u32) -> Result<(u64, u64), Error> {
        let start = end.next_multiple_of(self.align);
        let end = start.saturating_add(self.size());
        if end > MOST_BYTES {
            return Err(too_much(line, "the size of all variables", MOST_BYTES));
        }
        Ok((start, end))
    }
}

/// The bits of a type.
pub(crate) fn bits(kind: &str) -> Option<u32> {
    Some(match kind {
        "b8" | "u8" | "s8" => 8,
        "b16" | "u16" | "s16" => 16,
        "b32" | "u32" | "s32" | "f32" => 32,
        "b64" | "u64" | "s64" | "f64" => 64,
        _ => return None,
    })
}

pub(crate) fn too_much(line: u32, what: &str, most: u64) -> Error {
    Error::TooMuch {
        line,
        what: what.to_owned(),
        most,
    }
}

fn alignment(tokens: &mut Tokens<'_>) -> Result<u64, Error> {
    let line = tokens.line();
    let align = tokens.integer()?;
    if align.is_power_of_two() && align <= MOST_ALIGNMENT {
        return Ok(align);
    }
    Err(too_much(
        line,
        "an alignment that is a power of two",
        MOST_ALIGNMENT,
    ))
}

/// The most bytes of shared variables, and of one variable.
const MOST_BYTES: u64 = 1 << 20;
const MOST_ALIGNMENT: u64 = 1024;
