//! Whole models through the shipped kernels, which an interpreter runs: every stage has the bits of the CPU.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the shapes are those of small models"
)]

mod device;
mod edits;
mod figures;
mod joins;
pub(super) mod launches;
mod mutations;
mod records;
mod run;
mod scenario;
mod shapes;
mod spans;
mod trial;

use std::sync::LazyLock;

use fixtures::models;
use ptx_interpreter::{Module, Options, Schedule};

use self::run::Simulation;
use super::PTX;
use crate::{
    digest::Digests,
    forward::{StageSink as _, forward},
    model::load,
    program::program,
    prompts::default_prompts,
    side::Side,
    source::Source,
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
        models::tiny(),
    ] {
        agrees(&model.to_bytes(), 2, &Options::default());
    }
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
        let mut simulation = Simulation::new(side, &prompt.tokens, &MODULE, *options);
        for step in program(&model) {
            let values = simulation.take(step).unwrap();
            found.stage(step, prompt.tokens.len(), &values);
        }
        assert_eq!(expected.first_difference(&found), None, "{}", prompt.name);
        assert_eq!(expected, found, "{}", prompt.name);
    }
}

static MODULE: LazyLock<Module> = LazyLock::new(|| Module::parse(PTX).unwrap());
