//! The one loop over the steps of a run: their order, which sides take a step, what is recorded, and when a product of two
//! sides is computed once. A CPU or a GPU supplies how a step is taken, multiplied and recorded.

use crate::{
    error::Error,
    program::{PerSlot, Slot, Step, program},
    run::{Mode, Side},
};

/// What takes steps; `S` is one side between two steps.
pub(crate) trait Backend<S> {
    /// Takes a step that is not a product.
    fn step(&mut self, step: Step, side: &mut S) -> Result<(), Error>;

    /// Multiplies on the sides that have the step; `same` says that the activations of both have the same bits, so that
    /// rows of equal weights need to be computed once.
    fn product(
        &mut self,
        step: Step,
        takes: [bool; 2],
        same: bool,
        sides: &mut [Option<S>; 2],
    ) -> Result<(), Error>;

    /// Replaces a value of a side by that of another one, if both have as many elements; returns whether it did.
    fn replace(&mut self, slot: Slot, from: &S, to: &mut S) -> Result<bool, Error>;
}

/// What keeps or compares what steps wrote.
pub(crate) trait StageObserver<S> {
    /// Takes what a step wrote on the sides that have it.
    fn stage(
        &mut self,
        step: Step,
        takes: [bool; 2],
        sides: &mut [Option<S>; 2],
    ) -> Result<(), Error>;

    /// Returns whether both sides hold the same bits in a slot.
    fn equal(&mut self, slot: Slot, sides: &[Option<S>; 2]) -> Result<bool, Error>;
}

/// Takes every step on every side that has it, and hands what it wrote to the observer. `watch` is told each step before it is taken.
pub(crate) fn run<S>(
    steps: &[(Step, [bool; 2])],
    sides: &mut [Option<S>; 2],
    mode: Mode,
    backend: &mut impl Backend<S>,
    observer: &mut (impl StageObserver<S> + ?Sized),
    watch: &mut dyn FnMut(Step),
) -> Result<(), Error> {
    // The slots in which the second side holds a copy of the first.
    let mut copied = PerSlot::<bool>::default();
    for &(step, takes) in steps {
        watch(step);
        match step.stage.activations() {
            None => {
                for side in taking(sides, takes) {
                    backend.step(step, side)?;
                }
            }
            Some(x) => {
                let both = takes == [true, true];
                let same = both && (copied[x] || observer.equal(x, sides)?);
                backend.product(step, takes, same, sides)?;
            }
        }
        observer.stage(step, takes, sides)?;
        let slot = step.stage.slot();
        copied[slot] = match sides {
            [Some(a), Some(b)] if mode == Mode::Isolated => backend.replace(slot, a, b)?,
            _ => false,
        };
    }
    Ok(())
}

/// The sides that have a step.
pub(crate) fn taking<S>(
    sides: &mut [Option<S>; 2],
    takes: [bool; 2],
) -> impl Iterator<Item = &mut S> {
    let sides = sides.iter_mut().zip(takes);
    sides.filter_map(|(side, takes)| side.as_mut().filter(|_| takes))
}

/// The steps of both sides in the order of execution, and which of the two has each.
pub(crate) fn merged(sides: [Option<Side<'_>>; 2]) -> Vec<(Step, [bool; 2])> {
    let [mut a, mut b] = sides.map(|side| {
        let steps = side.map_or_else(Vec::new, |side| program(side.model));
        steps.into_iter().peekable()
    });
    let mut steps = Vec::new();
    loop {
        let (step, takes) = match (a.peek(), b.peek()) {
            (None, None) => return steps,
            (Some(of_a), None) => (*of_a, [true, false]),
            (None, Some(of_b)) => (*of_b, [false, true]),
            (Some(of_a), Some(of_b)) => {
                let takes = [of_a.order() <= of_b.order(), of_b.order() <= of_a.order()];
                (if takes[0] { *of_a } else { *of_b }, takes)
            }
        };
        for (steps, takes) in [&mut a, &mut b].into_iter().zip(takes) {
            if takes {
                steps.next();
            }
        }
        steps.push((step, takes));
    }
}
