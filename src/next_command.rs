//! What to do next, as a command where there is one, by what a report concludes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use converter::{MadeWith, Naming, Tie, Unsupported};
use remote::Location;
use verifier::code::Code;
use verifier::decode::container::Format;
use verifier::finding::{Side, escape};
use verifier::report::{AtFault, ConclusionKind, FindingRow, Report};

use crate::input::Files;

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
    // The options are read from the file, where they are needed.
    let convert = || {
        are_files.then(|| {
            let options = options_of(named.apr);
            format!("aprove convert {gguf} {apr}{options} --overwrite")
        })
    };
    let fetch = || {
        let gguf = shown(&damaged_file(report, first, named.gguf));
        format!(
            "hold the GGUF against the digest that its publisher gives: verify {gguf} --digest sha256:..."
        )
    };
    let Some(conclusion) = &report.conclusion else {
        return (report.reasons == [Code::BehaviourNotCovered])
            .then(|| format!("verify {apr} {gguf} --forward off   # bytes and metadata only"));
    };
    // The artifact knows every byte of its source, unless tensors were decoded.
    let restore = (are_files && report.counts.values_equal == 0).then(|| {
        format!("aprove restore {apr} restored.gguf   # the GGUF that the APR file was made from")
    });
    match (conclusion.kind, conclusion.at_fault) {
        (ConclusionKind::NotAModel | ConclusionKind::AnotherModel, _) => None,
        (_, AtFault::Apr) => convert(),
        // The name of the architecture decides it, whatever happened to the files.
        (ConclusionKind::Unlike, _) if first.code == Code::MetaRopeType => convert(),
        // The artifact is what was written, and is not replaced.
        (ConclusionKind::Rewritten, _) => restore,
        (ConclusionKind::Damaged | ConclusionKind::Unreadable, AtFault::Gguf)
            if report.reasons.contains(&Code::SourceChanged) =>
        {
            restore.or_else(|| Some(fetch()))
        }
        (ConclusionKind::Damaged | ConclusionKind::Unreadable | ConclusionKind::Unlike, _) => {
            Some(fetch())
        }
    }
}

/// The options by which an artifact was made, where it says so: without them another one would be made.
fn options_of(apr: &Path) -> String {
    let Some(made) = MadeWith::of(apr) else {
        return String::new();
    };
    let mut options = String::new();
    options += match made.naming {
        Naming::Auto => "",
        Naming::Gguf => " --names gguf",
        Naming::Hf => " --names hf",
    };
    options += match made.tie {
        Tie::Shared => "",
        Tie::Duplicate => " --tie duplicate",
    };
    options += match made.unsupported {
        Unsupported::Refuse => "",
        Unsupported::DecodeF32 => " --unsupported decode-f32",
        Unsupported::Raw => " --unsupported raw",
        Unsupported::Auto => " --unsupported auto",
    };
    if made.record_only {
        options += " --record-only";
    }
    for (key, value) in made.set {
        options += &format!(" --set {}", quoted(format!("{key}={value}")));
    }
    options
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
fn quoted(word: impl AsRef<OsStr>) -> String {
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
