//! Faults of a running kernel.

use std::fmt;

/// A launch that did not end well: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kernel that was launched.
    pub kernel: String,
    /// Where it stopped; nothing when the launch itself was refused.
    pub place: Option<Place>,
    /// Why.
    pub cause: Cause,
}

/// A thread at a line of the PTX text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line of the PTX text, counted from 1.
    pub line: u32,
    /// Index of the block in the grid.
    pub block: [u32; 3],
    /// Index of the thread in the block.
    pub thread: [u32; 3],
}

/// A kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Allocations and variables of the module.
    Global,
    /// Memory of a block.
    Shared,
    /// Constants of the module.
    Const,
    /// Parameters of a kernel.
    Param,
    /// Global or shared, told by the address.
    Generic,
}

/// Why a launch did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The module has no such kernel.
    #[error("there is no such kernel")]
    NoKernel,
    /// The number of arguments is not that of the parameters.
    #[error("{found} arguments for {expected} parameters")]
    ArgumentCount {
        /// Parameters in the PTX text.
        expected: usize,
        /// Arguments given.
        found: usize,
    },
    /// An argument is not what its parameter declares.
    #[error("argument {index} is {found}, the parameter is {expected}")]
    Argument {
        /// Counted from 0.
        index: usize,
        /// As declared.
        expected: String,
        /// As given.
        found: String,
    },
    /// A grid or block that no GPU takes, or too much shared memory.
    #[error("{what} is {found}, at most {most} and not 0")]
    Size {
        /// What has the size.
        what: &'static str,
        /// As given.
        found: u64,
        /// The limit.
        most: u64,
    },
    /// An address outside every allocation, or across the end of one.
    #[error("{size} bytes at {space} address {address:#x} are out of bounds")]
    OutOfBounds {
        /// The memory.
        space: Space,
        /// The first byte.
        address: u64,
        /// Bytes.
        size: u32,
    },
    /// An address that is not a multiple of the size.
    #[error("{size} bytes at {space} address {address:#x} are not aligned")]
    Unaligned {
        /// The memory.
        space: Space,
        /// The first byte.
        address: u64,
        /// Bytes.
        size: u32,
    },
    /// A read of bytes that were never written.
    #[error("{size} bytes at {space} address {address:#x} are read before they are written")]
    Uninitialised {
        /// The memory.
        space: Space,
        /// The first byte.
        address: u64,
        /// Bytes.
        size: u32,
    },
    /// A write to memory that may only be read.
    #[error("{size} bytes at {space} address {address:#x} may only be read")]
    ReadOnly {
        /// The memory.
        space: Space,
        /// The first byte.
        address: u64,
        /// Bytes.
        size: u32,
    },
    /// An integer divided by zero, which gives anything on a GPU.
    #[error("an integer is divided by zero")]
    DivisionByZero,
    /// Threads wait at a barrier that others do not reach.
    #[error(
        "{waiting} of {live} threads wait at this barrier; thread {other:?} waits at line {other_line}"
    )]
    Barrier {
        /// Threads at the barrier.
        waiting: usize,
        /// Threads of the block that have not left.
        live: usize,
        /// A thread that is somewhere else.
        other: [u32; 3],
        /// Where it waits.
        other_line: u32,
    },
    /// A lane waits for a lane of its warp that does not come.
    #[error("the mask {mask:#010x} names lane {lane}, which is not there")]
    Mask {
        /// The lanes that take part.
        mask: u32,
        /// The one that does not come, or does not name itself.
        lane: u32,
    },
    /// A shuffle that reads a lane which takes no part.
    #[error("the shuffle reads lane {lane}, which takes no part")]
    ShuffleSource {
        /// The lane that is read.
        lane: u32,
    },
    /// Two threads at one address without a barrier in between, and one of them writes.
    #[error(
        "a race at {space} address {address:#x} with block {other_block}, thread {other_thread} at line {other_line}"
    )]
    Race {
        /// The memory.
        space: Space,
        /// The byte.
        address: u64,
        /// Number of the other block, x fastest.
        other_block: u32,
        /// Number of the other thread in its block, x fastest.
        other_thread: u32,
        /// Line of the other access.
        other_line: u32,
    },
    /// More steps than the options allow: probably a loop without an end.
    #[error("the launch took {limit} steps without an end")]
    Steps {
        /// The limit of the options.
        limit: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}", self.kernel)?;
        if let Some(place) = self.place {
            let Place {
                line,
                block,
                thread,
            } = place;
            write!(f, ", line {line}, block {block:?}, thread {thread:?}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Shared => "shared",
            Self::Const => "const",
            Self::Param => "param",
            Self::Generic => "generic",
        })
    }
}
