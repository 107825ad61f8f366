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

mod arithmetic;
#[expect(
    clippy::arithmetic_side_effects,
    reason = "sizes of a model that fits its file: a wrapped size must end the run, as overflow checks do"
)]
pub mod cuda;
mod error;
mod model;
mod program;
mod record;
#[expect(
    clippy::arithmetic_side_effects,
    reason = "sizes of a model that fits its file: a wrapped size must end the run, as overflow checks do"
)]
mod run;

pub use arithmetic::instruction_set::instruction_set;
pub use error::Error;
pub use gguf_file::ReadAt;
pub use model::{
    Architecture, Assumption, Config, FileSource, Format, Layer, MappedFile, Model, Pairing, Rope,
    Scaling, Source, Tensor, Tokenizer, WeightType, Yarn, load, load_apr, load_gguf,
};
pub use program::{Feeds, NUMERICS, Setting, Stage, StageSink, Step};
pub use record::{
    Comparison, Difference, Digest, Digests, Outcome, Record, Row, StageDigest, Statistics,
    TokenSet, digest,
};
pub use run::{
    Mode, Options, Prompt, Side, default_prompts, forward, forward_batch, forward_in_f64,
    forward_pair,
};

/// What the neighbours of this crate that judge other engines need of its parts. Not for other users: it has no promise
/// of stability.
#[doc(hidden)]
pub mod internals {
    pub use crate::arithmetic::{matmul::rows, thread_pool::for_each};
    pub use crate::model::source::read;
    pub use crate::program::{matrices, program};
    pub use crate::run::{attention_scale, operation_in_f64};
}
