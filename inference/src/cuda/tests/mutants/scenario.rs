//! Models and prompts that run a kernel, stage by stage.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
    sync::{Arc, Mutex, OnceLock},
};

use fixtures::models;
use ptx_interpreter::Options;

use super::super::{
    device::{Device, bits},
    launches::WEIGHT_TYPES,
    simulation::Simulation,
};
use crate::{
    model::{Model, load, source::Source},
    program::{StageSink, Step},
    run::{Side, forward},
};

/// A model and a prompt, with what the CPU and the shipped kernels make of it.
pub(super) struct Scenario {
    bytes: Vec<u8>,
    model: Model,
    tokens: Vec<u32>,
    stages: Vec<Taken>,
    /// The lines of the text that ran.
    pub(super) lines: BTreeSet<u32>,
}

/// A stage: its values on the CPU, and the kernels that it takes.
struct Taken {
    step: Step,
    values: Vec<f32>,
    kernels: Vec<&'static str>,
}

impl Scenario {
    /// The scenario that runs a kernel.
    pub(super) fn of(kernel: &str) -> Arc<Self> {
        type Scenarios = BTreeMap<(&'static str, usize), Arc<OnceLock<Arc<Scenario>>>>;
        static SCENARIOS: Mutex<Scenarios> = Mutex::new(BTreeMap::new());
        let tokens = match kernel.rsplit_once('_').map(|(_, tokens)| tokens) {
            Some(tokens @ ("1" | "2" | "4" | "8" | "16" | "32" | "64"))
                if kernel.starts_with("matmul") =>
            {
                tokens.parse().unwrap()
            }
            _ if kernel.starts_with("attention") => 19,
            // A sum of squares is rounded away in most rows.
            _ if kernel == "rms_norm" => 32,
            _ => 7,
        };
        let names = WEIGHT_TYPES.iter().map(|(name, _)| *name);
        let of_type = names
            .clone()
            .find(|name| kernel == format!("dequantise_{name}"));
        let model = match kernel {
            // The embedding of this model.
            "dequantise_q4_k" => "qwen2",
            "dequantise_q6_k" => "qwen2_tied",
            // Their loops take four steps at a time where rows are long enough.
            "rms_norm" | "sum_partials" => "qwen2_wide",
            _ if kernel.starts_with("matmul_f32") => "f32",
            _ => of_type.unwrap_or("qwen2"),
        };
        let mut scenarios = SCENARIOS.lock().unwrap();
        let scenario = Arc::clone(scenarios.entry((model, tokens)).or_default());
        // Others may be made meanwhile.
        drop(scenarios);
        Arc::clone(scenario.get_or_init(|| Arc::new(Self::new(model, tokens))))
    }

    fn new(name: &str, tokens: usize) -> Self {
        let weight_type = WEIGHT_TYPES
            .iter()
            .find(|(type_name, _)| *type_name == name);
        let fixture = match (name, weight_type) {
            ("qwen2_tied", _) => models::qwen2_tied(),
            ("qwen2_wide", _) => models::qwen2_wide(),
            (_, Some((_, weight_type))) => models::with_type(weight_type.ggml_type().id()),
            _ => models::qwen2(),
        };
        let bytes = fixture.to_bytes();
        let sources: [&dyn Source; 1] = [&bytes];
        let model = load(&sources).unwrap();
        let vocabulary = u32::try_from(model.config.vocabulary).unwrap();
        let tokens: Vec<u32> = (0..)
            .map(|i| (7 * i + 3) % vocabulary)
            .take(tokens)
            .collect();
        let mut cpu = Stages(Vec::new());
        let options = crate::options::Options::default();
        forward(&model, &sources, &tokens, &options, &mut cpu).unwrap();
        let side = Side {
            model: &model,
            sources: &sources,
        };
        let mut simulation = Simulation::new(side, &tokens, Device::new(Options::default()));
        let stages = cpu.0.into_iter().map(|(step, values)| {
            let found = simulation.take(step).unwrap();
            assert_eq!(bits(&found), bits(&values), "{step}");
            Taken {
                step,
                values,
                kernels: take(&mut simulation.device.launched),
            }
        });
        Self {
            stages: stages.collect(),
            lines: simulation.device.lines,
            model,
            tokens,
            bytes,
        }
    }

    /// What is wrong with a kernel on a device: a fault, or the first stage that differs. Only stages that run the kernel are
    /// taken, each from the values of the CPU.
    pub(super) fn judge(&self, kernel: &str, device: Device<'_>) -> Result<(), String> {
        let sources: [&dyn Source; 1] = [&self.bytes];
        let side = Side {
            model: &self.model,
            sources: &sources,
        };
        let mut simulation = Simulation::new(side, &self.tokens, device);
        for stage in &self.stages {
            if stage.kernels.contains(&kernel)
                && bits(&simulation.take(stage.step)?) != bits(&stage.values)
            {
                return Err(format!("{} differs", stage.step));
            }
            simulation.set(stage.step, &stage.values);
        }
        Ok(())
    }
}

/// The values of every stage.
struct Stages(Vec<(Step, Vec<f32>)>);

impl StageSink for Stages {
    fn stage(&mut self, step: Step, _: usize, values: &[f32]) {
        self.0.push((step, values.to_vec()));
    }
}
