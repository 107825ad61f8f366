//! `--report KIND=PATH`: the answer in the forms of other places, each in a file of its own.
//!
//! What is written follows from the answer and never the other way round: verdict and exit code are those of a run without
//! it, but for a report that could not be written whole, which is never a success.

mod target;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use remote::Location;
use render::{Answer, Form, PolicyFile, Subject, github};
use sha2::{Digest as _, Sha256};
use verifier::FileSha256;
use verifier::check;
use verifier::finding::escape;
use verifier::report::{FileRow, Report};

use crate::exit::Outcome;
use crate::input::{Files, format_of};
use crate::output::ErrorRow;
use crate::{clock, models, next_command, output};

use self::target::Target;

/// Where the answer goes beside stdout.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Also write the answer to PATH in another form: html, json, junit, sarif, markdown, github, intoto or
    /// intoto-test-result. Repeatable (docs/reports.md)
    #[arg(long = "report", value_name = "KIND=PATH", value_parser = wanted)]
    reports: Vec<(Form, PathBuf)>,
}

fn wanted(text: &str) -> Result<(Form, PathBuf), String> {
    let names = || Form::ALL.map(Form::name).join(", ");
    let (kind, path) = text
        .split_once('=')
        .ok_or_else(|| format!("expected KIND=PATH, with a kind of {}", names()))?;
    let form = Form::ALL.into_iter().find(|form| form.name() == kind);
    let form = form.ok_or_else(|| format!("there is no kind {kind:?}, only {}", names()))?;
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok((form, PathBuf::from(path)))
}

impl Arguments {
    /// The files whose SHA-256 is needed: all of them for an attestation, which is about files by their SHA-256.
    pub(crate) fn file_sha256(&self, otherwise: FileSha256) -> FileSha256 {
        if self.reports.iter().any(|(form, _)| form.needs_sha256()) {
            FileSha256::All
        } else {
            otherwise
        }
    }

    /// Prepares the reports of a run that reads these files. What could not be written, or would replace one of them, is
    /// refused before anything is read.
    pub(crate) fn begin<'a>(
        &'a self,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> anyhow::Result<Reports> {
        let files: Vec<&Path> = files.into_iter().collect();
        let mut targets: Vec<(Form, Target)> = Vec::new();
        for (form, path) in &self.reports {
            if (*form == Form::Github || path == Path::new("/dev/stderr"))
                && output::is_stderr_closed()
            {
                bail!(
                    "standard error is closed: the {} report could not be written",
                    form.name()
                );
            }
            let target = Target::new(path, *form == Form::Github)?;
            if targets.iter().any(|(_, other)| other.is_same(&target)) {
                bail!("two reports would be written to {}", path.display());
            }
            if files.iter().any(|file| target.is_at(file)) {
                bail!(
                    "{} is a file of this run; choose another place for the report",
                    path.display()
                );
            }
            targets.push((*form, target));
        }
        Ok(Reports {
            targets,
            time: if self.reports.iter().any(|(form, _)| form.needs_time()) {
                clock::timestamp()?
            } else {
                String::new()
            },
            policy: None,
            subjects: Vec::new(),
            document: String::new(),
        })
    }
}

/// Collects what was judged, and writes it at the end.
pub(crate) struct Reports {
    targets: Vec<(Form, Target)>,
    policy: Option<PolicyFile>,
    time: String,
    subjects: Vec<Subject>,
    document: String,
}

impl Reports {
    /// Whether the JSON document of the command is to be added.
    pub(crate) fn need_document(&self) -> bool {
        let mut forms = self.targets.iter().map(|(form, _)| *form);
        forms.any(|form| matches!(form, Form::Html | Form::Json))
    }

    /// Adds to the JSON document that the command prints, or would print with `--format json`.
    pub(crate) fn add_document(&mut self, text: &str) {
        if self.need_document() {
            self.document.push_str(&output::plain(text));
        }
    }

    /// Notes which policy is applied.
    pub(crate) fn set_policy(&mut self, path: &Path, text: &str) {
        let digest = Sha256::digest(text);
        self.policy = Some(PolicyFile {
            name: shown(path),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        });
    }

    /// Adds the report about these models.
    pub(crate) fn add(&mut self, models: &[&Path], report: Report) {
        if !self.targets.is_empty() {
            let paths = paths_of(models, &report.files);
            self.subjects.push(Subject { paths, report });
        }
    }

