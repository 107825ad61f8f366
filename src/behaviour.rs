//! Runs both files of a pair with one engine and compares every stage bit for bit.

use std::path::Path;

use inference::{Format, NUMERICS, Options};
use verifier::report::{Behaviour, BehaviourRow};

use crate::model::Loaded;

/// Runs the default prompts through both models. Each is built from its own file only, so a difference that the bytes do
/// not show lies in the metadata.
pub(crate) fn compare(a: &Path, b: &Path, threads: usize) -> (Behaviour, BehaviourRow) {
    let mut row = BehaviourRow {
        device: "cpu".to_owned(),
        numerics: NUMERICS.to_owned(),
        result: String::new(),
        tokens: 0,
        stages: 0,
        assumptions: Vec::new(),
    };
    let behaviour = run(a, b, threads, &mut row).unwrap_or_else(|error| Behaviour::NotCovered {
        why: format!("{error:#}"),
    });
    (behaviour, row)
}

fn run(a: &Path, b: &Path, threads: usize, row: &mut BehaviourRow) -> anyhow::Result<Behaviour> {
    let options = Options {
        threads,
        ..Options::default()
    };
    let (a, b) = (Loaded::open(a)?, Loaded::open(b)?);
    let (apr, gguf) = match (a.model.format, b.model.format) {
        (Format::Apr, Format::Gguf) => (a, b),
        (Format::Gguf, Format::Apr) => (b, a),
        _ => anyhow::bail!("they are not an APR file and a GGUF"),
    };
    for (name, loaded) in [("apr", &apr), ("gguf", &gguf)] {
        let assumptions = loaded.model.assumptions.iter();
        row.assumptions
            .extend(assumptions.map(|assumption| format!("{name}: {assumption}")));
    }
    // The prompts depend on the number of tokens, which both must agree on.
    let vocabulary = apr.model.config.vocabulary;
    if vocabulary != gguf.model.config.vocabulary {
        anyhow::bail!(
            "their vocabularies have {vocabulary} and {} tokens",
            gguf.model.config.vocabulary
        );
    }
    let longest = apr.longest().min(gguf.longest());
    for prompt in inference::default_prompts(u32::try_from(vocabulary)?) {
        let tokens: Vec<u32> = prompt.tokens.into_iter().take(longest).collect();
        let (a, _) = apr.run(&tokens, &options)?;
        let (b, _) = gguf.run(&tokens, &options)?;
        row.tokens = row.tokens.saturating_add(tokens.len());
        row.stages = row.stages.saturating_add(a.stages.len());
        if let Some((a, b)) = a.first_difference(&b) {
            return Ok(Behaviour::Different {
                stage: a.or(b).map_or_else(String::new, |step| step.to_string()),
                prompt: prompt.name.to_owned(),
            });
        }
    }
    if row.stages == 0 {
        anyhow::bail!("no prompt was run");
    }
    Ok(Behaviour::Equal)
}
