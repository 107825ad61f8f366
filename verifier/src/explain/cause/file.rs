//! Signatures that show in a file alone: traces of text handling.

use std::io;

use crate::code::CauseCode;
use crate::finding::Cause;
use crate::source::Source;

/// Looks for traces of text handling in the start of a binary file: replacement characters, or line ends of one kind only.
pub(crate) fn text_mode(source: &dyn Source) -> io::Result<Option<Cause>> {
    let length = usize::try_from(source.length().min(SAMPLE)).unwrap_or(0);
    let mut bytes = vec![0; length];
    source.read_exact_at(0, &mut bytes)?;
    let replaced = count(&bytes, b"\xef\xbf\xbd");
    if replaced >= TELLING && bytes.iter().filter(|byte| !byte.is_ascii()).count() <= replaced * 4 {
        return Ok(Some(Cause {
            code: CauseCode::Transcoded,
            text: format!(
                "handled as text: {replaced} replacement characters in the first {length} bytes"
            ),
        }));
    }
    let (feeds, pairs) = (count(&bytes, b"\n"), count(&bytes, b"\r\n"));
    if feeds >= TELLING && feeds == pairs {
        return Ok(Some(Cause {
            code: CauseCode::Crlf,
            text: format!(
                "copied in text mode: each of {feeds} line feeds follows a carriage return"
            ),
        }));
    }
    Ok(None)
}

fn count(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes
        .windows(pattern.len())
        .filter(|window| *window == pattern)
        .count()
}

const SAMPLE: u64 = 4 << 20;
/// Fewer occurrences also come about by chance.
const TELLING: usize = 12;
