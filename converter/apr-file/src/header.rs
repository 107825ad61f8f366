//! The header: 64 bytes with their own checksum.

use crate::{
    error::{Error, Findings},
    flags,
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
    /// Where the metadata start: 64.
    pub metadata_offset: u64,
    /// The length of the metadata without padding.
    pub metadata_size: u32,
    /// Where the tensor index starts.
    pub index_offset: u64,
    /// Where the tensor data start.
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
    pub(crate) fn read(file: &[u8], findings: &mut Findings) -> Result<Self, Error> {
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
        let header = Self {
            flags: u16::from_le_bytes(field(bytes, 6)),
            tensor_count: u32::from_le_bytes(field(bytes, 8)),
            metadata_offset: u64::from_le_bytes(field(bytes, 12)),
            metadata_size: u32::from_le_bytes(field(bytes, 20)),
            index_offset: u64::from_le_bytes(field(bytes, 24)),
            data_offset: u64::from_le_bytes(field(bytes, 32)),
            checksum: u32::from_le_bytes(field(bytes, CHECKSUM)),
            reserved: field(bytes, 44),
        };
        let computed = checksum(bytes);
        if header.checksum != computed {
            let text = format_args!(
                "header checksum is {:08x}, its bytes give {computed:08x}",
                header.checksum
            );
            findings.add("apr.header.crc", 40, text);
        }
        if header.reserved != [0; 20] {
            findings.add("apr.header.reserved", 44, "reserved bytes are not zero");
        }
        for problem in flags::problems(header.flags) {
            findings.add(
                "apr.flags",
                6,
                format_args!("flags {:#06x}: {problem}", header.flags),
            );
        }
        Ok(header)
    }
}

/// The CRC-32 over the header without the four bytes that hold it.
fn checksum(bytes: &[u8; Header::LENGTH]) -> u32 {
    let (before, from) = bytes.split_at(CHECKSUM);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(from.get(4..).unwrap_or_default());
    hasher.finalize()
}

/// The bytes of a field; every caller stays inside the header.
fn field<const N: usize>(bytes: &[u8; Header::LENGTH], offset: usize) -> [u8; N] {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
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
/// Where the checksum stands.
const CHECKSUM: usize = 40;
