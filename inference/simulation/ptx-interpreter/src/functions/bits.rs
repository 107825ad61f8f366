//! Logic, shifts, counts and permutations of bits, and logic of predicates.

use super::{
    Function, Operation,
    number::{Float, Integer},
    one, three, two,
};

/// The instruction with this spelling.
pub(super) fn operation(opcode: &str) -> Option<Operation> {
    let (name, kind) = opcode.rsplit_once('.')?;
    match kind {
        "pred" => logic::<u8>(name, 1),
        "b16" => logic::<u16>(name, 16).or_else(|| shifts::<u16>(name)),
        "b32" => logic::<u32>(name, 32)
            .or_else(|| shifts::<u32>(name))
            .or_else(|| words(name)),
        "b64" => logic::<u64>(name, 64)
            .or_else(|| shifts::<u64>(name))
            .or_else(|| long_words(name)),
        "u32" | "s32" | "u64" | "s64" => most_significant(opcode),
        _ => None,
    }
    .or_else(|| chosen_by_sign(opcode))
}

fn logic<I: Integer>(name: &str, bits: u32) -> Option<Operation> {
    Some(match (name, bits) {
        ("and", _) => two(bits, [bits; 2], |a, b| I::get(a & b).put()),
        ("or", _) => two(bits, [bits; 2], |a, b| I::get(a | b).put()),
        ("xor", _) => two(bits, [bits; 2], |a, b| I::get(a ^ b).put()),
        ("not", 1) => one(1, 1, |a| !a & 1),
        ("not", _) => one(bits, bits, |a| I::get(!a).put()),
        _ => return None,
    })
}

/// Shifts beyond the width leave 0.
fn shifts<I: Integer>(name: &str) -> Option<Operation> {
    Some(match name {
        "shl" => two(I::BITS, [I::BITS, 32], |a, b| {
            I::get(a.checked_shl(u32::get(b)).unwrap_or(0)).put()
        }),
        "shr" => two(I::BITS, [I::BITS, 32], |a, b| {
            I::get(a).put().checked_shr(u32::get(b)).unwrap_or(0)
        }),
        _ => return None,
    })
}

fn words(name: &str) -> Option<Operation> {
    Some(match name {
        "popc" => one(32, 32, |a| u32::get(a).count_ones().into()),
        "clz" => one(32, 32, |a| u32::get(a).leading_zeros().into()),
        "brev" => one(32, 32, |a| u32::get(a).reverse_bits().into()),
        "bfi" => four([32; 4], insert::<u32>),
        "lop3" => four([32; 4], lookup),
        "prmt" => three(32, [32; 3], permute),
        "shf.l.wrap" => three(32, [32; 3], |a, b, c| joined(a, b) << (c & 31) >> 32),
        "shf.r.wrap" => three(32, [32; 3], |a, b, c| {
            u32::get(joined(a, b) >> (c & 31)).into()
        }),
        "shf.l.clamp" => three(32, [32; 3], |a, b, c| {
            joined(a, b) << u32::get(c).min(32) >> 32
        }),
        "shf.r.clamp" => three(32, [32; 3], |a, b, c| {
            u32::get(joined(a, b) >> u32::get(c).min(32)).into()
        }),
        _ => return None,
    })
}

fn long_words(name: &str) -> Option<Operation> {
    Some(match name {
        "popc" => one(32, 64, |a| a.count_ones().into()),
        "clz" => one(32, 64, |a| a.leading_zeros().into()),
        "brev" => one(64, 64, u64::reverse_bits),
        "bfi" => four([64, 64, 32, 32], insert::<u64>),
        _ => return None,
    })
}

/// The place of the highest bit that is not the sign, or all ones.
fn most_significant(opcode: &str) -> Option<Operation> {
    Some(match opcode {
        "bfind.u32" => one(32, 32, |a| place(u32::get(a).into())),
        "bfind.u64" => one(32, 64, place),
        "bfind.s32" => one(32, 32, |a| {
            let a = u32::get(a);
            place(u32::into(if a >> 31 == 1 { !a } else { a }))
        }),
        "bfind.s64" => one(32, 64, |a| place(if a >> 63 == 1 { !a } else { a })),
        _ => return None,
    })
}

/// The first operand where the third is not negative, else the second.
fn chosen_by_sign(opcode: &str) -> Option<Operation> {
    let (kinds, kind) = opcode.rsplit_once('.')?;
    let bits = match kinds.strip_prefix("slct.")? {
        "b16" | "u16" | "s16" => 16,
        "b32" | "u32" | "s32" | "f32" => 32,
        "b64" | "u64" | "s64" | "f64" => 64,
        _ => return None,
    };
    Some(match kind {
        "s32" => three(
            bits,
            [bits, bits, 32],
            |a, b, c| {
                if i32::get(c) >= 0 { a } else { b }
            },
        ),
        "f32" => three(bits, [bits, bits, 32], |a, b, c| {
            if f32::get(c) >= 0.0 { a } else { b }
        }),
        _ => return None,
    })
}

/// b above a.
const fn joined(a: u64, b: u64) -> u64 {
    b << 32 | a & 0xFFFF_FFFF
}

fn place(a: u64) -> u64 {
    a.checked_ilog2().unwrap_or(u32::MAX).into()
}

/// a in the place of the bits of b at position c, length d.
fn insert<I: Integer>(a: u64, b: u64, c: u64, d: u64) -> u64 {
    let (position, length) = (u32::from(u8::get(c)), u32::from(u8::get(d)));
    let ones = 1u64.checked_shl(length).map_or(u64::MAX, |bit| bit - 1);
    let mask = ones.checked_shl(position).unwrap_or(0);
    let moved = a.checked_shl(position).unwrap_or(0);
    I::get(b & !mask | moved & mask).put()
}

/// For each bit the entry of the table d that the bits of a, b and c choose.
fn lookup(a: u64, b: u64, c: u64, d: u64) -> u64 {
    let entry = |index: u64| {
        let term = |x: u64, bit: u64| if index >> bit & 1 == 1 { x } else { !x };
        if d >> index & 1 == 1 {
            term(a, 2) & term(b, 1) & term(c, 0)
        } else {
            0
        }
    };
    u32::get((0..8).map(entry).fold(0, |all, one| all | one)).into()
}

/// Four bytes of the eight in a and b, chosen by the nibbles of c; the top bit of a nibble asks for copies of the sign.
fn permute(a: u64, b: u64, c: u64) -> u64 {
    let bytes = joined(a, b).to_le_bytes();
    let chosen = [0, 4, 8, 12].map(|shift| {
        let byte = bytes
            .into_iter()
            .nth(usize::from(u8::get(c >> shift & 7)))
            .unwrap_or_default();
        match c >> shift & 8 {
            0 => byte,
            _ if byte < 0x80 => 0,
            _ => 0xFF,
        }
    });
    u32::from_le_bytes(chosen).into()
}

const fn four(operands: [u32; 4], f: fn(u64, u64, u64, u64) -> u64) -> Operation {
    Operation::new(Function::Four(f), operands[0], operands)
}
