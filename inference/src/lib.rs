//! The deterministic forward that runs each file from its own names and metadata.
//!
//! [`load`] builds a [`Model`] from a GGUF or an APR file, [`forward`] runs it on token ids and hands every stage to a
//! [`StageSink`]. The arithmetic is the contract `f32-fixed-1` of `CONTRACT.md`: the same bits for any number of
//! threads, any panel size and any prompt that continues the tokens. [`Digests`] keeps the BLAKE3 digest of each stage.
//!
//! The weights are streamed: a panel of rows is read, used for all tokens and forgotten. Nothing is defaulted silently:
//! what a file does not say and the run needs is an [`Assumption`]; an architecture, a type or a key that the forward
//! does not cover is [`Error::NotCovered`].
#![deny(unsafe_code)]

mod attention;
pub mod compare;
mod dequantise;
mod digest;
mod error;
mod exp;
mod forward;
mod matmul;
mod model;
mod norm;
mod parallel;
mod prompts;
mod rope;
mod source;
mod stage;
pub mod trace;

pub use digest::{Digest, Digests, StageDigest, digest};
pub use error::Error;
pub use forward::{NUMERICS, Options, StageSink, forward};
pub use model::{
    Architecture, Assumption, Config, Format, Layer, Model, Pairing, Rope, Scaling, Tensor,
    WeightType, Yarn, load, load_apr, load_gguf,
};
pub use prompts::{Prompt, default_prompts};
pub use source::{FileSource, Source};
pub use stage::{Stage, Step};
