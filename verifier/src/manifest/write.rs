//! Writes manifests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use thiserror::Error;

use super::json::{Described, FileEntry, TensorEntry};
use super::kind::{Digests, Kind, Kinds};
use super::lines::escape_name;
use super::stream;
use super::target::{Subject, Target};
use crate::decode::container::Tensor;
use crate::decode::decoded::Decoded;
use crate::finding::{Finding, escape};
use crate::input::Input;
use crate::observer::Observer;

/// The form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Ours: files with SHA-256 and BLAKE3, tensors with BLAKE3.
    Json {
        /// Tensors with SHA-256 as well.
        tensor_sha256: bool,
    },
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

/// How to write a manifest.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions<'a> {
    /// The form.
    pub form: Form,
    /// Name and version of the program.
    pub tool: &'a str,
    /// What is written in the place of the name of the file; of a split set it cannot be given.
    pub as_path: Option<&'a str>,
    /// Number of threads.
    pub threads: usize,
}

/// Computes the digests of a model and writes them in one form.
///
/// # Errors
/// The model cannot be read, changed meanwhile, or cannot be described in this form.
pub fn write(
    input: &Input<'_>,
    options: &WriteOptions<'_>,
    observer: &dyn Observer,
) -> Result<Written, Error> {
    let form = options.form;
    let decoded = Decoded::of(input);
    let mut target = Target::new(input, &decoded);
    if let Some(path) = options.as_path {
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
    let hashed = hash(&target, &plan, options.threads, observer)?;
    let text = match form {
        Form::Json { .. } => json(&target, &hashed, options.tool)?,
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
    let all = [Kind::Xxh64, Kind::Xxh3, Kind::Sha1, Kind::Sha256];
    let rows: Vec<(Subject, Kinds)> = match form {
        Form::Json { tensor_sha256 } => {
            let mut of_tensors = Kinds::from([Kind::Blake3]);
            of_tensors.extend(tensor_sha256.then_some(Kind::Sha256));
            let of_files = Kinds::from([Kind::Sha256, Kind::Blake3]);
            let files = files.map(|subject| (subject, of_files.clone()));
            let tensors = tensors.map(|subject| (subject, of_tensors.clone()));
            files.chain(tensors).collect()
        }
        Form::Sha256sum => files
            .map(|subject| (subject, Kinds::from([Kind::Sha256])))
            .collect(),
        Form::B3sum => files
            .map(|subject| (subject, Kinds::from([Kind::Blake3])))
            .collect(),
        Form::GgufHash { all: with_all } => {
            let kinds = if with_all {
                Kinds::from(all)
            } else {
                Kinds::from([Kind::Sha256])
            };
            let subjects = tensors.chain(models);
            subjects.map(|subject| (subject, kinds.clone())).collect()
        }
    };
    rows.into_iter().collect()
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

fn json(target: &Target<'_>, hashed: &Hashed, tool: &str) -> Result<String, Error> {
    let digest = |subject, kind| {
        let digests = hashed.get(&subject);
        digests.and_then(|digests| digests.get(&kind)).cloned()
    };
    #[expect(clippy::expect_used, reason = "the plan of this form has them")]
    let planned =
        |subject, kind| digest(subject, kind).expect("every digest of the plan was computed");
    let files = target.names.iter().zip(&target.sources).enumerate();
    let files = files.map(|(shard, (name, source))| FileEntry {
        blake3: planned(Subject::File(shard), Kind::Blake3),
        name: (*name).to_owned(),
        sha256: planned(Subject::File(shard), Kind::Sha256),
        size: source.length(),
    });
    let of_several = |tensor: &Tensor| (target.names.len() > 1).then_some(tensor.shard);
    let tensors = target.decoded.tensors().iter().enumerate();
    let tensors: Result<Vec<_>, Error> = tensors
        .map(|(index, tensor)| {
            let subject = Subject::Tensor(index);
            let name = str::from_utf8(&tensor.name).map_err(|_| unwritable(&tensor.name))?;
            Ok(TensorEntry {
                blake3: planned(subject, Kind::Blake3),
                name: name.to_owned(),
                offset: tensor.span.offset,
                sha256: digest(subject, Kind::Sha256),
                shape: tensor.dims.clone(),
                shard: of_several(tensor),
                size: tensor.span.length,
                source_name: None,
                r#type: tensor.type_name(),
            })
        })
        .collect();
    let described = Described::new(tool, files.collect(), tensors?);
    #[expect(clippy::expect_used, reason = "strings and numbers always serialise")]
    let mut text = serde_json::to_string_pretty(&described).expect("a manifest is plain data");
    text.push('\n');
    Ok(text)
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
