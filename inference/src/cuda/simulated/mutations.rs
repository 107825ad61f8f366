//! Mutants of the shipped text: each is a fault, or gives other bits than the CPU in a model that runs its kernel.
//!
//! A mutant that nothing tells from the original would mean that the comparison is blind there.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::{Arc, Mutex},
};

use fixtures::models;
use ptx_interpreter::{Module, Options, Schedule};

use super::{super::PTX, MODULE, run::Simulation};
use crate::{
    forward::{self, StageSink, forward},
    model::{Model, WeightType, load},
    side::Side,
    source::Source,
    stage::Step,
};

#[test]
fn a_product_and_a_sum_for_one_fma_are_seen() {
    for kernel in kernels_with("fma.rn.f32") {
        every_mutant_is_found(&kernel, split_fmas(kernel.text));
    }
}

#[test]
fn a_dropped_barrier_is_seen() {
    for kernel in kernels_with("bar.sync") {
        every_mutant_is_found(&kernel, without_barriers(kernel.text));
    }
}

#[test]
fn an_index_that_is_off_by_one_is_seen() {
    for kernel in kernels_with("ld.") {
        every_mutant_is_found(&kernel, shifted(kernel.text));
    }
}

#[test]
fn two_steps_of_a_chain_in_the_other_order_are_seen() {
    for kernel in kernels_with("fma.rn.f32") {
        every_mutant_is_found(&kernel, swapped(kernel.text));
    }
}

#[test]
fn every_kernel_runs_in_its_scenario_and_is_right() {
    for kernel in kernels_with("") {
        let scenario = Scenario::of(kernel.name);
        let mut ran = scenario.stages.iter().flat_map(|stage| &stage.kernels);
        assert!(ran.any(|name| *name == kernel.name), "{}", kernel.name);
        assert_eq!(scenario.outcome(&kernel, kernel.text), Ok(()));
    }
}

/// A kernel of the text: everything from its name to the next one.
struct Kernel {
    name: &'static str,
    /// The lines before it.
    lines: usize,
    text: &'static str,
}

/// The kernels of the forward whose text has a word.
fn kernels_with(word: &str) -> Vec<Kernel> {
    let starts = PTX.match_indices(ENTRY).map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([PTX.len()]);
    let kernels = starts.zip(ends).map(|(start, end)| {
        let text = &PTX[start..end];
        let name = text[ENTRY.len()..].split('(').next().unwrap();
        let lines = PTX[..start].lines().count();
        Kernel { name, lines, text }
    });
    // These compare and sweep; no stage comes from them.
    let others = ["exp32_all", "compare_stage", "compare_join"];
    kernels
        .filter(|kernel| !others.contains(&kernel.name) && kernel.text.contains(word))
        .collect()
}

fn every_mutant_is_found(kernel: &Kernel, mutants: Vec<(usize, String)>) {
    let scenario = Scenario::of(kernel.name);
    for (line, mutant) in mutants {
        let line = kernel.lines + line + 1;
        assert!(
            scenario.outcome(kernel, &mutant).is_err(),
            "{}: nothing tells a change in line {line} from the original",
            kernel.name
        );
    }
}

/// The lines of a kernel, each changed by a function that knows how; the first and the last few changes.
fn changed(text: &str, change: impl Fn(&str) -> Option<String>) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants: Vec<(usize, String)> = (0..lines.len())
        .filter_map(|at| {
            let mut lines = lines.clone();
            let line = change(lines[at])?;
            lines[at] = &line;
            Some((at, lines.join("\n") + "\n"))
        })
        .collect();
    if mutants.len() > 2 * ENDS {
        mutants.drain(ENDS..mutants.len() - ENDS);
    }
    mutants
}

