//! What a file is that is neither a GGUF nor an APR v2 file, told by its first bytes.

use std::io;

use crate::code::{CauseCode, Code};
use crate::decode::container::Format;
use crate::finding::{Cause, Effect, Finding, escape};
use crate::source::Source;

/// As many bytes from the start of a file tell what it is.
pub(crate) const SAMPLE: u64 = 1024;

/// Says of a set which of its files is no part of one, when their first bytes tell: half of a set is fetched easily. What
/// cannot be read is said where it is decoded.
pub(crate) fn stranger_in_set(files: &[(String, &dyn Source)]) -> Option<(usize, Finding)> {
    let mut others = files.iter().enumerate().skip(1);
    others.find_map(|(shard, (name, source))| {
        let start = start_of(*source).ok()?;
        if Format::of(&start) == Some(Format::Apr) {
            let name = escape(name.as_bytes());
            let message = format!("{name} is an APR file, and no file of a set");
            let finding = Finding::new(Code::InputNotAModel, Effect::Unreadable, message);
            return Some((shard, finding));
        }
        Some((shard, not_a_model(name, &start, source.length())?))
    })
}

/// As much of a file as tells what it is.
pub(crate) fn start_of(source: &dyn Source) -> io::Result<Vec<u8>> {
    let held = source.length().min(SAMPLE);
    let mut start = vec![0; usize::try_from(held).map_err(io::Error::other)?];
    source.read_exact_at(0, &mut start)?;
    Ok(start)
}

/// Says what a file is, when its first bytes tell. None of a file of no kind that is known: it may be a model that is
/// damaged at its start.
pub(crate) fn not_a_model(name: &str, start: &[u8], length: u64) -> Option<Finding> {
    let kind = kind_of(start, length)?;
    let (code, cause, hint) = match kind {
        Kind::WebPage => (
            Code::InputWebPage,
            Some(Cause {
                code: CauseCode::WebPage,
                text: "the server answered with a page: a login, an error, a moved file".to_owned(),
            }),
            "open the address in a browser, then download the file again",
        ),
        Kind::Pointer => {
            let field = |name: &str| field(start, name);
            let text = format!(
                "the pointer stands for a file of {} bytes with the digest {}",
                field("size "),
                field("oid ")
            );
            let cause = Cause {
                code: CauseCode::Pointer,
                text,
            };
            (
                Code::InputPointer,
                Some(cause),
                "fetch the file that it points to: git lfs pull",
            )
        }
        Kind::Empty | Kind::Unwritten | Kind::Cut => {
            (Code::InputNotAModel, None, "fetch the file again")
        }
        Kind::Packed(_) => (Code::InputNotAModel, None, "unpack it first"),
        Kind::OtherModel(_) => (
            Code::InputNotAModel,
            None,
            "convert it to GGUF with the tools of llama.cpp first",
        ),
        Kind::Other(_) => (Code::InputNotAModel, None, "give a GGUF or an APR v2 file"),
    };
    let name = escape(name.as_bytes());
    let mut finding = Finding::new(
        code,
        Effect::Unreadable,
        format!("{name} is {}, not a model", kind.text()),
    )
    .hint(hint);
    finding.cause = cause;
    Some(finding)
}

/// What a file can be that is no model of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    /// A preallocated download.
    Unwritten,
    /// The first bytes of a magic and nothing more.
    Cut,
    WebPage,
    Pointer,
    /// An archive or a compressed file.
    Packed(&'static str),
    /// A model of another format.
    OtherModel(&'static str),
    Other(&'static str),
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::Empty => "an empty file",
            Self::Unwritten => {
                "zero from its first byte on, a download that has its length but not its content yet"
            }
            Self::Cut => "a file of fewer bytes than its first field",
            Self::WebPage => "a web page or an error message of a server",
            Self::Pointer => "a Git LFS pointer",
            Self::Packed(text) | Self::OtherModel(text) | Self::Other(text) => text,
        }
    }
}

fn kind_of(start: &[u8], length: u64) -> Option<Kind> {
    if start.is_empty() {
        return Some(Kind::Empty);
    }
    if start.len() < 4 {
        let is_cut = b"GGUF".starts_with(start) || b"APR\0".starts_with(start);
        return Some(if is_cut {
            Kind::Cut
        } else {
            Kind::Other("a file of fewer than 4 bytes")
        });
    }
    let binary = MAGICS.iter().find(|(offset, magic, _)| {
        let rest = start.get(*offset..).unwrap_or_default();
        rest.starts_with(magic)
    });
    if let Some((.., kind)) = binary {
        return Some(*kind);
    }
    // A model whose start is damaged has other bytes after it.
    if start.len() as u64 == SAMPLE && start.iter().all(|&byte| byte == 0) {
        return Some(Kind::Unwritten);
    }
    if is_safetensors(start, length) {
        return Some(Kind::OtherModel("a safetensors file"));
    }
    if is_onnx(start) {
        return Some(Kind::OtherModel("an ONNX model"));
    }
    if is_pickle(start) {
        return Some(Kind::OtherModel("a Python pickle, as PyTorch writes"));
    }
    is_text(start).then(|| kind_of_text(start))
}

