//! Mutants of the shipped text: each is a fault, or gives other bits than the CPU in a model that runs its kernel.
//!
//! A mutant that nothing tells from the original would mean that the comparison is blind there.

use ptx_interpreter::Module;

use super::{
    super::PTX,
    edits::{Edit, drop_barrier, shift_index, split_fma, swap_steps},
    scenario::Scenario,
};

#[test]
fn a_product_and_a_sum_for_one_fma_are_seen() {
    every_mutant_is_found(split_fma, 2);
}

#[test]
fn a_dropped_barrier_is_seen() {
    every_mutant_is_found(drop_barrier, usize::MAX);
}

#[test]
fn an_index_that_is_off_by_one_is_seen() {
    every_mutant_is_found(shift_index, 2);
}

#[test]
fn two_steps_of_a_chain_in_the_other_order_are_seen() {
    every_mutant_is_found(swap_steps, 2);
}

#[test]
fn every_kernel_runs_in_its_scenario_and_is_right() {
    for kernel in kernels() {
        let scenario = Scenario::of(kernel.name);
        let mut ran = scenario.stages.iter().flat_map(|stage| &stage.kernels);
        assert!(ran.any(|name| *name == kernel.name), "{}", kernel.name);
        let module = kernel.module(kernel.text);
        assert_eq!(scenario.outcome(kernel.name, &module), Ok(()));
    }
}

/// Tries the first and the last few mutants of each kernel, among the lines that run.
fn every_mutant_is_found(edit: Edit, at_each_end: usize) {
    let mut tried = 0usize;
    for kernel in kernels() {
        let scenario = Scenario::of(kernel.name);
        let lines: Vec<&str> = kernel.text.lines().collect();
        let mut mutants: Vec<_> = (0..lines.len())
            .filter(|at| scenario.lines.contains(&kernel.line(*at)))
            .filter_map(|at| Some((at, edit(&lines, at)?)))
            .collect();
        if let Some(last) = mutants.len().checked_sub(at_each_end)
            && last > at_each_end
        {
            mutants.drain(at_each_end..last);
        }
        for (at, changes) in mutants {
            let mut lines = lines.clone();
            for (at, line) in &changes {
                lines[*at] = line;
            }
            let module = kernel.module(&lines.join("\n"));
            assert!(
                scenario.outcome(kernel.name, &module).is_err(),
                "{}: nothing tells a change in line {} from the original",
                kernel.name,
                kernel.line(at)
            );
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

/// A kernel of the text: everything from its entry to the next one.
struct Kernel {
    name: &'static str,
    /// Lines of the whole text before it.
    before: usize,
    text: &'static str,
}

impl Kernel {
    /// The line of the whole text, from 1.
    fn line(&self, at: usize) -> u32 {
        u32::try_from(self.before + at + 1).unwrap()
    }

    /// A module with another text of this kernel alone.
    fn module(&self, text: &str) -> Module {
        let (head, _) = PTX.split_once(ENTRY).unwrap();
        Module::parse(&format!("{head}{text}")).unwrap()
    }
}

/// The kernels of the forward; others compare and sweep, and no stage comes from them.
fn kernels() -> Vec<Kernel> {
    let starts = PTX.match_indices(ENTRY).map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([PTX.len()]);
    let kernels = starts.zip(ends).map(|(start, end)| {
        let text = &PTX[start..end];
        let (name, _) = text[ENTRY.len()..].split_once('(').unwrap();
        let before = PTX[..start].lines().count();
        Kernel { name, before, text }
    });
    let others = [
        "copy_rows",
        "exp32_all",
        "sum_spans",
        "sum_join",
        "square_spans",
        "square_join",
        "compare_spans",
        "compare_join",
        "digest_spans",
        "digest_bytes",
        "digest_join",
    ];
    kernels
        .filter(|kernel| !others.contains(&kernel.name))
        .collect()
}

const ENTRY: &str = ".visible .entry ";
