//! Comparisons: 1 where it holds, else 0.

use super::number::{Float, Integer};

/// A comparison and the bits of its operands.
pub(crate) struct Comparison {
    pub(crate) holds: fn(u64, u64) -> u64,
    pub(crate) bits: u32,
    pub(crate) floats: bool,
}

/// The comparison with this name for a type.
pub(crate) fn comparison(name: &str, kind: &str) -> Option<Comparison> {
    let (holds, floats) = match kind {
        "b16" => (same::<u16>(name)?, false),
        "b32" => (same::<u32>(name)?, false),
        "b64" => (same::<u64>(name)?, false),
        "u16" => (unsigned::<u16>(name)?, false),
        "u32" => (unsigned::<u32>(name)?, false),
        "u64" => (unsigned::<u64>(name)?, false),
        "s16" => (ordered::<i16>(name)?, false),
        "s32" => (ordered::<i32>(name)?, false),
        "s64" => (ordered::<i64>(name)?, false),
        "f32" => (float::<f32>(name)?, true),
        "f64" => (float::<f64>(name)?, true),
        _ => return None,
    };
    let bits = kind.get(1..)?.parse().ok()?;
    Some(Comparison {
        holds,
        bits,
        floats,
    })
}

fn same<I: Integer>(name: &str) -> Option<fn(u64, u64) -> u64> {
    Some(match name {
        "eq" => |a, b| u64::from(I::get(a).wide() == I::get(b).wide()),
        "ne" => |a, b| u64::from(I::get(a).wide() != I::get(b).wide()),
        _ => return None,
    })
}

fn ordered<I: Integer>(name: &str) -> Option<fn(u64, u64) -> u64> {
    Some(match name {
        "lt" => |a, b| u64::from(I::get(a).wide() < I::get(b).wide()),
        "le" => |a, b| u64::from(I::get(a).wide() <= I::get(b).wide()),
        "gt" => |a, b| u64::from(I::get(a).wide() > I::get(b).wide()),
        "ge" => |a, b| u64::from(I::get(a).wide() >= I::get(b).wide()),
        _ => return same::<I>(name),
    })
}

/// Unsigned numbers have a second set of names.
fn unsigned<I: Integer>(name: &str) -> Option<fn(u64, u64) -> u64> {
    ordered::<I>(match name {
        "lo" => "lt",
        "ls" => "le",
        "hi" => "gt",
        "hs" => "ge",
        _ => name,
    })
}

/// A plain comparison with a NaN does not hold, one that ends in u does.
fn float<F: Float>(name: &str) -> Option<fn(u64, u64) -> u64> {
    Some(match name {
        "eq" => |a, b| u64::from(F::get(a) == F::get(b)),
        "ne" => |a, b| u64::from(F::get(a) < F::get(b) || F::get(a) > F::get(b)),
        "lt" => |a, b| u64::from(F::get(a) < F::get(b)),
        "le" => |a, b| u64::from(F::get(a) <= F::get(b)),
        "gt" => |a, b| u64::from(F::get(a) > F::get(b)),
        "ge" => |a, b| u64::from(F::get(a) >= F::get(b)),
        "equ" => |a, b| u64::from(F::get(a) == F::get(b) || unordered::<F>(a, b)),
        "neu" => |a, b| u64::from(F::get(a) != F::get(b)),
        "ltu" => |a, b| u64::from(F::get(a) < F::get(b) || unordered::<F>(a, b)),
        "leu" => |a, b| u64::from(F::get(a) <= F::get(b) || unordered::<F>(a, b)),
        "gtu" => |a, b| u64::from(F::get(a) > F::get(b) || unordered::<F>(a, b)),
        "geu" => |a, b| u64::from(F::get(a) >= F::get(b) || unordered::<F>(a, b)),
        "num" => |a, b| u64::from(!unordered::<F>(a, b)),
        "nan" => |a, b| u64::from(unordered::<F>(a, b)),
        _ => return None,
    })
}

fn unordered<F: Float>(a: u64, b: u64) -> bool {
    F::get(a).partial_cmp(&F::get(b)).is_none()
}
