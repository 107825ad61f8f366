//! Arithmetic of whole numbers.

use super::{Function, Operation, number::Integer, one, three, two};

/// The instruction with this spelling.
pub(super) fn operation(opcode: &str) -> Option<Operation> {
    let (name, kind) = opcode.rsplit_once('.')?;
    match kind {
        "u16" => unsigned::<u16>(name),
        "u32" => dot(opcode).or_else(|| unsigned::<u32>(name)),
        "u64" => unsigned::<u64>(name),
        "s16" => signed::<i16>(name),
        "s32" => dot(opcode).or_else(|| signed::<i32>(name)),
        "s64" => signed::<i64>(name),
        _ => None,
    }
}

fn unsigned<I: Integer>(name: &str) -> Option<Operation> {
    arithmetic::<I>(name)
}

fn signed<I: Integer>(name: &str) -> Option<Operation> {
    let bits = I::BITS;
    Some(match name {
        "abs" => one(bits, bits, |a| {
            I::cut(I::get(a).wide().wrapping_abs()).put()
        }),
        "neg" => one(bits, bits, |a| {
            I::cut(I::get(a).wide().wrapping_neg()).put()
        }),
        _ => return arithmetic::<I>(name),
    })
}

/// What signed and unsigned numbers have in common: exact in 128 bits, then cut.
fn arithmetic<I: Integer>(name: &str) -> Option<Operation> {
    let bits = I::BITS;
    let twice = bits.saturating_mul(2);
    Some(match name {
        "add" => two(bits, [bits; 2], |a, b| {
            I::cut(I::get(a).wide().wrapping_add(I::get(b).wide())).put()
        }),
        "sub" => two(bits, [bits; 2], |a, b| {
            I::cut(I::get(a).wide().wrapping_sub(I::get(b).wide())).put()
        }),
        "mul.lo" => two(bits, [bits; 2], |a, b| I::cut(product::<I>(a, b)).put()),
        "mul.hi" => two(bits, [bits; 2], |a, b| {
            I::cut(product::<I>(a, b) >> I::BITS).put()
        }),
        "mul.wide" if bits < 64 => two(twice, [bits; 2], |a, b| wide::<I>(product::<I>(a, b))),
        "mad.lo" => three(bits, [bits; 3], |a, b, c| {
            I::cut(product::<I>(a, b).wrapping_add(I::get(c).wide())).put()
        }),
        "mad.hi" => three(bits, [bits; 3], |a, b, c| {
            I::cut((product::<I>(a, b) >> I::BITS).wrapping_add(I::get(c).wide())).put()
        }),
        "mad.wide" if bits < 64 => three(twice, [bits, bits, twice], |a, b, c| {
            let addend = u64::get(c).wide();
            wide::<I>(product::<I>(a, b).wrapping_add(addend))
        }),
        "min" => two(bits, [bits; 2], |a, b| {
            I::cut(I::get(a).wide().min(I::get(b).wide())).put()
        }),
        "max" => two(bits, [bits; 2], |a, b| {
            I::cut(I::get(a).wide().max(I::get(b).wide())).put()
        }),
        "div" => divide(bits, |a, b| {
            let quotient = I::get(a).wide().checked_div(I::get(b).wide())?;
            Some(I::cut(quotient).put())
        }),
        "rem" => divide(bits, |a, b| {
            let remainder = I::get(a).wide().checked_rem(I::get(b).wide())?;
            Some(I::cut(remainder).put())
        }),
        "shr" => two(bits, [bits, 32], |a, b| {
            // Beyond the width only copies of the sign are left.
            let amount = u32::get(b).min(I::BITS);
            I::cut(I::get(a).wide() >> amount).put()
        }),
        "bfe" if bits >= 32 => three(bits, [bits, 32, 32], extract::<I>),
        _ => return None,
    })
}

/// Sums of four products of bytes.
fn dot(opcode: &str) -> Option<Operation> {
    Some(match opcode {
        "dp4a.u32.u32" => three(32, [32; 3], sum::<u8, u8, u32>),
        "dp4a.s32.s32" => three(32, [32; 3], sum::<i8, i8, i32>),
        "dp4a.u32.s32" => three(32, [32; 3], sum::<u8, i8, i32>),
        "dp4a.s32.u32" => three(32, [32; 3], sum::<i8, u8, i32>),
        _ => return None,
    })
}

fn sum<A: Integer, B: Integer, C: Integer>(a: u64, b: u64, c: u64) -> u64 {
    let product = |shift: u32| {
        let a = A::get(a >> shift).wide();
        a.wrapping_mul(B::get(b >> shift).wide())
    };
    let products = [0, 8, 16, 24]
        .into_iter()
        .map(product)
        .fold(0, i128::wrapping_add);
    C::cut(products.wrapping_add(C::get(c).wide())).put()
}

#[inline(always)]
fn product<I: Integer>(a: u64, b: u64) -> i128 {
    // Two numbers of 64 bits may wrap the sign of 128 bits, never the bits that are taken of it.
    I::get(a).wide().wrapping_mul(I::get(b).wide())
}

/// A result of twice the bits, in a slot.
#[inline(always)]
fn wide<I: Integer>(value: i128) -> u64 {
    match I::BITS {
        16 => u32::cut(value).put(),
        _ => u64::cut(value).put(),
    }
}

/// A field of bits at position b with length c; a signed one is filled with its top bit.
fn extract<I: Integer>(a: u64, b: u64, c: u64) -> u64 {
    let (position, length) = (u32::from(u8::get(b)), u32::from(u8::get(c)));
    let is_signed = I::cut(-1).wide() < 0;
    if length == 0 {
        return 0;
    }
    let bits = u64::cut(I::get(a).wide());
    let bits = if I::BITS == 32 {
        u64::from(u32::get(bits))
    } else {
        bits
    };
    let top = position
        .saturating_add(length)
        .saturating_sub(1)
        .min(I::BITS.saturating_sub(1));
    let fill = is_signed && bits >> top & 1 == 1;
    let field = bits.checked_shr(position).unwrap_or(0);
    let mask = 1u64
        .checked_shl(length)
        .map_or(u64::MAX, |bit| bit.wrapping_sub(1));
    // What lies above the register counts as the top bit too.
    let kept = I::BITS.saturating_sub(position).min(length);
    let inside = 1u64
        .checked_shl(kept)
        .map_or(u64::MAX, |bit| bit.wrapping_sub(1));
    let field = field & mask & inside;
    let field = if fill { field | !inside } else { field };
    I::get(field).put()
}

const fn divide(bits: u32, f: fn(u64, u64) -> Option<u64>) -> Operation {
    Operation::new(Function::Divide(f), bits, [bits, bits, 0, 0])
}
