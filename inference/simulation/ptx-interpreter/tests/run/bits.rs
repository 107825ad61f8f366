//! Logic, shifts, fields, permutations.

use crate::support::{WORDS, agrees, apply};

#[test]
fn logic_works_on_every_size() {
    for (kind, class, mask) in [
        ("b16", "rs", 0xFFFF),
        ("b32", "r", 0xFFFF_FFFF),
        ("b64", "rd", u64::MAX),
        ("pred", "p", 1),
    ] {
        let values: Vec<u64> = match kind {
            "pred" => vec![0, 1],
            _ => WORDS.to_vec(),
        };
        let two = |name: &str, f: fn(u64, u64) -> u64| {
            agrees(
                &format!("{name}.{kind}"),
                class,
                &[class, class],
                &values,
                |x| f(x[0], x[1]) & mask,
            );
        };
        two("and", |a, b| a & b);
        two("or", |a, b| a | b);
        two("xor", |a, b| a ^ b);
        agrees(&format!("not.{kind}"), class, &[class], &values, |x| {
            !x[0] & mask
        });
        agrees(&format!("mov.{kind}"), class, &[class], &values, |x| {
            x[0] & mask
        });
    }
}

#[test]
fn shifts_beyond_the_width_are_defined() {
    let shift = |opcode: &str, f: fn(u32, u32) -> u32| {
        agrees(opcode, "r", &["r", "r"], &WORDS, |x| {
            f(x[0] as u32, x[1] as u32).into()
        });
    };
    shift("shl.b32", |a, b| a.checked_shl(b).unwrap_or(0));
    shift("shr.u32", |a, b| a.checked_shr(b).unwrap_or(0));
    shift("shr.b32", |a, b| a.checked_shr(b).unwrap_or(0));
    shift("shr.s32", |a, b| ((a as i32) >> b.min(31)) as u32);
    let long = WORDS.map(|word| word << 32 | word);
    let rows: Vec<Vec<u64>> = long
        .iter()
        .flat_map(|a| [0, 1, 31, 32, 63, 64, 200].map(|b| vec![*a, b]))
        .collect();
    let shift = |opcode: &str, f: fn(u64, u32) -> u64| {
        for (row, found) in rows.iter().zip(apply(opcode, "rd", &["rd", "r"], &rows)) {
            assert_eq!(found, f(row[0], row[1] as u32), "{opcode} {row:x?}");
        }
    };
    shift("shl.b64", |a, b| a.checked_shl(b).unwrap_or(0));
    shift("shr.u64", |a, b| a.checked_shr(b).unwrap_or(0));
    shift("shr.s64", |a, b| ((a as i64) >> b.min(63)) as u64);
    agrees("shl.b16", "rs", &["rs", "r"], &WORDS, |x| {
        u64::from((x[0] as u16).checked_shl(x[1] as u32).unwrap_or(0))
    });
    agrees("shr.u16", "rs", &["rs", "r"], &WORDS, |x| {
        u64::from((x[0] as u16).checked_shr(x[1] as u32).unwrap_or(0))
    });
    agrees("shr.s16", "rs", &["rs", "r"], &WORDS, |x| {
        u64::from(((x[0] as i16) >> (x[1] as u32).min(15)) as u16)
    });
}

#[test]
fn funnel_shifts_take_two_words() {
    let words = |x: &[u64]| u128::from(x[1]) << 32 | u128::from(x[0]);
    let operands = ["r", "r", "r"];
    agrees("shf.l.wrap.b32", "r", &operands, &WORDS, |x| {
        (words(x) << (x[2] & 31) >> 32) as u32 as u64
    });
    agrees("shf.r.wrap.b32", "r", &operands, &WORDS, |x| {
        (words(x) >> (x[2] & 31)) as u32 as u64
    });
    agrees("shf.l.clamp.b32", "r", &operands, &WORDS, |x| {
        (words(x) << x[2].min(32) >> 32) as u32 as u64
    });
    agrees("shf.r.clamp.b32", "r", &operands, &WORDS, |x| {
        (words(x) >> x[2].min(32)) as u32 as u64
    });
}

#[test]
fn bits_are_counted_and_found() {
    let one = |opcode: &str, f: fn(u32) -> u32| {
        agrees(opcode, "r", &["r"], &WORDS, |x| f(x[0] as u32).into());
    };
    one("popc.b32", u32::count_ones);
    one("clz.b32", u32::leading_zeros);
    one("brev.b32", u32::reverse_bits);
    one("bfind.u32", |a| a.checked_ilog2().unwrap_or(u32::MAX));
    one("bfind.s32", |a| {
        let a = if (a as i32) < 0 { !a } else { a };
        a.checked_ilog2().unwrap_or(u32::MAX)
    });
    agrees("popc.b64", "r", &["rd"], &WORDS, |x| {
        x[0].count_ones().into()
    });
    agrees("clz.b64", "r", &["rd"], &WORDS, |x| {
        x[0].leading_zeros().into()
    });
    agrees("brev.b64", "rd", &["rd"], &WORDS, |x| x[0].reverse_bits());
}

