//! What a page says of one subject.

use askama::Template;
use verifier::report::text;
use verifier::report::{AtFault, Mode, Report};
use verifier::verdict::Verdict;

use super::bytes::{Bytes, bytes};
use super::drift::{Drift, drift};
use super::escape::clip;
use super::files::{File, files};
use super::findings::{Findings, findings};
use super::metadata::{Metadata, metadata};
use super::shown::{Limits, Shown};
use super::tensors::{Tensors, tensors};
use crate::words::{is_command, reason};

/// One subject.
#[derive(Template)]
#[template(path = "section.html")]
pub(super) struct Section {
    /// Which one, from 1: the start of all ids.
    id: usize,
    /// The level of its heading.
    level: usize,
    banner: Banner,
    is_pair: bool,
    files: Shown<File>,
    tensors: Tensors,
    drift: Drift,
    bytes: Option<Bytes>,
    metadata: Metadata,
    findings: Findings,
    policy: Vec<String>,
    manifest: Option<String>,
}

/// What is to be seen first.
struct Banner {
    /// Names of files, where there are several subjects.
    title: Option<String>,
    verdict: Word,
    /// With what a policy lets pass.
    words: String,
    meaning: String,
    at_fault: Option<String>,
    cause: Option<String>,
    next: Option<String>,
}

/// A verdict in a word, a class of the style sheet and a shape.
#[derive(Clone, Copy)]
pub(super) struct Word(Verdict);

impl Word {
    pub(super) const fn new(verdict: Verdict) -> Self {
        Self(verdict)
    }

    pub(super) const fn class(self) -> &'static str {
        match self.0 {
            Verdict::Verified => "good",
            Verdict::Different => "bad",
            Verdict::Undecided => "open",
        }
    }

    pub(super) const fn word(self) -> &'static str {
        self.0.as_str()
    }
}

impl Section {
    pub(super) fn new(report: &Report, title: Option<String>, id: usize, limits: Limits) -> Self {
        let labels = labels(report);
        Self {
            id,
            level: if title.is_some() { 2 } else { 1 },
            banner: banner(report, title, limits),
            is_pair: report.mode == Mode::Pair,
            files: files(report, limits),
            tensors: tensors(report, limits),
            drift: drift(report, labels.clone(), limits),
            bytes: bytes(report, &labels, limits),
            metadata: metadata(report, labels, limits),
            findings: findings(report, limits),
            policy: policy(report, limits),
            manifest: manifest(report, limits),
        }
    }
}

/// What the page calls the files of a pair.
fn labels(report: &Report) -> [String; 2] {
    text::sides(report).map(|side| match text::called(report, side) {
        "apr" => "APR".to_owned(),
        "gguf" => "GGUF".to_owned(),
        name => clip(name, LONGEST_LABEL),
    })
}

fn banner(report: &Report, title: Option<String>, limits: Limits) -> Banner {
    let sentence = |text: &str| clip(text, limits.sentence);
    let at_fault = report.conclusion.as_ref().and_then(|said| {
        let [first, second] = labels(report);
        match said.at_fault {
            AtFault::Apr => Some("the APR file".to_owned()),
            AtFault::Gguf => Some("the GGUF".to_owned()),
            AtFault::A => Some(first),
            AtFault::B => Some(second),
            AtFault::Both => Some("both files".to_owned()),
            AtFault::Neither => Some("neither: they do not belong together".to_owned()),
            AtFault::Unknown => None,
        }
    });
    Banner {
        title,
        verdict: Word(report.verdict),
        words: text::verdict(report),
        meaning: sentence(&reason(report)),
        at_fault,
        cause: report.cause.as_deref().map(sentence),
        next: report.next.as_deref().map(sentence),
    }
}

/// What a policy said, and what of it was used.
fn policy(report: &Report, limits: Limits) -> Vec<String> {
    let entries = report.policy.iter().flat_map(|policy| &policy.allow);
    let entries = entries.take(limits.tensors).map(|entry| {
        let reason = entry.reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let expired = if entry.expired { ", expired" } else { "" };
        let text = format!(
            "{} allowed {}{expired}{reason}",
            entry.text(),
            entry.matched
        );
        clip(&text, limits.sentence)
    });
    entries.collect()
}

fn manifest(report: &Report, limits: Limits) -> Option<String> {
    let row = report.manifest.as_ref()?;
    let bound = row.bound.join("; ");
    let unbound = match row.unbound.as_slice() {
        [] => String::new(),
        unbound => format!(". Not bound: {}", unbound.join("; ")),
    };
    let text = format!(
        "Held against {} ({}), which binds {bound}{unbound}",
        row.name, row.form
    );
    Some(clip(&text, limits.sentence))
}

/// Characters of the name of a file at the head of a column.
const LONGEST_LABEL: usize = 40;
