//! The CPU as the backend of a run, and what records its values.

use crate::{
    arithmetic::{matmul::same_bits, number::Real},
    error::Error,
    program::{Slot, StageSink, Step},
    record::Comparison,
    run::{
        Options,
        state::State,
        step_loop::{Backend, StageObserver, taking},
    },
};

/// Computes on the threads of the CPU.
pub(crate) struct Cpu<'a> {
    pub(crate) options: &'a Options,
}

impl<'a, F: Real> Backend<State<'a, F>> for Cpu<'_> {
    fn step(&mut self, step: Step, side: &mut State<'a, F>) -> Result<(), Error> {
        side.take(step)
    }

    fn product(
        &mut self,
        step: Step,
        takes: [bool; 2],
        same: bool,
        sides: &mut [Option<State<'a, F>>; 2],
    ) -> Result<(), Error> {
        let factors: Vec<_> = taking(sides, takes).map(|side| side.factor(step)).collect();
        let products = F::products(&factors, same, self.options)?;
        for (side, product) in taking(sides, takes).zip(products) {
            side.set(step.stage.slot(), product);
        }
        Ok(())
    }

    fn replace(
        &mut self,
        slot: Slot,
        from: &State<'a, F>,
        to: &mut State<'a, F>,
    ) -> Result<bool, Error> {
        let fits = from.value(slot).len() == to.value(slot).len();
        if fits {
            to.set(slot, from.value(slot).to_vec());
        }
        Ok(fits)
    }
}

/// Gives the values of one side to the sink of each prompt.
pub(crate) struct Sinks<'a, 'b, 'c, F> {
    pub(crate) prompts: &'a mut [(&'b [u32], &'c mut dyn StageSink<F>)],
}

impl<F: Real> Sinks<'_, '_, '_, F> {
    /// Hands over what a step wrote.
    pub(crate) fn take(&mut self, step: Step, state: &State<'_, F>) {
        let pieces = state.pieces(step.stage.slot());
        for ((tokens, sink), values) in self.prompts.iter_mut().zip(pieces) {
            sink.stage(step, tokens.len(), values);
        }
    }
}

impl<'s, F: Real> StageObserver<State<'s, F>> for Sinks<'_, '_, '_, F> {
    fn stage(
        &mut self,
        step: Step,
        takes: [bool; 2],
        sides: &mut [Option<State<'s, F>>; 2],
    ) -> Result<(), Error> {
        for side in taking(sides, takes) {
            self.take(step, side);
        }
        Ok(())
    }

    /// There is one side.
    fn equal(&mut self, _slot: Slot, _sides: &[Option<State<'s, F>>; 2]) -> Result<bool, Error> {
        Ok(false)
    }
}

/// Compares two sides, prompt by prompt.
pub(crate) struct Comparing<'a> {
    /// The prompts, of which each has a comparison.
    pub(crate) prompts: &'a [&'a [u32]],
    pub(crate) comparisons: Vec<Comparison>,
}

impl<'s> StageObserver<State<'s, f32>> for Comparing<'_> {
    fn stage(
        &mut self,
        step: Step,
        takes: [bool; 2],
        sides: &mut [Option<State<'s, f32>>; 2],
    ) -> Result<(), Error> {
        let slot = step.stage.slot();
        let [a, b] = sides;
        let pieces = [(a, takes[0]), (b, takes[1])].map(|(side, takes)| {
            let side = side.as_ref().filter(|_| takes);
            side.map(|side| side.pieces(slot))
        });
        let comparisons = self.prompts.iter().zip(&mut self.comparisons);
        for (prompt, (tokens, comparison)) in comparisons.enumerate() {
            let values = pieces.each_ref().map(|pieces| {
                let piece = pieces.as_ref()?.get(prompt);
                Some(*piece.unwrap_or_else(|| unreachable!("a value has a piece for each prompt")))
            });
            comparison.stage(step, tokens.len(), values);
        }
        Ok(())
    }

    fn equal(&mut self, slot: Slot, sides: &[Option<State<'s, f32>>; 2]) -> Result<bool, Error> {
        Ok(match sides {
            [Some(a), Some(b)] => same_bits(a.value(slot), b.value(slot)),
            _ => false,
        })
    }
}
