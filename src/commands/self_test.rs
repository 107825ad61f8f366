//! `aprove self-test`: proves that this program, on this machine, finds damage.

mod damage;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, bail};
use clap::Args;
use converter::{Naming, Request, Tie, Unsupported, Verification};
use inference::Digests;
use schemars::JsonSchema;
use serde::Serialize;
use verifier::report::{Report, text};
use verifier::source::Source;
use verifier::verdict::Verdict;
use verifier::{Input, Options, verify};

use self::damage::{Damage, File, KINDS, Kind, Pair};
use crate::engine_flags::threads;
use crate::exit::Outcome;
use crate::output::{self, Document, FormatFlag};

/// Converts a small model that is part of the program, damages the pair in hundreds of ways, and proves that each is found.
///
/// The intact pair has to be verified, no damaged one may be, and a run of the model has to give the digest that every machine
/// gives. Takes seconds, and needs a folder for temporary files.
///
/// Exit code: 0 everything was found, 1 something was not: do not trust this program on this machine; 2 it could not be run.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove self-test")]
pub(crate) struct Arguments {
    /// Number of threads [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// One line
    #[arg(short, long)]
    quiet: bool,
}

/// A model with every part that a GGUF has, quantised as Q4_K_M.
static MODEL: &[u8] = include_bytes!("../../fixtures/models/qwen3-q4_k_m.gguf");
/// The digest of its run on [`TOKENS`] under the contract.
const DIGEST: &str = "b47819c0582a12c7065794c1511e0a35c0b12bd4d48ee6b2967352309ba38c4d";
const TOKENS: [u32; 3] = [1, 2, 3];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let threads = threads(arguments.threads)?;
    let pair = converted(threads)?;
    let intact = judged(&pair.apr, &pair.gguf, threads);
    if intact.verdict != Verdict::Verified {
        bail!("the intact pair is not verified: {}", text::line(&intact));
    }
    let damages = damage::all(&pair);
    let missed = missed(&pair, &damages, threads);
    let digest = digest(threads)?;
    let result = Tested {
        rows: KINDS.map(|kind| Row::of(kind, &damages, &missed)),
        missed: missed.iter().map(ToString::to_string).collect(),
        digest,
    };
    output::print(&match (arguments.format, arguments.quiet) {
        (FormatFlag::Json, _) => Document::new(result.document()).text(),
        (FormatFlag::Text, true) => result.first_line(),
        (FormatFlag::Text, false) => result.text(),
    })?;
    Ok(Outcome::Judged(if result.is_passed() {
        Verdict::Verified
    } else {
        Verdict::Different
    }))
}