    /// Writes all reports about a run that ended in this way, whatever becomes of one of them.
    pub(crate) fn end(mut self, ended: anyhow::Result<Outcome>) -> anyhow::Result<Outcome> {
        if self.targets.is_empty() || matches!(ended, Ok(Outcome::Stopped(_))) {
            return ended;
        }
        if let Err(why) = &ended {
            let report = check::not_done(output::is_io(why), &format!("{why:#}"));
            // What ended the run is no model's fault: another file may have, such as a policy.
            self.add(&[], report);
            self.document.clear();
            self.add_document(&output::document_of(ErrorRow::of(why)));
        }
        let command = command(env::args_os());
        let answer = Answer {
            version: env!("CARGO_PKG_VERSION"),
            command: &command,
            document: &self.document,
            policy: self.policy.as_ref(),
            time: &self.time,
            subjects: &self.subjects,
        };
        if let Ok(outcome) = &ended
            && outcome.code() != answer.verdict().exit_code()
        {
            unreachable!("a report says what the exit code says");
        }
        let annotations = || {
            let lines = github::annotations(&answer);
            lines.iter().try_for_each(|line| output::command(line))
        };
        let mut failed = None;
        for (form, target) in &self.targets {
            let mut written = target.write(&form.write(&answer));
            if *form == Form::Github {
                written = written.and(annotations());
            }
            if let Err(why) = written {
                let why = why.context(format!("the {} report was not written", form.name()));
                failed
                    .into_iter()
                    .for_each(|earlier| output::error(&earlier));
                failed = Some(why);
            }
        }
        match (ended, failed) {
            (Ok(outcome), None) => Ok(outcome),
            (Ok(_), Some(why)) => Err(why),
            (Err(first), failed) => {
                failed.iter().for_each(output::error);
                Err(first)
            }
        }
    }
}

/// The files of these models, in the order of the files of their report; of a model that has none there, because it could
/// not be opened, the file at fault.
fn paths_of(models: &[&Path], rows: &[FileRow]) -> Vec<String> {
    let mut models = models.to_vec();
    let files = |model: &Path| Files::paths_of_model(model).unwrap_or_else(|_| vec![model.into()]);
    if let ([first, second], Some(row)) = (models.as_slice(), rows.first()) {
        let named = |model: &Path| {
            let mut files = files(model).into_iter();
            files.find(|path| row.name == escape(Location::of(path).name().as_bytes()))
        };
        let is_first = match (named(first), named(second)) {
            (named, None) => named.is_some(),
            (None, Some(_)) => false,
            // Files of one name are told by their format, or by which of them could be opened; what cannot be read any
            // more is taken as it stands.
            (Some(path), Some(_)) => {
                match Location::of(&path).open().and_then(|file| format_of(&file)) {
                    Ok(format) => format.is_none_or(|format| row.format == format.into()),
                    Err(_) => rows.len() == files(first).len() + files(second).len(),
                }
            }
        };
        if !is_first {
            models.reverse();
        }
    }
    let mut paths = Vec::new();
    for model in models {
        if paths.len() < rows.len() {
            paths.extend(files(model));
        } else {
            paths.push(Files::unopened(model));
        }
    }
    paths.iter().map(|path| shown(path)).collect()
}

/// A path as reports have it: below the working folder relative to it, and escaped like a name.
fn shown(path: &Path) -> String {
    let folder = env::current_dir().ok();
    let inside = folder.and_then(|folder| path.strip_prefix(folder).ok());
    models::shown(inside.unwrap_or(path))
}

/// The command as typed in a shell, without its reports.
fn command(arguments: impl IntoIterator<Item = OsString>) -> String {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program)
        .file_name()
        .unwrap_or(&program)
        .to_owned();
    let mut words = vec![next_command::argument(&program)];
    while let Some(argument) = arguments.next() {
        match argument.to_string_lossy().strip_prefix("--report") {
            Some("") => drop(arguments.next()),
            Some(value) if value.starts_with('=') => {}
            _ => words.push(next_command::argument(&argument)),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_told_without_its_reports() {
        for (line, expected) in [
            ("/usr/bin/verify a b", "verify a b"),
            ("aprove check a --report json=x b", "aprove check a b"),
            (
                "aprove check --report=json=x it's",
                "aprove check 'it'\\''s'",
            ),
            ("aprove check --reported", "aprove check --reported"),
        ] {
            assert_eq!(command(line.split(' ').map(OsString::from)), expected);
        }
    }
}
