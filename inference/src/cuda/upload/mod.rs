//! The way of the weights: cut into panels, read ahead from both files into pinned memory, digested as they arrived.

pub(crate) mod panel;
pub(crate) mod reader;
pub(crate) mod ring;
pub(crate) mod tree;
pub(crate) mod weights;
