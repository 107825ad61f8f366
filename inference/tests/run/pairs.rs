//! Two models in lock step, and several prompts at once.

use crate::support::{Stages, run};
use fixtures::{
    apr::from_model_with_rope_type,
    gguf::{Model as Fixture, Tensor},
    models,
};
use inference::{
    Comparison, Mode, Options, Outcome, Side, Source, StageSink, Step, TokenSet, default_prompts,
    forward_batch, forward_pair, load,
};

#[test]
fn a_file_and_its_conversion_are_equal_in_every_row() {
    let model = models::qwen3();
    let apr = from_model_with_rope_type(&model, 2).to_bytes();
    for comparison in compare(&apr, &model.to_bytes(), Mode::Free) {
        assert_eq!(comparison.rows.len(), 2 * (3 + 2 * 20));
        assert_eq!(comparison.first_difference(), None);
        assert_eq!(comparison.digests(0), comparison.digests(1));
    }
}

#[test]
fn the_digests_of_a_pair_are_those_of_each_file_alone() {
    let (a, b) = (models::qwen3(), with_faults(models::qwen3()));
    let [a, b] = [a, b].map(|model| model.to_bytes());
    let prompts = default_prompts(320);
    for (comparison, prompt) in compare(&a, &b, Mode::Free).iter().zip(prompts) {
        for (side, bytes) in [&a, &b].into_iter().enumerate() {
            let (_, alone) = run(bytes, &prompt.tokens, &Options::default()).unwrap();
            assert_eq!(comparison.digests(side), alone.digests);
        }
    }
}

#[test]
fn prompts_in_one_batch_get_the_bits_that_they_get_alone() {
    for model in [models::qwen2(), models::llama(), models::qwen3()] {
        let bytes = model.to_bytes();
        let sources: [&dyn Source; 1] = [&bytes];
        let loaded = load(&sources).unwrap();
        let prompts = default_prompts(320);
        let mut stages: Vec<Stages> = prompts.iter().map(|_| Stages::default()).collect();
        let mut batch: Vec<_> = prompts
            .iter()
            .zip(&mut stages)
            .map(|(prompt, stages)| (prompt.tokens.as_slice(), stages as &mut dyn StageSink))
            .collect();
        forward_batch(
            &loaded,
            &sources,
            &mut batch,
            &Options::default(),
            &mut |_| {},
        )
        .unwrap();
        for (prompt, stages) in prompts.iter().zip(stages) {
            let (_, alone) = run(&bytes, &prompt.tokens, &Options::default()).unwrap();
            assert_eq!(stages.values, alone.values, "{}", prompt.name);
        }
    }
}

#[test]
fn a_free_run_shows_the_spread_an_isolated_one_every_bad_tensor() {
    let (good, bad) = (models::qwen2(), with_faults(models::qwen2()));
    let [good, bad] = [good, bad].map(|model| model.to_bytes());
    for (mode, expected) in [(Mode::Free, 28), (Mode::Isolated, 2)] {
        let comparison = &compare(&bad, &good, mode)[0];
        let different: Vec<String> = comparison
            .rows
            .iter()
            .filter(|row| row.outcome != Outcome::Equal)
            .filter(|row| {
                matches!(
                    row.records[0].as_ref().unwrap().tokens,
                    TokenSet::All { .. }
                )
            })
            .map(|row| row.step.to_string())
            .collect();
        assert_eq!(different[0], "0.ffn_gate");
        assert!(different.contains(&"1.ffn_down".to_owned()));
        assert_eq!(different.len(), expected, "{mode:?} {different:?}");
    }
}

#[test]
fn a_stage_that_one_model_lacks_is_missing_there() {
    let plain = models::llama();
    let mut biased = plain.clone();
    for layer in 0..2 {
        for (name, length) in [("q", 256), ("k", 128), ("v", 128)] {
            let rows = plain.tensor(format!("blk.{layer}.attn_{name}.weight")).dims[1];
            assert!(rows >= length / 2);
            biased.tensors.push(Tensor {
                name: format!("blk.{layer}.attn_{name}.bias").into_bytes(),
                dims: vec![rows],
                type_id: 0,
                data: vec![0; usize::try_from(rows).unwrap() * 4],
            });
        }
    }
    let [plain, biased] = [plain, biased].map(|model| model.to_bytes());
    for (a, b, side) in [(&biased, &plain, 1), (&plain, &biased, 0)] {
        let comparison = &compare(a, b, Mode::Free)[0];
        let row = comparison.first_difference().unwrap();
        assert_eq!(row.step, Step::from_key("0.q_post_bias").unwrap());
        assert_eq!(row.outcome, Outcome::Missing);
        assert_eq!(row.records[side], None);
    }
}

fn compare(a: &[u8], b: &[u8], mode: Mode) -> Vec<Comparison> {
    let (a, b) = (a.to_vec(), b.to_vec());
    let sources: [[&dyn Source; 1]; 2] = [[&a], [&b]];
    let models = sources.each_ref().map(|sources| load(sources).unwrap());
    let [a, b] = [0, 1].map(|side| Side {
        model: &models[side],
        sources: &sources[side],
    });
    let prompts = default_prompts(320);
    let prompts: Vec<_> = prompts
        .iter()
        .map(|prompt| prompt.tokens.as_slice())
        .collect();
    forward_pair(a, b, &prompts, &Options::default(), mode, &mut |_| {}).unwrap()
}

/// Two damaged tensors in two layers.
fn with_faults(mut model: Fixture) -> Fixture {
    for name in ["blk.0.ffn_gate.weight", "blk.1.ffn_down.weight"] {
        model.tensor_mut(name).data[40] ^= 0x10;
    }
    model
}
