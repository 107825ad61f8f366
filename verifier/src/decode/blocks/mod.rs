//! What the bytes of a block mean: values, elements of a byte, scales that must be finite.

mod decode;
mod elements;
mod finite;
mod grid_points;
mod grids;
mod low_bits;
mod scales;

pub use decode::{can_decode, decode};
pub use elements::element_of;
pub use finite::{NotFinite, first_not_finite};
