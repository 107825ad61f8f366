//! The command that makes an artifact again. Whether it may replace the one that is there is decided here and nowhere else,
//! by the digests that are recorded: the artifact, or its sidecar, may be the last that knows the true source.

use std::path::Path;

use converter::{MadeWith, Naming, Tie, Unsupported};
use verifier::check::Sidecar;
use verifier::code::Code;
use verifier::report::{ConclusionKind, FileFormat, Report};

use crate::next_command::{quoted, shown};
use crate::sidecar::sidecar_of;

/// The command by which an artifact is made again from a GGUF; none where what is recorded shows that it was made from
/// another model.
pub(crate) fn command(report: &Report, apr: &Path, gguf: &Path) -> Option<String> {
    // A conversion takes names of UTF-8 only.
    apr.to_str().zip(gguf.to_str())?;
    let (old, source) = (shown(apr), shown(gguf));
    let found = digests(report);
    let made = MadeWith::of(apr);
    let sidecar = sidecar_of(apr);
    let by_sidecar = sources(&sidecar);
    let by_record = made.iter().flatten().map(|made| &made.sources);
    let by_sidecar = Some(&by_sidecar).filter(|sources| !sources.is_empty());
    let is_other = |sources: &&Vec<String>| {
        let sources = sources.iter().map(|blake3| Some(blake3.as_str()));
        !sources.eq(found.iter().copied())
    };
    let mut others = by_record.clone().chain(by_sidecar).filter(is_other);
    let is_rewritten = others.next().is_some();
    let is_of_record = |by_sidecar| by_record.clone().any(|by_record| by_record == by_sidecar);
    if is_rewritten && !(report.has_source_tensors && by_sidecar.is_none_or(is_of_record)) {
        return None;
    }
    // What loaders would not compute is converted on request alone.
    let is_kept = report
        .findings
        .iter()
        .any(|one| one.code == Code::MetaNotCarried);
    let options = made.iter().flatten();
    let options = options.map(|made| options_of(made, is_kept)).next();
    // Without a record it may be the last of a model that is nowhere else, and so may one whose checksums are right: someone
    // edited its tensors, or what it records.
    let is_told = matches!(
        (&made, &sidecar),
        (Ok(Some(_)), Sidecar::Absent | Sidecar::Read(_))
    );
    let may_replace = is_told && !is_rewritten && (by_sidecar.is_some() || shows_damage(report));
    let (target, end) = if may_replace {
        (old, " --overwrite".to_owned())
    } else {
        let new = shown(&apr.with_extension("new.apr"));
        let why = if is_rewritten {
            format!("{old} was made from this model, written in another way")
        } else if is_told {
            format!("{old} may hold an edit that is wanted, since its sums are right")
        } else {
            format!("what {old} was made from cannot be told")
        };
        (new, format!("   # a new name: {why}"))
    };
    let alone = if is_kept { " --record-only" } else { "" };
    let options = options.unwrap_or_else(|| alone.to_owned());
    Some(format!("aprove convert {source} {target}{options}{end}"))
}

/// Whether the sidecar of an artifact says that it was made from the GGUF of a report.
pub(crate) fn is_source_by_sidecar(report: &Report, apr: &Path) -> bool {
    let sources = sources(&sidecar_of(apr));
    let sources = sources.iter().map(|blake3| Some(blake3.as_str()));
    sources.len() > 0 && sources.eq(digests(report))
}

/// The BLAKE3 of the sources that a sidecar names.
fn sources(sidecar: &Sidecar) -> Vec<String> {
    match sidecar {
        Sidecar::Read(manifest) => {
            let sources = manifest.sources().map(|(_, blake3)| blake3.to_owned());
            sources.collect()
        }
        Sidecar::Absent | Sidecar::LeftOut | Sidecar::Unusable(..) => Vec::new(),
    }
}

/// The BLAKE3 of the files of the GGUF.
fn digests(report: &Report) -> Vec<Option<&str>> {
    let files = report.files.iter();
    let files = files.filter(|file| file.format == FileFormat::Gguf);
    files.map(|file| file.blake3.as_deref()).collect()
}

/// Whether the artifact is cut, or its sums show that its bytes are not those that were written.
fn shows_damage(report: &Report) -> bool {
    let is_cut = report
        .conclusion
        .as_ref()
        .is_some_and(|found| found.kind == ConclusionKind::Unreadable);
    let of_damage = [Code::AprFooterCrc, Code::AprDamaged, Code::MetaRecordDigest];
    is_cut
        || report
            .findings
            .iter()
            .any(|one| of_damage.contains(&one.code))
}

/// The options by which an artifact was made: without them another one would be made.
fn options_of(made: &MadeWith, is_kept: bool) -> String {
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
    if made.record_only || is_kept {
        options += " --record-only";
    }
    for (key, value) in &made.set {
        options += &format!(" --set {}", quoted(format!("{key}={value}")));
    }
    options
}
