//! What lies between the tensors: it counts for the digests of its file, and padding must be zero.

use std::io;

use super::file_digest::FileDigest;
use crate::decode::container::Shard;
use crate::decode::padding::NotZero;
use crate::observer::Observer;
use crate::region::{RegionKind, Span};
use crate::source::{Source, read_through};

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
                    *span = Span::new(span.offset, region.span.end().saturating_sub(span.offset));
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
                // A file that could not be decoded may be one large region: threads share it.
                for span in region.span.pieces(PIECE) {
                    push(span, region.kind);
                }
            }
        }
    }
    if let Some(span) = open {
        push(span, RegionKind::Header);
    }
}

/// Reads a stretch and returns the bytes that should be zero and are not.
pub(super) fn read(
    source: &dyn Source,
    span: Span,
    kind: RegionKind,
    file: &FileDigest,
    observer: &dyn Observer,
) -> io::Result<Option<NotZero>> {
    let mut piece = file.piece(span.offset);
    let mut found: Option<NotZero> = None;
    read_through(source, span, &mut Vec::new(), |position, bytes| {
        let mut crc32 = crc32fast::Hasher::new();
        crc32.update(bytes);
        piece.feed(bytes, &crc32);
        if kind == RegionKind::Padding {
            NotZero::note(&mut found, position, bytes);
        }
        observer.advance(bytes.len() as u64);
    })?;
    piece.end();
    Ok(found)
}

const PIECE: u64 = 8 << 20;
