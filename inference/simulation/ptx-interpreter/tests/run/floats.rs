//! Arithmetic of floats, to the bit.

use crate::support::agrees;

#[test]
fn arithmetic_rounds_to_nearest_and_keeps_subnormals() {
    let two = |opcode: &str, f: fn(f32, f32) -> f32| {
        agrees(opcode, "f", &["f", "f"], &FLOATS, |x| {
            bits(f(float(x[0]), float(x[1])))
        });
    };
    two("add.rn.f32", |a, b| a + b);
    two("sub.rn.f32", |a, b| a - b);
    two("mul.rn.f32", |a, b| a * b);
    two("div.rn.f32", |a, b| a / b);
    agrees("sqrt.rn.f32", "f", &["f"], &FLOATS, |x| {
        bits(float(x[0]).sqrt())
    });
    agrees("rcp.rn.f32", "f", &["f"], &FLOATS, |x| {
        bits(1.0 / float(x[0]))
    });
    agrees("neg.f32", "f", &["f"], &FLOATS, |x| bits(-float(x[0])));
    agrees("abs.f32", "f", &["f"], &FLOATS, |x| bits(float(x[0]).abs()));
    agrees("fma.rn.f32", "f", &["f", "f", "f"], &FLOATS, |x| {
        bits(float(x[0]).mul_add(float(x[1]), float(x[2])))
    });
}

#[test]
fn fma_rounds_once() {
    // (1 + 2^-23)^2 - (1 + 2^-22) is 2^-46, and 0 when the product is rounded on its own.
    let found = crate::support::apply(
        "fma.rn.f32",
        "f",
        &["f", "f", "f"],
        &[vec![0x3F80_0001, 0x3F80_0001, 0xBF80_0002]],
    );
    assert_eq!(found, [bits(2f32.powi(-46))]);
}

#[test]
fn the_smaller_zero_is_negative_and_a_number_wins_over_a_nan() {
    let pick = |a: u64, b: u64, least: bool| {
        let (x, y) = (float(a), float(b));
        match (x.is_nan(), y.is_nan()) {
            (true, true) => 0x7FFF_FFFF,
            (true, false) => b,
            (false, true) => a,
            // total_cmp has the order of the zeros.
            _ if (x.total_cmp(&y).is_lt()) == least => a,
            _ => b,
        }
    };
    agrees("min.f32", "f", &["f", "f"], &FLOATS, |x| {
        pick(x[0], x[1], true)
    });
    agrees("max.f32", "f", &["f", "f"], &FLOATS, |x| {
        pick(x[0], x[1], false)
    });
}

#[test]
fn comparisons_know_nan() {
    let check = |name: &str, ordered: Option<fn(&f32, &f32) -> bool>, with_nan: bool| {
        agrees(
            &format!("setp.{name}.f32"),
            "p",
            &["f", "f"],
            &FLOATS,
            |x| {
                let (a, b) = (float(x[0]), float(x[1]));
                let holds = ordered.is_some_and(|ordered| ordered(&a, &b));
                u64::from(if a.is_nan() || b.is_nan() {
                    with_nan
                } else {
                    holds
                })
            },
        );
    };
    check("eq", Some(f32::eq), false);
    check("ne", Some(f32::ne), false);
    check("lt", Some(f32::lt), false);
    check("le", Some(f32::le), false);
    check("gt", Some(f32::gt), false);
    check("ge", Some(f32::ge), false);
    check("equ", Some(f32::eq), true);
    check("neu", Some(f32::ne), true);
    check("ltu", Some(f32::lt), true);
    check("leu", Some(f32::le), true);
    check("gtu", Some(f32::gt), true);
    check("geu", Some(f32::ge), true);
    check("num", Some(|_, _| true), false);
    check("nan", None, true);
}