/// One step of a chain as a product that is rounded and a sum.
///
/// Left out are products that are exact, where both are the same: those of dequantisation, whose sums no chain goes on
/// from, and those with the upper bits of ln 2.
fn split_fmas(text: &str) -> Vec<(usize, String)> {
    let addends: Vec<&str> = text
        .lines()
        .filter_map(|line| operands(line, "fma.rn.f32").map(|[_, _, _, c]| c))
        .collect();
    changed(text, |line| {
        let [d, a, b, c] = operands(line, "fma.rn.f32")?;
        let is_exact = |factor: &str| text.contains(&format!("mov.f32 \t{factor}, 0f3F318000"));
        if !addends.contains(&d) || is_exact(a) || is_exact(b) {
            return None;
        }
        Some(format!(
            "{{ .reg .f32 product; mul.rn.f32 product, {a}, {b}; add.rn.f32 {d}, product, {c}; }}"
        ))
    })
}

/// Every barrier, one at a time.
fn without_barriers(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let barriers = (0..lines.len()).filter(|at| lines[*at].contains("bar.sync"));
    barriers
        .map(|at| {
            let mut lines = lines.clone();
            lines[at] = "";
            (at, lines.join("\n") + "\n")
        })
        .collect()
}

/// One access to shared or global memory a place further.
fn shifted(text: &str) -> Vec<(usize, String)> {
    changed(text, |line| {
        let is_access = ["ld.shared", "st.shared", "ld.global", "st.global"]
            .iter()
            .any(|opcode| line.contains(opcode));
        let (before, after) = line.split_once(']').filter(|_| is_access)?;
        let size = match line.trim_start().split_whitespace().next()? {
            opcode if opcode.ends_with("8") => 1,
            opcode if opcode.ends_with("16") => 2,
            _ => 4,
        };
        let count = if line.contains(".v4.") {
            4
        } else if line.contains(".v2.") {
            2
        } else {
            1
        };
        let (base, offset) = before.split_once('+').unwrap_or((before, "0"));
        let offset: i32 = offset.parse().ok()?;
        Some(format!("{base}+{}]{after}", offset + size * count))
    })
}

/// The factors of two steps of a chain that follow each other, exchanged: the same products in another order.
fn swapped(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some([d, a, b, c]) = operands(line, "fma.rn.f32") else {
            continue;
        };
        // The step that goes on from here, if it comes before anything that the first one needs is made.
        let next = lines[at + 1..]
            .iter()
            .take(4)
            .position(|next| operands(next, "fma.rn.f32").is_some_and(|[_, _, _, from]| from == d));
        let Some(next) = next.map(|next| at + 1 + next) else {
            continue;
        };
        let Some([e, f, g, _]) = operands(lines[next], "fma.rn.f32") else {
            continue;
        };
        let made_between = |register: &str| {
            lines[at..next]
                .iter()
                .any(|line| line.contains(&format!("\t{register},")))
        };
        // A chain of a polynomial multiplies by its own result: nothing to exchange there.
        if [f, g].contains(&d) || made_between(f) || made_between(g) {
            continue;
        }
        let mut lines = lines.clone();
        let first = format!("fma.rn.f32 \t{d}, {f}, {g}, {c};");
        let second = format!("fma.rn.f32 \t{e}, {a}, {b}, {d};");
        lines[at] = &first;
        lines[next] = &second;
        mutants.push((at, lines.join("\n") + "\n"));
    }
    if mutants.len() > 2 * ENDS {
        mutants.drain(ENDS..mutants.len() - ENDS);
    }
    mutants
}

/// The operands of an instruction, if a line is one with this opcode.
fn operands<'l>(line: &'l str, opcode: &str) -> Option<[&'l str; 4]> {
    let (_, operands) = line.split_once(opcode)?;
    let operands: Vec<&str> = operands.trim().trim_end_matches(';').split(", ").collect();
    operands.try_into().ok()
}

/// A model and a prompt, with what the CPU and the shipped kernels make of it.
struct Scenario {
    bytes: Vec<u8>,
    model: Model,
    tokens: Vec<u32>,
    stages: Vec<Taken>,
}

/// A stage: its values on the CPU, and the kernels that it takes.
struct Taken {
    step: Step,
    values: Vec<f32>,
    kernels: Vec<&'static str>,
}

