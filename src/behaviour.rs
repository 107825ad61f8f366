//! Runs both files of a pair with one engine and compares every stage bit for bit.

use std::collections::BTreeSet;
use std::fmt::Display;

use anyhow::anyhow;
use inference::cuda::{self, Weight};
use inference::{Comparison, Format, Mode, Model, NUMERICS, Outcome, Record, Row};
use verifier::finding::{Side, escape};
use verifier::manifest::Fingerprint;
use verifier::report::{
    Behaviour, BehaviourResult, BehaviourRow, ExpertsRow, PromptRow, Sides, StageDifference,
    StageResult, StageRow, StageSide, TokenSet, UsedWeight,
};

use crate::engine_flags::Io;
use crate::input::Files;
use crate::model::Loaded;
use crate::prompt::{self, Prompt};
use crate::run::{self, Engine, Ran, RunError, Runner};

/// Both models of a pair, each built from its own file only, so that a difference that the bytes do not show lies in the
/// metadata.
pub(crate) struct Pair<'a> {
    /// The APR file first, where the formats are two.
    first: Loaded<'a>,
    second: Loaded<'a>,
    sides: [Side; 2],
    /// What an assumption about each file begins with.
    names: [String; 2],
}

impl<'a> Pair<'a> {
    /// Loads both; which is which is told by content.
    pub(crate) fn load(a: &'a Files, b: &'a Files, io: Io) -> anyhow::Result<Self> {
        let (of_a, of_b) = (Loaded::new(a, io)?, Loaded::new(b, io)?);
        let by_format = |first, second| Self {
            first,
            second,
            sides: Side::BY_FORMAT,
            names: Side::BY_FORMAT.map(|side| side.as_str().to_owned()),
        };
        Ok(match (of_a.model.format, of_b.model.format) {
            (Format::Apr, Format::Gguf) => by_format(of_a, of_b),
            (Format::Gguf, Format::Apr) => by_format(of_b, of_a),
            (Format::Apr, Format::Apr) | (Format::Gguf, Format::Gguf) => Self {
                first: of_a,
                second: of_b,
                sides: Side::BY_POSITION,
                names: if a.name() == b.name() {
                    ["the first file", "the second file"].map(str::to_owned)
                } else {
                    [a, b].map(|files| escape(files.name().as_bytes()))
                },
            },
        })
    }

    /// The prompt that was asked for, or the default ones.
    ///
    /// # Errors
    /// Fails when a file has no tokenizer for a text that was asked for, and when the vocabularies differ.
    pub(crate) fn prompts(&self, asked: &prompt::Arguments) -> anyhow::Result<Prompts> {
        let (Some(first), Some(second)) = (asked.of(&self.first)?, asked.of(&self.second)?) else {
            return Ok(Prompts::Agreed(self.default_prompts()?, Vec::new()));
        };
        Ok(if first.tokens == second.tokens {
            let assumptions = self.both(&first.assumptions, &second.assumptions);
            Prompts::Agreed(vec![first], assumptions)
        } else {
            Prompts::Apart([first.tokens, second.tokens])
        })
    }

    /// The default prompts, cut to what both models take. They depend on the number of tokens, which both must agree on.
    fn default_prompts(&self) -> anyhow::Result<Vec<Prompt>> {
        let vocabulary = self.first.model.config.vocabulary;
        let other = self.second.model.config.vocabulary;
        if vocabulary != other {
            anyhow::bail!("their vocabularies have {vocabulary} and {other} tokens");
        }
        let longest = self.first.longest().min(self.second.longest());
        Ok(Prompt::defaults(vocabulary, longest))
    }

    /// Runs the prompts through both.
    pub(crate) fn compare(
        &self,
        prompts: &[Prompt],
        mode: Mode,
        runner: &Runner<'_>,
    ) -> Result<(Vec<Comparison>, Vec<UsedWeight>), RunError> {
        let tokens: Vec<_> = prompts.iter().map(|prompt| &*prompt.tokens).collect();
        let (first, second) = (self.first.sources(), self.second.sources());
        let sides = [self.first.side(&first), self.second.side(&second)];
        let (comparisons, [first, second]) = runner.pair(sides, &tokens, mode)?;
        let weights = [used(self.sides[0], first), used(self.sides[1], second)];
        Ok((comparisons, weights.into_iter().flatten().collect()))
    }