#[test]
fn doubles_round_to_nearest() {
    let doubles = FLOATS.map(|bits| (f64::from(float(bits)) * 1.1).to_bits());
    let f = f64::from_bits;
    let bits = |x: f64| {
        if x.is_nan() {
            0xFFF8_0000_0000_0000
        } else {
            x.to_bits()
        }
    };
    agrees("add.rn.f64", "fd", &["fd", "fd"], &doubles, |x| {
        bits(f(x[0]) + f(x[1]))
    });
    agrees("sub.rn.f64", "fd", &["fd", "fd"], &doubles, |x| {
        bits(f(x[0]) - f(x[1]))
    });
    agrees("mul.rn.f64", "fd", &["fd", "fd"], &doubles, |x| {
        bits(f(x[0]) * f(x[1]))
    });
    agrees("div.rn.f64", "fd", &["fd", "fd"], &doubles, |x| {
        bits(f(x[0]) / f(x[1]))
    });
    agrees("sqrt.rn.f64", "fd", &["fd"], &doubles, |x| {
        bits(f(x[0]).sqrt())
    });
    agrees("fma.rn.f64", "fd", &["fd", "fd", "fd"], &doubles, |x| {
        bits(f(x[0]).mul_add(f(x[1]), f(x[2])))
    });
    agrees("neg.f64", "fd", &["fd"], &doubles, |x| bits(-f(x[0])));
    agrees("abs.f64", "fd", &["fd"], &doubles, |x| bits(f(x[0]).abs()));
    agrees("mov.f64", "fd", &["fd"], &doubles, |x| x[0]);
}

#[test]
fn comparisons_of_doubles_know_nan() {
    let doubles = FLOATS.map(|bits| (f64::from(float(bits)) * 1.1).to_bits());
    let check = |name: &str, ordered: Option<fn(&f64, &f64) -> bool>, with_nan: bool| {
        let opcode = format!("setp.{name}.f64");
        agrees(&opcode, "p", &["fd", "fd"], &doubles, |x| {
            let (a, b) = (f64::from_bits(x[0]), f64::from_bits(x[1]));
            let is_nan = a.is_nan() || b.is_nan();
            let holds = ordered.is_some_and(|ordered| ordered(&a, &b));
            u64::from(if is_nan { with_nan } else { holds })
        });
    };
    check("eq", Some(f64::eq), false);
    check("ne", Some(f64::ne), false);
    check("lt", Some(f64::lt), false);
    check("le", Some(f64::le), false);
    check("gt", Some(f64::gt), false);
    check("ge", Some(f64::ge), false);
    check("neu", Some(f64::ne), true);
    check("gtu", Some(f64::gt), true);
    check("leu", Some(f64::le), true);
    check("nan", None, true);
}

#[test]
fn a_predicate_picks_one_of_two_doubles_with_all_their_bits() {
    let doubles = [0, 1 << 63, 0x3FF0_0000_0000_0001, 0x7FF0_0000_0000_0001];
    let rows: Vec<Vec<u64>> = (doubles.iter())
        .flat_map(|a| [0, 1].map(|predicate| vec![*a, !*a, predicate]))
        .collect();
    let found = crate::support::apply("selp.f64", "fd", &["fd", "fd", "p"], &rows);
    for (row, found) in rows.iter().zip(found) {
        assert_eq!(found, if row[2] == 1 { row[0] } else { row[1] });
    }
}

pub(crate) fn float(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

/// The bits of a result: one NaN.
pub(crate) fn bits(value: f32) -> u64 {
    if value.is_nan() {
        0x7FFF_FFFF
    } else {
        value.to_bits().into()
    }
}

/// Zeros, subnormals, ends, infinities, NaNs, halves, and numbers that round.
pub(crate) const FLOATS: [u64; 24] = [
    0,
    0x8000_0000,
    1,
    0x8000_0001,
    0x0000_1234,
    0x007F_FFFF,
    0x0080_0000,
    0x3F00_0000,
    0x3F80_0000,
    0xBF80_0000,
    0x3F80_0001,
    0x3FC0_0000,
    0x4020_0000,
    0x4B00_0001,
    0xCB7F_FFFF,
    0x4F00_0000,
    0xCF00_0001,
    0x5F80_0000,
    0x7F7F_FFFF,
    0x7F80_0000,
    0xFF80_0000,
    0x7FC0_0000,
    0xFFC0_0001,
    0x7F80_0001,
];
