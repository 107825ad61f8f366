//! How fast the interpreter is: figures, not checks.
#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::time::Instant;

use fixtures::models;
use ptx_interpreter::Options;

use super::{MODULE, run::Simulation};
use crate::{model::load, program::program, prompts::default_prompts, side::Side, source::Source};

#[test]
#[ignore = "prints figures"]
fn steps_in_a_second() {
    let bytes = models::qwen2().to_bytes();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources).unwrap();
    let side = Side {
        model: &model,
        sources: &sources,
    };
    for races in [false, true] {
        for prompt in default_prompts(320) {
            let options = Options {
                races,
                ..Options::default()
            };
            let start = Instant::now();
            let mut simulation = Simulation::new(side, &prompt.tokens, &MODULE, options);
            for step in program(&model) {
                simulation.take(step).unwrap();
            }
            let steps = simulation.device.steps;
            let seconds = start.elapsed().as_secs_f64();
            let rate = steps as f64 / seconds / 1e6;
            println!(
                "races {races}, {}: {steps} steps in {seconds:.2} s, {rate:.0} M/s",
                prompt.name
            );
        }
    }
}
