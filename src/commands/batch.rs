//! Many pairs in one run of `verify`: from a list, or from two folders.

use std::path::{Path, PathBuf};

use anyhow::bail;
use remote::Location;
use verifier::check::{self, Sidecar};
use verifier::report::{Mode, Report, text};
use verifier::sources::Sources;

use crate::answers::Answer;
use crate::in_order::in_order;
use crate::input::{Files, read_text, split_prefix};
use crate::models::{Found, find};
use crate::sidecar::sidecar_of;
use crate::{next_command, not_opened, output};

/// Two models to compare, or one that has no other.
pub(crate) enum Pair {
    Of(Found, Found),
    Alone(Found, String),
}

/// The pairs that the user asked for: those of a list, or of two folders; none where one pair was named.
pub(crate) fn pairs(
    list: Option<&Path>,
    a: Option<&Path>,
    b: Option<&Path>,
) -> anyhow::Result<Option<Vec<Pair>>> {
    match (list, a, b) {
        (Some(list), _, _) => Ok(Some(of_list(list)?)),
        (None, Some(a), Some(b)) if a.is_dir() && b.is_dir() => Ok(Some(of_folders(a, b))),
        _ => Ok(None),
    }
}

/// Compares all pairs and gives an answer for each, in their order.
pub(crate) fn run(
    pairs: &[Pair],
    jobs: usize,
    compare: impl Fn(&str, &Files, &Files) -> Report + Sync,
    mut take: impl FnMut(Answer<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if pairs.is_empty() {
        output::note("no pair was found: nothing was compared");
    }
    let work = |pair: &Pair| match pair {
        Pair::Of(first, second) => {
            match not_opened::open([&first.path, &second.path], Mode::Pair) {
                Ok([a, b]) => {
                    let mut report = compare(&first.name(), &a, &b);
                    report.next =
                        next_command::of_pair(&report, (&first.path, &a), (&second.path, &b));
                    report
                }
                Err(why) => why.report,
            }
        }
        Pair::Alone(_, why) => check::unmatched(why),
    };
    in_order(jobs, pairs, work, |pair, report| {
        let models = match pair {
            Pair::Of(a, b) => vec![a, b],
            Pair::Alone(a, _) => vec![a],
        };
        let names = ["a", "b"].into_iter().zip(&models);
        take(Answer {
            names: names.map(|(key, found)| (key, found.name())).collect(),
            models: models.iter().map(|found| found.path.as_path()).collect(),
            reason: text::summary(&report),
            report,
        })
    })
}

/// Reads a list: two paths in a line, separated by a tab, or by blanks where the line has two words.
fn of_list(list: &Path) -> anyhow::Result<Vec<Pair>> {
    let shown = list.display();
    let text = read_text(list)?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut pairs = Vec::new();
    for (number, line) in (1_u64..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts: Vec<&str> = if line.contains('\t') {
            line.split('\t').map(str::trim).collect()
        } else {
            line.split_whitespace().collect()
        };
        let [a, b] = parts.as_slice() else {
            bail!(
                "{shown}, line {number}: two paths are expected, with a tab between them; there are {}",
                parts.len()
            );
        };
        if a.is_empty() || b.is_empty() {
            bail!("{shown}, line {number}: a path is empty");
        }
        let [a, b] = [a, b].map(|path| Found {
            path: beside(folder, path),
            problem: None,
        });
        pairs.push(Pair::Of(a, b));
    }
    Ok(pairs)
}

/// A path of a list is relative to its folder; an address is not.
fn beside(folder: &Path, path: &str) -> PathBuf {
    if Location::of(Path::new(path)).is_address() {
        PathBuf::from(path)
    } else {
        folder.join(path)
    }
}

/// Finds what belongs together in two folders. What has no other is listed, so that nothing goes by uncompared.
fn of_folders(a: &Path, b: &Path) -> Vec<Pair> {
    let (of_a, of_b) = (models_of(a), models_of(b));
    let turned = |pairs: &[Match]| -> Vec<Match> { pairs.iter().map(|&(a, b)| (b, a)).collect() };
    let mut pairs = Vec::new();
    for by in [By::Record, By::Sidecar, By::Path, By::Stem] {
        pairs.extend(seek(&of_a, &of_b, by, &pairs));
        pairs.extend(turned(&seek(&of_b, &of_a, by, &turned(&pairs))));
    }
    pairs.sort_unstable();
    let both = pairs
        .iter()
        .filter_map(|&(a, b)| of_a.get(a).zip(of_b.get(b)));
    let mut all: Vec<Pair> = both
        .map(|(a, b)| Pair::Of(a.found.clone(), b.found.clone()))
        .collect();
    let mut add_alone = |models: &[Model], pairs: &[Match], other: &Path| {
        for (index, model) in models.iter().enumerate() {
            if !pairs.iter().any(|pair| pair.0 == index) {
                let why = model.found.problem.clone().unwrap_or_else(|| {
                    format!(
                        "not one model of {} belongs to it by record, sidecar or name: name the pair with --pairs",
                        other.display()
                    )
                });
                all.push(Pair::Alone(model.found.clone(), why));
            }
        }
    };
    add_alone(&of_a, &pairs, b);
    add_alone(&of_b, &turned(&pairs), a);
    all
}

/// The places of two models in the lists of their folders.
type Match = (usize, usize);

/// What two models can belong together by, the surest first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The artifact records length and head of the other.
    Record,
    /// The sidecar of the artifact names the other.
    Sidecar,
    /// Both have the same place in their folders, but for the ending.
    Path,
    /// Both have the same name, but for the ending.
    Stem,
}

