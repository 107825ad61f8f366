//! What becomes of each tensor: its name, its type and its dims in the artifact.

mod architecture;
pub(crate) mod artifact_header;
mod behaviour;
mod complete;
mod fit;
mod given;
pub(crate) mod json;
mod keys;
mod kind;
mod metadata;
pub(crate) mod names;
pub(crate) mod record;
pub(crate) mod rope;
mod shapes;
mod sizes;
pub(crate) mod summary;
pub(crate) mod types;

use gguf_file::{GgmlType, SplitSet, TensorInfo, values};

use crate::{
    error::{Error, UnsupportedTensor},
    plan::{
        names::{EMBEDDING, Names, OUTPUT},
        types::{Storage, can_be_raw},
    },
    request::{Tie, Unsupported},
};

/// The tensors of the artifact.
pub(crate) struct TensorPlan<'a> {
    /// In the order of their names, which is the order of the index.
    pub(crate) tensors: Vec<PlannedTensor<'a>>,
    /// How the embedding and the output matrix relate.
    pub(crate) tie: TieState,
}

/// One tensor of the artifact.
#[derive(Debug, Clone)]
pub(crate) struct PlannedTensor<'a> {
    /// The name in the index.
    pub(crate) name: String,
    /// The name in the GGUF.
    pub(crate) gguf_name: &'a str,
    /// The number of the source file.
    pub(crate) shard: usize,
    /// What the source says.
    pub(crate) info: &'a TensorInfo<'a>,
    /// How the bytes get into the artifact.
    pub(crate) storage: Storage,
    /// The name of the stored type.
    pub(crate) type_name: &'static str,
    /// The id of the stored type.
    pub(crate) dtype: u8,
    /// The dims in the order of APR.
    pub(crate) dims: Vec<u64>,
    /// The length of the stored bytes.
    pub(crate) size: u64,
    /// Whether this is a copy of a tensor that has its own entry.
    pub(crate) is_copy: bool,
}

/// How the embedding and the output matrix relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TieState {
    /// The output matrix is its own tensor.
    None,
    /// There is no output matrix.
    Shared,
    /// A copy of the embedding was added as the output matrix.
    Duplicate,
}

impl TieState {
    /// Returns the word for this state in the artifact's record.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Shared => "shared",
            Self::Duplicate => "duplicate",
        }
    }
}

impl<'a> TensorPlan<'a> {
    /// Plans every tensor of the set.
    ///
    /// # Errors
    /// Fails when types cannot be stored (all such tensors are named), when a name or shape does not fit APR, and when
    /// the embedding is missing.
    pub(crate) fn new(
        set: &SplitSet<'a>,
        names: Names,
        tie: Tie,
        unsupported: Unsupported,
    ) -> Result<Self, Error> {
        let mut tensors = Vec::new();
        let mut refused = Vec::new();
        for (shard, info) in set.tensors() {
            match plan_tensor(shard, info, names, unsupported)? {
                Ok(tensor) => tensors.push(tensor),
                Err(tensor) => refused.push(tensor),
            }
        }
        if !refused.is_empty() {
            return Err(Error::Unsupported { tensors: refused });
        }
        let tie = add_output(&mut tensors, names, tie)?;
        tensors.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { tensors, tie })
    }

    /// Returns the number of rows of the embedding.
    ///
    /// # Errors
    /// Fails when the embedding is not a matrix.
    pub(crate) fn vocabulary_rows(&self) -> Result<u64, Error> {
        let embedding = self
            .tensors
            .iter()
            .find(|tensor| tensor.gguf_name == EMBEDDING);
        let rows = embedding.and_then(|tensor| tensor.info.dims.get(1));
        rows.copied().ok_or_else(|| Error::Tensor {
            name: EMBEDDING.to_owned(),
            problem: "it is not a matrix, so it has no row for each token".to_owned(),
        })
    }

    /// Returns the number of elements of all tensors but the copy.
    pub(crate) fn elements(&self) -> u64 {
        self.tensors
            .iter()
            .filter(|tensor| !tensor.is_copy)
            .map(|tensor| tensor.info.elements())
            .sum()
    }

    /// Returns the GGUF names, sorted, of the tensors that are stored this way.
    pub(crate) fn stored_as(&self, storage: Storage) -> Vec<&'a str> {
        let mut names: Vec<&str> = self
            .tensors
            .iter()
            .filter(|tensor| tensor.storage == storage && !tensor.is_copy)
            .map(|tensor| tensor.gguf_name)
            .collect();
        names.sort_unstable();
        names
    }

    /// Returns what the caller should know about the tensors.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(decoded) = self.cost_of(Storage::Decoded) {
            warnings.push(format!("stored as decoded F32, {decoded}"));
        }
        if let Some(raw) = self.cost_of(Storage::Raw) {
            warnings.push(format!(
                "stored raw under ids that `apr run` reads but `apr` inspect, tensors, validate, diff, import and \
                 export cannot read or misread, {raw}"
            ));
        }
        if self.tensors.iter().any(|tensor| tensor.type_name == "BF16") {
            warnings.push(
                "the model has BF16 tensors: it runs and validates, but `apr check` fails on them"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Says which tensors are stored in this way, and how many bytes each one had and has.
    fn cost_of(&self, storage: Storage) -> Option<String> {
        let stored = || {
            let tensors = self.tensors.iter();
            tensors.filter(move |tensor| tensor.storage == storage && !tensor.is_copy)
        };
        let mut named: Vec<String> = stored()
            .map(|tensor| {
                format!(
                    "{} ({}: {} -> {} bytes)",
                    tensor.gguf_name.escape_debug(),
                    tensor.source_type_name(),
                    tensor.info.data.length,
                    tensor.size
                )
            })
            .collect();
        named.sort_unstable();
        // Sums of lengths inside files, and of as many F32: a u64 holds them.
        let before: u64 = stored().map(|tensor| tensor.info.data.length).sum();
        let after: u64 = stored().map(|tensor| tensor.size).sum();
        (!named.is_empty())
            .then(|| format!("{before} -> {after} bytes in all: {}", named.join(", ")))
    }
}

impl PlannedTensor<'_> {
    /// Returns the name of the type in the source.
    fn source_type_name(&self) -> &'static str {
        self.info.ggml_type.map_or("unknown", GgmlType::name)
    }
}

