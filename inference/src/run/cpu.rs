//! The CPU as the backend of a run, and what records its values.

use crate::{
    arithmetic::{matmul::same_bits, number::Real},
    error::Error,
    program::{Instruction, Slot, StageSink, Step},
    record::Comparison,
    run::{
        Options,
        state::State,
        step_loop::{Backend, StageObserver},
    },
};

/// Computes on the threads of the CPU.
pub(crate) struct Cpu<'a> {
    pub(crate) options: &'a Options,
}

impl<'a, F: Real> Backend<'a, State<'a, F>, Error> for Cpu<'_> {
    fn step(&mut self, instruction: &'a Instruction, side: &mut State<'a, F>) -> Result<(), Error> {
        side.take(instruction)
    }

    fn product(
        &mut self,
        products: [Option<&'a Instruction>; 2],
        same: bool,
        sides: &mut [Option<State<'a, F>>; 2],
    ) -> Result<(), Error> {
        let mut factors = Vec::new();
        for (side, product) in sides.iter().zip(products) {
            if let (Some(side), Some((from, matrix))) =
                (side, product.and_then(|product| product.op.product()))
            {
                factors.push(side.factor(matrix, from));
            }
        }
        let results = F::products(&factors, same, self.options)?;
        let taking = sides.iter_mut().zip(products);
        let taking = taking.filter_map(|(side, product)| Some((side.as_mut()?, product?.to)));
        for ((side, to), result) in taking.zip(results) {
            side.set(to, result);
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
    pub(crate) fn take(&mut self, step: Step, slot: Slot, state: &State<'_, F>) {
        let pieces = state.pieces(slot);
        for ((tokens, sink), values) in self.prompts.iter_mut().zip(pieces) {
            sink.stage(step, tokens.len(), values);
        }
    }
}

impl<'s, F: Real> StageObserver<State<'s, F>, Error> for Sinks<'_, '_, '_, F> {
    fn stage(
        &mut self,
        step: Step,
        slots: [Option<Slot>; 2],
        sides: &mut [Option<State<'s, F>>; 2],
    ) -> Result<(), Error> {
        for (side, slot) in sides.iter().zip(slots) {
            if let (Some(side), Some(slot)) = (side, slot) {
                self.take(step, slot, side);
            }
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

impl<'s> StageObserver<State<'s, f32>, Error> for Comparing<'_> {
    fn stage(
        &mut self,
        step: Step,
        slots: [Option<Slot>; 2],
        sides: &mut [Option<State<'s, f32>>; 2],
    ) -> Result<(), Error> {
        let [a, b] = sides;
        let pieces =
            [(a, slots[0]), (b, slots[1])].map(|(side, slot)| Some(side.as_ref()?.pieces(slot?)));
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
