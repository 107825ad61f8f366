//! Arithmetic of whole numbers.

use crate::support::{WORDS, agrees, apply};

#[test]
fn words_wrap_as_in_rust() {
    let two = |opcode: &str, f: fn(u32, u32) -> u32| {
        agrees(opcode, "r", &["r", "r"], &WORDS, |x| {
            f(x[0] as u32, x[1] as u32).into()
        });
    };
    two("add.s32", u32::wrapping_add);
    two("add.u32", u32::wrapping_add);
    two("sub.s32", u32::wrapping_sub);
    two("mul.lo.s32", u32::wrapping_mul);
    two("mul.lo.u32", u32::wrapping_mul);
    two("mul.hi.u32", |a, b| {
        ((u64::from(a) * u64::from(b)) >> 32) as u32
    });
    two("mul.hi.s32", |a, b| {
        ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32
    });
    two("min.u32", u32::min);
    two("max.u32", u32::max);
    two("min.s32", |a, b| (a as i32).min(b as i32) as u32);
    two("max.s32", |a, b| (a as i32).max(b as i32) as u32);
    agrees("neg.s32", "r", &["r"], &WORDS, |x| {
        (x[0] as u32).wrapping_neg().into()
    });
    agrees("abs.s32", "r", &["r"], &WORDS, |x| {
        (x[0] as i32).wrapping_abs() as u32 as u64
    });
}

#[test]
fn products_have_twice_the_bits_where_asked_for() {
    agrees("mul.wide.s32", "rd", &["r", "r"], &WORDS, |x| {
        (i64::from(x[0] as i32) * i64::from(x[1] as i32)) as u64
    });
    agrees("mul.wide.u32", "rd", &["r", "r"], &WORDS, |x| x[0] * x[1]);
    agrees("mul.wide.s16", "r", &["rs", "rs"], &WORDS, |x| {
        (i32::from(x[0] as i16) * i32::from(x[1] as i16)) as u32 as u64
    });
    agrees("mul.wide.u16", "r", &["rs", "rs"], &WORDS, |x| {
        u64::from(x[0] as u16) * u64::from(x[1] as u16)
    });
    agrees("mad.lo.s32", "r", &["r", "r", "r"], &WORDS, |x| {
        u64::from(
            (x[0] as u32)
                .wrapping_mul(x[1] as u32)
                .wrapping_add(x[2] as u32),
        )
    });
    agrees("mad.wide.s32", "rd", &["r", "r", "rd"], &WORDS, |x| {
        (i64::from(x[0] as i32) * i64::from(x[1] as i32)).wrapping_add(x[2] as i64) as u64
    });
    agrees("mad.wide.u32", "rd", &["r", "r", "rd"], &WORDS, |x| {
        (x[0] * x[1]).wrapping_add(x[2])
    });
    agrees("mad.hi.u32", "r", &["r", "r", "r"], &WORDS, |x| {
        u64::from((((x[0] * x[1]) >> 32) as u32).wrapping_add(x[2] as u32))
    });
}

#[test]
fn long_words_and_short_ones_wrap_as_well() {
    let long = WORDS.map(|word| word << 31 | word);
    let two = |opcode: &str, f: fn(u64, u64) -> u64| {
        agrees(opcode, "rd", &["rd", "rd"], &long, |x| f(x[0], x[1]));
    };
    two("add.s64", u64::wrapping_add);
    two("sub.s64", u64::wrapping_sub);
    two("mul.lo.s64", u64::wrapping_mul);
    two("mul.hi.u64", |a, b| {
        ((u128::from(a) * u128::from(b)) >> 64) as u64
    });
    two("mul.hi.s64", |a, b| {
        ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64
    });
    two("min.s64", |a, b| (a as i64).min(b as i64) as u64);
    two("max.u64", u64::max);
    agrees("mad.lo.s64", "rd", &["rd", "rd", "rd"], &long, |x| {
        x[0].wrapping_mul(x[1]).wrapping_add(x[2])
    });
    agrees("neg.s64", "rd", &["rd"], &long, |x| x[0].wrapping_neg());
    agrees("add.s16", "rs", &["rs", "rs"], &WORDS, |x| {
        (x[0] as u16).wrapping_add(x[1] as u16).into()
    });
    agrees("mul.lo.s16", "rs", &["rs", "rs"], &WORDS, |x| {
        (x[0] as u16).wrapping_mul(x[1] as u16).into()
    });
    agrees("sub.u16", "rs", &["rs", "rs"], &WORDS, |x| {
        (x[0] as u16).wrapping_sub(x[1] as u16).into()
    });
}

