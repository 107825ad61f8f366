//! Likely causes of damage: hints beside a finding that never change the verdict.
//!
//! Each signature looks at the differing bytes, or reads a few more around them.

mod file;
mod order;
mod tensor;

pub(crate) use file::text_mode;
pub(crate) use tensor::{Search, fine_place, of_tensor, with_bytes};
