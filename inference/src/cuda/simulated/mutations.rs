//! Mutants of the shipped text: each is a fault, or gives other bits than the CPU in a model that runs its kernel.
//!
//! A mutant that nothing tells from the original would mean that the comparison is blind there.

use ptx_interpreter::Module;

use super::{
    super::PTX,
    edits::{
        Edit, contract, drop_barrier, exchange_extremes, shift_index, split_fma, swap_steps,
        swap_terms, turn_on,
    },
    trial::Trial,
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
fn two_terms_of_a_sum_in_the_other_order_are_seen() {
    every_mutant_of_records_is_found(swap_terms, 6);
}

#[test]
fn an_fma_for_a_product_and_a_sum_is_seen() {
    every_mutant_of_records_is_found(contract, 5);
}

#[test]
fn the_least_for_the_greatest_is_seen() {
    every_mutant_of_records_is_found(exchange_extremes, 20);
}

#[test]
fn a_rotation_by_another_bit_is_seen() {
    every_mutant_is_found(turn_on, 8);
}

#[test]
fn an_index_that_is_off_by_one_is_seen_in_every_line_of_records() {
    every_mutant_of_records_is_found(shift_index, 100);
}

#[test]
fn every_kernel_runs_in_its_scenario_and_is_right() {
    for kernel in kernels() {
        let trial = Trial::of(kernel.name);
        let own = 0..kernel.text.lines().count();
        let mut ran = own.map(|at| trial.lines().contains(&kernel.line(at)));
        assert!(ran.any(|ran| ran), "{}", kernel.name);
        let module = kernel.module(kernel.text);
        assert_eq!(trial.outcome(kernel.name, &module), Ok(()));
    }
}

/// Tries the first and the last few mutants of each kernel.
fn every_mutant_is_found(edit: Edit, at_each_end: usize) {
    let tried: usize = (kernels().iter())
        .map(|kernel| mutants_that_are_found(kernel, edit, at_each_end))
        .sum();
    assert!(tried > 20, "{tried}");
}

/// Tries all mutants of the kernels of records, as many at least.
fn every_mutant_of_records_is_found(edit: Edit, at_least: usize) {
    let kernels = kernels().into_iter();
    let tried: usize = kernels
        .filter(|kernel| matches!(Trial::of(kernel.name), Trial::Records(_)))
        .map(|kernel| mutants_that_are_found(&kernel, edit, usize::MAX))
        .sum();
    assert!(tried >= at_least, "{tried}");
}

/// Tries the first and the last few mutants of a kernel, among the lines that run, and returns how many.
fn mutants_that_are_found(kernel: &Kernel, edit: Edit, at_each_end: usize) -> usize {
    let trial = Trial::of(kernel.name);
    let lines: Vec<&str> = kernel.text.lines().collect();
    let mut mutants: Vec<_> = (0..lines.len())
        .filter(|at| trial.lines().contains(&kernel.line(*at)))
        .filter_map(|at| Some((at, edit(&lines, at)?)))
        .collect();
    if let Some(last) = mutants.len().checked_sub(at_each_end)
        && last > at_each_end
    {
        mutants.drain(at_each_end..last);
    }
    for (at, changes) in &mutants {
        let mut lines = lines.clone();
        for (at, line) in changes {
            lines[*at] = line;
        }
        let module = kernel.module(&lines.join("\n"));
        assert!(
            trial.outcome(kernel.name, &module).is_err(),
            "{}: nothing tells a change in line {} from the original",
            kernel.name,
            kernel.line(*at)
        );
    }
    mutants.len()
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

/// The kernels but for the one that sweeps: nothing else comes from it.
fn kernels() -> Vec<Kernel> {
    let starts = PTX.match_indices(ENTRY).map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([PTX.len()]);
    let kernels = starts.zip(ends).map(|(start, end)| {
        let text = &PTX[start..end];
        let (name, _) = text[ENTRY.len()..].split_once('(').unwrap();
        let before = PTX[..start].lines().count();
        Kernel { name, before, text }
    });
    kernels
        .filter(|kernel| kernel.name != "exp32_all")
        .collect()
}

const ENTRY: &str = ".visible .entry ";