/// Magic numbers and where they lie.
const MAGICS: &[(usize, &[u8], Kind)] = &[
    (0, b"\x1f\x8b", Kind::Packed("a gzip file")),
    (
        0,
        b"PK\x03\x04",
        Kind::Packed("a zip archive, as PyTorch also writes"),
    ),
    (0, b"PK\x05\x06", Kind::Packed("an empty zip archive")),
    (0, b"\x28\xb5\x2f\xfd", Kind::Packed("a zstd file")),
    (0, b"\xfd7zXZ\0", Kind::Packed("an xz file")),
    (0, b"BZh", Kind::Packed("a bzip2 file")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind::Packed("a 7z archive")),
    (257, b"ustar", Kind::Packed("a tar archive")),
    (0, b"\x7fELF", Kind::Other("an ELF program or library")),
    (0, b"MZ\x90\0", Kind::Other("a Windows program")),
    (0, b"%PDF", Kind::Other("a PDF document")),
    (0, b"\x89PNG", Kind::Other("a PNG image")),
    (0, b"\xff\xfe", Kind::Other("text of UTF-16")),
    (0, b"\xfe\xff", Kind::Other("text of UTF-16")),
    (
        0,
        b"\x93NUMPY",
        Kind::OtherModel("an array of NumPy (.npy)"),
    ),
    (0, b"\x89HDF\r\n", Kind::OtherModel("an HDF5 file")),
    (4, b"TFL3", Kind::OtherModel("a TensorFlow Lite model")),
    // The 32-bit magics of the formats before GGUF, little-endian.
    (
        0,
        b"lmgg",
        Kind::OtherModel("a GGML file, the format before GGUF"),
    ),
    (
        0,
        b"fmgg",
        Kind::OtherModel("a GGMF file, a format before GGUF"),
    ),
    (
        0,
        b"tjgg",
        Kind::OtherModel("a GGJT file, a format before GGUF"),
    ),
    (
        0,
        b"algg",
        Kind::OtherModel("a GGLA file, an adapter of the format before GGUF"),
    ),
];

/// A length, and JSON of that length that begins at byte 8.
fn is_safetensors(start: &[u8], length: u64) -> bool {
    let Some((size, rest)) = start.split_first_chunk::<8>() else {
        return false;
    };
    let size = u64::from_le_bytes(*size);
    rest.starts_with(b"{\"") && size >= 2 && size < length.max(LARGEST_HEADER)
}

/// Field 1, `ir_version`, then field 2, `producer_name`, of a protocol buffer.
fn is_onnx(start: &[u8]) -> bool {
    match start {
        [0x08, 1..=32, 0x12, length @ 1..=64, rest @ ..] => {
            let name = rest.get(..usize::from(*length)).unwrap_or_default();
            !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
        }
        _ => false,
    }
}

/// Protocol 2 to 5, then an opcode with which files of PyTorch begin.
fn is_pickle(start: &[u8]) -> bool {
    matches!(
        start,
        [
            0x80,
            2..=5,
            b'}' | b']' | b'(' | b'c' | b'X' | 0x8a | 0x95,
            ..
        ]
    )
}

fn is_text(start: &[u8]) -> bool {
    // A character that the end of the sample cuts is no reason against it.
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            let (valid, _) = start.split_at(error.valid_up_to());
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty()
        && valid
            .chars()
            .all(|character| !character.is_control() || matches!(character, '\n' | '\r' | '\t'))
}

fn kind_of_text(start: &[u8]) -> Kind {
    let text = trimmed(start);
    let begins = |prefix: &[u8]| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if [&b"<!doctype"[..], b"<html", b"<?xml", b"{\"error\""]
        .into_iter()
        .any(begins)
    {
        Kind::WebPage
    } else if begins(b"version https://git-lfs") {
        Kind::Pointer
    } else if begins(b"{") || begins(b"[") {
        Kind::Other("JSON")
    } else {
        Kind::Other("plain text")
    }
}

fn trimmed(start: &[u8]) -> &[u8] {
    start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start()
}

/// The rest of the line that begins with a word of a pointer.
fn field(start: &[u8], name: &str) -> String {
    trimmed(start)
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(name.as_bytes()))
        .map_or_else(|| "unknown".to_owned(), |value| escape(value.trim_ascii()))
}

/// The largest header that the safetensors library reads.
const LARGEST_HEADER: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_told_by_their_first_bytes() {
        let mut tar = vec![b'a'; 257];
        tar.extend_from_slice(b"ustar\0");
        for (start, expected) in [
            (&b""[..], "an empty file"),
            (b"GG", "fewer bytes than its first field"),
            (b"x", "fewer than 4 bytes"),
            (b"<!DOCTYPE html>", "web page"),
            (b"\xef\xbb\xbf\n <HTML>", "web page"),
            (b"{\"error\":\"Entry not found\"}", "web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"PK\x03\x04\0\0", "zip"),
            (&tar, "tar"),
            (b"\x7fELF\x02", "ELF"),
            (b"\x58\0\0\0\0\0\0\0{\"a\":1}", "safetensors"),
            (b"\x08\x07\x12\x07pytorch", "ONNX"),
            (b"\x80\x02}q\0X", "pickle"),
            (b"lmgg\0\0\0\0", "GGML"),
            (b"tjgg\x03\0\0\0", "GGJT"),
            (&[0; 1024], "zero from its first byte"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\xff\xfeh\0i\0", "UTF-16"),
            (b"{\"a\": 1}", "JSON"),
            ("Zugriff verweigert: größe".as_bytes(), "plain text"),
        ] {
            let found = not_a_model("m", start, start.len() as u64);
            let found = found.map(|finding| finding.message).unwrap_or_default();
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn models_and_damaged_models_are_not_taken_for_something_else() {
        for start in [
            &b"GGUF\x03\0\0\0"[..],
            b"APR\0\x02\0",
            b"GGUG\x03\0\0\0",
            b"GUF\x03\0\0\0\x19",
            b"\0\0\0\0",
        ] {
            assert_eq!(not_a_model("m", start, 4096), None, "{start:02x?}");
        }
    }

    #[test]
    fn a_name_never_brings_escapes_into_the_message() {
        let finding = not_a_model("a\x1b[31m", b"", 0).unwrap();
        assert!(!finding.message.contains('\x1b'), "{}", finding.message);
    }
}
