//! Writes an answer of the verifier for the places where people look: a test page, a pull request, a browser, a store of
//! attestations. What is written never decides anything: verdict and exit code are those of the reports.
//!
//! A form is a function from an [`Answer`] to a text. The same answer gives the same text; what comes from a file is escaped
//! as the form needs it.

pub mod github;
pub mod html;
mod intoto;
mod junit;
mod markdown;
mod sarif;
mod words;

pub use words::headline;

use verifier::code::{Code, Group};
use verifier::finding::Side;
use verifier::report::{AtFault, FileFormat, FileRow, FindingRow, Mode, PlaceRow, Report};
use verifier::verdict::Verdict;

/// What a command answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The version of the program.
    pub version: &'a str,
    /// The command that gives this answer again, as typed in a shell; what is in it is not escaped.
    pub command: &'a str,
    /// What the command prints with `--format json`.
    pub document: &'a str,
    /// The policy file, where one was given.
    pub policy: Option<&'a PolicyFile>,
    /// The time in UTC as RFC 3339 writes it, for the form that cannot be without: see [`Form::needs_time`].
    pub time: &'a str,
    /// What was judged, in the order given.
    pub subjects: &'a [Subject],
}

impl Answer<'_> {
    /// Returns the worst verdict; nothing judged is undecided.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.subjects.iter().map(|subject| subject.report.verdict);
        verdicts
            .max_by_key(|verdict| verdict.exit_code())
            .unwrap_or(Verdict::Undecided)
    }
}

/// The file that says what may pass.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// The path, escaped like a name.
    pub name: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// One pair, or one model, and its report.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The paths as they were given, escaped like names, in the order of the report's files: an APR file before a GGUF, shard
    /// by shard. Behind them those of what could not be opened, which are no files of the report, in the order given.
    pub paths: Vec<String>,
    /// What was found.
    pub report: Report,
}

impl Subject {
    /// The files that were read, each with its path.
    fn files(&self) -> impl Iterator<Item = (&str, &FileRow)> {
        let files = self.report.files.iter().enumerate();
        files.map(|(index, file)| (self.paths.get(index).unwrap_or(&file.name).as_str(), file))
    }

    /// Which file of the pair a row of the report's files is about, and its shard.
    fn side_of(&self, index: usize) -> Option<(Side, usize)> {
        let file = self.report.files.get(index)?;
        let has = |format| self.report.files.iter().any(|file| file.format == format);
        let side = file.side.unwrap_or(match file.format {
            FileFormat::Apr => Side::Apr,
            FileFormat::Gguf => Side::Gguf,
            // The role that the other file leaves.
            FileFormat::Unknown if has(FileFormat::Apr) => Side::Gguf,
            FileFormat::Unknown if has(FileFormat::Gguf) => Side::Apr,
            // One model on its own.
            FileFormat::Unknown => Side::Gguf,
        });
        Some((side, file.shard))
    }

    /// The places of a finding, that of the file at fault first.
    fn places<'a>(&self, finding: &'a FindingRow) -> Vec<&'a PlaceRow> {
        let at_fault = self.side_at_fault();
        let mut places: Vec<_> = finding.places.iter().collect();
        places.sort_by_key(|place| at_fault.is_some_and(|side| place.file != side));
        places
    }

    /// The path of the file at fault in a finding: of both files that differ it is the one that the report blames, wherever
    /// the difference is seen. What could not be opened has no place: its path stands behind those of the files, in the
    /// order of the findings.
    fn path_at_fault(&self, finding: &FindingRow) -> Option<&str> {
        let is_of_one_file = matches!(finding.code.group(), Group::Apr | Group::Gguf);
        let blamed = self.side_at_fault().filter(|_| !is_of_one_file);
        let places = self.places(finding);
        if let Some(place) = places.first() {
            return Some(match blamed {
                Some(side) if side != place.file => self.path_of(side, 0),
                _ => self.path_of(place.file, place.shard),
            });
        }
        let findings = self.report.findings.iter();
        let mut unopened = findings.filter(|one| one.code == Code::Io && one.places.is_empty());
        let number = unopened.position(|one| std::ptr::eq(one, finding));
        let path = number.and_then(|number| {
            let mut unopened = self.paths.iter().skip(self.report.files.len());
            unopened.nth(number)
        });
        match (path, blamed) {
            (Some(path), _) => Some(path),
            (None, Some(side)) => Some(self.path_of(side, 0)),
            // Nobody is named: neither who stands first in a pair, nor the model beside a list that cannot be read.
            (None, None)
                if self.report.mode == Mode::Pair || finding.code == Code::ManifestUnknown =>
            {
                None
            }
            (None, None) => self.paths.first().map(String::as_str),
        }
    }

    /// The one file that the report blames.
    fn side_at_fault(&self) -> Option<Side> {
        match self.report.conclusion.as_ref()?.at_fault {
            AtFault::Apr => Some(Side::Apr),
            AtFault::Gguf => Some(Side::Gguf),
            AtFault::A => Some(Side::A),
            AtFault::B => Some(Side::B),
            AtFault::Both | AtFault::Neither | AtFault::Unknown => None,
        }
    }

    /// The path of a file of the report; where it cannot be told which, of the first.
    fn path_of(&self, side: Side, shard: usize) -> &str {
        let mut indices = 0..self.paths.len();
        let index = indices.find(|index| self.side_of(*index) == Some((side, shard)));
        self.paths
            .get(index.unwrap_or(0))
            .map_or(".", String::as_str)
    }

    /// The paths in one line.
    fn name(&self) -> String {
        match self.paths.as_slice() {
            [] => "the run".to_owned(),
            paths => paths.join(", "),
        }
    }
}

/// The forms in which an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page for a browser.
    Html,
    /// The JSON document of the command.
    Json,
    /// JUnit XML, for the test page of a pipeline.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// An in-toto statement: a Simple Verification Result.
    InToto,
    /// An in-toto statement: a Test Result.
    InTotoTestResult,
    /// Markdown, as for a comment of a pull request.
    Markdown,
    /// The same, to be added to the summary of a step on GitHub; its annotations go to the output of the step.
    Github,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 8] = [
        Self::Html,
        Self::Json,
        Self::Junit,
        Self::Sarif,
        Self::InToto,
        Self::InTotoTestResult,
        Self::Markdown,
        Self::Github,
    ];

    /// Returns the name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::InToto => "intoto",
            Self::InTotoTestResult => "intoto-test-result",
            Self::Markdown => "markdown",
            Self::Github => "github",
        }
    }

    /// Tells whether the form is about the files by their SHA-256.
    #[must_use]
    pub const fn needs_sha256(self) -> bool {
        matches!(self, Self::InToto | Self::InTotoTestResult)
    }

    /// Tells whether the form has a time in it.
    #[must_use]
    pub const fn needs_time(self) -> bool {
        matches!(self, Self::InToto)
    }

    /// Writes the answer in this form.
    #[must_use]
    pub fn write(self, answer: &Answer<'_>) -> String {
        match self {
            Self::Html => html::page(answer),
            Self::Json => answer.document.to_owned(),
            Self::Junit => junit::document(answer),
            Self::Sarif => sarif::document(answer),
            Self::InToto => intoto::verification(answer),
            Self::InTotoTestResult => intoto::test_result(answer),
            Self::Markdown | Self::Github => markdown::page(answer),
        }
    }
}