    /// Both models, the first file's first.
    pub(crate) const fn models(&self) -> [&Model; 2] {
        [&self.first.model, &self.second.model]
    }

    fn assumptions(&self) -> Vec<String> {
        self.both(
            &self.first.model.assumptions,
            &self.second.model.assumptions,
        )
    }

    /// What is to be said of each file, and of which.
    fn both<T: Display>(&self, first: &[T], second: &[T]) -> Vec<String> {
        let named = |(name, all): (&String, &[T])| -> Vec<String> {
            all.iter().map(|one| format!("{name}: {one}")).collect()
        };
        self.names
            .iter()
            .zip([first, second])
            .flat_map(named)
            .collect()
    }

    fn unused(&self) -> Vec<String> {
        self.both(&self.first.model.unused, &self.second.model.unused)
    }
}

/// The weights that a run has used, for the report.
fn used(side: Side, weights: Vec<Weight>) -> Vec<UsedWeight> {
    let weights = weights.into_iter().map(|weight| UsedWeight {
        side,
        name: weight.name,
        blake3: weight.digest.to_string(),
    });
    weights.collect()
}

/// What to run through both models.
pub(crate) enum Prompts {
    /// The same tokens, and what the tokenizers assumed.
    Agreed(Vec<Prompt>, Vec<String>),
    /// Other tokens of the same text: those of the first file, those of the second.
    Apart([Vec<u32>; 2]),
}

/// How files behave, and what the report has of it.
pub(crate) type Judged = (Behaviour, BehaviourRow);

/// Runs prompts, or the default ones, through both models. What keeps them from being run is an outcome, too.
pub(crate) fn compare(
    engine: &Engine<'_>,
    a: &Files,
    b: &Files,
    asked: &prompt::Arguments,
) -> Judged {
    placed(engine.run(|runner| compare_on(runner, a, b, asked), difference))
}

/// Runs the prompts of a fingerprint through a model, and holds each run against the one that is recorded.
pub(crate) fn check(engine: &Engine<'_>, files: &Files, recorded: &Fingerprint) -> Judged {
    placed(engine.run(|runner| check_on(runner, files, recorded), difference))
}

/// Does what [`compare`] does on a device that is open.
///
/// # Errors
/// Fails when the GPU or its driver does, which is no outcome: nothing about the files follows.
pub(crate) fn compare_on(
    runner: &Runner<'_>,
    a: &Files,
    b: &Files,
    asked: &prompt::Arguments,
) -> Result<Judged, cuda::Error> {
    let mut row = new_row();
    let ran = run((a, b), asked, runner, &mut row);
    Ok((judged(ran, &[a, b])?, row))
}

fn check_on(
    runner: &Runner<'_>,
    files: &Files,
    recorded: &Fingerprint,
) -> Result<Judged, cuda::Error> {
    let mut row = new_row();
    let ran = run_alone(files, recorded, runner, &mut row);
    Ok((judged(ran, &[files])?, row))
}

/// What a run claims against the files: the outcome, and the digests of all stages that it rests on.
pub(crate) fn difference((behaviour, row): &Judged) -> Option<impl PartialEq + use<>> {
    use Behaviour::{Different, Unrecorded};
    matches!(behaviour, Different { .. } | Unrecorded { .. }).then(|| {
        let prompts = row.prompts.iter();
        let digests = prompts.map(|prompt| {
            let sides = &prompt.sides;
            [sides.first(), sides.second()].map(Option::<&String>::cloned)
        });
        (behaviour.clone(), digests.collect::<Vec<_>>())
    })
}

/// Notes in the report where a run took place; one that no device could do is not covered.
pub(crate) fn placed(ran: Result<Ran<Judged>, String>) -> Judged {
    match ran {
        Ok(ran) => {
            let (behaviour, row) = ran.value;
            let row = BehaviourRow {
                device: ran.device.to_owned(),
                device_reason: ran.reason,
                ..row
            };
            (behaviour, row)
        }
        Err(why) => not_run(run::CUDA, &why),
    }
}

