//! The kinds of tokens, as the numbers of GGUF name them.

use crate::error::Error;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Undefined,
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    /// Reads one for each token; all are normal where the file does not say.
    pub(super) fn all(
        field: &str,
        types: Option<&[i64]>,
        length: usize,
    ) -> Result<Vec<Self>, Error> {
        let Some(types) = types else {
            return Ok(vec![Self::Normal; length]);
        };
        if types.len() != length {
            let expected = format_args!("{length} items, one for each token");
            return Err(Error::model(field, expected, types.len()));
        }
        let kind = |(id, number): (usize, &i64)| {
            Self::from_number(*number)
                .ok_or_else(|| Error::model(format_args!("{field}[{id}]"), "0 to 6", number))
        };
        types.iter().enumerate().map(kind).collect()
    }

    const fn from_number(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Undefined,
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_do_not_fit_the_tokens_are_refused() {
        for types in [&[1, 1][..], &[], &[7], &[-1]] {
            assert!(Kind::all("types", Some(types), 1).is_err());
        }
        assert_eq!(Kind::all("types", Some(&[6]), 1), Ok(vec![Kind::Byte]));
        assert_eq!(Kind::all("types", None, 1), Ok(vec![Kind::Normal]));
    }
}
