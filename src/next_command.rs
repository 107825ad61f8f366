//! What to do next, as a command where there is one, by what a report concludes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use remote::Location;
use verifier::code::Code;
use verifier::decode::container::Format;
use verifier::finding::{Side, escape};
use verifier::report::{AtFault, BehaviourRow, ConclusionKind, FindingRow, Report};

use crate::input::Files;
use crate::remake;
use crate::run::CUDA;

/// A pair as the user named it.
struct Named<'a> {
    apr: &'a Path,
    gguf: &'a Path,
}

impl<'a> Named<'a> {
    /// Tells which is which by content; none when they are not an APR file and a GGUF.
    fn of(a: (&'a Path, &Files), b: (&'a Path, &Files)) -> Option<Self> {
        // Without the formats there is no command, only the hint of the finding.
        let [of_a, of_b] = [a.1, b.1].map(|files| files.format().ok().flatten());
        match (of_a?, of_b?) {
            (Format::Apr, Format::Gguf) => Some(Self {
                apr: a.0,
                gguf: b.0,
            }),
            (Format::Gguf, Format::Apr) => Some(Self {
                apr: b.0,
                gguf: a.0,
            }),
            _ => None,
        }
    }
}

/// What to do about a report that decides against its files; none about one that is verified.
pub(crate) fn of(report: &Report) -> Option<String> {
    deciding(report)?.hint.clone()
}

/// The same about two models, each as it was named and as it was opened.
pub(crate) fn of_pair(report: &Report, a: (&Path, &Files), b: (&Path, &Files)) -> Option<String> {
    let first = deciding(report)?;
    let command = Named::of(a, b).and_then(|named| command(report, &named, first));
    command.or_else(|| first.hint.clone())
}

fn deciding(report: &Report) -> Option<&FindingRow> {
    report.findings.iter().find(|one| one.decides())
}

fn command(report: &Report, named: &Named<'_>, first: &FindingRow) -> Option<String> {
    let (apr, gguf) = (shown(named.apr), shown(named.gguf));
    // Files are written from files only.
    let are_files = ![named.apr, named.gguf]
        .map(Location::of)
        .iter()
        .any(Location::is_address);
    let is_cut = report.conclusion.as_ref().is_some_and(|found| {
        found.kind == ConclusionKind::Unreadable && found.at_fault != AtFault::Apr
    });
    let fetch = || {
        let gguf = shown(&damaged_file(report, first, named.gguf));
        if is_cut {
            return format!("fetch {gguf} again: what is cut or malformed has no digest to hold");
        }
        format!(
            "hold the GGUF against the digest that its publisher gives: verify {gguf} --digest sha256:..."
        )
    };
    // Its own hint says how it can be read.
    let mut findings = report.findings.iter();
    if let Some(endian) = findings.find(|one| one.code == Code::GgufEndian) {
        return endian.hint.clone();
    }
    // Of a name that does not fit no other file tells more.
    let mut deciding = report.findings.iter().filter(|one| one.decides());
    if deciding.all(|one| one.code == Code::InputName) {
        return first.hint.clone();
    }
    let Some(conclusion) = &report.conclusion else {
        let is_of_gpu = |row: &BehaviourRow| row.device == CUDA;
        let flags = match report.behaviour.as_ref().is_some_and(is_of_gpu) {
            true => "--device cpu",
            false => "--forward off   # bytes and metadata only",
        };
        return (report.reasons == [Code::BehaviourNotCovered])
            .then(|| format!("verify {apr} {gguf} {flags}"));
    };
    let restore = (are_files && report.gives_source_back).then(|| {
        format!("aprove restore {apr} restored.gguf   # the GGUF that the APR file was made from")
    });
    let is_of_name = conclusion.kind == ConclusionKind::Unlike && first.code == Code::MetaRopeType;
    match (conclusion.kind, conclusion.at_fault) {
        (ConclusionKind::NotAModel | ConclusionKind::AnotherModel, _) => None,
        // The name of the architecture decides its type of rope, whatever happened to the files.
        (_, at_fault) if at_fault == AtFault::Apr || is_of_name => {
            if !are_files {
                return None;
            }
            let remake = remake::command(report, named.apr, named.gguf);
            remake.or(restore).or_else(|| Some(fetch()))
        }
        // It gives another source back than this one.
        _ if restore.is_some() && remake::is_source_by_sidecar(report, named.apr) => Some(format!(
            "aprove check {apr}   # its sidecar says that it was made from this GGUF"
        )),
        (ConclusionKind::Rewritten, _) => restore,
        _ => restore.or_else(|| Some(fetch())),
    }
}

/// The file of a set that a finding is about, beside the one that was named.
fn damaged_file(report: &Report, first: &FindingRow, gguf: &Path) -> PathBuf {
    let place = first.places.iter().find(|place| place.file == Side::Gguf);
    let file = place.and_then(|place| report.file_of_set(place));
    file.map_or_else(|| gguf.to_owned(), |file| gguf.with_file_name(&file.name))
}

/// A path as a shell takes it.
pub(crate) fn shown(path: &Path) -> String {
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return quoted(Path::new(".").join(path));
    }
    argument(path.as_os_str())
}

/// An argument as a shell takes it, without what gives access to an address.
pub(crate) fn argument(argument: &OsStr) -> String {
    match Location::of(Path::new(argument)) {
        Location::Path(path) => quoted(path),
        address @ Location::Address(_) => quoted(address.to_string()),
    }
}

/// A word as a shell takes it: in the quotes that know numbers of bytes where it holds what a terminal would not show, or the
/// runner of GitHub would take for a command.
pub(crate) fn quoted(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref().as_encoded_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./-+=:@%,".contains(byte);
    let text = escape(word).replace("##[", "#\\x23[");
    if !word.is_empty() && word.iter().all(is_plain) {
        text
    } else if text.contains('\\') {
        format!("$'{}'", text.replace('\'', "\\'"))
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_a_shell_takes_them() {
        for (path, expected) in [
            ("models/a-1.gguf", "models/a-1.gguf"),
            ("my model.gguf", "'my model.gguf'"),
            ("it's.gguf", "'it'\\''s.gguf'"),
            ("-q.gguf", "./-q.gguf"),
            ("two\nlines.gguf", "$'two\\x0alines.gguf'"),
            ("it's\u{202e}.gguf", "$'it\\'s\\xe2\\x80\\xae.gguf'"),
            ("x##[y.gguf", "$'x#\\x23[y.gguf'"),
            ("größe.gguf", "'größe.gguf'"),
        ] {
            assert_eq!(shown(Path::new(path)), expected);
        }
    }
}
