//! Conversions.

use crate::{
    floats::{FLOATS, bits, float},
    support::{WORDS, agrees},
};

#[test]
fn whole_numbers_keep_their_sign() {
    let check = |opcode: &str, to: &str, from: &str, f: fn(u64) -> u64| {
        agrees(opcode, to, &[from], &WORDS, |x| f(x[0]));
    };
    check("cvt.u64.u32", "rd", "r", |a| a);
    check("cvt.s64.s32", "rd", "r", |a| a as i32 as i64 as u64);
    check("cvt.u32.u64", "r", "rd", |a| a as u32 as u64);
    check("cvt.u32.u16", "r", "rs", |a| a as u16 as u64);
    check("cvt.s32.s16", "r", "rs", |a| a as i16 as i32 as u32 as u64);
    check("cvt.u64.u16", "rd", "rs", |a| a as u16 as u64);
    check("cvt.s64.s16", "rd", "rs", |a| a as i16 as i64 as u64);
    check("cvt.u16.u32", "rs", "r", |a| a as u16 as u64);
    check("cvt.s16.s8", "rs", "rs", |a| a as i8 as i16 as u16 as u64);
    check("cvt.s32.s8", "r", "r", |a| a as i8 as i32 as u32 as u64);
    check("cvt.u32.u8", "r", "r", |a| a as u8 as u64);
    check("cvt.u16.u8", "rs", "rs", |a| a as u8 as u64);
    check("cvt.u16.u64", "rs", "rd", |a| a as u16 as u64);
    check("cvt.s64.s8", "rd", "rs", |a| a as i8 as i64 as u64);
}

#[test]
fn whole_numbers_round_to_nearest_floats() {
    let check = |opcode: &str, from: &str, f: fn(u64) -> f32| {
        agrees(opcode, "f", &[from], &WORDS, |x| bits(f(x[0])));
    };
    check("cvt.rn.f32.s32", "r", |a| a as i32 as f32);
    check("cvt.rn.f32.u32", "r", |a| a as u32 as f32);
    check("cvt.rn.f32.s16", "rs", |a| a as i16 as f32);
    check("cvt.rn.f32.u16", "rs", |a| a as u16 as f32);
    check("cvt.rn.f32.s8", "r", |a| a as i8 as f32);
    check("cvt.rn.f32.u8", "r", |a| a as u8 as f32);
    check("cvt.rn.f32.s64", "rd", |a| a as i64 as f32);
    check("cvt.rn.f32.u64", "rd", |a| a as f32);
    agrees("cvt.rn.f64.s32", "fd", &["r"], &WORDS, |x| {
        f64::from(x[0] as i32).to_bits()
    });
    agrees("cvt.rn.f64.u32", "fd", &["r"], &WORDS, |x| {
        f64::from(x[0] as u32).to_bits()
    });
    agrees("cvt.rn.f64.u64", "fd", &["rd"], &WORDS, |x| {
        (x[0] as f64).to_bits()
    });
    agrees("cvt.rn.f64.u16", "fd", &["rs"], &WORDS, |x| {
        f64::from(x[0] as u16).to_bits()
    });
}

#[test]
fn floats_become_the_nearest_whole_number_in_range() {
    type Round = fn(f32) -> f32;
    let ways: [(&str, Round); 4] = [
        ("rni", f32::round_ties_even),
        ("rzi", f32::trunc),
        ("rmi", f32::floor),
        ("rpi", f32::ceil),
    ];
    for (way, round) in ways {
        agrees(&format!("cvt.{way}.s32.f32"), "r", &["f"], &FLOATS, |x| {
            round(float(x[0])) as i32 as u32 as u64
        });
        agrees(&format!("cvt.{way}.u32.f32"), "r", &["f"], &FLOATS, |x| {
            round(float(x[0])) as u32 as u64
        });
        agrees(&format!("cvt.{way}.s64.f32"), "rd", &["f"], &FLOATS, |x| {
            let x = round(float(x[0]));
            if x.is_nan() { 1 << 63 } else { x as i64 as u64 }
        });
        agrees(&format!("cvt.{way}.f32.f32"), "f", &["f"], &FLOATS, |x| {
            bits(round(float(x[0])))
        });
    }
    let doubles = FLOATS.map(|bits| (f64::from(float(bits)) * 1.1).to_bits());
    agrees("cvt.rzi.s32.f64", "r", &["fd"], &doubles, |x| {
        let x = f64::from_bits(x[0]);
        if x.is_nan() {
            0x8000_0000
        } else {
            x as i32 as u32 as u64
        }
    });
    agrees("cvt.rni.f64.f64", "fd", &["fd"], &doubles, |x| {
        let x = f64::from_bits(x[0]).round_ties_even();
        if x.is_nan() {
            0xFFF8_0000_0000_0000
        } else {
            x.to_bits()
        }
    });
}

#[test]
fn halves_and_doubles_are_rounded_as_in_rust() {
    let halves: Vec<u64> = (0..0x1_0000).step_by(3).collect();
    agrees("cvt.f32.f16", "f", &["rs"], &halves, |x| {
        bits(half::f16::from_bits(x[0] as u16).to_f32())
    });
    let floats: Vec<u64> = (0..=u32::MAX).step_by(1_000_003).map(u64::from).collect();
    agrees("cvt.rn.f16.f32", "rs", &["f"], &floats, |x| {
        match float(x[0]) {
            x if x.is_nan() => 0x7FFF,
            x => half::f16::from_f32(x).to_bits().into(),
        }
    });
    agrees("cvt.f64.f32", "fd", &["f"], &floats, |x| {
        match f64::from(float(x[0])) {
            x if x.is_nan() => 0xFFF8_0000_0000_0000,
            x => x.to_bits(),
        }
    });
    let doubles: Vec<u64> = floats
        .iter()
        .map(|x| (f64::from(float(*x)) * 1.1).to_bits())
        .collect();
    agrees("cvt.rn.f32.f64", "f", &["fd"], &doubles, |x| {
        bits(f64::from_bits(x[0]) as f32)
    });
}
