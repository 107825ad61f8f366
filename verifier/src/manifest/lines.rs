//! Rows of text: `sha256sum`, `b3sum` (both also in their BSD form) and gguf-hash.
//!
//! | form | line |
//! | --- | --- |
//! | `sha256sum`, `b3sum` | `HEX  NAME` or `HEX *NAME`; with a `\` before it, `\\`, `\n` and `\r` in the name are escapes |
//! | BSD | `SHA256 (NAME) = HEX`, `BLAKE3 (NAME) = HEX` |
//! | gguf-hash | `KIND  HEX  PATH` or `KIND  HEX  PATH:TENSOR`, the kind padded to 8 characters |
//!
//! The digests of `sha256sum` and `b3sum` have the same length and no name: such a row holds when either of them does.

use super::Problem;
use super::kind::Kind;

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The number of the line, from 1.
    pub(super) number: usize,
    pub(super) scope: Scope,
    /// The kinds that the digest can be of.
    pub(super) kinds: Vec<Kind>,
    /// In the form of [`Kind::normal_form`].
    pub(super) digest: String,
    /// The name, as it stands there but unescaped.
    pub(super) label: Vec<u8>,
}

/// What the digest of a row is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A whole file.
    File,
    /// A tensor, or the tensors of a model.
    Tensors,
}

/// Reads all rows; none when nothing in it is a row. Empty lines and lines that begin with `#` are none.
pub(super) fn read(bytes: &[u8]) -> Option<(Vec<Line>, Vec<Problem>)> {
    if bytes.contains(&0) {
        return None;
    }
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match of_gguf_hash(line)
            .or_else(|| of_sum(line))
            .or_else(|| of_bsd(line))
        {
            Some((scope, kinds, digest, label)) => rows.push(Line {
                number,
                scope,
                kinds,
                digest,
                label,
            }),
            None => problems.push(Problem {
                place: format!("line {number}"),
                text: "it is no row of sha256sum, b3sum or gguf-hash".to_owned(),
            }),
        }
    }
    (!rows.is_empty()).then_some((rows, problems))
}

/// Escapes a file name for a row; the flag says that the row must begin with a backslash.
pub(super) fn escape_name(name: &str) -> (String, bool) {
    let escaped = name
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    let changed = escaped != name;
    (escaped, changed)
}

type Parts = (Scope, Vec<Kind>, String, Vec<u8>);

fn of_gguf_hash(line: &[u8]) -> Option<Parts> {
    let end = line.iter().position(|&byte| byte == b' ')?;
    let (word, rest) = line.split_at_checked(end)?;
    let kind = GGUF_HASH
        .into_iter()
        .find(|kind| kind.name().as_bytes() == word)?;
    let padded = rest.trim_ascii_start();
    // The kind is padded to 8 and two spaces follow, but for a longer kind or another padding one space is enough to see.
    let end = padded.windows(2).position(|window| window == b"  ")?;
    let (digest, label) = padded.split_at_checked(end)?;
    let label = label.get(2..).filter(|label| !label.is_empty())?;
    Some((
        Scope::Tensors,
        vec![kind],
        kind.normal_form(digest)?,
        label.to_vec(),
    ))
}

fn of_sum(line: &[u8]) -> Option<Parts> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (digest, rest) = line.split_at_checked(64)?;
    let name = rest
        .strip_prefix(b"  ")
        .or_else(|| rest.strip_prefix(b" *"))?;
    let name = if escaped {
        unescape(name)?
    } else {
        name.to_vec()
    };
    let digest = Kind::Sha256.normal_form(digest)?;
    (!name.is_empty()).then_some((Scope::File, vec![Kind::Sha256, Kind::Blake3], digest, name))
}

fn of_bsd(line: &[u8]) -> Option<Parts> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (kind, rest) = [
        (Kind::Sha256, &b"SHA256 ("[..]),
        (Kind::Blake3, b"BLAKE3 ("),
    ]
    .into_iter()
    .find_map(|(kind, prefix)| Some((kind, line.strip_prefix(prefix)?)))?;
    let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
    let name = rest.strip_suffix(b") = ")?;
    let name = if escaped {
        unescape(name)?
    } else {
        name.to_vec()
    };
    (!name.is_empty()).then_some((Scope::File, vec![kind], kind.normal_form(digest)?, name))
}

fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = name.iter();
    let mut plain = Vec::with_capacity(name.len());
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(plain)
}

/// The kinds that gguf-hash writes.
const GGUF_HASH: [Kind; 5] = [
    Kind::Xxh64,
    Kind::Xxh3,
    Kind::Sha1,
    Kind::Sha256,
    Kind::Uuid,
];

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn one(line: &str) -> Option<(Scope, Vec<Kind>, Vec<u8>)> {
        let (mut rows, problems) = read(line.as_bytes())?;
        assert!(problems.is_empty() && rows.len() == 1);
        let row = rows.remove(0);
        assert_eq!(
            row.digest.len(),
            row.kinds[0]
                .normal_form(row.digest.as_bytes())
                .unwrap()
                .len()
        );
        Some((row.scope, row.kinds, row.label))
    }

    #[test]
    fn all_forms_are_read() {
        let either = vec![Kind::Sha256, Kind::Blake3];
        for (line, scope, kinds, label) in [
            (
                format!("{HEX}  a b.gguf"),
                Scope::File,
                either.clone(),
                "a b.gguf",
            ),
            (
                format!("{HEX} *m.gguf\r\n"),
                Scope::File,
                either.clone(),
                "m.gguf",
            ),
            (
                format!("\\{HEX}  a\\\\b\\nc\\rd"),
                Scope::File,
                either,
                "a\\b\nc\rd",
            ),
            (
                format!("SHA256 (m) = x) = {HEX}"),
                Scope::File,
                vec![Kind::Sha256],
                "m) = x",
            ),
            (
                format!("BLAKE3 (m.gguf) = {HEX}"),
                Scope::File,
                vec![Kind::Blake3],
                "m.gguf",
            ),
            (
                format!("sha256    {HEX}  m x.gguf:a  b"),
                Scope::Tensors,
                vec![Kind::Sha256],
                "m x.gguf:a  b",
            ),
            (
                "xxh64     44bc2cf5ad770999  m".to_owned(),
                Scope::Tensors,
                vec![Kind::Xxh64],
                "m",
            ),
            (
                "uuid      9f2200fc-45e8-5a39-9535-c3ea5c0e0cef  m".to_owned(),
                Scope::Tensors,
                vec![Kind::Uuid],
                "m",
            ),
        ] {
            assert_eq!(
                one(&line),
                Some((scope, kinds, label.as_bytes().to_vec())),
                "{line}"
            );
        }
    }

    #[test]
    fn what_has_no_row_is_no_list() {
        for text in [
            String::new(),
            "# only a comment\n".to_owned(),
            format!("{HEX}  "),
            format!("{HEX} m.gguf"),
            format!("{}  m.gguf", HEX.replace('B', "g")),
            format!("\\{HEX}  a\\xb"),
            format!("sha512    {HEX}  m"),
            "sha1      44bc2cf5ad770999  m".to_owned(),
            format!("{HEX}  m\0"),
        ] {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_line_that_is_no_row_is_a_problem_beside_the_rows() {
        let text = format!("# list\n\n{HEX}  m.gguf\nwhat is this\n");
        let (rows, problems) = read(text.as_bytes()).unwrap();
        assert_eq!((rows.len(), rows[0].number), (1, 3));
        assert_eq!((problems.len(), problems[0].place.as_str()), (1, "line 4"));
    }
}
