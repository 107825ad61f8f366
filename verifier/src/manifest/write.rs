//! Writes manifests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use thiserror::Error;

use super::json::{FileEntry, Own, TensorEntry};
use super::kind::{Digests, Kind, Kinds};
use super::lines::escape_name;
use super::stream;
use super::target::{Subject, Target};
use crate::decode::container::Tensor;
use crate::finding::{Finding, escape};
use crate::inspect::{Decoded, type_name};
use crate::observer::Observer;
use crate::verify::Input;

/// The form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Ours: files and tensors, with SHA-256 and BLAKE3 of each.
    Json,
    /// Rows for `sha256sum -c`.
    Sha256sum,
    /// Rows for `b3sum -c`.
    B3sum,
    /// Rows as `llama-gguf-hash` writes them.
    GgufHash {
        /// Also xxh64, xxh3 and sha1; otherwise sha256 alone.
        all: bool,
    },
}

/// A manifest as text, and what is to be said about the model.
#[derive(Debug)]
pub struct Written {
    /// The manifest.
    pub text: String,
    /// What is wrong with the container; the digests are those of the bytes as they are.
    pub warnings: Vec<String>,
}

/// Why there is no manifest.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("{name} cannot be read: {error}")]
    Io {
        /// The name of the file, escaped.
        name: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is not what it was when it was opened.
    #[error("{name} changed while it was read: {change}")]
    Changed {
        /// The name of the file, escaped.
        name: String,
        /// What changed.
        change: String,
    },
    /// Not all tensors can be found in the file.
    #[error(
        "the tensors cannot be listed: {reason}; whole-file rows (sha256sum, b3sum) can still be written"
    )]
    Incomplete {
        /// What is wrong with the container.
        reason: String,
    },
    /// A name cannot stand in a row of this form.
    #[error(
        "the name {name} cannot be written in this form: it has line breaks, control bytes or is not UTF-8"
    )]
    Name {
        /// The name, escaped.
        name: String,
    },
    /// One name was given for several files.
    #[error("one name was given for the {count} files of a split set")]
    OneNameForMany {
        /// How many files there are.
        count: usize,
    },
}

