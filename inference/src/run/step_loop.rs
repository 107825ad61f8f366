//! The one loop over the steps of a run: their order, which sides take a step, what is recorded, and when a product of two
//! sides is computed once. A CPU or a GPU supplies how a step is taken, multiplied and recorded.

use crate::{
    program::{Instruction, PerSlot, Slot, Step},
    run::{Mode, Side},
};

/// A device that takes steps; `S` is one side between two steps, `E` says why a step cannot be taken.
pub(crate) trait Backend<'a, S, E> {
    /// Takes an instruction that is not a product.
    fn step(&mut self, instruction: &'a Instruction, side: &mut S) -> Result<(), E>;

    /// Multiplies on the sides that have a product; `same` says that the activations of both have the same bits, so that
    /// rows of equal weights need to be computed once.
    fn product(
        &mut self,
        products: [Option<&'a Instruction>; 2],
        same: bool,
        sides: &mut [Option<S>; 2],
    ) -> Result<(), E>;

    /// Replaces a value of a side by that of another one, if both have as many elements; returns whether it did.
    fn replace(&mut self, slot: Slot, from: &S, to: &mut S) -> Result<bool, E>;
}

/// Keeps or compares the values that steps wrote.
pub(crate) trait StageObserver<S, E> {
    /// Takes what a step wrote, and where, on the sides that have it.
    fn stage(
        &mut self,
        step: Step,
        slots: [Option<Slot>; 2],
        sides: &mut [Option<S>; 2],
    ) -> Result<(), E>;

    /// Returns whether both sides hold the same bits in a slot.
    fn equal(&mut self, slot: Slot, sides: &[Option<S>; 2]) -> Result<bool, E>;
}

/// A step, and the instruction of each side that has it.
#[derive(Clone, Copy)]
pub(crate) struct Merged<'a> {
    pub(crate) step: Step,
    pub(crate) sides: [Option<&'a Instruction>; 2],
}

impl<'a> Merged<'a> {
    /// The instructions that are products.
    pub(crate) fn products(&self) -> [Option<&'a Instruction>; 2] {
        self.sides
            .map(|taken| taken.filter(|taken| taken.op.product().is_some()))
    }
}

/// Takes every step on every side that has it, and shows the observer what it wrote. `watch` is called with each step before
/// it is taken.
pub(crate) fn run<'a, S, E>(
    steps: &[Merged<'a>],
    sides: &mut [Option<S>; 2],
    mode: Mode,
    backend: &mut impl Backend<'a, S, E>,
    observer: &mut (impl StageObserver<S, E> + ?Sized),
    watch: &mut dyn FnMut(Step),
) -> Result<(), E> {
    // The slots in which the second side holds a copy of the first.
    let mut copied = PerSlot::<bool>::default();
    for taken in steps {
        watch(taken.step);
        let products = taken.products();
        let activations = products.map(|product| Some(product?.op.product()?.0));
        if activations != [None, None] {
            let same = match activations {
                [Some(a), Some(b)] if a == b => copied[a] || observer.equal(a, sides)?,
                _ => false,
            };
            backend.product(products, same, sides)?;
        }
        for ((side, instruction), product) in sides.iter_mut().zip(taken.sides).zip(products) {
            if let (Some(side), Some(instruction), None) = (side, instruction, product) {
                backend.step(instruction, side)?;
            }
        }
        let slots = taken.sides.map(|instruction| Some(instruction?.to));
        observer.stage(taken.step, slots, sides)?;
        // A side that lacks the step goes on with what it gave as well.
        let [first, second] = slots;
        let second = second.filter(|slot| first != Some(*slot));
        for slot in [first, second].into_iter().flatten() {
            copied[slot] = match &mut *sides {
                [Some(a), Some(b)] if mode == Mode::Isolated => backend.replace(slot, a, b)?,
                _ => false,
            };
        }
    }
    Ok(())
}

/// The steps of both sides in the order of execution, with the instructions of the side or sides that have each.
pub(crate) fn merged<'a>(sides: [Option<Side<'a>>; 2]) -> Vec<Merged<'a>> {
    let [mut a, mut b] = sides.map(|side| {
        let program: &[Instruction] = side.map_or(&[], |side| &side.model.program);
        program.iter().peekable()
    });
    let mut steps = Vec::new();
    loop {
        let orders = [a.peek(), b.peek()].map(|next| Some(next?.step.order()));
        let Some(order) = orders.into_iter().flatten().min() else {
            return steps;
        };
        let sides = [
            a.next_if(|next| next.step.order() == order),
            b.next_if(|next| next.step.order() == order),
        ];
        let step = sides.into_iter().flatten().map(|taken| taken.step).next();
        let step = step.unwrap_or_else(|| unreachable!("the least order is that of a side"));
        steps.push(Merged { step, sides });
    }
}
