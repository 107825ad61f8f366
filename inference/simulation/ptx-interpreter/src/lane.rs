//! One thread: runs from where it is until it waits or leaves.
#![expect(
    clippy::indexing_slicing,
    reason = "slots come from the parser, which counts them; a check that fails here is a bug of the parser"
)]

use crate::{
    address::{self, Target},
    fault::{Cause, Space},
    instruction::{Access, Extend, Op, Slot},
    memory::{Memory, Violation, number, put},
    race::{GlobalRaces, Stamp},
    shared::Shared,
};

/// What a lane is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    /// Waits for the block.
    Barrier,
    /// Waits for its warp.
    Warp,
    Gone,
}

/// What the lanes of a block share.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) code: &'a [Op],
    pub(crate) lines: &'a [u32],
    /// For each operation, before which one those ended that ran on from it so far; 0 where none did.
    pub(crate) ran_to: Vec<usize>,
    pub(crate) variables: &'a [Vec<u8>],
    pub(crate) parameters: Vec<u8>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) shared: Shared,
    pub(crate) global_races: Option<GlobalRaces>,
    /// Whether reading unwritten memory is a fault.
    pub(crate) only_written: bool,
}

impl World<'_> {
    /// Runs a lane for at most so many steps, which are counted down; `pc` stays at what it waits for or failed at.
    ///
    /// `stamp` says who and when it is; its line is not used.
    pub(crate) fn run(
        &mut self,
        registers: &mut [u64],
        pc: &mut usize,
        steps: &mut u64,
        active: u32,
        stamp: Stamp,
    ) -> Result<State, Cause> {
        // Steps are counted from jump to jump: in between, the end of the code that may run is their limit.
        let mut start = *pc;
        let mut at = start;
        let mut straight = within(self.code, start, *steps);
        let outcome = loop {
            let Some(op) = straight.get(at) else {
                break Ok(State::Ready);
            };
            match op {
                Op::Move { d, a } => registers[index(*d)] = registers[index(*a)],
                Op::One { f, d, a } => registers[index(*d)] = f(registers[index(*a)]),
                Op::Two { f, d, a, b } => {
                    registers[index(*d)] = f(registers[index(*a)], registers[index(*b)]);
                }
                Op::Three { f, d, a, b, c } => {
                    let (a, b) = (registers[index(*a)], registers[index(*b)]);
                    registers[index(*d)] = f(a, b, registers[index(*c)]);
                }
                Op::Four { f, d, operands } => {
                    let [a, b, c, e] = operands.map(|slot| registers[index(slot)]);
                    registers[index(*d)] = f(a, b, c, e);
                }
                Op::Divide { f, d, a, b } => {
                    let Some(value) = f(registers[index(*a)], registers[index(*b)]) else {
                        break Err(Cause::DivisionByZero);
                    };
                    registers[index(*d)] = value;
                }
                Op::Select { d, a, b, predicate } => {
                    let chosen = if registers[index(*predicate)] & 1 == 1 {
                        a
                    } else {
                        b
                    };
                    registers[index(*d)] = registers[index(*chosen)];
                }
                Op::Jump { target } => {
                    self.count(start, at.wrapping_add(1), steps);
                    start = *target as usize;
                    at = start;
                    straight = within(self.code, start, *steps);
                    continue;
                }
                Op::JumpIf {
                    predicate,
                    when,
                    target,
                } => {
                    if (registers[index(*predicate)] & 1 == 1) == *when {
                        self.count(start, at.wrapping_add(1), steps);
                        start = *target as usize;
                        at = start;
                        straight = within(self.code, start, *steps);
                        continue;
                    }
                }
                Op::Load { access, extend } => {
                    if let Err(cause) = self.load(access, *extend, registers, at, stamp) {
                        break Err(cause);
                    }
                }
                Op::Store { access } => {
                    if let Err(cause) = self.store(access, registers, at, stamp) {
                        break Err(cause);
                    }
                }
                Op::Barrier => break Ok(State::Barrier),
                Op::Warp { .. } => break Ok(State::Warp),
                Op::ActiveMask { d } => registers[index(*d)] = active.into(),
                Op::Exit => break Ok(State::Gone),
                Op::Add32 { d, a, b } => {
                    let sum = registers[index(*a)].wrapping_add(registers[index(*b)]);
                    registers[index(*d)] = sum & 0xFFFF_FFFF;
                }
                Op::Add64 { d, a, b } => {
                    let sum = registers[index(*a)].wrapping_add(registers[index(*b)]);
                    registers[index(*d)] = sum;
                }
                Op::AddF32 { d, a, b } => {
                    let sum = float(registers[index(*a)]) + float(registers[index(*b)]);
                    registers[index(*d)] = bits(sum);
                }
                Op::MulF32 { d, a, b } => {
                    let product = float(registers[index(*a)]) * float(registers[index(*b)]);
                    registers[index(*d)] = bits(product);
                }
                Op::FmaF32 { d, a, b, c } => {
                    let (a, b) = (float(registers[index(*a)]), float(registers[index(*b)]));
                    registers[index(*d)] = bits(fused(a, b, float(registers[index(*c)])));
                }
            }
            at = at.wrapping_add(1);
        };
        *pc = at;
        // What a lane waits for or fails at is a step as well.
        let end = match outcome {
            Ok(State::Ready) => at,
            _ => at.wrapping_add(1),
        };
        self.count(start, end, steps);
        outcome
    }

    /// Notes that a lane ran from an operation to before another one, in that many steps.
    #[inline(always)]
    fn count(&mut self, start: usize, end: usize, steps: &mut u64) {
        let ran_to = &mut self.ran_to[start];
        *ran_to = end.max(*ran_to);
        *steps = steps.wrapping_sub(end.wrapping_sub(start) as u64);
    }

    /// Which operations ran so far.
    pub(crate) fn ran(&self) -> impl Iterator<Item = bool> {
        let ends = self.ran_to.iter().enumerate();
        ends.scan(0, |ran_to, (at, end)| {
            *ran_to = (*end).max(*ran_to);
            Some(at < *ran_to)
        })
    }

    #[inline(always)]
    fn load(
        &mut self,
        access: &Access,
        extend: Extend,
        registers: &mut [u64],
        at: usize,
        stamp: Stamp,
    ) -> Result<(), Cause> {
        let (address, size, length) = span(access, registers)?;
        let failed = |violation: Violation| violation.cause(access.space, address, length);
        let (bytes, shared) = self.read(access.space, address, length).map_err(failed)?;
        if access.count == 1 {
            registers[index(access.values[0])] = extended(number(bytes), size, extend);
        } else {
            for (slot, bytes) in access.values.iter().zip(bytes.chunks_exact(size)) {
                registers[index(*slot)] = extended(number(bytes), size, extend);
            }
        }
        self.note(access.space, shared, address, length, at, stamp, false)
    }

    #[inline(always)]
    fn store(
        &mut self,
        access: &Access,
        registers: &[u64],
        at: usize,
        stamp: Stamp,
    ) -> Result<(), Cause> {
        let (address, size, length) = span(access, registers)?;
        let failed = |violation: Violation| violation.cause(access.space, address, length);
        let (bytes, shared) = self.write(access.space, address, length).map_err(failed)?;
        if access.count == 1 {
            put(bytes, registers[index(access.values[0])]);
        } else {
            for (slot, bytes) in access.values.iter().zip(bytes.chunks_exact_mut(size)) {
                put(bytes, registers[index(*slot)]);
            }
        }
        self.note(access.space, shared, address, length, at, stamp, true)
    }

    /// The bytes of a load, and their position in shared memory, if they are there.
    #[inline(always)]
    fn read(
        &self,
        space: Space,
        address: u64,
        length: usize,
    ) -> Result<(&[u8], Option<u64>), Violation> {
        if space == Space::Shared {
            let bytes = self.shared.bytes(address, length, self.only_written)?;
            return Ok((bytes, Some(address)));
        }
        if space == Space::Param {
            let start = usize::try_from(address).unwrap_or(usize::MAX);
            let range = start..start.saturating_add(length);
            let bytes = self.parameters.get(range).ok_or(Violation::OutOfBounds)?;
            return Ok((bytes, None));
        }
        let bytes = match address::target(address) {
            Target::Allocation(..) if space != Space::Const => {
                self.memory.bytes(address, length)?
            }
            Target::Variable(variable, offset) => {
                let range = offset..offset.wrapping_add(length);
                let variable = self.variables.get(variable);
                variable
                    .and_then(|bytes| bytes.get(range))
                    .ok_or(Violation::OutOfBounds)?
            }
            Target::Shared(offset) if space == Space::Generic => {
                let bytes = self.shared.bytes(offset, length, self.only_written)?;
                return Ok((bytes, Some(offset)));
            }
            _ => return Err(Violation::OutOfBounds),
        };
        Ok((bytes, None))
    }

    /// The bytes of a store, and their position in shared memory, if they are there.
    #[inline(always)]
    fn write(
        &mut self,
        space: Space,
        address: u64,
        length: usize,
    ) -> Result<(&mut [u8], Option<u64>), Violation> {
        if space == Space::Shared {
            return Ok((self.shared.place(address, length)?, Some(address)));
        }
        match address::target(address) {
            Target::Allocation(..) => Ok((self.memory.place(address, length)?, None)),
            Target::Shared(offset) if space == Space::Generic => {
                Ok((self.shared.place(offset, length)?, Some(offset)))
            }
            Target::Variable(..) => Err(Violation::ReadOnly),
            _ => Err(Violation::OutOfBounds),
        }
    }

    /// Notes an access in race mode.
    #[expect(clippy::too_many_arguments, reason = "an access has this many facts")]
    #[inline(always)]
    fn note(
        &mut self,
        space: Space,
        shared: Option<u64>,
        address: u64,
        length: usize,
        at: usize,
        stamp: Stamp,
        writes: bool,
    ) -> Result<(), Cause> {
        let line = |stamp: Stamp| Stamp {
            line: self.lines.get(at).copied().unwrap_or_default(),
            ..stamp
        };
        let raced = if let Some(offset) = shared
            && let Some(races) = &mut self.shared.races
        {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            races.touch(offset, length, line(stamp), writes)
        } else if let Some(races) = &mut self.global_races
            && shared.is_none()
        {
            races.touch(address, length, line(stamp), writes)
        } else {
            return Ok(());
        };
        raced.map_err(|(place, other)| Cause::Race {
            space,
            address: address.wrapping_add(place),
            other_block: other.block,
            other_thread: other.thread,
            other_line: other.line,
        })
    }
}

