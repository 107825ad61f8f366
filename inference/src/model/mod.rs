//! Models: what a file states about itself, and where its tensors are.

pub(crate) mod apr;
mod assemble;
mod config;
mod gguf;
mod mapped_file;
mod roles;
mod scaling;
pub(crate) mod source;
mod tensor;
mod tokenizer;
mod unhonoured;

pub use config::{Architecture, Assumption, Config, Format, Pairing, Rope, Scaling, Yarn};
pub use mapped_file::MappedFile;
pub use source::Source;
pub use tensor::{Tensor, WeightType};
pub use tokenizer::Tokenizer;

use crate::{error::Error, model::source::read};

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
    /// The names of tensors that neither the forward nor any engine reads, sorted.
    pub unused: Vec<String>,
    /// Embedding, `[hidden, vocabulary]`.
    pub embedding: Tensor,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Weight of the final norm, `[hidden]`.
    pub final_norm: Tensor,
    /// Output matrix, `[hidden, vocabulary]`; the embedding when the model is tied.
    pub output: Tensor,
    /// What divides the angle of each rope pair (llama3), `[rope dims / 2]`.
    pub rope_factors: Option<Tensor>,
}

/// The tensors of a layer; dims in the order of GGUF, the contiguous one first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Layer {
    /// Norm before the attention, `[hidden]`.
    pub attention_norm: Tensor,
    /// Query matrix, `[hidden, heads * head_dim]`.
    pub query: Tensor,
    /// Key matrix, `[hidden, key_value_heads * head_dim]`.
    pub key: Tensor,
    /// Value matrix, `[hidden, key_value_heads * head_dim]`.
    pub value: Tensor,
    /// Biases of query, key and value: all or none.
    pub biases: Option<[Tensor; 3]>,
    /// Norms of a query and of a key head, `[head_dim]` (qwen3).
    pub head_norms: Option<[Tensor; 2]>,
    /// Output matrix of the attention, `[heads * head_dim, hidden]`.
    pub attention_output: Tensor,
    /// Norm before the feed-forward, `[hidden]`.
    pub feed_forward_norm: Tensor,
    /// Gate matrix, `[hidden, feed_forward]`.
    pub gate: Tensor,
    /// Up matrix, `[hidden, feed_forward]`.
    pub up: Tensor,
    /// Down matrix, `[feed_forward, hidden]`.
    pub down: Tensor,
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
    let magic = match first.length() {
        0..4 => Vec::new(),
        _ => read(*first, 0, 4)?,
    };
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
