//! Whole models through the shipped kernels: every stage has the bits of the CPU.

use fixtures::models;
use ptx_interpreter::{Options, Schedule};

use super::{device::Device, simulation::Simulation};
use crate::{
    model::{load, source::Source},
    program::StageSink as _,
    record::Digests,
    run::{Side, default_prompts, forward},
};

#[test]
fn every_stage_of_the_small_models_has_the_digest_of_the_cpu() {
    for model in [models::qwen2(), models::llama(), models::qwen3()] {
        for schedule in [Schedule::LowestFirst, Schedule::HighestFirst] {
            let options = Options {
                schedule,
                races: true,
                ..Options::default()
            };
            agrees(&model.to_bytes(), 3, &options);
        }
    }
}

#[test]
fn the_model_of_llama_cpp_agrees_in_any_order_of_threads() {
    let model = include_bytes!("../../../../fixtures/models/qwen3-q4_k_m.gguf");
    for seed in 0..2 {
        let options = Options {
            schedule: Schedule::Random(seed),
            ..Options::default()
        };
        agrees(model, 3, &options);
    }
}

#[test]
fn tied_scaled_and_tiny_models_agree_as_well() {
    for model in [
        models::qwen2_tied(),
        models::llama_scaled(),
        models::llama_biased(),
        models::llama_even_heads(),
        tiny(),
    ] {
        agrees(&model.to_bytes(), 2, &Options::default());
    }
}

/// Without the tensor that no engine knows.
fn tiny() -> fixtures::gguf::Model {
    let mut model = models::tiny();
    model
        .tensors
        .retain(|tensor| tensor.name != b"blk.0.extra.weight");
    model
}

#[test]
fn every_type_of_weights_agrees() {
    for weight_type in crate::model::WeightType::ALL {
        let model = models::with_type(weight_type.ggml_type().id());
        agrees(&model.to_bytes(), 1, &Options::default());
    }
}

/// Runs the first default prompts of a model on both sides.
fn agrees(bytes: &[u8], prompts: usize, options: &Options) {
    let bytes = bytes.to_vec();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources).unwrap();
    let side = Side {
        model: &model,
        sources: &sources,
    };
    let vocabulary = u32::try_from(model.config.vocabulary).unwrap();
    for prompt in default_prompts(vocabulary).iter().take(prompts) {
        let mut expected = Digests::default();
        let on_cpu = crate::options::Options::default();
        forward(&model, &sources, &prompt.tokens, &on_cpu, &mut expected).unwrap();
        let mut found = Digests::default();
        let mut simulation = Simulation::new(side, &prompt.tokens, Device::new(*options));
        for step in model.program.iter().map(|taken| taken.step) {
            let values = simulation.take(step).unwrap();
            found.stage(step, prompt.tokens.len(), &values);
        }
        assert_eq!(expected.first_difference(&found), None, "{}", prompt.name);
        assert_eq!(expected, found, "{}", prompt.name);
    }
}
