//! The header: 64 bytes with a checksum of their own.

use crate::{
    error::Error,
    text::{Grouped, to_u64},
};

/// The fields of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The flags, see [`crate::flags`].
    pub flags: u16,
    /// The number of tensors in the index.
    pub tensor_count: u32,
    /// Where the metadata starts: 64.
    pub metadata_offset: u64,
    /// The length of the metadata without padding.
    pub metadata_size: u32,
    /// Where the tensor index starts.
    pub index_offset: u64,
    /// Where the tensor data starts.
    pub data_offset: u64,
    /// The stored CRC-32 of the other 60 bytes.
    pub checksum: u32,
    /// The reserved bytes: zero.
    pub reserved: [u8; 20],
}

impl Header {
    /// The length of the header in bytes.
    pub(crate) const LENGTH: usize = 64;

    /// Encodes the header of a new file, with its checksum computed.
    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let fields: [&[u8]; 8] = [
            MAGIC,
            &VERSION,
            &self.flags.to_le_bytes(),
            &self.tensor_count.to_le_bytes(),
            &self.metadata_offset.to_le_bytes(),
            &self.metadata_size.to_le_bytes(),
            &self.index_offset.to_le_bytes(),
            &self.data_offset.to_le_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(fields.concat()) {
            *to = from;
        }
        let checksum = checksum(&bytes).to_le_bytes();
        for (to, from) in bytes.iter_mut().skip(CHECKSUM).zip(checksum) {
            *to = from;
        }
        bytes
    }

    /// Reads the header at the start of a file; only what makes the rest unreadable is an error.
    pub(crate) fn read(file: &[u8]) -> Result<Self, Error> {
        if let Some(magic) = file.first_chunk::<4>()
            && magic != MAGIC
        {
            let found = format!("\"{}\"{}", magic.escape_ascii(), former_magic(magic));
            return Err(Error::unreadable(
                "apr.magic",
                0,
                "magic",
                r#""APR\x00""#,
                found,
            ));
        }
        let Some(bytes) = file.first_chunk::<{ Self::LENGTH }>() else {
            let found = Grouped(to_u64(file.len()));
            return Err(Error::unreadable(
                "apr.short",
                0,
                "header",
                "64 bytes",
                found,
            ));
        };
        let version = field(bytes, 4);
        if version != VERSION {
            let [major, minor] = version;
            let found = format_args!("{major}.{minor}");
            return Err(Error::unreadable("apr.version", 4, "version", "2.0", found));
        }
        Ok(Self {
            flags: u16::from_le_bytes(field(bytes, 6)),
            tensor_count: u32::from_le_bytes(field(bytes, 8)),
            metadata_offset: u64::from_le_bytes(field(bytes, 12)),
            metadata_size: u32::from_le_bytes(field(bytes, 20)),
            index_offset: u64::from_le_bytes(field(bytes, 24)),
            data_offset: u64::from_le_bytes(field(bytes, 32)),
            checksum: u32::from_le_bytes(field(bytes, CHECKSUM)),
            reserved: field(bytes, 44),
        })
    }
}

/// The CRC-32 over the header without the four bytes that hold it.
fn checksum(bytes: &[u8; Header::LENGTH]) -> u32 {
    let (before, from) = bytes.split_at(CHECKSUM);
    let (_, after) = from.split_at(4);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(after);
    hasher.finalize()
}

/// The bytes of a field.
#[expect(
    clippy::expect_used,
    reason = "a field outside the header is a bug of this file"
)]
fn field<const N: usize>(bytes: &[u8; Header::LENGTH], offset: usize) -> [u8; N] {
    let field = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    *field.expect("every field is inside the header")
}

fn former_magic(magic: &[u8; 4]) -> &'static str {
    match magic {
        b"APRN" => ", the container of version 1",
        b"APR1" => ", an old spelling of version 1",
        b"APR2" => ", an old spelling of version 2",
        b"GGUF" => ", a GGUF file",
        _ => "",
    }
}

const MAGIC: &[u8; 4] = b"APR\0";
const VERSION: [u8; 2] = [2, 0];
/// The offset of the checksum.
const CHECKSUM: usize = 40;
