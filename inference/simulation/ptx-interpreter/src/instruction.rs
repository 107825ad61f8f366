//! The decoded form of a kernel: a flat list of small operations over the slots of a lane.
//!
//! Registers, constants, addresses of variables and special registers are all in slots of 64 bits, so an operand is a
//! slot number and nothing else. Who reads a slot takes the bits of its own type; who writes one leaves the upper bits 0.

use crate::fault::Space;

/// A place in the registers of a lane.
pub(crate) type Slot = u16;

/// One step of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Move {
        d: Slot,
        a: Slot,
    },
    One {
        f: fn(u64) -> u64,
        d: Slot,
        a: Slot,
    },
    Two {
        f: fn(u64, u64) -> u64,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Three {
        f: fn(u64, u64, u64) -> u64,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Four {
        f: fn(u64, u64, u64, u64) -> u64,
        d: Slot,
        operands: [Slot; 4],
    },
    /// A division of integers: nothing comes of a division by zero.
    Divide {
        f: fn(u64, u64) -> Option<u64>,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Select {
        d: Slot,
        a: Slot,
        b: Slot,
        predicate: Slot,
    },
    Jump {
        target: u32,
    },
    /// Jumps where the predicate is `when`.
    JumpIf {
        predicate: Slot,
        when: bool,
        target: u32,
    },
    Load {
        access: Access,
        extend: Extend,
    },
    Store {
        access: Access,
    },
    /// Waits for all threads of the block.
    Barrier,
    /// Waits for the lanes of a warp that take part.
    Warp {
        warp: WarpOp,
        mask: Slot,
    },
    /// The lanes of the warp that have not left.
    ActiveMask {
        d: Slot,
    },
    Exit,
    // The most frequent ones once more, without a call.
    Add32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    Add64 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    AddF32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    MulF32 {
        d: Slot,
        a: Slot,
        b: Slot,
    },
    FmaF32 {
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
}

/// Where and what a load reads or a store writes: one to four values in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) space: Space,
    /// Bytes of a value: 1, 2, 4 or 8.
    pub(crate) size: u8,
    pub(crate) count: u8,
    pub(crate) values: [Slot; 4],
    pub(crate) address: Slot,
    pub(crate) offset: i32,
}

/// How a loaded value fills its register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extend {
    Zero,
    /// With its sign, to this many bits.
    Sign(u8),
}

/// What the lanes of a warp do together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WarpOp {
    Shuffle {
        mode: Shuffle,
        d: Slot,
        /// Whether the source was in range; the scratch slot when unused.
        in_range: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Vote {
        mode: Vote,
        d: Slot,
        predicate: Slot,
        when: bool,
    },
    Synchronise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

/// What a slot holds for the whole run of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Special {
    Thread(u8),
    ThreadCount(u8),
    Block(u8),
    BlockCount(u8),
    Lane,
    Warp,
}
