//! Who is at fault, in one sentence.

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::Side;

/// What the findings of a report come to together: where to look first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Conclusion {
    /// What is the matter.
    pub kind: ConclusionKind,
    /// Which file to replace or to look at.
    pub at_fault: AtFault,
    /// One sentence for a person.
    pub text: String,
}

/// What can be the matter with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConclusionKind {
    /// A file is no model: a web page, a pointer, an archive, a model of another format.
    NotAModel,
    /// A file is cut, malformed or could not be read.
    Unreadable,
    /// The files are two models, each sound.
    AnotherModel,
    /// The GGUF is the model that the APR file was made from, or the model of the other file, written in another way.
    Rewritten,
    /// Bytes of a file are not those that were written.
    Damaged,
    /// The files do not agree, and no damage shows.
    Unlike,
}

/// The file at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AtFault {
    /// The APR file.
    Apr,
    /// The GGUF.
    Gguf,
    /// The first of two files of one format.
    A,
    /// The second of them.
    B,
    /// Both files.
    Both,
    /// Neither: they do not belong together.
    Neither,
    /// The files do not tell.
    Unknown,
}

impl From<Side> for AtFault {
    fn from(side: Side) -> Self {
        match side {
            Side::Apr => Self::Apr,
            Side::Gguf => Self::Gguf,
            Side::A => Self::A,
            Side::B => Self::B,
        }
    }
}
