//! The flags of the header.

/// Says that the payload is packed with LZ4; no reader unpacks it.
pub const LZ4: u16 = 0x0001;
/// Says that the payload is packed with Zstandard; no reader unpacks it.
pub const ZSTD: u16 = 0x0002;
/// Says that the payload is encrypted; how is not defined.
pub const ENCRYPTED: u16 = 0x0004;
/// Says that the file is signed; how is not defined.
pub const SIGNED: u16 = 0x0008;
/// Says that the model is spread over several files.
pub const SHARDED: u16 = 0x0010;
/// Says that a tensor is quantised.
pub const QUANTIZED: u16 = 0x0020;
/// Says that a filter bank for audio is stored.
pub const HAS_FILTERBANK: u16 = 0x0040;
/// Says that a model card is stored.
pub const HAS_MODEL_CARD: u16 = 0x0080;
/// Says that the file can be loaded in parts.
pub const STREAMING: u16 = 0x0100;
/// Says that a vocabulary is stored.
pub const HAS_VOCAB: u16 = 0x0200;
/// Says that matrices are stored row by row.
pub const LAYOUT_ROW_MAJOR: u16 = 0x0400;
/// Says that matrices are stored column by column; the library refuses such files.
pub const LAYOUT_COLUMN_MAJOR: u16 = 0x0800;

/// What is wrong with some flags, one sentence fragment for each problem.
pub(crate) fn problems(flags: u16) -> impl Iterator<Item = &'static str> {
    let table = [
        (
            LZ4 | ZSTD,
            "the payload is said to be packed, which nothing can unpack",
        ),
        (
            ENCRYPTED,
            "the payload is said to be encrypted, which is not defined",
        ),
        (
            SIGNED,
            "the file is said to be signed, but no signature payload is defined",
        ),
        (
            LAYOUT_COLUMN_MAJOR,
            "matrices are said to be stored column by column",
        ),
        (UNKNOWN, "an unknown bit is set"),
    ];
    table
        .into_iter()
        .filter(move |(bits, _)| flags & bits != 0)
        .map(|(_, text)| text)
}

const UNKNOWN: u16 = 0xf000;
