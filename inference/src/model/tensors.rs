//! Which tensor of a file stands where in a model, and whether it fits.

use std::{collections::BTreeMap, iter};

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

/// The place of a tensor in a model, by the names of GGUF: `token_embd.weight`, or `attn_q.weight` of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The layer; `None` for a tensor of the whole model.
    pub(crate) layer: Option<usize>,
    /// The name without `blk.N.`.
    pub(crate) part: &'a str,
}

/// The tensors that nothing has taken yet.
pub(crate) struct Tensors {
    pub(crate) left: BTreeMap<String, RawTensor>,
    /// The names that a tensor may have in the format, the first one that is there counts.
    pub(crate) names: fn(Place<'_>) -> Vec<String>,
}

impl Tensors {
    fn name(&self, place: Place<'_>) -> Option<String> {
        (self.names)(place)
            .into_iter()
            .find(|name| self.left.contains_key(name))
    }

    /// Tells whether a tensor of the place is left.
    pub(crate) fn has(&self, place: Place<'_>) -> bool {
        self.name(place).is_some()
    }

    /// The dimensions of a tensor, if present.
    pub(crate) fn dims(&self, place: Place<'_>) -> Option<Vec<usize>> {
        let tensor = self.left.get(&self.name(place)?)?;
        let dims = tensor.dims.iter().map(|dim| usize::try_from(*dim).ok());
        dims.collect()
    }

    /// The rows of a matrix, if present.
    pub(crate) fn rows(&self, place: Place<'_>) -> Option<usize> {
        let tensor = self.left.get(&self.name(place)?)?;
        tensor.dims.first()?;
        usize::try_from(tensor.dims.get(1).copied().unwrap_or(1)).ok()
    }

    /// Takes a tensor that must be there.
    pub(crate) fn take(
        &mut self,
        place: Place<'_>,
        dims: &[Option<usize>],
    ) -> Result<Tensor, Error> {
        self.find(place, dims)?.ok_or_else(|| {
            let names = (self.names)(place).join(" or ");
            Error::model("tensors", names, "none")
        })
    }

    /// Takes a tensor if it is present; `None` in the dims matches any number.
    pub(crate) fn find(
        &mut self,
        place: Place<'_>,
        dims: &[Option<usize>],
    ) -> Result<Option<Tensor>, Error> {
        let Some((name, raw)) = self
            .name(place)
            .and_then(|name| self.left.remove_entry(&name))
        else {
            return Ok(None);
        };
        let field = format!("tensor \"{}\"", name.escape_debug());
        let weight_type = raw
            .weight_type
            .map_err(|other| Error::not_covered(format_args!("{field} of type {other}")))?;
        let Some(found) = fitted(&raw.dims, dims) else {
            let expected: Vec<String> = dims
                .iter()
                .map(|dim| dim.map_or("any".to_owned(), |dim| dim.to_string()))
                .collect();
            return Err(Error::Shape {
                name: name.escape_debug().to_string(),
                expected: expected.join(", "),
                found: format!("{:?}", raw.dims),
            });
        };
        let slices = found.get(2).copied().unwrap_or(1) as u64;
        let tensor = Tensor {
            name,
            weight_type,
            stride: raw.size.checked_div(slices).unwrap_or_default(),
            is_whole: true,
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

/// The dimensions of a tensor in the number that is expected. Writers drop ones at the end, or add them: they are nothing.
fn fitted(found: &[u64], expected: &[Option<usize>]) -> Option<Vec<usize>> {
    let (found, rest) = found.split_at(found.len().min(expected.len()));
    let ones = iter::repeat(&1);
    let fit = |(found, expected): (&u64, &Option<usize>)| {
        let found = usize::try_from(*found).ok()?;
        expected
            .is_none_or(|expected| found == expected)
            .then_some(found)
    };
    let dims: Option<Vec<usize>> = found.iter().chain(ones).zip(expected).map(fit).collect();
    dims.filter(|_| rest.iter().all(|dim| *dim == 1))
}

/// The bytes of whole rows of whole blocks.
fn byte_length(tensor: &Tensor) -> Option<u64> {
    let (elements, bytes) = tensor.weight_type.block();
    if !tensor.columns().is_multiple_of(elements) {
        return None;
    }
    let row = tensor.columns().checked_div(elements)?.checked_mul(bytes)?;
    let slice = row.checked_mul(tensor.rows())?;
    u64::try_from(slice.checked_mul(tensor.slices())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_at_the_end_of_dimensions_are_nothing() {
        for (found, expected, fits) in [
            (&[64, 1][..], &[Some(64)][..], Some(vec![64])),
            (&[64], &[Some(64), Some(1)], Some(vec![64, 1])),
            (&[64], &[Some(64), None, Some(1)], Some(vec![64, 1, 1])),
            (&[64], &[Some(64), Some(2)], None),
            (&[64, 2], &[Some(64)], None),
            (&[1, 64], &[Some(64)], None),
            (&[], &[Some(64)], None),
        ] {
            assert_eq!(fitted(found, expected), fits, "{found:?} {expected:?}");
        }
    }
}
