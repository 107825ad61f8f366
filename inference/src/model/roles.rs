//! The roles of tensors: which tensor of a file has which role, and whether it fits.

use std::collections::BTreeMap;

use super::tensor::{Tensor, WeightType};
use crate::error::Error;

/// A tensor as a file states it.
#[derive(Debug)]
pub(crate) struct RawTensor {
    /// The type, or the name of one that the forward does not know.
    pub(crate) weight_type: Result<WeightType, String>,
    /// In the order of GGUF.
    pub(crate) dims: Vec<u64>,
    pub(crate) shard: usize,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) file_length: u64,
}

/// What a tensor is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Embedding,
    FinalNorm,
    Output,
    RopeFactors,
    Layer(usize, Part),
}

/// What a tensor of a layer is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    AttentionNorm,
    Query,
    Key,
    Value,
    QueryBias,
    KeyBias,
    ValueBias,
    QueryNorm,
    KeyNorm,
    AttentionOutput,
    FeedForwardNorm,
    Gate,
    Up,
    Down,
}

/// The names that a format gives its keys and tensors.
pub(crate) struct Naming {
    pub(crate) layers: &'static str,
    pub(crate) epsilon: &'static str,
    pub(crate) base: &'static str,
    pub(crate) rope_type: &'static str,
    pub(crate) attention_scale: &'static str,
    pub(crate) attention_factor: &'static str,
    pub(crate) head_dim: &'static str,
    pub(crate) key_value_heads: &'static str,
    pub(crate) tied: &'static str,
    /// The names that a tensor may have, the first one that is there counts.
    pub(crate) names: fn(Role) -> Vec<String>,
}

/// The tensors that no role has taken yet.
pub(crate) struct Tensors<'a> {
    pub(crate) left: BTreeMap<String, RawTensor>,
    pub(crate) naming: &'a Naming,
}

impl Tensors<'_> {
    fn name(&self, role: Role) -> Option<String> {
        (self.naming.names)(role)
            .into_iter()
            .find(|name| self.left.contains_key(name))
    }

    /// Tells whether a tensor for the role is left.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.name(role).is_some()
    }

    /// The rows of a matrix, if present.
    pub(crate) fn rows(&self, role: Role) -> Option<usize> {
        let tensor = self.left.get(&self.name(role)?)?;
        usize::try_from(*tensor.dims.get(1)?).ok()
    }

    /// Takes a tensor that must be there.
    pub(crate) fn take(&mut self, role: Role, dims: &[Option<usize>]) -> Result<Tensor, Error> {
        self.find(role, dims)?.ok_or_else(|| {
            let names = (self.naming.names)(role).join(" or ");
            Error::model("tensors", names, "none")
        })
    }

    /// Takes a tensor if it is present; `None` in the dims matches any number.
    pub(crate) fn find(
        &mut self,
        role: Role,
        dims: &[Option<usize>],
    ) -> Result<Option<Tensor>, Error> {
        let Some((name, raw)) = self
            .name(role)
            .and_then(|name| self.left.remove_entry(&name))
        else {
            return Ok(None);
        };
        let field = format!("tensor \"{}\"", name.escape_debug());
        let weight_type = raw
            .weight_type
            .map_err(|other| Error::not_covered(format_args!("{field} of type {other}")))?;
        let found: Option<Vec<usize>> = raw
            .dims
            .iter()
            .map(|dim| usize::try_from(*dim).ok())
            .collect();
        let fits = |found: &Vec<usize>| {
            found.len() == dims.len()
                && found
                    .iter()
                    .zip(dims)
                    .all(|(found, dim)| dim.is_none_or(|dim| *found == dim))
        };
        let Some(found) = found.filter(fits) else {
            let expected: Vec<String> = dims
                .iter()
                .map(|dim| dim.map_or("any".to_owned(), |dim| dim.to_string()))
                .collect();
            let expected = format_args!("dims [{}]", expected.join(", "));
            return Err(Error::model(
                field,
                expected,
                format_args!("{:?}", raw.dims),
            ));
        };
        let tensor = Tensor {
            name,
            weight_type,
            dims: found,
            shard: raw.shard,
            offset: raw.offset,
            size: raw.size,
        };
        let Some(size) = byte_length(&tensor) else {
            let expected = format_args!("rows of whole {weight_type:?} blocks");
            return Err(Error::model(
                field,
                expected,
                format_args!("{:?}", raw.dims),
            ));
        };
        if size != raw.size {
            return Err(Error::model(field, format_args!("{size} bytes"), raw.size));
        }
        if raw
            .offset
            .checked_add(raw.size)
            .is_none_or(|end| end > raw.file_length)
        {
            let expected = format_args!("data inside the {} bytes of the file", raw.file_length);
            return Err(Error::model(
                field,
                expected,
                format_args!("offset {}", raw.offset),
            ));
        }
        Ok(Some(tensor))
    }
}

/// The bytes of whole rows of whole blocks.
fn byte_length(tensor: &Tensor) -> Option<u64> {
    let (elements, bytes) = tensor.weight_type.block();
    if !tensor.columns().is_multiple_of(elements) {
        return None;
    }
    let row = tensor.columns().checked_div(elements)?.checked_mul(bytes)?;
    u64::try_from(row.checked_mul(tensor.rows())?).ok()
}
