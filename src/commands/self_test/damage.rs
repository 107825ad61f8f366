//! What is done to the pair: each damage changes one of the two files.

use std::fmt;

use verifier::decode::container::Tensor;
use verifier::region::Region;

/// Two files, and where their parts are.
pub(super) struct Pair {
    pub(super) apr: Vec<u8>,
    pub(super) gguf: Vec<u8>,
    regions: [Vec<Region>; 2],
    tensors: Vec<Tensor>,
}

impl Pair {
    pub(super) fn new(apr: Vec<u8>, gguf: Vec<u8>) -> Self {
        let of_apr = verifier::decode::apr::decode(&apr);
        let of_gguf = verifier::decode::gguf::decode(&[&gguf]);
        let [first, second] = [of_apr.shards, of_gguf.shards]
            .map(|shards| shards.into_iter().flat_map(|shard| shard.regions).collect());
        Self {
            apr,
            gguf,
            regions: [first, second],
            tensors: of_apr.tensors,
        }
    }
}

/// The kinds of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bit,
    SealedBit,
    Cut,
    Longer,
    Swapped,
    Zeroed,
}

/// All of them.
pub(super) const KINDS: [Kind; 6] = [
    Kind::Bit,
    Kind::SealedBit,
    Kind::Cut,
    Kind::Longer,
    Kind::Swapped,
    Kind::Zeroed,
];

impl Kind {
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Bit => "one bit flipped, in every region of both files",
            Self::SealedBit => "one bit flipped in the APR file, its checksums made right",
            Self::Cut => "cut, before every region and before the last byte",
            Self::Longer => "a byte appended",
            Self::Swapped => "the data of two tensors swapped, the checksums made right",
            Self::Zeroed => "a tensor filled with zeros, the checksums made right",
        }
    }
}

/// The file that is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Apr,
    Gguf,
}

/// One change of one file.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) kind: Kind,
    pub(super) file: File,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Flip {
        at: usize,
        is_sealed: bool,
    },
    Cut {
        length: usize,
    },
    Append,
    Swap {
        first: usize,
        second: usize,
        length: usize,
    },
    Zero {
        at: usize,
        length: usize,
    },
}

impl Damage {
    /// The bytes of the file that is changed.
    pub(super) fn of(&self, pair: &Pair) -> Vec<u8> {
        self.change.of(match self.file {
            File::Apr => &pair.apr,
            File::Gguf => &pair.gguf,
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match self.file {
            File::Apr => "apr",
            File::Gguf => "gguf",
        };
        write!(out, "{file}: {}: {:?}", self.kind.what(), self.change)
    }
}

/// Every damage of this pair.
pub(super) fn all(pair: &Pair) -> Vec<Damage> {
    let mut damages = Vec::new();
    for (file, bytes, regions) in [
        (File::Apr, &pair.apr, &pair.regions[0]),
        (File::Gguf, &pair.gguf, &pair.regions[1]),
    ] {
        let mut add = |kind, change| damages.push(Damage { kind, file, change });
        for region in regions {
            let (start, end) = (place(region.span.offset), place(region.span.end()));
            for at in [start, start.midpoint(end), end.saturating_sub(1)] {
                add(
                    Kind::Bit,
                    Change::Flip {
                        at,
                        is_sealed: false,
                    },
                );
                // The checksums themselves are made right again, so nothing would be changed.
                let is_checksum = (40..44).contains(&at) || at + 4 >= bytes.len();
                if file == File::Apr && !is_checksum {
                    add(
                        Kind::SealedBit,
                        Change::Flip {
                            at,
                            is_sealed: true,
                        },
                    );
                }
            }
            add(Kind::Cut, Change::Cut { length: start });
        }
        let length = bytes.len().saturating_sub(1);
        add(Kind::Cut, Change::Cut { length });
        add(Kind::Longer, Change::Append);
    }
    let mut add = |kind, change| {
        damages.push(Damage {
            kind,
            file: File::Apr,
            change,
        });
    };
    for (index, tensor) in pair.tensors.iter().enumerate() {
        let (at, length) = (place(tensor.span.offset), place(tensor.span.length));
        add(Kind::Zeroed, Change::Zero { at, length });
        let others = pair.tensors.iter().skip(index).skip(1);
        if let Some(other) = others
            .clone()
            .find(|other| other.span.length == tensor.span.length)
        {
            let second = place(other.span.offset);
            add(
                Kind::Swapped,
                Change::Swap {
                    first: at,
                    second,
                    length,
                },
            );
        }
    }
    damages
}

#[expect(clippy::expect_used, reason = "the files are in memory")]
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a place in memory")
}

impl Change {
    /// The bytes of a file after the change.
    #[expect(
        clippy::indexing_slicing,
        reason = "places in a file that was decoded; a wrong one ends the test"
    )]
    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match *self {
            Self::Flip { at, is_sealed } => {
                bytes[at] ^= 1 << (at % 8);
                if is_sealed {
                    seal(&mut bytes);
                }
            }
            Self::Cut { length } => bytes.truncate(length),
            Self::Append => bytes.push(0),
            Self::Swap {
                first,
                second,
                length,
            } => {
                let data = bytes[first..first + length].to_vec();
                bytes.copy_within(second..second + length, first);
                bytes[second..second + length].copy_from_slice(&data);
                seal(&mut bytes);
            }
            Self::Zero { at, length } => {
                bytes[at..at + length].fill(0);
                seal(&mut bytes);
            }
        }
        bytes
    }
}

/// Makes both checksums of an APR file right: that of the header, which stands inside it, and that of the file, at its end.
#[expect(
    clippy::indexing_slicing,
    reason = "the artifact has a header and a footer"
)]
fn seal(bytes: &mut [u8]) {
    let mut header = crc32fast::Hasher::new();
    header.update(&bytes[..40]);
    header.update(&bytes[44..64]);
    bytes[40..44].copy_from_slice(&header.finalize().to_le_bytes());
    if let Some((covered, footer)) = bytes.split_last_chunk_mut::<4>() {
        *footer = crc32fast::hash(covered).to_le_bytes();
    }
}

/// A damage that changes nothing.
#[cfg(test)]
pub(super) const fn nothing() -> Damage {
    Damage {
        kind: Kind::Zeroed,
        file: File::Apr,
        change: Change::Zero { at: 0, length: 0 },
    }
}
