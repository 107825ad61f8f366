//! The arithmetic of the instructions: tables from the spelling of an opcode to a function over slots.

mod bits;
mod compare;
mod convert;
mod float;
mod half;
mod integer;
mod number;

pub(crate) use compare::comparison;
pub(crate) use convert::conversion;

/// A function over slots.
#[derive(Clone, Copy)]
pub(crate) enum Function {
    One(fn(u64) -> u64),
    Two(fn(u64, u64) -> u64),
    Three(fn(u64, u64, u64) -> u64),
    Four(fn(u64, u64, u64, u64) -> u64),
    Divide(fn(u64, u64) -> Option<u64>),
}

/// An instruction without state: a function, and the bits of its operands.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) function: Function,
    /// Bits of the result; 1 is a predicate.
    pub(crate) result: u32,
    /// Bits of the operands, as many as the function takes.
    pub(crate) operands: [u32; 4],
    /// Whether the operands are floats, so that constants are read as such.
    pub(crate) floats: bool,
}

/// The instruction with this spelling.
pub(crate) fn operation(opcode: &str) -> Option<Operation> {
    bits::operation(opcode)
        .or_else(|| integer::operation(opcode))
        .or_else(|| float::operation(opcode))
}

impl Operation {
    const fn new(function: Function, result: u32, operands: [u32; 4]) -> Self {
        Self {
            function,
            result,
            operands,
            floats: false,
        }
    }
}

/// An instruction of one operand.
const fn one(result: u32, a: u32, f: fn(u64) -> u64) -> Operation {
    Operation::new(Function::One(f), result, [a, 0, 0, 0])
}

/// An instruction of two operands.
const fn two(result: u32, [a, b]: [u32; 2], f: fn(u64, u64) -> u64) -> Operation {
    Operation::new(Function::Two(f), result, [a, b, 0, 0])
}

/// An instruction of three operands.
const fn three(result: u32, [a, b, c]: [u32; 3], f: fn(u64, u64, u64) -> u64) -> Operation {
    Operation::new(Function::Three(f), result, [a, b, c, 0])
}