/// Plans a tensor; the inner error is a type that the choice does not allow.
fn plan_tensor<'a>(
    shard: usize,
    info: &'a TensorInfo<'a>,
    names: Names,
    unsupported: Unsupported,
) -> Result<Result<PlannedTensor<'a>, UnsupportedTensor>, Error> {
    let name = info.name.escape_ascii().to_string();
    let refuse = |problem: &str| {
        Err(Error::Tensor {
            name: name.clone(),
            problem: problem.to_owned(),
        })
    };
    let Ok(gguf_name) = str::from_utf8(info.name) else {
        return refuse("the name is not UTF-8, which APR needs; rename it in the GGUF");
    };
    // Readers translate each name, and want one naming in a file.
    let stored_name = names.apply(gguf_name);
    let read_as = names::to_gguf(&stored_name);
    let other_naming = match names {
        Names::Gguf => "model.",
        Names::Hf => "blk.",
    };
    if read_as != gguf_name {
        let read_as = read_as.escape_debug();
        return refuse(&format!(
            "readers of the artifact would take it for {read_as}; rename it in the GGUF"
        ));
    }
    if stored_name.starts_with(other_naming) {
        return refuse(
            "beside the other tensors its name is one of two namings, and readers refuse a file with two; rename it in the GGUF",
        );
    }
    let storage = info
        .ggml_type
        .and_then(|ggml_type| Storage::pick(ggml_type, unsupported).zip(Some(ggml_type)));
    let Some((storage, ggml_type)) = storage else {
        return Ok(Err(UnsupportedTensor {
            name,
            type_name: info.ggml_type.map_or_else(
                || format!("type {}", info.type_id),
                |known| known.name().to_owned(),
            ),
            decodable: info
                .ggml_type
                .is_some_and(|known| values::decoder(known).is_some()),
            raw: info.ggml_type.is_some_and(can_be_raw),
        }));
    };
    let mut dims = info.dims.clone();
    match dims.len() {
        0 => return refuse("it has no dimensions, and APR has no scalars"),
        // The bytes stay as they are: APR counts a matrix by rows first.
        2 => dims.reverse(),
        _ => {}
    }
    let stored = storage.stored_type(ggml_type);
    let size = match storage {
        Storage::Kept | Storage::Raw => Some(info.data.length),
        Storage::Decoded => info.elements().checked_mul(stored.block_bytes()),
    };
    let (Some(size), Ok(dtype)) = (size, u8::try_from(stored.id())) else {
        return refuse("it is too large when decoded");
    };
    Ok(Ok(PlannedTensor {
        name: stored_name,
        gguf_name,
        shard,
        info,
        storage,
        type_name: stored.name(),
        dtype,
        dims,
        size,
        is_copy: false,
    }))
}

/// Finds out about the output matrix, and adds it as a copy of the embedding when asked to.
fn add_output(
    tensors: &mut Vec<PlannedTensor<'_>>,
    names: Names,
    tie: Tie,
) -> Result<TieState, Error> {
    let Some(embedding) = tensors.iter().find(|tensor| tensor.gguf_name == EMBEDDING) else {
        return Err(Error::Tensor {
            name: EMBEDDING.to_owned(),
            problem: "it is missing, and no loader runs a model without an embedding".to_owned(),
        });
    };
    if tensors.iter().any(|tensor| tensor.gguf_name == OUTPUT) {
        return Ok(TieState::None);
    }
    if tie == Tie::Shared {
        return Ok(TieState::Shared);
    }
    let copy = PlannedTensor {
        name: names.apply(OUTPUT),
        is_copy: true,
        ..embedding.clone()
    };
    tensors.push(copy);
    Ok(TieState::Duplicate)
}
