//! Executes PTX on a CPU, thread by thread, to test kernels without a GPU.
//!
//! [`Module::parse`] reads the text that a compiler wrote (ISA 8.0, the subset that NVRTC emits for compute_61 without
//! contraction); [`Module::launch`] runs a kernel over a [`Memory`]. An opcode that is not covered is an error of the
//! parser, never a guess, and so is arithmetic whose rounding the text leaves open.
//!
//! Every thread of a block is a lane with its own program counter. A lane runs until it waits at a barrier or for its
//! warp; a [`Schedule`] decides who runs first, so that an order which only happens to work is found. Shared memory is
//! poisoned at the start of each block. What a GPU would do silently is a [`Fault`] here: access out of bounds, not
//! aligned or to unwritten bytes, a barrier that some threads do not reach, a shuffle from a lane that takes no
//! part, and with [`Options::races`] two threads at one address without a barrier in between.
//!
//! Arithmetic is IEEE with round to nearest, subnormals are kept, and a NaN result has the bits of a GPU (0x7fffffff).
//!
//! Not modelled: the order in which writes become visible between blocks, timing, occupancy, bank conflicts, and what an
//! assembler makes of the text.
#![forbid(unsafe_code)]

mod accesses;
mod address;
mod block;
mod body;
mod error;
mod fault;
mod functions;
mod instruction;
mod instructions;
mod lane;
mod launch;
mod memory;
mod module;
mod operands;
mod race;
mod shared;
mod tokens;
mod variable;
mod warp;

pub use error::Error;
pub use fault::{Cause, Fault, Place, Space};
pub use launch::{Argument, Options, Schedule, Summary};
pub use memory::Memory;
pub use module::{Module, Parameter};
