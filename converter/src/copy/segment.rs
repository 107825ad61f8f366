//! The sources cut into segments and pieces, in the order in which they are read.

use std::collections::HashMap;

use gguf_file::{
    Content, GgmlType, Span, TensorInfo,
    values::{self, Decoder},
};

use crate::plan::{PlannedTensor, types::Storage};

/// One tensor of a source with the padding after it, or a shard without tensors.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The number of the source file.
    pub(crate) shard: usize,
    /// The planned tensors that these bytes become: two for a copied embedding, none without a tensor.
    pub(crate) targets: Vec<usize>,
    /// Where the data is in the source.
    pub(crate) data: Span,
    /// Where the padding after it ends.
    pub(crate) padding_end: u64,
    /// How the bytes become those of the artifact; `None` when they stay as they are.
    pub(crate) decoding: Option<Decoding>,
    /// Whether the header of the shard comes before this.
    pub(crate) starts_shard: bool,
    /// Whether the shard ends with this.
    pub(crate) ends_shard: bool,
}

/// How blocks of a storage type become F32.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoding {
    pub(crate) decoder: Decoder,
    pub(crate) ggml_type: GgmlType,
}

/// A part of a segment that is read at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) segment: &'a Segment,
    /// Where the piece is in the source; the last one of a segment takes the padding along.
    pub(crate) source: Span,
    /// How many of its bytes are tensor data.
    pub(crate) data_length: u64,
    /// Where its stored bytes are in the tensor.
    pub(crate) stored_offset: u64,
    /// Whether the tensor ends with it.
    pub(crate) is_last: bool,
}

/// Cuts the sources into segments.
pub(crate) fn segments(contents: &[Content<'_>], tensors: &[PlannedTensor<'_>]) -> Vec<Segment> {
    let mut targets: HashMap<(usize, &[u8]), Vec<usize>> = HashMap::new();
    for (index, tensor) in tensors.iter().enumerate() {
        let source = (tensor.shard, tensor.info.name);
        targets.entry(source).or_default().push(index);
    }
    let mut segments = Vec::new();
    for (shard, content) in contents.iter().enumerate() {
        if content.tensors.is_empty() {
            segments.push(Segment {
                shard,
                targets: Vec::new(),
                data: Span {
                    offset: content.data_offset,
                    length: 0,
                },
                padding_end: content.file_length,
                decoding: None,
                starts_shard: true,
                ends_shard: true,
            });
        }
        for (index, info) in content.tensors.iter().enumerate() {
            let next = content.tensors.get(index + 1);
            let targets = targets.remove(&(shard, info.name));
            let targets = targets.unwrap_or_else(|| unreachable!("every tensor was planned"));
            segments.push(Segment {
                decoding: decoding(info, &targets, tensors),
                targets,
                data: info.data,
                padding_end: next.map_or(content.file_length, |next| next.data.offset),
                starts_shard: index == 0,
                ends_shard: next.is_none(),
                shard,
            });
        }
    }
    assert!(targets.is_empty(), "a tensor of the artifact has no source");
    segments
}

impl Segment {
    /// Cuts the segment into pieces whose stored bytes are at most `most` long; at least one.
    pub(crate) fn pieces(&self, most: u64) -> impl Iterator<Item = Piece<'_>> {
        let (step, stored_step) = match self.decoding {
            None => (most, most),
            Some(Decoding { ggml_type, .. }) => {
                let stored_block = ggml_type.block_size() * F32_BYTES;
                let blocks = (most / stored_block).max(1);
                (blocks * ggml_type.block_bytes(), blocks * stored_block)
            }
        };
        let count = self.data.length.div_ceil(step).max(1);
        (0..count).map(move |index| {
            let start = index * step;
            let offset = self.data.offset + start;
            let data_length = step.min(self.data.length - start);
            let is_last = index + 1 == count;
            let length = if is_last {
                self.padding_end - offset
            } else {
                data_length
            };
            Piece {
                segment: self,
                source: Span { offset, length },
                data_length,
                stored_offset: index * stored_step,
                is_last,
            }
        })
    }
}

impl Piece<'_> {
    /// Whether the header of the shard comes before this piece.
    pub(crate) fn starts_shard(&self) -> bool {
        self.segment.starts_shard && self.source.offset == self.segment.data.offset
    }

    /// Whether the shard ends with this piece.
    pub(crate) const fn ends_shard(&self) -> bool {
        self.segment.ends_shard && self.is_last
    }
}

fn decoding(
    info: &TensorInfo<'_>,
    targets: &[usize],
    tensors: &[PlannedTensor<'_>],
) -> Option<Decoding> {
    let planned = tensors.get(*targets.first()?)?;
    let ggml_type = info
        .ggml_type
        .filter(|_| planned.storage == Storage::Decoded)?;
    let decoder = values::decoder(ggml_type)?;
    Some(Decoding { decoder, ggml_type })
}

const F32_BYTES: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(length: u64, ggml_type: Option<GgmlType>) -> Segment {
        let data = Span {
            offset: 640,
            length,
        };
        Segment {
            shard: 0,
            targets: vec![0],
            data,
            padding_end: data.end().next_multiple_of(64),
            decoding: ggml_type.map(|ggml_type| Decoding {
                decoder: values::decoder(ggml_type).unwrap(),
                ggml_type,
            }),
            starts_shard: true,
            ends_shard: true,
        }
    }

    #[test]
    fn pieces_cover_data_and_padding_without_gap() {
        let types = [
            None,
            Some(GgmlType::Q8_0),
            Some(GgmlType::Q2K),
            Some(GgmlType::Iq4Nl),
        ];
        for (ggml_type, blocks) in types
            .into_iter()
            .flat_map(|known| (0..9).map(move |n| (known, n)))
        {
            let block_bytes = ggml_type.map_or(1_000, GgmlType::block_bytes);
            let segment = segment(block_bytes * blocks, ggml_type);
            let pieces: Vec<Piece<'_>> = segment.pieces(2_048).collect();
            let mut end = 640;
            let mut stored = 0;
            for piece in &pieces {
                assert_eq!((piece.source.offset, piece.stored_offset), (end, stored));
                end = piece.source.end();
                stored += match ggml_type {
                    None => piece.data_length,
                    Some(known) => piece.data_length / block_bytes * known.block_size() * 4,
                };
            }
            assert_eq!(end, segment.padding_end);
            let data: u64 = pieces.iter().map(|piece| piece.data_length).sum();
            assert_eq!(data, segment.data.length);
            let ends = pieces
                .iter()
                .filter(|piece| piece.is_last && piece.ends_shard());
            assert_eq!(ends.count(), 1);
            assert_eq!(
                pieces.iter().filter(|piece| piece.starts_shard()).count(),
                1
            );
        }
    }

    #[test]
    fn decoded_pieces_are_whole_blocks_of_at_most_the_length_asked_for() {
        let segment = segment(34 * 100, Some(GgmlType::Q8_0));
        for piece in segment.pieces(1_000) {
            assert_eq!(piece.data_length % 34, 0);
            assert!(piece.data_length / 34 * 128 <= 1_000);
        }
        // Less than a block cannot be decoded.
        assert_eq!(segment.pieces(1).count(), 100);
    }
}
