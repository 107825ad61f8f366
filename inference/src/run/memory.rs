//! The memory that a run takes, from the sizes that a model states: known before any of it is allocated.

use crate::{
    error::Error,
    model::Model,
    program::{PerSlot, Width},
};

/// Fails where the values between two steps, and the records of all steps, take more than `most` bytes.
///
/// # Errors
/// Fails with [`Error::NotCovered`].
pub(crate) fn check<F>(model: &Model, prompts: &[&[u32]], most: u64) -> Result<(), Error> {
    let needed = needed(model, prompts, size_of::<F>() as u64);
    if needed <= most {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Error::not_covered(format_args!(
        "a run that takes {} MiB of memory, and {} MiB are allowed: give fewer tokens, --memory {}, or --forward off where \
         the command has it",
        mib(needed),
        mib(most),
        needed.div_ceil(1 << 30),
    )))
}

fn needed(model: &Model, prompts: &[&[u32]], size: u64) -> u64 {
    let sum = |of: fn(u64) -> u64| {
        let lengths = prompts.iter().map(|tokens| of(tokens.len() as u64));
        lengths.fold(0, u64::saturating_add)
    };
    let tokens = sum(|count| count);
    let pairs = sum(|count| count.saturating_mul(count));
    let mut slots = PerSlot::<u64>::default();
    let (mut held, mut peak) = (0u64, 0u64);
    for taken in &model.program {
        let values = match taken.width {
            Width::Token(width) => tokens.saturating_mul(width as u64),
            Width::Positions(heads) => pairs.saturating_mul(heads as u64),
        };
        let new = values.saturating_mul(size);
        // What it replaces is there until the new value is.
        peak = peak.max(held.saturating_add(new));
        let old = std::mem::replace(&mut slots[taken.to], new);
        held = held.saturating_sub(old).saturating_add(new);
    }
    let records = (model.program.len() as u64).saturating_mul(prompts.len() as u64);
    peak.saturating_add(records.saturating_mul(RECORD))
}

/// What the record of a stage takes in a comparison and in its report, as measured on models of 2,000 to 20,000 layers.
const RECORD: u64 = 1536;

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::models;

    #[test]
    fn the_memory_of_a_run_is_known_before_it_starts() {
        let mut model = crate::load(&[&models::llama().to_bytes()]).unwrap();
        let of = |model: &Model, tokens: usize| needed(model, &[&vec![1; tokens]], 4);
        let heads = model.scores(0).unwrap().0.queries as u64;
        // Scores and probabilities of all heads.
        assert!(of(&model, 1000) >= 2 * 4 * heads * 1_000_000);
        assert!(of(&model, 2000) > 3 * of(&model, 1000));
        assert!(check::<f32>(&model, &[&[1; 8]], 4 << 30).is_ok());
        let error = check::<f32>(&model, &[&[1; 30_000]], 4 << 30).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("not covered (a run that takes "),
            "{error}"
        );
        // Logits of a vocabulary as large as a file can state; records of many steps.
        model.program.last_mut().unwrap().width = Width::Token(40_000_000);
        assert!(of(&model, 45) > 45 * 4 * 40_000_000);
        model.program = vec![model.program[0].clone(); 3_000_000];
        assert!(of(&model, 1) > 4 << 30);
    }

    #[test]
    fn a_run_that_takes_too_much_does_not_start() {
        let bytes = models::llama().to_bytes();
        let model = crate::load(&[&bytes]).unwrap();
        let options = crate::Options {
            memory: 1000,
            ..crate::Options::default()
        };
        let mut sink = crate::Digests::default();
        let found = crate::forward(&model, &[&bytes], &[1, 2], &options, &mut sink);
        assert!(matches!(found, Err(Error::NotCovered { .. })));
    }
}
