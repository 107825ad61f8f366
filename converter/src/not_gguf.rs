//! What a file is that is no GGUF file, by its first bytes.
//!
//! The signatures are those of the formats' own descriptions; those of GGML's older files are in llama.cpp's history.

use gguf_file::ReadAt as _;

use crate::{error::Error, source::SourceFile};

/// Describes a file whose header could not be read, with what to do; `None` where its bytes are not known.
///
/// # Errors
/// Fails when the file cannot be read.
pub(crate) fn describe(
    source: &SourceFile,
    error: &gguf_file::Error,
) -> Result<Option<String>, Error> {
    let (bytes, length) = (start_of(source)?, source.length());
    if bytes.starts_with(b"GGUF") {
        return Ok(error.is_cut_in_header().then(|| {
            format!(
                "a GGUF file that ends inside its header, after {length} bytes ({error}): a download that was cut, or \
                 damage; download it again"
            )
        }));
    }
    Ok(known(&bytes, length))
}

/// Describes a file that does not begin as an APR file does, in the same words.
///
/// # Errors
/// Fails when the file cannot be read.
pub(crate) fn instead_of_apr(source: &SourceFile) -> Result<Option<String>, Error> {
    let (bytes, length) = (start_of(source)?, source.length());
    Ok(match bytes.get(..4) {
        Some(b"APR\0") => None,
        Some(b"GGUF") => Some("a GGUF model, not an APR v2 file".to_owned()),
        _ => {
            known(&bytes, length).map(|what| what.replace("not a GGUF model", "not an APR v2 file"))
        }
    })
}

fn start_of(source: &SourceFile) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; LOOKED_AT];
    bytes.truncate(usize::try_from(source.length()).unwrap_or(LOOKED_AT));
    source.read(0, &mut bytes)?;
    Ok(bytes)
}

fn known(bytes: &[u8], length: u64) -> Option<String> {
    if bytes.is_empty() {
        return Some("empty, not a GGUF model; download it again".to_owned());
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Some(lfs_pointer(bytes));
    }
    let signature = SIGNATURES
        .iter()
        .find(|(signature, _)| bytes.starts_with(signature));
    if let Some((_, what)) = signature {
        return Some(format!("{what}, not a GGUF model"));
    }
    if is_safetensors(bytes, length) {
        return Some(
            "a safetensors file, not a GGUF model; make a GGUF file of the model with llama.cpp's convert_hf_to_gguf.py"
                .to_owned(),
        );
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some("a tar archive, not a GGUF model; unpack it".to_owned());
    }
    if is_onnx(bytes) {
        return Some("an ONNX model, not a GGUF model".to_owned());
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Some(
            "zero from its first byte on, not a GGUF model: a download that has its length but not its content yet"
                .to_owned(),
        );
    }
    text(bytes)
}

/// An 8-byte length, then the JSON object of that length.
fn is_safetensors(bytes: &[u8], length: u64) -> bool {
    let header = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    bytes.get(8) == Some(&b'{') && header.is_some_and(|header| header > 1 && header < length)
}

/// Field 1 (`ir_version`, small), then field 2 (`producer_name`) or 7 (`graph`).
const fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=20, 0x12 | 0x3a, ..])
}

fn text(bytes: &[u8]) -> Option<String> {
    // The last character may be cut.
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_control = |letter: char| letter.is_control() && !letter.is_whitespace();
    if text.is_empty() || text.chars().any(is_control) {
        return None;
    }
    if text.starts_with("FUGG") {
        // The magic in the other order of bytes: the reader says that better.
        return None;
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    let start = text.get(..9).unwrap_or(text).to_ascii_lowercase();
    if start.starts_with("<!doctype") || start.starts_with("<html") {
        return Some("a web page (HTML), not a GGUF model; download the file itself".to_owned());
    }
    if start.starts_with("<?xml") {
        return Some("an XML document, not a GGUF model; download the file itself".to_owned());
    }
    let kind = if text.starts_with('{') || text.starts_with('[') {
        "JSON"
    } else {
        "text"
    };
    let shown: String = text.chars().take(QUOTED).collect();
    Some(format!(
        "{kind}, not a GGUF model: \"{}\"",
        shown.escape_debug()
    ))
}

fn lfs_pointer(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == ':';
        line.chars().all(plain).then(|| line.to_owned())
    };
    let size = field("size ").map_or_else(String::new, |size| format!(" of {size} bytes"));
    let oid = field("oid ").map_or_else(String::new, |oid| format!(", {oid}"));
    format!("a Git LFS pointer, not a GGUF model; fetch the real file{size}{oid}: git lfs pull")
}