impl Scenario {
    /// The scenario that runs a kernel.
    fn of(kernel: &str) -> Arc<Self> {
        type Scenarios = BTreeMap<(&'static str, usize), Arc<Scenario>>;
        static SCENARIOS: Mutex<Scenarios> = Mutex::new(BTreeMap::new());
        let tokens = match kernel.rsplit_once('_').map(|(_, tokens)| tokens) {
            Some(tokens @ ("1" | "2" | "4" | "8" | "16" | "32" | "64"))
                if kernel.starts_with("matmul") =>
            {
                tokens.parse().unwrap()
            }
            _ if kernel.starts_with("attention") => 19,
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
            _ if kernel.starts_with("matmul_f32") => "f32",
            _ => of_type.unwrap_or("qwen2"),
        };
        let mut scenarios = SCENARIOS.lock().unwrap();
        let scenario = scenarios
            .entry((model, tokens))
            .or_insert_with(|| Arc::new(Self::new(model, tokens)));
        Arc::clone(scenario)
    }

    fn new(name: &str, tokens: usize) -> Self {
        let weight_type = WEIGHT_TYPES
            .iter()
            .find(|(type_name, _)| *type_name == name);
        let fixture = match (name, weight_type) {
            ("qwen2_tied", _) => models::qwen2_tied(),
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
        let options = forward::Options::default();
        forward(&model, &sources, &tokens, &options, &mut cpu).unwrap();
        let side = Side {
            model: &model,
            sources: &sources,
        };
        let mut simulation = Simulation::new(side, &tokens, &MODULE, Options::default());
        let stages = cpu.0.into_iter().map(|(step, values)| {
            assert_eq!(
                bits(&simulation.take(step).unwrap()),
                bits(&values),
                "{step}"
            );
            Taken {
                step,
                values,
                kernels: take(&mut simulation.device.launched),
            }
        });
        Self {
            stages: stages.collect(),
            model,
            tokens,
            bytes,
        }
    }

    /// What is wrong with a text of a kernel: a fault, or the first stage that differs. Only stages that run the kernel
    /// are taken, each from the values of the CPU.
    fn outcome(&self, kernel: &Kernel, text: &str) -> Result<(), String> {
        let (head, _) = PTX.split_once(ENTRY).unwrap();
        let module = Module::parse(&format!("{head}{text}")).map_err(|error| error.to_string())?;
        let sources: [&dyn Source; 1] = [&self.bytes];
        let side = Side {
            model: &self.model,
            sources: &sources,
        };
        for schedule in [Schedule::LowestFirst, Schedule::HighestFirst] {
            let options = Options {
                schedule,
                races: true,
                step_limit: 1 << 28,
                ..Options::default()
            };
            let mut simulation = Simulation::new(side, &self.tokens, &MODULE, options);
            simulation.device.replace(kernel.name, &module);
            for stage in &self.stages {
                if stage.kernels.contains(&kernel.name)
                    && bits(&simulation.take(stage.step)?) != bits(&stage.values)
                {
                    return Err(format!("{} differs", stage.step));
                }
                simulation.set(stage.step, &stage.values);
            }
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

/// The bits, one for all NaN.
fn bits(values: &[f32]) -> Vec<u32> {
    let canonical = |value: &f32| {
        if value.is_nan() {
            0x7FC0_0000
        } else {
            value.to_bits()
        }
    };
    values.iter().map(canonical).collect()
}

const WEIGHT_TYPES: [(&str, WeightType); 13] = [
    ("f32", WeightType::F32),
    ("f16", WeightType::F16),
    ("bf16", WeightType::BF16),
    ("q4_0", WeightType::Q4_0),
    ("q4_1", WeightType::Q4_1),
    ("q5_0", WeightType::Q5_0),
    ("q5_1", WeightType::Q5_1),
    ("q8_0", WeightType::Q8_0),
    ("q2_k", WeightType::Q2K),
    ("q3_k", WeightType::Q3K),
    ("q4_k", WeightType::Q4K),
    ("q5_k", WeightType::Q5K),
    ("q6_k", WeightType::Q6K),
];
const ENTRY: &str = ".visible .entry ";
/// How many mutants of one kind are tried at the start and at the end of a kernel.
const ENDS: usize = 2;
