//! Rows of text: `sha256sum`, `b3sum` (both also in their BSD form), gguf-hash, and digests alone.
//!
//! | form | line |
//! | --- | --- |
//! | `sha256sum`, `b3sum` | `HEX  NAME` or `HEX *NAME`; with a `\` before it, `\\`, `\n` and `\r` in the name are escapes |
//! | BSD, OpenSSL | `SHA256 (NAME) = HEX`, `BLAKE3 (NAME) = HEX`; `SHA2-256(NAME)= HEX` |
//! | gguf-hash | `KIND  HEX  PATH` or `KIND  HEX  PATH:TENSOR`, the kind padded to 8 characters |
//! | a digest | `HEX`, `sha256:HEX`, `blake3:HEX`, each alone or before a name as above |
//!
//! The digests of `sha256sum` and `b3sum` have the same length and no name: such a row holds when either of them does.

use super::Problem;
use super::kind::Kind;

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it is, such as `line 3`.
    pub(super) place: String,
    pub(super) scope: Scope,
    /// The kinds that the digest can be of.
    pub(super) kinds: Vec<Kind>,
    /// In the form of [`Kind::normal_form`].
    pub(super) digest: String,
    /// The name, unescaped; none where the row is for the one file at hand.
    pub(super) label: Option<Vec<u8>>,
    /// The length of the file, where the row says it.
    pub(super) size: Option<u64>,
}

/// What the digest of a row is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A whole file.
    File,
    /// A tensor, or the tensors of a model.
    Tensors,
}

/// The rows that were read, and what could not be.
pub(super) type Listed = (Vec<Line>, Vec<Problem>);

/// Reads all rows; none when nothing in it is a row. Empty lines and lines that begin with `#` are none.
pub(super) fn read(bytes: &[u8]) -> Option<Listed> {
    if bytes.contains(&0) {
        return None;
    }
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|&byte: &u8| byte == b'\n')) {
        let number: usize = number;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let place = format!("line {number}");
        match row(line) {
            Some(row) => rows.push(Line {
                place,
                scope: row.scope,
                kinds: row.kinds,
                digest: row.digest,
                label: row.label,
                size: None,
            }),
            None => problems.push(Problem {
                place,
                text: "it is not a row of sha256sum, b3sum or gguf-hash, nor a digest".to_owned(),
            }),
        }
    }
    (!rows.is_empty()).then_some((rows, problems))
}

/// Reads a digest as a registry or a publisher writes it: `sha256:HEX`, `blake3:HEX`, or the digits alone.
pub(super) fn digest(text: &str) -> Option<(Vec<Kind>, String)> {
    let (kinds, digits) = prefix(text.as_bytes());
    let first = *kinds.first()?;
    Some((kinds.to_vec(), first.normal_form(digits)?))
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

struct Row {
    scope: Scope,
    kinds: Vec<Kind>,
    digest: String,
    label: Option<Vec<u8>>,
}

fn row(line: &[u8]) -> Option<Row> {
    // Colons separate path and tensor; each of them is tried.
    let colons = line.iter().filter(|&&byte| byte == b':').count();
    if colons > MOST_COLONS {
        return None;
    }
    of_gguf_hash(line)
        .or_else(|| of_sum(line))
        .or_else(|| of_bsd(line))
}

fn of_gguf_hash(line: &[u8]) -> Option<Row> {
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
    Some(Row {
        scope: Scope::Tensors,
        kinds: vec![kind],
        digest: kind.normal_form(digest)?,
        label: Some(label.to_vec()),
    })
}

fn of_sum(line: &[u8]) -> Option<Row> {
    let (is_escaped, line) = unmark(line);
    let (kinds, line) = prefix(line);
    let (digest, rest) = line.split_at_checked(64)?;
    let label = if rest.trim_ascii().is_empty() {
        // A digest alone; what ends in the blanks before a name has lost the name.
        (rest.len() < 2).then_some(None)?
    } else {
        let name = rest
            .strip_prefix(b"  ")
            .or_else(|| rest.strip_prefix(b" *"))?;
        Some(name_of(name, is_escaped)?)
    };
    Some(Row {
        scope: Scope::File,
        digest: kinds.first()?.normal_form(digest)?,
        kinds: kinds.to_vec(),
        label,
    })
}

fn of_bsd(line: &[u8]) -> Option<Row> {
    let (is_escaped, line) = unmark(line);
    let (kind, rest, separator) = BSD
        .into_iter()
        .find_map(|(kind, start, separator)| Some((kind, line.strip_prefix(start)?, separator)))?;
    let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
    Some(Row {
        scope: Scope::File,
        kinds: vec![kind],
        digest: kind.normal_form(digest)?,
        label: Some(name_of(rest.strip_suffix(separator)?, is_escaped)?),
    })
}

/// Takes the mark off a row whose name has escapes.
fn unmark(line: &[u8]) -> (bool, &[u8]) {
    match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    }
}

/// Takes off the word that says the kind.
fn prefix(text: &[u8]) -> (&'static [Kind], &[u8]) {
    let named = [
        (&b"sha256:"[..], &[Kind::Sha256][..]),
        (b"blake3:", &[Kind::Blake3]),
    ];
    named
        .into_iter()
        .find_map(|(word, kinds)| {
            let (start, rest) = text.split_at_checked(word.len())?;
            start.eq_ignore_ascii_case(word).then_some((kinds, rest))
        })
        .unwrap_or((&[Kind::Sha256, Kind::Blake3], text))
}

