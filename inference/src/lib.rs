#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod arithmetic;
pub mod cuda;
mod error;
// What a file says is not bounded yet.
#[warn(clippy::arithmetic_side_effects)]
mod model;
mod options;
mod program;
mod record;
mod run;

pub use architectures::{Activation, Architecture};
pub use arithmetic::instruction_set::instruction_set;
pub use error::Error;
pub use gguf_file::ReadAt;
pub use model::{
    Assumption, Config, Format, MappedFile, Model, Pairing, Rope, Scaling, Source, Tensor,
    Tokenizer, WeightType, Yarn, load,
};
pub use options::Options;
pub use program::{
    Choice, Delta, Factors, Feeds, Heads, Instruction, NUMERICS, Norm, Op, Reach, Rotation,
    ScoreScale, Setting, Slot, Stage, StageSink, StateSpace, Step, Weighing, Width,
};
pub use record::{
    Comparison, Difference, Digest, Digests, Outcome, Record, Row, StageDigest, Statistics,
    TokenSet, digest,
};
pub use run::{
    Mode, Prompt, Side, default_prompts, forward, forward_batch, forward_in_f64, forward_pair,
};

/// Parts that `trace-compare` needs. Not for other users: no promise of stability.
#[doc(hidden)]
pub mod internals {
    pub use crate::arithmetic::{matmul::rows, thread_pool::for_each};
    pub use crate::model::source::read;
    pub use crate::program::matrices;
    pub use crate::run::operation_in_f64;
}
