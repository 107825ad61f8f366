//! What lies between the tensors: it counts for the digests of its file, and padding must be zero.

use std::io;

use super::file_digest::FileDigest;
use crate::container::Shard;
use crate::observer::Observer;
use crate::padding::NotZero;
use crate::region::{RegionKind, Span};
use crate::source::Source;

/// Cuts the regions of a file that are no tensor into jobs. Tensor regions that stand for a tensor are jobs of their own.
pub(super) fn jobs(shard: &Shard, mut push: impl FnMut(Span, RegionKind)) {
    let mut open: Option<Span> = None;
    for region in &shard.regions {
        match region.kind {
            RegionKind::Tensor => {}
            // Small regions in a row are one stretch: a head has hundreds of them.
            RegionKind::Header
            | RegionKind::KeyValue
            | RegionKind::TensorInfo
            | RegionKind::Metadata
            | RegionKind::IndexEntry => match &mut open {
                Some(span) if span.end() == region.span.offset => {
                    span.length = span.length.saturating_add(region.span.length);
                }
                _ => {
                    if let Some(span) = open.replace(region.span) {
                        push(span, region.kind);
                    }
                }
            },
            RegionKind::Padding
            | RegionKind::Footer
            | RegionKind::Trailing
            | RegionKind::Undecoded => {
                if let Some(span) = open.take() {
                    push(span, RegionKind::Header);
                }
                for span in pieces(region.span) {
                    push(span, region.kind);
                }
            }
        }
    }
    if let Some(span) = open {
        push(span, RegionKind::Header);
    }
}

/// Cuts what may be large, such as a file that could not be decoded, so that threads share it.
fn pieces(span: Span) -> impl Iterator<Item = Span> {
    (0..span.length.div_ceil(PIECE)).map(move |index| {
        let start = index.saturating_mul(PIECE);
        Span::new(
            span.offset.saturating_add(start),
            span.length.saturating_sub(start).min(PIECE),
        )
    })
}

pub(super) fn read(
    source: &dyn Source,
    span: Span,
    kind: RegionKind,
    file: &FileDigest,
    observer: &dyn Observer,
) -> io::Result<(Option<NotZero>, [u8; 32])> {
    let mut piece = file.piece(span.offset);
    let mut found: Option<NotZero> = None;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; usize::try_from(span.length.min(READ)).unwrap_or(0)];
    let mut position = span.offset;
    while position < span.end() {
        let left = usize::try_from(span.end().saturating_sub(position)).unwrap_or(usize::MAX);
        let size = left.min(buffer.len());
        let bytes = buffer.get_mut(..size).unwrap_or_default();
        source.read_exact_at(position, bytes)?;
        piece.feed(bytes);
        hasher.update(bytes);
        if kind == RegionKind::Padding {
            NotZero::note(&mut found, position, bytes);
        }
        position = position.saturating_add(size as u64);
        observer.advance(size as u64);
    }
    piece.end();
    Ok((found, *hasher.finalize().as_bytes()))
}

const PIECE: u64 = 8 << 20;
const READ: u64 = 256 << 10;