/// The outcome of a run of files that are what they were when they were opened.
fn judged(ran: Result<Behaviour, RunError>, files: &[&Files]) -> Result<Behaviour, cuda::Error> {
    // What was read from a file that changed decides nothing.
    if let Err(why) = files.iter().try_for_each(|files| files.check_unchanged()) {
        return Ok(Behaviour::Changed { why });
    }
    let ran = RunError::apart(ran)?;
    Ok(ran.unwrap_or_else(|error| Behaviour::NotCovered {
        why: format!("{error:#}"),
    }))
}

/// What stands in the place of a run on a device that there is not.
pub(crate) fn not_run(device: &str, why: &str) -> (Behaviour, BehaviourRow) {
    let row = BehaviourRow {
        device: device.to_owned(),
        ..new_row()
    };
    let why = why.to_owned();
    (Behaviour::NotCovered { why }, row)
}

fn new_row() -> BehaviourRow {
    BehaviourRow {
        device: String::new(),
        device_reason: None,
        numerics: NUMERICS.to_owned(),
        result: BehaviourResult::NotCovered,
        tokens: 0,
        stages: 0,
        weights: None,
        experts: None,
        used: Vec::new(),
        assumptions: Vec::new(),
        unused: Vec::new(),
        prompts: Vec::new(),
    }
}

fn run(
    (a, b): (&Files, &Files),
    asked: &prompt::Arguments,
    runner: &Runner<'_>,
    row: &mut BehaviourRow,
) -> Result<Behaviour, RunError> {
    let pair = Pair::load(a, b, runner.io())?;
    row.assumptions = pair.assumptions();
    row.unused = pair.unused();
    let prompts = match pair.prompts(asked)? {
        Prompts::Agreed(prompts, assumptions) => {
            row.assumptions.extend(assumptions);
            prompts
        }
        Prompts::Apart([first, second]) => {
            return Ok(Behaviour::Tokenised { first, second });
        }
    };
    let (comparisons, used) = pair.compare(&prompts, Mode::Free, runner)?;
    row.used = used;
    row.experts = experts(&pair, &comparisons);
    let mut first = None;
    for (prompt, comparison) in prompts.iter().zip(&comparisons) {
        row.tokens += prompt.tokens.len();
        row.stages += comparison.rows.len() / 2;
        row.prompts.push(prompt_row(pair.sides, prompt, comparison));
        if let Some(found) = comparison.first_difference() {
            let earlier = |(step, _): &(inference::Step, _)| step.order() <= found.step.order();
            first = first
                .filter(earlier)
                .or_else(|| Some((found.step, prompt.name.clone())));
        }
    }
    if row.stages == 0 {
        return Err(anyhow!("no stage was compared").into());
    }
    Ok(match first {
        None => Behaviour::Equal,
        Some((step, prompt)) => Behaviour::Different {
            stage: step.to_string(),
            prompt,
        },
    })
}

/// How many experts of the first model some token was given to; none where it has none.
fn experts(pair: &Pair<'_>, comparisons: &[Comparison]) -> Option<ExpertsRow> {
    let [model, _] = pair.models();
    let all: usize = model.experts().sum();
    let rows = comparisons.iter().flat_map(|comparison| &comparison.rows);
    let records = rows.filter_map(|row| Some((row.step.layer, row.records[0].as_ref()?)));
    let run: BTreeSet<(Option<usize>, u32)> = records
        .flat_map(|(layer, record)| record.experts.iter().map(move |expert| (layer, *expert)))
        .collect();
    (all > 0).then(|| ExpertsRow {
        run: (!run.is_empty()).then_some(run.len()),
        all,
    })
}