const SIGNATURES: [(&[u8], &str); 23] = [
    (b"\x1f\x8b", "a gzip archive (unpack it: gunzip)"),
    (b"BZh", "a bzip2 archive (unpack it: bunzip2)"),
    (b"\xfd7zXZ\0", "an xz archive (unpack it: unxz)"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive (unpack it: unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive (unpack it)"),
    (
        b"PK\x03\x04",
        "a zip archive, as PyTorch checkpoints are (make a GGUF file of the model with llama.cpp's \
         convert_hf_to_gguf.py)",
    ),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (
        b"\x80\x02",
        "a Python pickle, as old PyTorch checkpoints are",
    ),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (
        b"lmgg",
        "a GGML file, the oldest predecessor of GGUF (make the model again with today's llama.cpp)",
    ),
    (
        b"fmgg",
        "a GGMF file, a predecessor of GGUF (make the model again with today's llama.cpp)",
    ),
    (
        b"tjgg",
        "a GGJT file, a predecessor of GGUF (make the model again with today's llama.cpp)",
    ),
    (b"algg", "a GGLA file (a LoRA adapter from before GGUF)"),
    (b"APR\0", "an APR file, which is converted already"),
    (b"APRN", "an APR file of version 1"),
];
const LOOKED_AT: usize = 512;
const QUOTED: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_what_they_are() {
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\0");
        let cases: [(&[u8], &str); 20] = [
            (b"", "empty"),
            (b"<!DOCTYPE html>\n<html>", "web page"),
            (b"\xef\xbb\xbf \n<HTML><head>", "web page"),
            (b"<?xml version=\"1.0\"?>", "XML"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
                "12345 bytes, sha256:4d7a",
            ),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"PK\x03\x04\0\0", "zip archive"),
            (b"\x7fELF\x02\x01", "ELF program"),
            (b"\x58\0\0\0\0\0\0\0{\"a\":{}}", "safetensors"),
            (b"\x08\x07\x12\x07pytorch", "ONNX"),
            (b"\x80\x02}q\0", "pickle"),
            (b"lmgg\0\0", "GGML"),
            (b"tjgg\x03\0", "GGJT"),
            (
                b"{\"error\": \"Invalid username\"}",
                "JSON, not a GGUF model: \"{\\\"error\\\"",
            ),
            (
                b"Access to model x is restricted.",
                "text, not a GGUF model: \"Access",
            ),
            (b"caf\xc3", "text"),
            (b"\0\0\0\0\0\0\0\0\0", "zero from its first byte"),
            (b"APR\0\x02\0", "converted already"),
            (b"\x93NUMPY\x01", "NumPy"),
            (&tar, "tar archive"),
        ];
        for (bytes, expected) in cases {
            let what = known(bytes, 1 << 20).unwrap();
            assert!(what.contains(expected), "{what}");
            assert!(!what.contains('\n'), "{what}");
        }
    }

    #[test]
    fn unknown_bytes_stay_unknown() {
        for bytes in [
            &b"FUGGFUGG"[..],
            b"\x01\x02\x03\x04",
            b"a\x1b[31m",
            b"\xff\xfe\xff",
        ] {
            assert_eq!(known(bytes, 1 << 20), None);
        }
    }
}
