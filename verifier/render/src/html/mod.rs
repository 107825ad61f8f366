//! The page for people: one file that loads nothing, for a screen, a phone or paper.
//!
//! Each part has a view, plain values that the template of the same name lays out. Everything that a template writes is
//! escaped, and everything that a file can make long is cut or counted: the page stays below [`MOST`] for any model.

mod bytes;
mod drift;
pub(crate) mod escape;
mod files;
mod findings;
mod metadata;
mod section;
mod shown;
mod tensors;

use std::fmt::Write as _;

use askama::Template;
use verifier::report::{Mode, Report, text};
use verifier::verdict::Verdict;

use self::escape::clip;
use self::section::{Section, Word};
use self::shown::{Limits, Shown};
use crate::words::{digest, reason};
use crate::{Answer, Subject};

/// Bytes of a page at most.
pub const MOST: usize = 2_000_000;
const SENTENCES: usize = 4096;

/// Writes the page.
#[must_use]
pub fn page(answer: &Answer<'_>) -> String {
    let limits = Limits::FULL;
    let mut page = Page {
        style: STYLE,
        title: title(answer),
        version: clip(answer.version, limits.name),
        command: clip(answer.command, limits.sentence),
        digests: digests(answer, limits),
        summary: None,
        sections: Vec::new(),
        sections_left_out: 0,
        json: Some(String::new()),
    };
    if answer.subjects.len() != 1 {
        page.summary = fit(MOST / 4, |limits| written(&summary(answer, limits)));
    }
    // What is left out is said in a sentence or two.
    let room = MOST.saturating_sub(written(&page).len() + SENTENCES);
    let sections = sections(answer.subjects, room);
    page.sections_left_out = sections.iter().filter(|section| section.is_none()).count();
    page.sections = sections.into_iter().flatten().collect();
    let room = MOST.saturating_sub(written(&page).len());
    page.json = data(answer.document).filter(|json| json.len() <= room);
    written(&page)
}

/// The page.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    style: &'static str,
    title: String,
    version: String,
    command: String,
    /// The files, each with the kind of its digest.
    digests: Shown<(String, &'static str, String)>,
    summary: Option<String>,
    sections: Vec<String>,
    sections_left_out: usize,
    /// The document of the command; none where it would not fit.
    json: Option<String>,
}

/// What several subjects came to.
#[derive(Template)]
#[template(path = "summary.html")]
struct Summary {
    verdict: Word,
    counts: Vec<(Word, usize)>,
    total: usize,
    rows: Shown<Row>,
}

/// One subject among several.
struct Row {
    id: usize,
    verdict: Word,
    words: String,
    names: String,
    summary: String,
}

fn title(answer: &Answer<'_>) -> String {
    let names = match answer.subjects {
        [subject] => names(subject, true),
        subjects => format!("{} reports", subjects.len()),
    };
    clip(
        &format!("{}: {names}", answer.verdict().as_str()),
        Limits::FULL.name,
    )
}

/// The files that were read to their end, each with a digest of all of it.
fn digests(answer: &Answer<'_>, limits: Limits) -> Shown<(String, &'static str, String)> {
    let files = answer.subjects.iter().flat_map(Subject::files);
    let read = files.filter_map(|(path, file)| Some((path, digest(file)?)));
    Shown::of(read, limits.tensors, |(path, (kind, digest))| {
        (clip(path, limits.name), kind, digest.to_owned())
    })
}

/// The names of a subject's files, without their folders; the first of a split set stands for all of it. Its paths where
/// the names do not tell which files they are.
fn names(subject: &Subject, is_one: bool) -> String {
    let files: Vec<_> = subject
        .files()
        .filter(|(_, file)| file.shard == 0)
        .map(|(path, file)| (path, file.name.as_str()))
        .collect();
    let tells = match files.as_slice() {
        [] => return subject.name(),
        [(_, first), (_, second)] => is_one && first != second,
        _ => is_one,
    };
    let names: Vec<&str> = files
        .into_iter()
        .map(|(path, name)| if tells { name } else { path })
        .collect();
    names.join(", ")
}

fn summary(answer: &Answer<'_>, limits: Limits) -> Summary {
    let count = |verdict| {
        let subjects = answer.subjects.iter();
        subjects
            .filter(|subject| subject.report.verdict == verdict)
            .count()
    };
    let all = [Verdict::Different, Verdict::Undecided, Verdict::Verified];
    let counts = all.map(|verdict| (Word::new(verdict), count(verdict)));
    let rows = (1..).zip(answer.subjects);
    Summary {
        verdict: Word::new(answer.verdict()),
        counts: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        total: answer.subjects.len(),
        rows: Shown::of(rows, limits.subjects, |(id, subject)| Row {
            id,
            verdict: Word::new(subject.report.verdict),
            words: text::verdict(&subject.report),
            names: clip(&names(subject, false), limits.name),
            summary: clip(&in_few_words(&subject.report), limits.name),
        }),
    }
}

/// What a report comes to, in a few words; of a model on its own, why.
fn in_few_words(report: &Report) -> String {
    match report.mode {
        Mode::File => reason(report),
        Mode::Pair | Mode::Manifest => text::summary(report),
    }
}

/// A section for each subject, none where there is no room: those that are verified take what the others leave.
fn sections(subjects: &[Subject], mut room: usize) -> Vec<Option<String>> {
    let is_one = subjects.len() == 1;
    let mut sections = vec![None; subjects.len()];
    let is_verified = |subject: &Subject| subject.report.verdict == Verdict::Verified;
    for verified in [false, true] {
        let all = (1..).zip(subjects).zip(&mut sections);
        let these: Vec<_> = all
            .filter(|((_, subject), _)| is_verified(subject) == verified)
            .collect();
        let mut left = these.len();
        for ((id, subject), section) in these {
            let share = room.checked_div(left).unwrap_or_default();
            *section = fit(share, |limits| {
                let title = (!is_one).then(|| clip(&names(subject, false), limits.name));
                written(&Section::new(&subject.report, title, id, limits))
            });
            room = room.saturating_sub(section.as_ref().map_or(0, String::len));
            left = left.saturating_sub(1);
        }
    }
    sections
}

/// The fullest text that has at most so many bytes.
fn fit(room: usize, write: impl Fn(Limits) -> String) -> Option<String> {
    let levels = std::iter::successors(Some(Limits::FULL), |limits| Some(limits.less()));
    levels
        .take(LEVELS)
        .map(write)
        .find(|text| text.len() <= room)
}

/// A JSON document as the content of a script element: in ASCII, and without the `<` that could end it. None for one that
/// is longer than a page.
fn data(json: &str) -> Option<String> {
    let json = Some(json).filter(|json| json.len() <= MOST)?;
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '<' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    Some(text)
}

fn written(template: &impl Template) -> String {
    #[expect(
        clippy::expect_used,
        reason = "a page that is not written must not look like an empty one"
    )]
    template
        .render()
        .expect("a page holds texts and numbers only, which can always be written")
}

const STYLE: &str = include_str!("../../templates/style.css");
/// How often less is shown, before nothing is.
const LEVELS: usize = 5;
