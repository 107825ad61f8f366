//! The fixed header, 64 bytes.

use super::{Broken, align};
use crate::code::Code;
use crate::decode::findings::Findings;
use crate::decode::head_reader::Head;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{Region, RegionKind, Span};

/// The fields of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bits of [`flags`].
    pub flags: u16,
    /// Number of index entries.
    pub tensor_count: u32,
    /// Offset of the metadata, always 64.
    pub metadata_offset: u64,
    /// Length of the JSON text without its padding.
    pub metadata_size: u32,
    /// Offset of the tensor index.
    pub index_offset: u64,
    /// Offset of the tensor data.
    pub data_offset: u64,
    /// The stored checksum.
    pub checksum: u32,
}

/// The bits of the header's flags.
pub mod flags {
    /// The payload is LZ4; no reader unpacks it.
    pub const LZ4: u16 = 0x0001;
    /// The payload is Zstandard; no reader unpacks it.
    pub const ZSTD: u16 = 0x0002;
    /// The payload is encrypted.
    pub const ENCRYPTED: u16 = 0x0004;
    /// The file is signed; no payload is defined for it.
    pub const SIGNED: u16 = 0x0008;
    /// The file is one of several.
    pub const SHARDED: u16 = 0x0010;
    /// Some tensors are quantised.
    pub const QUANTIZED: u16 = 0x0020;
    /// The metadata holds a vocabulary.
    pub const HAS_VOCAB: u16 = 0x0200;
    /// Matrices are row-major.
    pub const ROW_MAJOR: u16 = 0x0400;
    /// Matrices are column-major.
    pub const COLUMN_MAJOR: u16 = 0x0800;
    /// All bits that have a meaning.
    pub const ALL: u16 = 0x0fff;
}

/// The checksum that belongs to these 64 bytes: CRC-32 over all of them but the checksum itself.
#[must_use]
pub fn header_crc(bytes: &[u8; 64]) -> u32 {
    let (before, rest) = bytes.split_at(CHECKSUM_OFFSET);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(rest.get(4..).unwrap_or_default());
    hasher.finalize()
}

pub(super) fn decode(
    head: &mut Head<'_>,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> Result<Header, Broken> {
    let stop = |stop| Broken::Stop(stop, RegionKind::Header);
    let magic = head.u32().map_err(stop)?.to_le_bytes();
    if magic != *b"APR\0" {
        return Err(refuse(
            Code::AprMagic,
            0,
            4,
            "APR v2 (41 50 52 00)",
            &format!("{magic:02x?}"),
        ));
    }
    let (major, minor) = (head.u8().map_err(stop)?, head.u8().map_err(stop)?);
    let flags = head.u16().map_err(stop)?;
    let header = Header {
        flags,
        tensor_count: head.u32().map_err(stop)?,
        metadata_offset: head.u64().map_err(stop)?,
        metadata_size: head.u32().map_err(stop)?,
        index_offset: head.u64().map_err(stop)?,
        data_offset: head.u64().map_err(stop)?,
        checksum: head.u32().map_err(stop)?,
    };
    let reserved = head.skip(20).map_err(stop)?;
    if (major, minor) != (2, 0) {
        return Err(refuse(
            Code::AprVersion,
            4,
            2,
            "2.0",
            &format!("{major}.{minor}"),
        ));
    }
    let bytes: [u8; 64] = head
        .read_back(Span::new(0, 64))
        .try_into()
        .unwrap_or([0; 64]);
    let computed = header_crc(&bytes);
    if computed != header.checksum {
        findings.push(
            wrong(
                Code::AprHeaderCrc,
                "the header does not have the checksum that it states",
                CHECKSUM_OFFSET as u64,
                4,
            )
            .expected_found(
                format!("{computed:08x}"),
                format!("{:08x}", header.checksum),
            ),
        );
    }
    if head.read_back(reserved).iter().any(|&byte| byte != 0) {
        findings.push(wrong(
            Code::AprHeaderReserved,
            "reserved bytes of the header are not zero",
            reserved.offset,
            20,
        ));
    }
    regions.push(Region {
        kind: RegionKind::Header,
        span: Span::new(0, 64),
        label: Vec::new(),
    });
    Ok(header)
}

/// What the fields say together, and against the length of the file.
pub(super) fn check(header: &Header, findings: &mut Findings) -> Result<(), Broken> {
    check_flags(header.flags, findings)?;
    let index_offset = align(64_u64.saturating_add(header.metadata_size.into()));
    if header.metadata_offset != 64
        || header.index_offset != index_offset
        || header.data_offset < index_offset
    {
        return Err(refuse(
            Code::AprHeaderOffsets,
            12,
            28,
            &format!("metadata at 64, index at {index_offset}, data after it"),
            &format!(
                "{}, {}, {}",
                header.metadata_offset, header.index_offset, header.data_offset
            ),
        ));
    }
    let most = header.data_offset.saturating_sub(header.index_offset) / 20;
    if u64::from(header.tensor_count) > most {
        return Err(refuse(
            Code::AprCount,
            8,
            4,
            &format!("at most {most} tensors, by the room for the index"),
            &header.tensor_count.to_string(),
        ));
    }
    Ok(())
}

fn check_flags(flags: u16, findings: &mut Findings) -> Result<(), Broken> {
    let found = format!("{flags:#06x}");
    let closed = flags::LZ4 | flags::ZSTD | flags::ENCRYPTED | flags::COLUMN_MAJOR;
    if flags & closed != 0 {
        return Err(refuse(Code::AprFlags, 6, 2, "plain row-major data", &found));
    }
    if flags & !flags::ALL != 0 {
        findings.push(
            wrong(Code::AprFlags, "flags without a meaning are set", 6, 2)
                .expected_found(format!("bits of {:#06x}", flags::ALL), found),
        );
    }
    if flags & flags::SIGNED != 0 {
        findings.push(
            Finding::new(
                Code::AprFlagsSigned,
                Effect::Note,
                "SIGNED is set, but no signature payload is defined",
            )
            .at(place(6, 2)),
        );
    }
    Ok(())
}

fn wrong(code: Code, message: &str, offset: u64, length: u64) -> Finding {
    Finding::new(code, Effect::Different, message).at(place(offset, length))
}

fn refuse(code: Code, offset: u64, length: u64, expected: &str, found: &str) -> Broken {
    let what = code.as_str().trim_start_matches("apr.");
    Broken::Field(Box::new(
        Finding::new(
            code,
            Effect::Undecided,
            format!("header: {what} cannot be accepted"),
        )
        .at(place(offset, length))
        .expected_found(expected, found),
    ))
}

fn place(offset: u64, length: u64) -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Header)
        .span(Span::new(offset, length))
}

const CHECKSUM_OFFSET: usize = 40;