#[test]
fn fields_are_extracted_and_inserted_bit_by_bit() {
    // The definition of the instruction: bit by bit.
    let extract = |a: u64, b: u64, c: u64, bits: u64, signed: bool| {
        let (position, length) = (b & 0xFF, c & 0xFF);
        let top = (position + length).saturating_sub(1).min(bits - 1);
        let fill = u64::from(signed && length > 0 && a >> top & 1 == 1);
        (0..bits).fold(0, |d, i| {
            let inside = i < length && position + i < bits;
            let bit = if inside {
                a >> (position + i) & 1
            } else {
                fill
            };
            d | bit << i
        })
    };
    let operands = ["r", "r", "r"];
    agrees("bfe.u32", "r", &operands, &WORDS, |x| {
        extract(x[0], x[1], x[2], 32, false)
    });
    agrees("bfe.s32", "r", &operands, &WORDS, |x| {
        extract(x[0], x[1], x[2], 32, true)
    });
    let operands = ["rd", "r", "r"];
    agrees("bfe.u64", "rd", &operands, &WORDS, |x| {
        extract(x[0], x[1], x[2], 64, false)
    });
    agrees("bfe.s64", "rd", &operands, &WORDS, |x| {
        extract(x[0], x[1], x[2], 64, true)
    });
    let insert = |a: u64, b: u64, c: u64, d: u64, bits: u64| {
        let (position, length) = (c & 0xFF, d & 0xFF);
        (0..length).filter(|i| position + i < bits).fold(b, |f, i| {
            f & !(1 << (position + i)) | (a >> i & 1) << (position + i)
        })
    };
    agrees("bfi.b32", "r", &["r"; 4], &WORDS[3..12], |x| {
        insert(x[0], x[1], x[2], x[3], 32)
    });
    let rows: Vec<Vec<u64>> = [(0, 8), (60, 8), (3, 64), (7, 0), (200, 9)]
        .map(|(position, length)| vec![0xDEAD_BEEF_0123_4567, u64::MAX / 3, position, length])
        .to_vec();
    for (x, found) in rows
        .iter()
        .zip(apply("bfi.b64", "rd", &["rd", "rd", "r", "r"], &rows))
    {
        assert_eq!(found, insert(x[0], x[1], x[2], x[3], 64), "{x:x?}");
    }
}

#[test]
fn lop3_looks_up_every_table() {
    let rows: Vec<Vec<u64>> = vec![vec![0xF0, 0xCC, 0xAA]];
    for table in 0..=255u64 {
        let body = format!("lop3.b32 %r5, %r1, %r2, %r3, {table};");
        let text = crate::support::kernel(
            "",
            &format!(
                "ld.global.u32 %r1,[%in]; ld.global.u32 %r2,[%in+4]; ld.global.u32 %r3,[%in+8]; {body} st.global.u32 [%out], %r5;"
            ),
        );
        let input: Vec<u32> = rows[0].iter().map(|word| *word as u32).collect();
        let found = crate::support::run(&text, 1, 0, &input, 1, &Default::default()).unwrap();
        // The bytes of the input count through the table, so the result is the table.
        assert_eq!(u64::from(found[0] & 0xFF), table);
    }
}

#[test]
fn prmt_picks_bytes_and_signs() {
    let rows: Vec<Vec<u64>> = (0..0x1_0000)
        .step_by(7)
        .map(|c| vec![0x8042_13F0, 0x7F9A_00C5, c])
        .collect();
    let bytes = [0xF0u8, 0x13, 0x42, 0x80, 0xC5, 0x00, 0x9A, 0x7F];
    for (row, found) in rows
        .iter()
        .zip(apply("prmt.b32", "r", &["r", "r", "r"], &rows))
    {
        let expected = [0, 4, 8, 12].map(|shift| {
            let nibble = (row[2] >> shift & 15) as usize;
            let byte = bytes[nibble & 7];
            if nibble & 8 == 0 {
                byte
            } else {
                ((byte as i8) >> 7) as u8
            }
        });
        assert_eq!(found, u64::from(u32::from_le_bytes(expected)), "{row:x?}");
    }
}

#[test]
fn values_are_chosen() {
    agrees("selp.b32", "r", &["r", "r", "p"], &[0, 1, 7], |x| {
        if x[2] != 0 { x[0] } else { x[1] }
    });
    agrees("slct.b32.s32", "r", &["r", "r", "r"], &WORDS, |x| {
        if x[2] as i32 >= 0 { x[0] } else { x[1] }
    });
    let floats = [0x3F80_0000, 0x8000_0000, 0xBF80_0000, 0x7FC0_0000];
    agrees("slct.f32.f32", "f", &["f", "f", "f"], &floats, |x| {
        if f32::from_bits(x[2] as u32) >= 0.0 {
            x[0]
        } else {
            x[1]
        }
    });
}