/// For each model that is in no pair yet the one model that belongs to it. Where there are several the next way decides.
fn seek(own: &[Model], others: &[Model], by: By, known: &[Match]) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    for (index, model) in own.iter().enumerate() {
        if known.iter().any(|pair| pair.0 == index) {
            continue;
        }
        // Several artifacts can be made from one source, and a name is given once.
        let may_repeat = matches!(by, By::Record | By::Sidecar);
        let is_free = |at: usize| {
            let mut pairs = known.iter().chain(&found);
            may_repeat || !pairs.any(|pair| pair.1 == at)
        };
        let others = others.iter().enumerate();
        let mut fitting = others.filter(|(at, other)| is_free(*at) && model.belongs_to(other, by));
        if let (Some((at, _)), None) = (fitting.next(), fitting.next()) {
            found.push((index, at));
        }
    }
    found
}

/// What is known of a model without reading its tensors.
struct Model {
    found: Found,
    /// Its place in the folder, without the ending.
    path: PathBuf,
    /// What its record says of its sources.
    sources: Option<Sources>,
    /// What its sidecar calls its sources.
    source_names: Vec<String>,
}

fn models_of(folder: &Path) -> Vec<Model> {
    let found = find(&[folder.to_path_buf()]).into_iter();
    found
        .map(|found| {
            let files = Files::open(&found.path).ok();
            let inside = found.path.strip_prefix(folder).unwrap_or(&found.path);
            Model {
                path: without_ending(inside),
                sources: files.and_then(|files| Sources::recorded_by(&files.input())),
                source_names: match sidecar_of(&found.path) {
                    Sidecar::Read(manifest) => {
                        let names = manifest.sources().map(|(name, _)| name.to_owned());
                        names.collect()
                    }
                    Sidecar::Absent | Sidecar::LeftOut | Sidecar::Unusable(..) => Vec::new(),
                },
                found,
            }
        })
        .collect()
}

/// A path without its ending, and without the number of a shard.
fn without_ending(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str());
    match name.and_then(split_prefix) {
        Some(prefix) => path.with_file_name(prefix),
        None => path.with_extension(""),
    }
}

impl Model {
    fn belongs_to(&self, other: &Self, by: By) -> bool {
        if self.found.problem.is_some() || other.found.problem.is_some() {
            return false;
        }
        match by {
            By::Record => self.is_made_from(other) || other.is_made_from(self),
            By::Sidecar => self.names(other) || other.names(self),
            By::Path => self.path == other.path,
            By::Stem => self.path.file_name() == other.path.file_name(),
        }
    }

    /// What cannot be read is no source by its record; that it cannot be read is said where it is verified.
    fn is_made_from(&self, other: &Self) -> bool {
        let Some(sources) = &self.sources else {
            return false;
        };
        let files = Files::open(&other.found.path).ok();
        files.is_some_and(|files| sources.look_like(&files.input()).unwrap_or(false))
    }

    fn names(&self, other: &Self) -> bool {
        let name = other.found.path.file_name().and_then(|name| name.to_str());
        name.is_some() && self.source_names.first().map(String::as_str) == name
    }
}
