//! The digests that manifests speak of, computed side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use twox_hash::{XxHash3_64, XxHash64};

use crate::finding::hex;

/// One kind of digest. The order is that of the rows of gguf-hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// xxHash, 64 bits, seed 0.
    Xxh64,
    /// XXH3, 64 bits, seed 0.
    Xxh3,
    Sha1,
    Sha256,
    /// UUID version 5: SHA-1 of gguf-hash's namespace and the bytes.
    Uuid,
    Blake3,
}

/// Several kinds at once.
pub(super) type Kinds = BTreeSet<Kind>;

/// Digests of the same bytes, in lower-case hexadecimal; a UUID has its hyphens.
pub(super) type Digests = BTreeMap<Kind, String>;

impl Kind {
    /// The word for it in rows and messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Xxh64 => "xxh64",
            Self::Xxh3 => "xxh3",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Uuid => "uuid",
            Self::Blake3 => "blake3",
        }
    }

    /// Whether nobody can make other bytes with the same digest on purpose.
    pub(super) const fn is_strong(self) -> bool {
        matches!(self, Self::Sha256 | Self::Blake3)
    }

    /// Brings a digest as someone wrote it into the form of [`Digests`]; none when it is no digest of this kind.
    pub(super) fn normal_form(self, digest: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(digest).ok()?.to_ascii_lowercase();
        let regular = match self {
            Self::Uuid => text.char_indices().all(|(index, character)| match index {
                8 | 13 | 18 | 23 => character == '-',
                _ => character.is_ascii_hexdigit(),
            }),
            _ => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        };
        (regular && text.len() == self.length()).then_some(text)
    }

    const fn length(self) -> usize {
        match self {
            Self::Xxh64 | Self::Xxh3 => 16,
            Self::Uuid => 36,
            Self::Sha1 => 40,
            Self::Sha256 | Self::Blake3 => 64,
        }
    }
}

/// Computes digests of several kinds over one stream of bytes.
pub(super) struct Hasher {
    states: Vec<(Kind, State)>,
}

enum State {
    Xxh64(XxHash64),
    Xxh3(Box<XxHash3_64>),
    /// SHA-1, and the UUID that begins with it.
    Sha1(Sha1),
    Sha256(Sha256),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    pub(super) fn new(kinds: &Kinds) -> Self {
        let state = |kind| match kind {
            Kind::Xxh64 => State::Xxh64(XxHash64::with_seed(0)),
            Kind::Xxh3 => State::Xxh3(Box::new(XxHash3_64::with_seed(0))),
            Kind::Sha1 => State::Sha1(Sha1::new()),
            Kind::Uuid => State::Sha1(Sha1::new_with_prefix(NAMESPACE)),
            Kind::Sha256 => State::Sha256(Sha256::new()),
            Kind::Blake3 => State::Blake3(Box::new(blake3::Hasher::new())),
        };
        Self {
            states: kinds.iter().map(|&kind| (kind, state(kind))).collect(),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for (_, state) in &mut self.states {
            match state {
                State::Xxh64(hasher) => hasher.write(bytes),
                State::Xxh3(hasher) => hasher.write(bytes),
                State::Sha1(hasher) => hasher.update(bytes),
                State::Sha256(hasher) => hasher.update(bytes),
                State::Blake3(hasher) => {
                    hasher.update(bytes);
                }
            }
        }
    }

    pub(super) fn finish(self) -> Digests {
        let digest = |kind, state| match state {
            State::Xxh64(hasher) => format!("{:016x}", hasher.finish()),
            State::Xxh3(hasher) => format!("{:016x}", hasher.finish()),
            State::Sha1(hasher) if kind == Kind::Uuid => uuid(hasher.finalize().into()),
            State::Sha1(hasher) => hex(&hasher.finalize()),
            State::Sha256(hasher) => hex(&hasher.finalize()),
            State::Blake3(hasher) => hex(hasher.finalize().as_bytes()),
        };
        self.states
            .into_iter()
            .map(|(kind, state)| (kind, digest(kind, state)))
            .collect()
    }
}

/// The first 16 bytes with version 5 and the variant of RFC 9562, section 5.5.
fn uuid(digest: [u8; 20]) -> String {
    let mut bytes: [u8; 16] =
        std::array::from_fn(|index| digest.get(index).copied().unwrap_or_default());
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = hex(&bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// `ef001206-dadc-5f6d-a15f-3359e577d4e5`, the namespace of gguf-hash.
const NAMESPACE: [u8; 16] = [
    0xef, 0x00, 0x12, 0x06, 0xda, 0xdc, 0x5f, 0x6d, 0xa1, 0x5f, 0x33, 0x59, 0xe5, 0x77, 0xd4, 0xe5,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_digests_of_abc() {
        let kinds = Kinds::from([
            Kind::Xxh64,
            Kind::Xxh3,
            Kind::Sha1,
            Kind::Sha256,
            Kind::Uuid,
            Kind::Blake3,
        ]);
        let mut hasher = Hasher::new(&kinds);
        hasher.update(b"a");
        hasher.update(b"bc");
        let digests = hasher.finish();
        for (kind, digest) in [
            (Kind::Xxh64, "44bc2cf5ad770999"),
            (Kind::Xxh3, "78af5f94892f3950"),
            (Kind::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                Kind::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Kind::Blake3,
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
            (Kind::Uuid, "9f2200fc-45e8-5a39-9535-c3ea5c0e0cef"),
        ] {
            assert_eq!(digests[&kind], digest, "{}", kind.name());
            assert_eq!(
                kind.normal_form(digest.to_uppercase().as_bytes()),
                Some(digest.to_owned())
            );
        }
    }

    #[test]
    fn what_is_not_a_digest_has_no_normal_form() {
        assert_eq!(Kind::Xxh64.normal_form(b"44bc2cf5ad77099"), None);
        assert_eq!(Kind::Xxh64.normal_form(b"44bc2cf5ad77099g"), None);
        assert_eq!(
            Kind::Uuid.normal_form(b"0123456701230123012301230123456789ab"),
            None
        );
        assert_eq!(
            Kind::Xxh64.normal_form("44bc2cf5ad7709\u{e9}".as_bytes()),
            None
        );
    }
}
