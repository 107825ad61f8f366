//! A value for each file of a pair, under the name that reports give the file.

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::Side;

/// What each file of a pair has: `apr` and `gguf`, or `a` and `b` of two files of one format.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sides<T> {
    /// Of the APR file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apr: Option<T>,
    /// Of the GGUF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gguf: Option<T>,
    /// Of the first of two files of one format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<T>,
    /// Of the second of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<T>,
}

impl<T> Sides<T> {
    /// Puts values under the names of these sides.
    #[must_use]
    pub fn new(sides: [Side; 2], values: [Option<T>; 2]) -> Self {
        let mut all = Self {
            apr: None,
            gguf: None,
            a: None,
            b: None,
        };
        for (side, value) in sides.into_iter().zip(values) {
            let slot = match side {
                Side::Apr => &mut all.apr,
                Side::Gguf => &mut all.gguf,
                Side::A => &mut all.a,
                Side::B => &mut all.b,
            };
            *slot = value;
        }
        all
    }

    /// Returns what a file has.
    #[must_use]
    pub const fn get(&self, side: Side) -> Option<&T> {
        match side {
            Side::Apr => self.apr.as_ref(),
            Side::Gguf => self.gguf.as_ref(),
            Side::A => self.a.as_ref(),
            Side::B => self.b.as_ref(),
        }
    }

    /// Returns what the first file has, which is the APR file in a pair of two formats.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.apr.as_ref().or(self.a.as_ref())
    }

    /// Returns what the second file has.
    #[must_use]
    pub fn second(&self) -> Option<&T> {
        self.gguf.as_ref().or(self.b.as_ref())
    }

    /// Returns each side that has something, and what it has.
    pub fn all(&self) -> impl Iterator<Item = (Side, &T)> {
        let sides = [Side::Apr, Side::Gguf, Side::A, Side::B].into_iter();
        sides.filter_map(|side| Some((side, self.get(side)?)))
    }
}
