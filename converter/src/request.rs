//! What a caller asks for.

use std::path::PathBuf;

/// A conversion: from which files, to which file, and the choices on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The GGUF file, or all files of a split set in shard order.
    pub sources: Vec<PathBuf>,
    /// The APR file to write; its manifest gets the same name with `.manifest.json` added.
    pub output: PathBuf,
    /// How tensors are named in the index.
    pub naming: Naming,
    /// What happens where the output matrix is the embedding.
    pub tie: Tie,
    /// What happens to tensors of a type that APR cannot hold.
    pub unsupported: Unsupported,
    /// Keys that the source lacks, with their values as text; none may be one that the source has.
    pub set: Vec<(String, String)>,
    /// Whether keys that change what the model computes, and that no loader of APR reads, may stand in the record alone.
    pub record_only: bool,
    /// Whether an existing output and manifest are replaced.
    pub overwrite: bool,
    /// Whether the manifest gives the SHA-256 of each tensor; BLAKE3 is always given.
    pub tensor_sha256: bool,
    /// The most threads at work, the caller's among them; 0 means 1. The artifact does not depend on it.
    pub threads: usize,
    /// Name and version of the program, for the artifact and its manifest.
    pub tool: String,
}

/// How tensors are named in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Names of Hugging Face for the architectures `qwen2` and `qwen3`, names of the GGUF otherwise.
    Auto,
    /// The names of the GGUF.
    Gguf,
    /// The names of Hugging Face, such as `model.layers.0.self_attn.q_proj.weight`.
    Hf,
}

/// What happens where the GGUF has no `output.weight` because the output matrix is the embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// Nothing is written: loaders use the embedding.
    Shared,
    /// A copy of the embedding is written as the output matrix.
    Duplicate,
}

/// What happens to tensors of a type other than F32, F16, BF16, `Q4_K` and `Q6_K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// The model is refused and the tensors are named.
    Refuse,
    /// These tensors, and only these, are stored as F32 with exactly the decoded values.
    DecodeF32,
    /// The bytes are stored under their ggml id where `apr run` can use them.
    Raw,
    /// Raw where `apr run` can use the bytes, decoded otherwise.
    Auto,
}

/// Whether the artifact was verified before it got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// An independent verifier compared every byte.
    Verified,
    /// It was not verified.
    Skipped,
}
