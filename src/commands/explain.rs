//! `aprove explain`: what a code of a report means.

use std::fmt::Write as _;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use verifier::code::{CauseCode, Code};
use verifier::explanation::Explanation;
use verifier::finding::Effect;

use crate::exit::Outcome;
use crate::output::{self, Document, FormatFlag};

/// Explains a code of a report: what it means, what usually causes it, what to do, and which verdict it leads to.
///
/// Without a code, lists all of them.
///
/// Exit code: 0 explained, 2 there is no such code.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove explain tensor.bytes\n  aprove explain cause.single-bit\n  aprove explain | grep meta"
)]
pub(crate) struct Arguments {
    /// The code, as reports have it in brackets, such as tensor.bytes
    code: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// One line instead of the explanation: the code and its meaning in a few words; of the list, the codes alone
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let all = all();
    let Some(asked) = &arguments.code else {
        output::print(&match arguments.format {
            FormatFlag::Text if arguments.quiet => {
                all.iter().map(|(code, _)| format!("{code}\n")).collect()
            }
            FormatFlag::Text => list(&all)?,
            FormatFlag::Json => {
                let codes = all.iter().map(|(code, text)| CodeRow::of(code, text));
                Explained {
                    codes: codes.collect(),
                }
                .text()
            }
        })?;
        return Ok(Outcome::Done);
    };
    let asked = asked.trim_matches(['[', ']']);
    let Some((code, explanation)) = all
        .iter()
        .find(|(code, _)| code.eq_ignore_ascii_case(asked))
    else {
        let names = nearest(asked, &all).join(", ");
        anyhow::bail!(
            "there is no code {asked:?}; the nearest are {names}; `aprove explain` lists all"
        );
    };
    output::print(&match arguments.format {
        FormatFlag::Text if arguments.quiet => output::first_line(&one(code, explanation)?),
        FormatFlag::Text => one(code, explanation)?,
        FormatFlag::Json => Explained {
            codes: vec![CodeRow::of(code, explanation)],
        }
        .text(),
    })?;
    Ok(Outcome::Done)
}

type Pair = (&'static str, &'static Explanation);

fn all() -> Vec<Pair> {
    let codes = Code::ALL.iter();
    let codes = codes.map(|code| (code.as_str(), code.explanation()));
    let causes = CauseCode::ALL.iter();
    let causes = causes.map(|code| (code.as_str(), code.explanation()));
    codes.chain(causes).collect()
}

fn list(all: &[Pair]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for (code, explanation) in all {
        writeln!(text, "{code:<30} {}", explanation.title)?;
    }
    Ok(text)
}

fn one(code: &str, explanation: &Explanation) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{code}: {}\n", explanation.title)?;
    let verdict = explanation.verdict();
    for (name, part) in [
        ("meaning", explanation.meaning),
        ("cause", explanation.usual_cause),
        ("to do", explanation.action),
        ("verdict", &verdict),
    ] {
        let mut width = 0_usize;
        write!(text, "  {name:<8}")?;
        for word in part.split(' ') {
            let needed = word.len() + 1;
            if width + needed > WIDTH {
                write!(text, "\n{:10}", "")?;
                width = 0;
            }
            write!(text, " {word}")?;
            width += needed;
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// Codes of reports, explained to a program: the one that was asked for, or all.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Explained {
    codes: Vec<CodeRow>,
}

/// What a code means.
#[derive(Serialize, JsonSchema)]
struct CodeRow {
    code: &'static str,
    /// In a few words.
    title: &'static str,
    meaning: &'static str,
    usual_cause: &'static str,
    /// What to do.
    action: &'static str,
    /// Which verdict it leads to, in words.
    verdict: String,
    /// The effects that a finding with the code can have; none for a cause, which is a hint.
    effects: &'static [Effect],
}

impl Explained {
    fn text(self) -> String {
        Document::new(self).text()
    }
}

impl CodeRow {
    fn of(code: &'static str, explanation: &'static Explanation) -> Self {
        Self {
            code,
            title: explanation.title,
            meaning: explanation.meaning,
            usual_cause: explanation.usual_cause,
            action: explanation.action,
            verdict: explanation.verdict(),
            effects: &explanation.effects,
        }
    }
}

/// The codes that look most like a word.
fn nearest<'a>(asked: &str, all: &[(&'a str, &Explanation)]) -> Vec<&'a str> {
    let likeness = |code: &str| {
        let last = code.rsplit('.').next().unwrap_or(code);
        strsim::jaro_winkler(asked, code).max(strsim::jaro_winkler(asked, last))
    };
    let mut codes: Vec<&str> = all.iter().map(|(code, _)| *code).collect();
    codes.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    codes.truncate(3);
    codes
}

/// Columns of the text beside its heading.
const WIDTH: usize = 78;