/// The code up to where so many steps from an operation on end, if no jump comes before.
#[inline(always)]
fn within(code: &[Op], start: usize, steps: u64) -> &[Op] {
    let end = start.saturating_add(usize::try_from(steps).unwrap_or(usize::MAX));
    code.get(..end).unwrap_or(code)
}

#[inline(always)]
const fn index(slot: Slot) -> usize {
    slot as usize
}

/// Where an access begins, the bytes of a value of it and of all its values. It must be aligned to all of them.
#[inline(always)]
fn span(access: &Access, registers: &[u64]) -> Result<(u64, usize, usize), Cause> {
    let address = registers[index(access.address)].wrapping_add_signed(access.offset.into());
    let size = usize::from(access.size);
    let length = size.wrapping_mul(usize::from(access.count));
    if address & (length as u64).wrapping_sub(1) != 0 {
        return Err(Violation::Unaligned.cause(access.space, address, length));
    }
    Ok((address, size, length))
}

/// A loaded value as it fills its register.
#[inline(always)]
fn extended(value: u64, size: usize, extend: Extend) -> u64 {
    match extend {
        Extend::Zero => value,
        Extend::Sign(width) => {
            let unused = 64u32.wrapping_sub(8 * u32::from(u8::try_from(size).unwrap_or(8)));
            let value = (value << unused).cast_signed() >> unused;
            value.cast_unsigned() & u64::MAX >> 64u32.wrapping_sub(width.into())
        }
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a float is the lower half")]
const fn float(slot: u64) -> f32 {
    f32::from_bits(slot as u32)
}

/// The fma, without a call where the sum in f64 shows how it rounds.
///
/// The product is exact there. Every value halfway between two f32 that are normal is an f64, so the sum is on the same side
/// of it as the exact one, unless it is one itself.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the second rounding")]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    let sum = f64::from(a) * f64::from(b) + f64::from(c);
    let is_halfway = sum.to_bits() & 0x1FFF_FFFF == 0x1000_0000;
    if sum.abs() >= f64::from(f32::MIN_POSITIVE) && !is_halfway {
        sum as f32
    } else {
        a.mul_add(b, c)
    }
}

/// A result of arithmetic: a NaN is the one of a GPU.
#[inline(always)]
const fn bits(value: f32) -> u64 {
    if value.is_nan() {
        0x7FFF_FFFF
    } else {
        value.to_bits() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_fma_rounds_once() {
        // The product is 2^-24 and 2^-60, or as much smaller: just above half of the last place of what it is added to.
        let factors = |scale: i32| (4097.0, 16_773_121.0 * 2f32.powi(scale));
        let (a, b) = factors(-60);
        assert_eq!(fused(a, b, 1.0), 1.0 + f32::EPSILON);
        let (a, b) = factors(-120);
        let (a, c) = (a * 2f32.powi(-66), f32::MIN_POSITIVE / 2.0);
        assert_eq!(fused(a, b, c).to_bits(), c.to_bits() + 1);
    }

    #[test]
    fn an_fma_of_any_bits_is_the_one_of_the_cpu() {
        let mut bits = 0u32;
        let mut next = || {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(bits ^ bits >> 15)
        };
        for _ in 0..200_000 {
            let (a, b, c) = (next(), next(), next());
            for c in [c, -a * b, a * b, 0.0, -0.0] {
                let (found, expected) = (fused(a, b, c), a.mul_add(b, c));
                assert!(
                    found.to_bits() == expected.to_bits() || expected.is_nan() && found.is_nan()
                );
            }
        }
    }
}