/// The model and its artifact, as `convert` writes it.
#[expect(clippy::disallowed_methods, reason = "a file of a temporary folder")]
fn converted(threads: usize) -> anyhow::Result<Pair> {
    let folder = tempfile::tempdir().context("no folder for temporary files can be made")?;
    let [source, output] = ["model.gguf", "model.apr"].map(|name| folder.path().join(name));
    fs::write(&source, MODEL).context("the model cannot be written")?;
    let request = Request {
        sources: vec![source],
        output: output.clone(),
        naming: Naming::Auto,
        tie: Tie::Shared,
        unsupported: Unsupported::Refuse,
        set: Vec::new(),
        overwrite: false,
        record_only: false,
        tensor_sha256: false,
        threads,
        tool: concat!("aprove ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let pending = converter::convert(&request, &(), &AtomicBool::new(false))?;
    pending.publish(Verification::Skipped)?;
    let apr = fs::read(&output).context("the artifact cannot be read")?;
    Ok(Pair::new(apr, MODEL.to_vec()))
}

/// The damages after which the pair is verified all the same.
fn missed<'a>(pair: &Pair, damages: &'a [Damage], threads: usize) -> Vec<&'a Damage> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut missed = Vec::new();
        while let Some((index, damage)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            damages.get(index).map(|damage| (index, damage))
        } {
            let changed = damage.of(pair);
            let report = match damage.file {
                File::Apr => judged(&changed, &pair.gguf, 1),
                File::Gguf => judged(&pair.apr, &changed, 1),
            };
            if report.verdict == Verdict::Verified {
                missed.push((index, damage));
            }
        }
        missed
    };
    let mut missed: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        // Where memory is short (`ulimit -v`), the C library has a heap for this thread alone: the others ask the system for
        // each allocation, which takes a hundred times as long.
        let mut found = work();
        for worker in workers {
            match worker.join() {
                Ok(missed) => found.extend(missed),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    missed.sort_by_key(|(index, _)| *index);
    missed.into_iter().map(|(_, damage)| damage).collect()
}

/// The digest of a run on this machine.
fn digest(threads: usize) -> anyhow::Result<String> {
    let model_bytes = MODEL.to_vec();
    let sources: [&dyn inference::Source; 1] = [&model_bytes];
    let model = inference::load(&sources)?;
    let options = inference::Options {
        threads,
        ..inference::Options::default()
    };
    let mut digests = Digests::default();
    inference::forward(&model, &sources, &TOKENS, &options, &mut digests)?;
    Ok(digests.run().to_string())
}

/// The verdict on two files in memory.
fn judged(apr: &dyn Source, gguf: &dyn Source, threads: usize) -> Report {
    let input = |name: &str, source| Input {
        name: name.to_owned(),
        shards: vec![(name.to_owned(), source)],
    };
    let options = Options {
        threads,
        ..Options::default()
    };
    verify(
        &input("model.apr", apr),
        &input("model.gguf", gguf),
        &options,
        &(),
    )
}

/// How one kind of damage came out.
struct Row {
    kind: Kind,
    tried: usize,
    found: usize,
}

impl Row {
    fn of(kind: Kind, damages: &[Damage], missed: &[&Damage]) -> Self {
        let tried = damages.iter().filter(|damage| damage.kind == kind).count();
        let missed = missed.iter().filter(|damage| damage.kind == kind).count();
        Self {
            kind,
            tried,
            found: tried - missed,
        }
    }
}

/// Everything that is printed.
struct Tested {
    rows: [Row; KINDS.len()],
    missed: Vec<String>,
    digest: String,
}

impl Tested {
    fn is_passed(&self) -> bool {
        self.digest == DIGEST
            && self
                .rows
                .iter()
                .all(|row| row.tried > 0 && row.found == row.tried)
    }

    fn first_line(&self) -> String {
        let [tried, found] = [
            self.rows.iter().map(|row| row.tried).sum::<usize>(),
            self.rows.iter().map(|row| row.found).sum(),
        ];
        let word = if self.is_passed() { "passed" } else { "FAILED" };
        let digest = if self.digest == DIGEST {
            "the forward has the digest of the contract"
        } else {
            "the forward has ANOTHER digest than that of the contract"
        };
        format!("self-test {word}: {found} of {tried} damages found; {digest}\n")
    }

    fn text(&self) -> String {
        let mut out = self.first_line();
        for Row { kind, tried, found } in &self.rows {
            out.push_str(&format!("  {found:>4} of {tried:<4} {}\n", kind.what()));
        }
        for missed in self.missed.iter().take(10) {
            out.push_str(&format!("not found: {missed}\n"));
        }
        if !self.is_passed() {
            out.push_str("do not trust this program on this machine: report this\n");
        }
        out
    }

    fn document(&self) -> SelfTested<'_> {
        SelfTested {
            passed: self.is_passed(),
            damages: self.rows.iter().map(DamageRow::from).collect(),
            not_found: &self.missed,
            digest: RunDigest {
                expected: DIGEST,
                found: &self.digest,
            },
        }
    }
}

/// What the test came to, for a program.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SelfTested<'a> {
    /// Whether everything was found, and the run has the digest of the contract.
    passed: bool,
    /// The kinds of damage.
    damages: Vec<DamageRow>,
    /// The damages after which the pair was verified all the same.
    not_found: &'a [String],
    digest: RunDigest<'a>,
}

/// How one kind of damage came out, for a program.
#[derive(Serialize, JsonSchema)]
struct DamageRow {
    /// What was done.
    kind: &'static str,
    /// How often.
    tried: usize,
    /// How often it was found.
    found: usize,
}

/// The digest of a run of the model.
#[derive(Serialize, JsonSchema)]
struct RunDigest<'a> {
    /// That of every machine.
    expected: &'static str,
    /// That of this one.
    found: &'a str,
}

impl From<&Row> for DamageRow {
    fn from(row: &Row) -> Self {
        Self {
            kind: row.kind.what(),
            tried: row.tried,
            found: row.found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damage_that_is_none_is_missed_and_fails_the_test() {
        let pair = converted(2).unwrap();
        let damages = [damage::nothing()];
        let missed = missed(&pair, &damages, 2);
        assert_eq!(missed.len(), 1);
        let result = Tested {
            rows: KINDS.map(|kind| Row::of(kind, &damages, &missed)),
            missed: missed.iter().map(ToString::to_string).collect(),
            digest: DIGEST.to_owned(),
        };
        assert!(!result.is_passed());
        assert!(
            result
                .text()
                .starts_with("self-test FAILED: 0 of 1 damages found;")
        );
        assert!(
            result
                .text()
                .contains("not found: apr: a tensor filled with zeros")
        );
    }
}
