//! Mutants of the shipped text: each is a fault, or gives other bits than the CPU in a model that runs its kernel.
//!
//! A mutant that nothing tells from the original would mean that the comparison is blind there.

mod edits;
mod joins;
mod records;
mod scenario;

use std::{
    collections::BTreeSet,
    iter::repeat_with,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use ptx_interpreter::{Module, Options, Schedule};

use self::{
    edits::{
        Edit, contract, drop_barrier, drop_negation, exchange_extremes, round_step, shift_index,
        split_fma, swap_steps, swap_terms, turn_on,
    },
    records::{RECORDS, Records},
    scenario::Scenario,
};
use super::device::Device;
use crate::cuda::kernel::{KERNELS, PTX};

#[test]
fn a_product_and_a_sum_for_one_fma_are_seen() {
    every_mutant_is_found(split_fma, 2, 86);
}

#[test]
fn a_step_rounded_too_early_is_seen() {
    every_mutant_is_found(round_step, usize::MAX, 4);
}

#[test]
fn a_dropped_barrier_is_seen() {
    every_mutant_is_found(drop_barrier, usize::MAX, 73);
}

#[test]
fn an_index_that_is_off_by_one_is_seen() {
    every_mutant_is_found(shift_index, 2, 203);
}

#[test]
fn two_steps_of_a_chain_in_the_other_order_are_seen() {
    every_mutant_is_found(swap_steps, 2, 32);
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
    every_mutant_of_records_is_found(exchange_extremes, 67);
}

#[test]
fn a_dropped_negation_is_seen() {
    every_mutant_is_found(drop_negation, usize::MAX, 17);
}

#[test]
fn a_rotation_by_another_bit_is_seen() {
    every_mutant_is_found(turn_on, 8, 48);
}

#[test]
fn an_index_that_is_off_by_one_is_seen_in_every_line_of_records() {
    every_mutant_of_records_is_found(shift_index, 202);
}

#[test]
fn every_kernel_runs_in_its_scenario_and_is_right() {
    let are_right = in_parallel(&kernels(), |kernel| {
        let trial = Trial::of(kernel.name);
        let own = 0..kernel.text.lines().count();
        let mut ran = own.map(|at| trial.lines().contains(&kernel.line(at)));
        assert!(ran.any(|ran| ran), "{}", kernel.name);
        let module = kernel.module(kernel.text);
        assert_eq!(trial.outcome(kernel.name, &module), Ok(()));
        1
    });
    assert_eq!(are_right, KERNELS.len() - 1);
}

/// Tries the first and the last few mutants of each kernel, as many at least in all.
fn every_mutant_is_found(edit: Edit, at_each_end: usize, at_least: usize) {
    let tried = in_parallel(&kernels(), |kernel| {
        mutants_that_are_found(kernel, edit, at_each_end)
    });
    assert!(tried >= at_least, "{tried}");
}

/// Tries all mutants of the kernels of records, as many at least.
fn every_mutant_of_records_is_found(edit: Edit, at_least: usize) {
    let mut kernels = kernels();
    kernels.retain(|kernel| matches!(Trial::of(kernel.name), Trial::Records(_)));
    let tried = in_parallel(&kernels, |kernel| {
        mutants_that_are_found(kernel, edit, usize::MAX)
    });
    assert!(tried >= at_least, "{tried}");
}

/// The sum of what is tried of each kernel.
fn in_parallel(kernels: &[Kernel], tried: impl Fn(&Kernel) -> usize + Sync) -> usize {
    let next = AtomicUsize::new(0);
    let work = || {
        let own = repeat_with(|| kernels.get(next.fetch_add(1, Ordering::Relaxed)));
        own.map_while(|kernel| kernel.map(&tried)).sum::<usize>()
    };
    thread::scope(|scope| {
        let threads = 0..thread::available_parallelism().map_or(1, NonZero::get);
        let threads: Vec<_> = threads.map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|own| own.join().unwrap()).sum()
    })
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

/// What runs a kernel.
enum Trial {
    Model(Arc<Scenario>),
    Records(&'static Records),
}

impl Trial {
    /// What runs a kernel.
    fn of(kernel: &str) -> Self {
        let of_records = [
            "sum_spans",
            "sum_join",
            "square",
            "compare",
            "digest",
            "copy",
        ];
        if of_records.iter().any(|name| kernel.starts_with(name)) {
            Self::Records(&RECORDS)
        } else {
            Self::Model(Scenario::of(kernel))
        }
    }

    /// The lines of the text that run.
    fn lines(&self) -> &BTreeSet<u32> {
        match self {
            Self::Model(scenario) => &scenario.lines,
            Self::Records(records) => &records.lines,
        }
    }

    /// What is wrong with another text of a kernel: a fault, or what differs.
    fn outcome(&self, kernel: &str, module: &Module) -> Result<(), String> {
        for schedule in [Schedule::LowestFirst, Schedule::HighestFirst] {
            let options = Options {
                schedule,
                races: true,
                step_limit: 1 << 28,
                ..Options::default()
            };
            let mut device = Device::new(options);
            device.replace(kernel, module);
            match self {
                Self::Model(scenario) => scenario.judge(kernel, device)?,
                Self::Records(records) => records.judge(kernel, device)?,
            }
        }
        Ok(())
    }
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
