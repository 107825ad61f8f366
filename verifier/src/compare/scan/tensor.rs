//! One tensor, or one pair of tensors: read once, hash, compare, look for numbers that are not finite.

use std::io;

use super::difference::{Difference, Walk};
use super::file_digest::{FileDigest, Piece};
pub(crate) use super::stream::Digests;
use super::stream::{Seen, Stream};
use super::values::{Statistics, ValueWalk};
use crate::compare::pairing::Method;
use crate::decode::blocks::{NotFinite, decode};
use crate::decode::types::BlockType;
use crate::observer::Observer;
use crate::region::Span;
use crate::source::{READ, Source};

/// Where a tensor is read from, and whether this reading is the one that counts for its file.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) span: Span,
    pub(crate) file: Option<&'a FileDigest>,
    /// Another file in which the same bytes lie, and where; only of a tensor that is read alone.
    pub(crate) also: Option<(&'a FileDigest, u64)>,
}

/// What came of one pair.
#[derive(Clone, Debug)]
pub(crate) struct PairOutcome {
    pub(crate) apr: Digests,
    pub(crate) gguf: Digests,
    pub(crate) difference: Option<Difference>,
    pub(crate) values: Option<Statistics>,
    /// The first number that is not finite, in the APR file and in the GGUF, with its offset from the tensor's start.
    pub(crate) not_finite: [Option<NotFinite>; 2],
    /// The bytes up to the last one that is not zero, in the APR file and in the GGUF.
    pub(crate) before_zeros: [u64; 2],
}

/// Buffers of one thread, used again for every job.
#[derive(Default)]
pub(crate) struct Buffers {
    apr: Vec<u8>,
    gguf: Vec<u8>,
    apr_values: Vec<f32>,
    gguf_values: Vec<f32>,
}

/// How the tensors of a pass are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// Whether each tensor gets a SHA-256 as well.
    pub(crate) sha256: bool,
    pub(crate) observer: &'a dyn Observer,
}

/// Reads both tensors side by side.
pub(crate) fn compare(
    apr: Stored<'_>,
    gguf: Stored<'_>,
    how: Method,
    reading: Reading<'_>,
    buffers: &mut Buffers,
) -> io::Result<PairOutcome> {
    match how {
        Method::Bytes(block_type) => compare_bytes(apr, gguf, block_type, reading, buffers),
        Method::DecodedF32 { gguf: g, apr: a } | Method::Types { gguf: g, apr: a } => {
            compare_values(apr, gguf, a, g, reading, buffers)
        }
    }
}

fn compare_bytes(
    apr: Stored<'_>,
    gguf: Stored<'_>,
    block_type: &'static BlockType,
    reading: Reading<'_>,
    buffers: &mut Buffers,
) -> io::Result<PairOutcome> {
    let mut apr_piece = apr.piece();
    let mut gguf_piece = gguf.piece();
    let mut apr_stream = Stream::new(Some(block_type), reading.sha256);
    // While all bytes are equal, one stream is the stream of both.
    let mut gguf_stream: Option<Stream> = None;
    let mut walk = Walk::new(block_type);
    for piece in Span::new(0, apr.span.length).pieces(READ) {
        apr.read(piece, &mut buffers.apr)?;
        gguf.read(piece, &mut buffers.gguf)?;
        let is_equal = buffers.apr == buffers.gguf;
        let apr_crc32 = crc32(&buffers.apr);
        if !is_equal && gguf_stream.is_none() {
            gguf_stream = Some(apr_stream.clone());
        }
        apr_stream.feed(&buffers.apr);
        if let Some(stream) = &mut gguf_stream {
            stream.feed(&buffers.gguf);
        }
        feed(&mut apr_piece, &buffers.apr, &apr_crc32);
        if is_equal {
            feed(&mut gguf_piece, &buffers.gguf, &apr_crc32);
        } else {
            feed(&mut gguf_piece, &buffers.gguf, &crc32(&buffers.gguf));
            walk.compare(piece.offset, &buffers.apr, &buffers.gguf);
        }
        reading.observer.advance(2 * piece.length);
    }
    end(apr_piece);
    end(gguf_piece);
    let seen = apr_stream.end();
    let gguf_seen = gguf_stream.map_or(seen, Stream::end);
    let difference = walk.end();
    let values = match difference {
        Some(_) => values_of(apr, gguf, block_type, block_type, buffers)?,
        None => None,
    };
    Ok(outcome(seen, gguf_seen, difference, values))
}

