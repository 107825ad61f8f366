//! What a file may ask for.

/// Bounds that the reader keeps, whatever the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that the header, key/values and tensor infos may take together.
    pub metadata_bytes: u64,
    /// The largest `general.alignment`, in bytes.
    pub alignment: u32,
    /// The deepest nesting of arrays; a plain array has depth 1.
    pub array_depth: usize,
}

impl Limits {
    /// 256 MiB of metadata, an alignment of 1 MiB and a depth of 64.
    pub const DEFAULT: Self = Self {
        metadata_bytes: 256 << 20,
        alignment: 1 << 20,
        array_depth: 64,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
