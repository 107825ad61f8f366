//! Arithmetic of floats: only forms whose rounding the text fixes.
#![expect(
    clippy::float_cmp,
    reason = "zeros of both signs are told apart after they compared equal"
)]

use super::{Operation, number::Float, one, three, two};

/// The instruction with this spelling.
///
/// Plain `add.f32`, `sub.f32` and `mul.f32` are not among them: an assembler may fuse these.
pub(super) fn operation(opcode: &str) -> Option<Operation> {
    let (name, kind) = opcode.rsplit_once('.')?;
    let operation = match kind {
        "f32" => single(name)?,
        "f64" => double(name)?,
        _ => return None,
    };
    Some(Operation {
        floats: true,
        ..operation
    })
}

macro_rules! floats {
    ($function:ident, $float:ident) => {
        fn $function(name: &str) -> Option<Operation> {
            const BITS: u32 = <$float as Float>::BITS;
            Some(match name {
                "add.rn" => two(BITS, [BITS; 2], |a, b| {
                    ($float::get(a) + $float::get(b)).put()
                }),
                "sub.rn" => two(BITS, [BITS; 2], |a, b| {
                    ($float::get(a) - $float::get(b)).put()
                }),
                "mul.rn" => two(BITS, [BITS; 2], |a, b| {
                    ($float::get(a) * $float::get(b)).put()
                }),
                "div.rn" => two(BITS, [BITS; 2], |a, b| {
                    ($float::get(a) / $float::get(b)).put()
                }),
                "fma.rn" => three(BITS, [BITS; 3], |a, b, c| {
                    $float::get(a).mul_add($float::get(b), $float::get(c)).put()
                }),
                "rcp.rn" => one(BITS, BITS, |a| (1.0 / $float::get(a)).put()),
                "sqrt.rn" => one(BITS, BITS, |a| $float::get(a).sqrt().put()),
                "neg" => one(BITS, BITS, |a| (-$float::get(a)).put()),
                "abs" => one(BITS, BITS, |a| $float::get(a).abs().put()),
                "min" => two(BITS, [BITS; 2], |a, b| {
                    let (a, b) = ($float::get(a), $float::get(b));
                    let first = a < b || b.is_nan() || a == b && a.is_sign_negative();
                    if first { a.put() } else { b.put() }
                }),
                "max" => two(BITS, [BITS; 2], |a, b| {
                    let (a, b) = ($float::get(a), $float::get(b));
                    let first = a > b || b.is_nan() || a == b && a.is_sign_positive();
                    if first { a.put() } else { b.put() }
                }),
                _ => return None,
            })
        }
    };
}

floats!(single, f32);
floats!(double, f64);