fn name_of(name: &[u8], is_escaped: bool) -> Option<Vec<u8>> {
    let name = if is_escaped {
        unescape(name)?
    } else {
        name.to_vec()
    };
    (!name.is_empty()).then_some(name)
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

/// How a row of the BSD form begins, and what is between its name and its digest.
const BSD: [(Kind, &[u8], &[u8]); 4] = [
    (Kind::Sha256, b"SHA256 (", b") = "),
    (Kind::Blake3, b"BLAKE3 (", b") = "),
    (Kind::Sha256, b"SHA256(", b")= "),
    (Kind::Sha256, b"SHA2-256(", b")= "),
];

/// The kinds that gguf-hash writes.
const GGUF_HASH: [Kind; 5] = [
    Kind::Xxh64,
    Kind::Xxh3,
    Kind::Sha1,
    Kind::Sha256,
    Kind::Uuid,
];

/// No path and no tensor of a model has so many.
const MOST_COLONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn one(line: &str) -> Option<(Scope, Vec<Kind>, Option<Vec<u8>>)> {
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
        let either = [Kind::Sha256, Kind::Blake3];
        let uuid = "uuid      9f2200fc-45e8-5a39-9535-c3ea5c0e0cef  m";
        for (line, scope, kinds, label) in [
            (
                format!("{HEX}  a b.gguf"),
                Scope::File,
                &either[..],
                Some("a b.gguf"),
            ),
            (
                format!("{HEX} *m.gguf\r\n"),
                Scope::File,
                &either,
                Some("m.gguf"),
            ),
            (
                format!("\\{HEX}  a\\\\b\\nc\\rd"),
                Scope::File,
                &either,
                Some("a\\b\nc\rd"),
            ),
            (
                format!("SHA256 (m) = x) = {HEX}"),
                Scope::File,
                &[Kind::Sha256],
                Some("m) = x"),
            ),
            (
                format!("BLAKE3 (m.gguf) = {HEX}"),
                Scope::File,
                &[Kind::Blake3],
                Some("m.gguf"),
            ),
            (
                format!("SHA2-256(m.gguf)= {HEX}"),
                Scope::File,
                &[Kind::Sha256],
                Some("m.gguf"),
            ),
            (HEX.to_owned(), Scope::File, &either, None),
            (format!("{HEX}\r\n"), Scope::File, &either, None),
            (format!("sha256:{HEX}"), Scope::File, &[Kind::Sha256], None),
            (
                format!("SHA256:{HEX}  m.gguf"),
                Scope::File,
                &[Kind::Sha256],
                Some("m.gguf"),
            ),
            (format!("blake3:{HEX}"), Scope::File, &[Kind::Blake3], None),
            (
                format!("sha256    {HEX}  m x.gguf:a  b"),
                Scope::Tensors,
                &[Kind::Sha256],
                Some("m x.gguf:a  b"),
            ),
            (
                "xxh64     44bc2cf5ad770999  m".to_owned(),
                Scope::Tensors,
                &[Kind::Xxh64],
                Some("m"),
            ),
            (uuid.to_owned(), Scope::Tensors, &[Kind::Uuid], Some("m")),
        ] {
            let label = label.map(|label| label.as_bytes().to_vec());
            assert_eq!(one(&line), Some((scope, kinds.to_vec(), label)), "{line}");
        }
    }

    #[test]
    fn what_has_no_row_is_not_a_list() {
        for text in [
            String::new(),
            "# only a comment\n".to_owned(),
            format!("{HEX}  "),
            format!("{HEX} m.gguf"),
            format!("{}  m.gguf", HEX.replace('B', "g")),
            format!("\\{HEX}  a\\xb"),
            format!("sha512    {HEX}  m"),
            "sha1      44bc2cf5ad770999  m".to_owned(),
            "900150983cd24fb0d6963f7d28e17f72  m.gguf".to_owned(),
            format!("{HEX}  m\0"),
            format!("sha256    {HEX}  m{}", ":".repeat(65)),
        ] {
            assert!(read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_line_that_is_not_a_row_is_a_problem_beside_the_rows() {
        let text = format!("# list\n\n{HEX}  m.gguf\nwhat is this\n");
        let (rows, problems) = read(text.as_bytes()).unwrap();
        assert_eq!((rows.len(), rows[0].place.as_str()), (1, "line 3"));
        assert_eq!((problems.len(), problems[0].place.as_str()), (1, "line 4"));
    }

    #[test]
    fn a_digest_of_a_registry_says_its_kind() {
        assert_eq!(digest(&format!("sha256:{HEX}")).unwrap().0, [Kind::Sha256]);
        assert_eq!(digest(&format!("blake3:{HEX}")).unwrap().0, [Kind::Blake3]);
        assert_eq!(digest(HEX).unwrap().1, HEX.to_lowercase());
        for wrong in ["", "sha256:", "sha1:00", &HEX[1..], &format!("md5:{HEX}")] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