fn run_alone(
    files: &Files,
    recorded: &Fingerprint,
    runner: &Runner<'_>,
    row: &mut BehaviourRow,
) -> Result<Behaviour, RunError> {
    if recorded.numerics != NUMERICS {
        let theirs = recorded.numerics.escape_debug();
        let why = anyhow!(
            "the manifest records the arithmetic \"{theirs}\", this program has {NUMERICS}"
        );
        return Err(why.into());
    }
    let loaded = Loaded::new(files, runner.io())?;
    row.assumptions = loaded
        .model
        .assumptions
        .iter()
        .map(ToString::to_string)
        .collect();
    row.unused.clone_from(&loaded.model.unused);
    let prompts = recorded.prompts.iter();
    let prompts: Vec<_> = prompts.map(|prompt| prompt.tokens.as_slice()).collect();
    let sources = loaded.sources();
    let (all, weights) = runner.digests(loaded.side(&sources), &prompts)?;
    let is_apr = loaded.model.format == Format::Apr;
    row.used = used(if is_apr { Side::Apr } else { Side::Gguf }, weights);
    let mut behaviour = Behaviour::Equal;
    for (prompt, digests) in recorded.prompts.iter().zip(&all) {
        let found = digests.run().to_string();
        row.tokens += prompt.tokens.len();
        row.stages += digests.stages.len();
        if found != prompt.run && behaviour == Behaviour::Equal {
            behaviour = Behaviour::Unrecorded {
                prompt: prompt.name.escape_debug().to_string(),
                expected: prompt.run.escape_debug().to_string(),
                found: found.clone(),
            };
        }
        row.prompts.push(PromptRow {
            name: prompt.name.escape_debug().to_string(),
            tokens: prompt.tokens.clone(),
            sides: Sides::new(
                Side::BY_FORMAT,
                [is_apr.then(|| found.clone()), (!is_apr).then_some(found)],
            ),
            recorded: Some(prompt.run.escape_debug().to_string()),
            equal_left_out: 0,
            table: Vec::new(),
        });
    }
    if row.stages == 0 {
        return Err(anyhow!("the manifest records no prompt").into());
    }
    Ok(behaviour)
}

fn prompt_row(sides: [Side; 2], prompt: &Prompt, comparison: &Comparison) -> PromptRow {
    PromptRow {
        name: prompt.name.clone(),
        tokens: prompt.tokens.clone(),
        sides: Sides::new(
            sides,
            [0, 1].map(|side| Some(comparison.digests(side).run().to_string())),
        ),
        recorded: None,
        equal_left_out: 0,
        table: comparison
            .rows
            .iter()
            .map(|row| stage_row(sides, row))
            .collect(),
    }
}

fn stage_row(sides: [Side; 2], row: &Row) -> StageRow {
    let [first, second] = &row.records;
    StageRow {
        stage: row.step.to_string(),
        capture_point: row.step.stage.capture_point().to_owned(),
        token_set: first
            .as_ref()
            .or(second.as_ref())
            .map_or(TokenSet::All, |record| match record.tokens {
                inference::TokenSet::All { .. } => TokenSet::All,
                inference::TokenSet::Last { .. } => TokenSet::Last,
            }),
        result: match row.outcome {
            Outcome::Equal => StageResult::Equal,
            Outcome::Different(_) => StageResult::Different,
            Outcome::Missing => StageResult::Missing,
            Outcome::NotComparable(field) => StageResult::NotComparable(field),
        },
        sides: Sides::new(
            sides,
            [first, second].map(|record| record.as_ref().map(stage_side)),
        ),
        ratio: row.ratio(),
        drift: row.drift(),
        difference: match row.outcome {
            Outcome::Different(found) => Some(StageDifference {
                elements: found.elements,
                first: found.first,
                sides: Sides::new(sides, found.values.map(|value| Some(finite_f32(value)))),
                largest_ulp: found.largest_ulp,
                largest_absolute: finite(found.largest_absolute),
                cosine: finite(found.cosine),
            }),
            _ => None,
        },
    }
}

fn stage_side(record: &Record) -> StageSide {
    let statistics = &record.statistics;
    StageSide {
        elements: record.elements,
        blake3: record.digest.to_string(),
        nans: statistics.nans,
        mean: finite(statistics.mean),
        standard_deviation: finite(statistics.standard_deviation),
        minimum: finite_f32(statistics.minimum),
        maximum: finite_f32(statistics.maximum),
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

fn finite_f32(value: f32) -> Option<f32> {
    Some(value).filter(|value| value.is_finite())
}