/// Two types: every side is hashed for itself, then the values are set side by side.
fn compare_values(
    apr: Stored<'_>,
    gguf: Stored<'_>,
    apr_type: &'static BlockType,
    gguf_type: &'static BlockType,
    reading: Reading<'_>,
    buffers: &mut Buffers,
) -> io::Result<PairOutcome> {
    let apr_seen = hash(apr, Some(apr_type), reading, buffers)?;
    let gguf_seen = hash(gguf, Some(gguf_type), reading, buffers)?;
    let values = values_of(apr, gguf, apr_type, gguf_type, buffers)?;
    Ok(outcome(apr_seen, gguf_seen, None, values))
}

const fn outcome(
    apr: Seen,
    gguf: Seen,
    difference: Option<Difference>,
    values: Option<Statistics>,
) -> PairOutcome {
    PairOutcome {
        apr: apr.digests,
        gguf: gguf.digests,
        difference,
        values,
        not_finite: [apr.not_finite, gguf.not_finite],
        before_zeros: [apr.before_zeros, gguf.before_zeros],
    }
}

/// Hashes one tensor that has no counterpart, or none that it can be compared with.
pub(crate) fn hash(
    place: Stored<'_>,
    block_type: Option<&'static BlockType>,
    reading: Reading<'_>,
    buffers: &mut Buffers,
) -> io::Result<Seen> {
    let mut file_piece = place.piece();
    let mut also = place.also.map(|(file, offset)| file.piece(offset));
    let mut stream = Stream::new(block_type, reading.sha256);
    for piece in Span::new(0, place.span.length).pieces(READ) {
        place.read(piece, &mut buffers.apr)?;
        stream.feed(&buffers.apr);
        let crc32 = crc32(&buffers.apr);
        feed(&mut file_piece, &buffers.apr, &crc32);
        feed(&mut also, &buffers.apr, &crc32);
        reading.observer.advance(piece.length);
    }
    end(file_piece);
    end(also);
    Ok(stream.end())
}

/// Sets the decoded values of both sides side by side, in the order of the elements. Only for tensors that differ.
fn values_of(
    apr: Stored<'_>,
    gguf: Stored<'_>,
    apr_type: &'static BlockType,
    gguf_type: &'static BlockType,
    buffers: &mut Buffers,
) -> io::Result<Option<Statistics>> {
    let Some(mut walk) = ValueWalk::new(apr_type, gguf_type) else {
        return Ok(None);
    };
    let count = |block_type: &BlockType, place: Stored<'_>| {
        place.span.length / block_type.bytes * block_type.elements
    };
    let elements = count(apr_type, apr).min(count(gguf_type, gguf));
    // Stretches of elements that are whole blocks of every type.
    for piece in Span::new(0, elements).pieces(ELEMENTS) {
        for (place, block_type, bytes, values) in [
            (apr, apr_type, &mut buffers.apr, &mut buffers.apr_values),
            (gguf, gguf_type, &mut buffers.gguf, &mut buffers.gguf_values),
        ] {
            let size = |elements: u64| elements.div_ceil(block_type.elements) * block_type.bytes;
            place.read(Span::new(size(piece.offset), size(piece.length)), bytes)?;
            values.clear();
            decode(block_type, bytes, values);
        }
        walk.compare(piece.offset, &buffers.apr_values, &buffers.gguf_values);
    }
    Ok(Some(walk.end()))
}

impl<'a> Stored<'a> {
    fn piece(&self) -> Option<Piece<'a>> {
        self.file.map(|file| file.piece(self.span.offset))
    }

    /// Reads a part of the tensor.
    fn read(&self, part: Span, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(usize::try_from(part.length).map_err(io::Error::other)?, 0);
        self.source
            .read_exact_at(self.span.offset + part.offset, buffer)
    }
}

fn crc32(bytes: &[u8]) -> crc32fast::Hasher {
    let mut crc32 = crc32fast::Hasher::new();
    crc32.update(bytes);
    crc32
}

fn feed(piece: &mut Option<Piece<'_>>, bytes: &[u8], crc32: &crc32fast::Hasher) {
    if let Some(piece) = piece {
        piece.feed(bytes, crc32);
    }
}

fn end(piece: Option<Piece<'_>>) {
    if let Some(piece) = piece {
        piece.end();
    }
}

/// Elements decoded at a time; a multiple of every block.
const ELEMENTS: u64 = 64 << 10;
