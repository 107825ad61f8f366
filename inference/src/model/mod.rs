//! Models: what a file states about itself, and where its tensors are.

pub(crate) mod apr;
mod build;
mod config;
mod gguf;
mod keys;
mod mapped_file;
mod scaling;
pub(crate) mod source;
mod tensor;
mod tensors;
mod tokenizer;
mod unhonoured;

pub use config::{Assumption, Config, Format, Pairing, Rope, Scaling, Yarn};
pub use mapped_file::MappedFile;
pub use source::Source;
pub use tensor::{Tensor, WeightType};
pub use tokenizer::Tokenizer;

use crate::{
    error::Error,
    model::source::read,
    program::{Heads, Instruction, Op, ScoreScale, Stage, Step},
};

/// A model that can run: its configuration and where its tensors are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// The format of the file.
    pub format: Format,
    /// The numbers of the model.
    pub config: Config,
    /// Assumptions about what the file does not say.
    pub assumptions: Vec<Assumption>,
    /// The names of tensors that neither the forward nor any engine reads, sorted; then keys of the architecture
    /// that nothing reads.
    pub unused: Vec<String>,
    /// What is computed, in the order of execution.
    pub program: Vec<Instruction>,
}

impl Model {
    /// The embedding, `[hidden, vocabulary]`.
    pub fn embedding(&self) -> &Tensor {
        match self.program.first().map(|first| &first.op) {
            Some(Op::Lookup { table }) => table,
            _ => unreachable!("every program starts with the rows of the tokens"),
        }
    }

    /// The scores of the attention of a layer, where it has one: its heads and the factor.
    pub fn scores(&self, layer: usize) -> Option<(Heads, ScoreScale)> {
        match &self
            .instruction(Step::in_layer(layer, Stage::AttnScores))?
            .op
        {
            Op::Scores { heads, scale, .. } => Some((*heads, *scale)),
            _ => None,
        }
    }

    /// How many experts each layer chooses from, where it does.
    pub fn experts(&self) -> impl Iterator<Item = usize> {
        let program = self.program.iter();
        program.filter_map(|taken| match &taken.op {
            Op::Choose(choice) => Some(choice.experts),
            _ => None,
        })
    }

    /// The rotation of the queries of a layer, where it has one.
    pub fn rope(&self, layer: usize) -> Option<&Rope> {
        match &self.instruction(Step::in_layer(layer, Stage::QRope))?.op {
            Op::Rotate(rotation) => Some(&rotation.rope),
            _ => None,
        }
    }
}

/// Loads a model of either format, told by its first four bytes.
///
/// # Errors
/// Fails when a file cannot be read or parsed or is of neither format, when the model lacks a key or a tensor or contradicts
/// itself, and with [`Error::NotCovered`] for what the forward does not do.
pub fn load(sources: &[&dyn Source]) -> Result<Model, Error> {
    match format_of(sources)? {
        (Format::Gguf, _) => gguf::load(sources),
        (Format::Apr, first) => apr::load(first),
    }
}

/// Tells the format by the first four bytes of the first file, and returns that file.
pub(crate) fn format_of<'s>(sources: &[&'s dyn Source]) -> Result<(Format, &'s dyn Source), Error> {
    let Some(first) = sources.first() else {
        return Err(Error::model("sources", "at least one file", "none"));
    };
    let held = usize::try_from(first.length()).map_or(4, |length| length.min(4));
    let magic = read(*first, 0, held)?;
    match magic.as_slice() {
        b"GGUF" => Ok((Format::Gguf, *first)),
        b"APR\0" => Ok((Format::Apr, *first)),
        other => Err(Error::model(
            "magic",
            "\"GGUF\" or \"APR\\0\"",
            format_args!("\"{}\"", other.escape_ascii()),
        )),
    }
}
