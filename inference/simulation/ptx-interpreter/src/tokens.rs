//! The words of a PTX text, with their lines.

use crate::error::Error;

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name, an opcode, a directive or a number: everything of letters, digits, `_`, `$`, `%` and `.`.
    Word(&'a str),
    /// Any other character.
    Mark(char),
    /// What stands between double quotes.
    Quoted,
}

/// The pieces of a text and how far they were read.
pub(crate) struct Tokens<'a> {
    list: Vec<(Token<'a>, u32)>,
    next: usize,
}

impl<'a> Tokens<'a> {
    /// Cuts a text; comments and space fall away.
    pub(crate) fn new(text: &'a str) -> Self {
        let mut list = Vec::new();
        let mut rest = text;
        let mut line = 1u32;
        while let Some(first) = rest.chars().next() {
            let (token, length) = if first.is_whitespace() {
                (None, first.len_utf8())
            } else if rest.starts_with("//") {
                (None, rest.find('\n').unwrap_or(rest.len()))
            } else if rest.starts_with("/*") {
                (None, end_of(rest, "*/"))
            } else if first == '"' {
                let inner = rest.get(1..).unwrap_or_default();
                let length = end_of(inner, "\"").saturating_add(1);
                (Some(Token::Quoted), length)
            } else if is_of_word(first) {
                let (word, _) = rest.split_at(rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()));
                (Some(Token::Word(word)), word.len())
            } else {
                (Some(Token::Mark(first)), first.len_utf8())
            };
            list.extend(token.map(|token| (token, line)));
            let (read, left) = rest.split_at(length);
            let lines = read.bytes().filter(|byte| *byte == b'\n').count();
            line += u32::try_from(lines).unwrap_or(u32::MAX);
            rest = left;
        }
        Self { list, next: 0 }
    }

    /// The line of the next piece, or of the last one at the end.
    pub(crate) fn line(&self) -> u32 {
        let next = self.list.get(self.next).or_else(|| self.list.last());
        next.map_or(1, |(_, line)| *line)
    }

    /// The next piece, which stays.
    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        self.list.get(self.next).map(|(token, _)| *token)
    }

    /// The next piece.
    pub(crate) fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.next = self.next.saturating_add(1).min(self.list.len());
        token
    }

    /// Takes a character if it is next.
    pub(crate) fn accept(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(Token::Mark(mark));
        if found {
            self.next();
        }
        found
    }

    /// Takes a word if it is next.
    pub(crate) fn accept_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(Token::Word(word));
        if found {
            self.next();
        }
        found
    }

    /// Takes a required character.
    pub(crate) fn expect(&mut self, mark: char) -> Result<(), Error> {
        if self.accept(mark) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{mark}'")))
    }

    /// Takes a required word; `what` says what it would be.
    pub(crate) fn word(&mut self, what: &str) -> Result<&'a str, Error> {
        let Some(Token::Word(word)) = self.peek() else {
            return Err(self.unexpected(what));
        };
        self.next();
        Ok(word)
    }

    /// Takes a whole number, which may have a sign.
    pub(crate) fn integer(&mut self) -> Result<u64, Error> {
        let negative = self.accept('-');
        let Some(Token::Word(word)) = self.peek() else {
            return Err(self.unexpected("a number"));
        };
        let Some(value) = integer(word) else {
            return Err(self.unexpected("a number"));
        };
        self.next();
        Ok(if negative {
            value.wrapping_neg()
        } else {
            value
        })
    }

    /// The error that something else is next.
    pub(crate) fn unexpected(&self, expected: &str) -> Error {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Word(word)) => word.chars().take(80).collect(),
            Some(Token::Mark(mark)) => format!("'{mark}'"),
            Some(Token::Quoted) => "a quoted text".to_owned(),
        };
        Error::Syntax {
            line: self.line(),
            expected: expected.to_owned(),
            found,
        }
    }
}

/// A whole number, decimal or with 0x, with U behind it or not.
pub(crate) fn integer(word: &str) -> Option<u64> {
    let digits = word.strip_suffix('U').unwrap_or(word);
    match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        // A leading 0 would mean octal, which no compiler writes.
        None if digits.len() > 1 && digits.starts_with('0') => None,
        None => digits.parse().ok(),
    }
}

/// Where a text ends that goes on to a mark, or to the end.
fn end_of(text: &str, mark: &str) -> usize {
    text.find(mark)
        .map_or(text.len(), |at| at.saturating_add(mark.len()))
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_fall_away_and_lines_are_counted() {
        let mut tokens = Tokens::new("a.b /* x\n */ -12 // y\n\"q;\" %r1\u{e9}");
        assert_eq!(tokens.next(), Some(Token::Word("a.b")));
        assert_eq!(tokens.line(), 2);
        assert_eq!(tokens.integer(), Ok(12u64.wrapping_neg()));
        assert_eq!((tokens.line(), tokens.next()), (3, Some(Token::Quoted)));
        assert_eq!(tokens.next(), Some(Token::Word("%r1")));
        assert_eq!(tokens.next(), Some(Token::Mark('\u{e9}')));
        assert_eq!((tokens.next(), tokens.next()), (None, None));
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(integer("0x1F"), Some(31));
        assert_eq!(integer("7U"), Some(7));
        assert_eq!(integer("017"), None);
        assert_eq!(integer("0x+1"), None);
        assert_eq!(integer("99999999999999999999"), None);
    }
}