/// Computes the digests of a model and writes them in this form.
///
/// `as_path` is written in the place of the name of the file; of a split set it cannot be given.
///
/// # Errors
/// The model cannot be read, changed meanwhile, or cannot be described in this form.
pub fn write(
    input: &Input<'_>,
    form: Form,
    as_path: Option<&str>,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Written, Error> {
    let decoded = Decoded::of(input);
    let mut target = Target::new(input, &decoded);
    if let Some(path) = as_path {
        if target.names.len() > 1 {
            return Err(Error::OneNameForMany {
                count: target.names.len(),
            });
        }
        target.names = vec![path];
    }
    let needs_tensors = !matches!(form, Form::Sha256sum | Form::B3sum);
    if needs_tensors && !decoded.is_complete() {
        return Err(incomplete(&target));
    }
    let plan = plan(form, &target);
    let hashed = hash(&target, &plan, threads, observer)?;
    let text = match form {
        Form::Json => json(&target, &hashed),
        Form::Sha256sum => sums(&target, &hashed, Kind::Sha256)?,
        Form::B3sum => sums(&target, &hashed, Kind::Blake3)?,
        Form::GgufHash { .. } => gguf_hash(&target, &hashed)?,
    };
    let warnings = decoded
        .findings()
        .iter()
        .filter(|finding| is_decisive(finding));
    Ok(Written {
        text,
        warnings: warnings.map(|finding| finding.message.clone()).collect(),
    })
}

type Plan = BTreeMap<Subject, Kinds>;
type Hashed = BTreeMap<Subject, Digests>;

fn plan(form: Form, target: &Target<'_>) -> Plan {
    let files = (0..target.names.len()).map(Subject::File);
    let tensors = (0..target.decoded.tensors().len()).map(Subject::Tensor);
    let models = (0..target.names.len()).map(Subject::Model);
    let (subjects, kinds): (Vec<Subject>, _) = match form {
        Form::Json => (
            files.chain(tensors).collect(),
            Kinds::from([Kind::Sha256, Kind::Blake3]),
        ),
        Form::Sha256sum => (files.collect(), Kinds::from([Kind::Sha256])),
        Form::B3sum => (files.collect(), Kinds::from([Kind::Blake3])),
        Form::GgufHash { all: false } => {
            (tensors.chain(models).collect(), Kinds::from([Kind::Sha256]))
        }
        Form::GgufHash { all: true } => (
            tensors.chain(models).collect(),
            Kinds::from([Kind::Xxh64, Kind::Xxh3, Kind::Sha1, Kind::Sha256]),
        ),
    };
    subjects
        .into_iter()
        .map(|subject| (subject, kinds.clone()))
        .collect()
}

fn hash(
    target: &Target<'_>,
    plan: &Plan,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Hashed, Error> {
    let jobs = plan
        .iter()
        .map(|(subject, kinds)| target.job(*subject, kinds));
    let jobs: Vec<_> = jobs
        .collect::<Option<_>>()
        .ok_or_else(|| incomplete(target))?;
    let name = |shard: usize| {
        escape(
            target
                .names
                .get(shard)
                .copied()
                .unwrap_or_default()
                .as_bytes(),
        )
    };
    let mut hashed = Hashed::new();
    for (subject, result) in plan
        .keys()
        .zip(stream::run(&target.sources, &jobs, threads, observer))
    {
        let digests = result.map_err(|unread| Error::Io {
            name: name(unread.shard),
            error: unread.error,
        })?;
        hashed.insert(*subject, digests);
    }
    for (shard, source) in target.sources.iter().enumerate() {
        source.check_unchanged().map_err(|change| Error::Changed {
            name: name(shard),
            change,
        })?;
    }
    Ok(hashed)
}

fn incomplete(target: &Target<'_>) -> Error {
    let mut findings = target
        .decoded
        .findings()
        .iter()
        .filter(|finding| is_decisive(finding));
    let reason = findings.next().map(|finding| finding.message.clone());
    Error::Incomplete {
        reason: reason.unwrap_or_else(|| "not all of them lie inside the file".to_owned()),
    }
}

const fn is_decisive(finding: &Finding) -> bool {
    finding.effect.decides()
}

fn json(target: &Target<'_>, hashed: &Hashed) -> String {
    let digest = |subject, kind| {
        hashed
            .get(&subject)
            .and_then(|digests| digests.get(&kind))
            .cloned()
    };
    let files = target.names.iter().zip(&target.sources).enumerate();
    let file = |(shard, (name, source)): (usize, (&&str, &&dyn crate::source::Source))| FileEntry {
        name: (*name).to_owned(),
        size: source.length(),
        sha256: digest(Subject::File(shard), Kind::Sha256),
        blake3: digest(Subject::File(shard), Kind::Blake3),
        crc32: None,
    };
    let tensor = |(index, tensor): (usize, &Tensor)| TensorEntry {
        name: escape(&tensor.name),
        _gguf_name: None,
        r#type: type_name(tensor),
        shape: tensor.dims.clone(),
        offset: tensor.span.offset,
        size: tensor.span.length,
        shard: tensor.shard,
        sha256: digest(Subject::Tensor(index), Kind::Sha256).unwrap_or_default(),
        blake3: digest(Subject::Tensor(index), Kind::Blake3).unwrap_or_default(),
    };
    let own = Own {
        manifest: 1,
        files: files.map(file).collect(),
        tensors: target
            .decoded
            .tensors()
            .iter()
            .enumerate()
            .map(tensor)
            .collect(),
    };
    // Strings and numbers only, which always serialise.
    let mut text = serde_json::to_string_pretty(&own).unwrap_or_default();
    text.push('\n');
    text
}

fn sums(target: &Target<'_>, hashed: &Hashed, kind: Kind) -> Result<String, Error> {
    let mut text = String::new();
    for (shard, name) in target.names.iter().enumerate() {
        // Both tools refuse or mangle these; U+FFFD is what a name that is not UTF-8 has become.
        if name.contains(['\0', '\u{fffd}']) {
            return Err(unwritable(name.as_bytes()));
        }
        let digest = hashed
            .get(&Subject::File(shard))
            .and_then(|digests| digests.get(&kind));
        let (name, escaped) = escape_name(name);
        let mark = if escaped { "\\" } else { "" };
        let _ = writeln!(text, "{mark}{}  {name}", digest.map_or("", String::as_str));
    }
    Ok(text)
}

/// For each file the rows of its tensors and those of the whole, as running the tool on each file would write them.
fn gguf_hash(target: &Target<'_>, hashed: &Hashed) -> Result<String, Error> {
    let mut text = String::new();
    let mut push = |subject, label: &str| {
        for (kind, digest) in hashed.get(&subject).into_iter().flatten() {
            let _ = writeln!(text, "{:<8}  {digest}  {label}", kind.name());
        }
    };
    for (shard, path) in target.names.iter().enumerate() {
        let path = printable(path.as_bytes())?;
        let tensors = target.decoded.tensors().iter().enumerate();
        for (index, tensor) in tensors.filter(|(_, tensor)| tensor.shard == shard) {
            push(
                Subject::Tensor(index),
                &format!("{path}:{}", printable(&tensor.name)?),
            );
        }
        push(Subject::Model(shard), path);
    }
    Ok(text)
}

/// A name that stays what it is on a terminal and in a row, which has no escapes.
fn printable(name: &[u8]) -> Result<&str, Error> {
    let text = std::str::from_utf8(name).map_err(|_| unwritable(name))?;
    // A backslash is the one printable character that `escape` does not leave alone.
    if escape(name) == text.replace('\\', "\\x5c") {
        Ok(text)
    } else {
        Err(unwritable(name))
    }
}

fn unwritable(name: &[u8]) -> Error {
    Error::Name { name: escape(name) }
}
