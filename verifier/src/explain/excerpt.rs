//! The bytes around the first difference, read again for a person to look at.

use std::io;

use crate::code::Code;
use crate::compare::inputs::{Inputs, Model};
use crate::compare::pairing::Pairing;
use crate::compare::scan::Scan;
use crate::decode::blocks::{can_decode, decode};
use crate::decode::container::Tensor;
use crate::decode::types::BlockType;
use crate::finding::{Finding, Side, escape};
use crate::region::Span;
use crate::report::{EXCERPT, Excerpt, FieldSpan, FirstDifference, LINE, Sides, ValuePair};
use crate::source::Source;

/// The bytes that the first finding on the bytes of a tensor is about. What cannot be read again is left out: it is shown,
/// and decides nothing.
pub(crate) fn first_difference(
    inputs: &Inputs<'_>,
    pairing: &Pairing,
    scan: &Scan,
    findings: &[Finding],
) -> Option<FirstDifference> {
    let finding = findings
        .iter()
        .find(|finding| finding.code == Code::TensorBytes)?;
    let names: Vec<&[u8]> = finding
        .places
        .iter()
        .filter_map(|place| place.name.as_deref())
        .collect();
    pairing
        .pairs
        .iter()
        .zip(&scan.pairs)
        .find_map(|(pair, outcome)| {
            let (first, second) = inputs.tensors_of(*pair);
            let is_meant = |tensor: &Tensor| names.contains(&tensor.name.as_slice());
            if !is_meant(first) || !is_meant(second) {
                return None;
            }
            let outcome = outcome.as_ref()?;
            let difference = outcome.difference.as_ref()?;
            let both = Both {
                sides: inputs.models().map(|model| model.side),
                first: (source(&inputs.first, first)?, first),
                second: (source(&inputs.second, second)?, second),
                block_type: first.block_type?,
            };
            let value = outcome.values.and_then(|values| values.first);
            both.at(difference.first, difference.first_block, value)
                .ok()
        })
}

fn source<'a>(model: &Model<'a>, tensor: &Tensor) -> Option<&'a dyn Source> {
    model.sources.get(tensor.shard).copied()
}

struct Both<'a> {
    sides: [Side; 2],
    first: (&'a dyn Source, &'a Tensor),
    second: (&'a dyn Source, &'a Tensor),
    block_type: &'static BlockType,
}

impl Both<'_> {
    /// The line of the first differing byte, with the one before it and the one after it.
    fn at(&self, first: u64, block: u64, value: Option<u64>) -> io::Result<FirstDifference> {
        let line = LINE as u64;
        let start = (first / line * line).saturating_sub(line);
        let length = self.first.1.span.length.min(self.second.1.span.length) - start;
        let part = Span::new(start, length.min(EXCERPT));
        let excerpt = |(source, tensor): (&dyn Source, &Tensor)| {
            Ok::<_, io::Error>(Excerpt {
                offset: tensor.span.offset + start,
                bytes: read(source, tensor, part)?,
            })
        };
        Ok(FirstDifference {
            tensor: escape(&self.second.1.name),
            r#type: self.block_type.name.to_owned(),
            block,
            sides: Sides::new(
                self.sides,
                [Some(excerpt(self.first)?), Some(excerpt(self.second)?)],
            ),
            fields: fields(self.block_type, part),
            value: match value.filter(|_| can_decode(self.block_type)) {
                Some(element) => Some(self.value(element)?),
                None => None,
            },
        })
    }

    fn value(&self, element: u64) -> io::Result<ValuePair> {
        let of = self.block_type;
        let block = Span::new(element / of.elements * of.bytes, of.bytes);
        let index = usize::try_from(element % of.elements).map_err(io::Error::other)?;
        let decoded = |(source, tensor): (&dyn Source, &Tensor)| {
            let mut values = Vec::new();
            decode(of, &read(source, tensor, block)?, &mut values);
            let value = values.get(index).copied();
            Ok::<_, io::Error>(value.filter(|value| value.is_finite()))
        };
        Ok(ValuePair {
            element,
            sides: Sides::new(self.sides, [decoded(self.first)?, decoded(self.second)?]),
        })
    }
}

fn read(source: &dyn Source, tensor: &Tensor, part: Span) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(part.length).map_err(io::Error::other)?];
    source.read_exact_at(tensor.span.offset + part.offset, &mut bytes)?;
    Ok(bytes)
}

/// The fields of the blocks that a part of a tensor belongs to.
fn fields(of: &BlockType, part: Span) -> Vec<FieldSpan> {
    let blocks = part.offset / of.bytes..=part.end().saturating_sub(1) / of.bytes;
    let fields = blocks.flat_map(|block| of.parts.iter().map(move |field| (block, field)));
    fields
        .filter_map(|(block, field)| {
            let at = |byte: usize| {
                let offset = block * of.bytes + byte as u64;
                usize::try_from(offset.clamp(part.offset, part.end()) - part.offset).ok()
            };
            let (start, end) = (at(field.start)?, at(field.end)?);
            (start < end).then(|| FieldSpan {
                name: field.name.to_owned(),
                block,
                start,
                end,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::types::{TypeId, ggml_type};

    #[test]
    fn fields_are_those_of_every_block_that_is_touched() {
        let TypeId::Known(q8_0) = ggml_type(8) else {
            panic!()
        };
        let found = fields(q8_0, Span::new(30, 40));
        let shown: Vec<_> = found
            .iter()
            .map(|field| (field.name.as_str(), field.block, field.start, field.end))
            .collect();
        assert_eq!(
            shown,
            [
                ("qs", 0, 0, 4),
                ("d", 1, 4, 6),
                ("qs", 1, 6, 38),
                ("d", 2, 38, 40)
            ]
        );
    }
}
