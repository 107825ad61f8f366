//! The deterministic forward that runs each file from its own names and metadata.
//!
//! [`load`] builds a [`Model`] from a GGUF or an APR file, [`forward`] runs it on token ids and hands every stage to a
//! [`StageSink`]. The arithmetic is the contract `f32-fixed-1` of `CONTRACT.md`: the same bits for any number of
//! threads, any panel size and any prompt that continues the tokens. [`Digests`] keeps the BLAKE3 digest of each stage.
//!
//! A prompt is token ids, or text that the [`Tokenizer`] of the same file turned into ids.
//!
//! The weights are streamed: a panel of rows is read, used for all tokens and forgotten. Nothing is defaulted silently:
//! what a file does not say and the run needs is an [`Assumption`]; an architecture, a type or a key that the forward
//! does not cover is [`Error::NotCovered`].
#![deny(unsafe_code)]

mod attention;
mod comparison;
pub mod cuda;
mod dequantise;
mod digest;
mod error;
mod exp;
mod feeds;
mod forward;
mod instructions;
mod mapped;
mod matmul;
mod model;
mod norm;
mod options;
pub mod other_engine;
mod parallel;
mod place;
mod program;
mod prompts;
mod real;
mod record;
mod rope;
mod side;
mod source;
mod stage;
mod sums;
mod tokenizer;
pub mod trace;

pub use comparison::{Comparison, Difference, Outcome, Row};
pub use digest::{Digest, Digests, StageDigest, digest};
pub use error::Error;
pub use feeds::{Feeds, Setting};
pub use forward::{
    Mode, NUMERICS, StageSink, forward, forward_batch, forward_in_f64, forward_pair,
};
pub use gguf_file::ReadAt;
pub use instructions::instruction_set;
pub use mapped::MappedFile;
pub use model::{
    Architecture, Assumption, Config, Format, Layer, Model, Pairing, Rope, Scaling, Tensor,
    WeightType, Yarn, load, load_apr, load_gguf,
};
pub use options::Options;
pub use prompts::{Prompt, default_prompts};
pub use record::{Record, Statistics, TokenSet};
pub use side::Side;
pub use source::{FileSource, Source};
pub use stage::{Stage, Step};
pub use tokenizer::Tokenizer;