#[test]
fn divisions_truncate() {
    let divisors = WORDS.map(|word| word | 1);
    let rows = |values: [u64; 14]| -> Vec<Vec<u64>> {
        values
            .iter()
            .flat_map(|a| divisors.iter().map(|b| vec![*a, *b]))
            .collect()
    };
    let check = |opcode: &str, class: &str, values: [u64; 14], f: fn(u64, u64) -> u64| {
        let rows = rows(values);
        for (row, found) in rows
            .iter()
            .zip(apply(opcode, class, &[class, class], &rows))
        {
            assert_eq!(found, f(row[0], row[1]), "{opcode} {row:x?}");
        }
    };
    check("div.u32", "r", WORDS, |a, b| a / b);
    check("rem.u32", "r", WORDS, |a, b| a % b);
    check("div.s32", "r", WORDS, |a, b| {
        (a as i32).wrapping_div(b as i32) as u32 as u64
    });
    check("rem.s32", "r", WORDS, |a, b| {
        (a as i32).wrapping_rem(b as i32) as u32 as u64
    });
    let long = WORDS.map(|word| word << 31 | word);
    check("div.u64", "rd", long, |a, b| a / b);
    check("rem.u64", "rd", long, |a, b| a % b);
    check("div.s64", "rd", long, |a, b| {
        (a as i64).wrapping_div(b as i64) as u64
    });
    check("rem.s64", "rd", long, |a, b| {
        (a as i64).wrapping_rem(b as i64) as u64
    });
}

#[test]
fn dp4a_adds_four_products_of_bytes() {
    let bytes = |x: u64| (x as u32).to_le_bytes().map(i64::from);
    let signed = |x: u64| (x as u32).to_le_bytes().map(|byte| i64::from(byte as i8));
    let dot = |a: [i64; 4], b: [i64; 4], c: u64| {
        let sum: i64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        u64::from((sum as u32).wrapping_add(c as u32))
    };
    let operands = ["r", "r", "r"];
    agrees("dp4a.s32.s32", "r", &operands, &WORDS, |x| {
        dot(signed(x[0]), signed(x[1]), x[2])
    });
    agrees("dp4a.u32.u32", "r", &operands, &WORDS, |x| {
        dot(bytes(x[0]), bytes(x[1]), x[2])
    });
    agrees("dp4a.u32.s32", "r", &operands, &WORDS, |x| {
        dot(bytes(x[0]), signed(x[1]), x[2])
    });
    agrees("dp4a.s32.u32", "r", &operands, &WORDS, |x| {
        dot(signed(x[0]), bytes(x[1]), x[2])
    });
}

#[test]
fn comparisons_know_the_sign() {
    let check = |name: &str, f: fn(i64, i64) -> bool, g: fn(u64, u64) -> bool| {
        agrees(&format!("setp.{name}.s32"), "p", &["r", "r"], &WORDS, |x| {
            f(i64::from(x[0] as i32), i64::from(x[1] as i32)).into()
        });
        agrees(&format!("setp.{name}.u32"), "p", &["r", "r"], &WORDS, |x| {
            g(x[0], x[1]).into()
        });
        agrees(
            &format!("setp.{name}.s64"),
            "p",
            &["rd", "rd"],
            &WORDS,
            |x| f(x[0] as i64, x[1] as i64).into(),
        );
        agrees(
            &format!("setp.{name}.s16"),
            "p",
            &["rs", "rs"],
            &WORDS,
            |x| f(i64::from(x[0] as i16), i64::from(x[1] as i16)).into(),
        );
    };
    check("eq", |a, b| a == b, |a, b| a == b);
    check("ne", |a, b| a != b, |a, b| a != b);
    check("lt", |a, b| a < b, |a, b| a < b);
    check("le", |a, b| a <= b, |a, b| a <= b);
    check("gt", |a, b| a > b, |a, b| a > b);
    check("ge", |a, b| a >= b, |a, b| a >= b);
    type Holds = fn(u64, u64) -> bool;
    let second: [(&str, Holds); 4] = [
        ("lo", |a, b| a < b),
        ("ls", |a, b| a <= b),
        ("hi", |a, b| a > b),
        ("hs", |a, b| a >= b),
    ];
    for (name, f) in second {
        agrees(&format!("setp.{name}.u32"), "p", &["r", "r"], &WORDS, |x| {
            f(x[0], x[1]).into()
        });
    }
    agrees("setp.eq.b16", "p", &["rs", "rs"], &WORDS, |x| {
        u64::from(x[0] as u16 == x[1] as u16)
    });
    agrees("set.lt.u32.s32", "r", &["r", "r"], &WORDS, |x| {
        if (x[0] as i32) < x[1] as i32 {
            0xFFFF_FFFF
        } else {
            0
        }
    });
    agrees("set.ge.f32.u32", "r", &["r", "r"], &WORDS, |x| {
        if x[0] >= x[1] { 0x3F80_0000 } else { 0 }
    });
}
