use super::*;

fn decoded(ggml_type: GgmlType, bytes: &[u8]) -> Result<Vec<f32>, Inexact> {
    let mut out = Vec::new();
    decoder(ggml_type).unwrap()(bytes, &mut out)?;
    Ok(out
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}

/// The upper bytes of a linear congruential generator.
fn pseudo_random(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The sums are those of what gguf-py 0.19 decodes from the same 64 blocks.
#[test]
fn quantised_blocks_decode_bit_for_bit_as_in_gguf_py() {
    let cases: [(GgmlType, u32, &[usize]); 12] = [
        (GgmlType::Q4_0, 0xec08_d55d, &[0]),
        (GgmlType::Q4_1, 0x37b2_b9a7, &[0, 2]),
        (GgmlType::Q5_0, 0x6366_c014, &[0]),
        (GgmlType::Q5_1, 0x83b8_c4f0, &[0, 2]),
        (GgmlType::Q8_0, 0x07ca_21e9, &[0]),
        (GgmlType::Q2K, 0xb168_4570, &[80, 82]),
        (GgmlType::Q3K, 0x003d_5d2f, &[108]),
        (GgmlType::Q5K, 0x99af_47d5, &[0, 2]),
        (GgmlType::Iq4Nl, 0x352e_570a, &[0]),
        (GgmlType::Iq4Xs, 0x531a_5168, &[0]),
        (GgmlType::Tq2_0, 0x9c9a_2303, &[64]),
        (GgmlType::Mxfp4, 0x2306_b625, &[]),
    ];
    for (ggml_type, expected, scales) in cases {
        let block_bytes = usize::try_from(ggml_type.block_bytes()).unwrap();
        let mut bytes = pseudo_random(64 * block_bytes, ggml_type.id());
        for block in bytes.chunks_exact_mut(block_bytes) {
            for scale in scales {
                // Without the top bit of the exponent no F16 is infinite or a NaN.
                block[scale + 1] &= 0xBF;
            }
            if ggml_type == GgmlType::Mxfp4 {
                block[0] &= 0x7F;
            }
        }
        let mut out = Vec::new();
        decoder(ggml_type).unwrap()(&bytes, &mut out).unwrap();
        assert_eq!(crc32fast::hash(&out), expected, "{ggml_type}");
        assert_eq!(out.len() as u64, 64 * ggml_type.block_size() * 4);
    }
}

#[test]
fn numbers_are_converted_only_where_f32_holds_them() {
    assert_eq!(
        decoded(GgmlType::I8, &[0x80, 0x7F]),
        Ok(vec![-128.0, 127.0])
    );
    assert_eq!(decoded(GgmlType::I16, &[0x00, 0x80]), Ok(vec![-32_768.0]));
    let two_i32 =
        |a: i32, b: i32| decoded(GgmlType::I32, &[a.to_le_bytes(), b.to_le_bytes()].concat());
    assert_eq!(
        two_i32(i32::MIN, 1 << 24),
        Ok(vec![-2_147_483_648.0, 16_777_216.0])
    );
    assert_eq!(two_i32(0, (1 << 24) + 1), Err(Inexact { element: 1 }));
    assert_eq!(two_i32(i32::MAX, 0), Err(Inexact { element: 0 }));
    let one_i64 = |number: i64| decoded(GgmlType::I64, &number.to_le_bytes());
    assert_eq!(one_i64(i64::MIN), Ok(vec![-9_223_372_036_854_775_808.0]));
    assert_eq!(one_i64(i64::MAX), Err(Inexact { element: 0 }));
    let one_f64 = |number: f64| decoded(GgmlType::F64, &number.to_le_bytes());
    assert_eq!(one_f64(1.5), Ok(vec![1.5]));
    assert_eq!(one_f64(f64::NEG_INFINITY), Ok(vec![f32::NEG_INFINITY]));
    assert!(one_f64(f64::NAN).unwrap()[0].is_nan());
    assert!(one_f64(-0.0).unwrap()[0].is_sign_negative());
    for inexact in [0.1, 1e300, f64::MIN_POSITIVE] {
        assert_eq!(one_f64(inexact), Err(Inexact { element: 0 }));
    }
}

#[test]
fn types_that_need_large_tables_have_no_decoder() {
    for ggml_type in [
        GgmlType::Iq2Xxs,
        GgmlType::Iq1M,
        GgmlType::Nvfp4,
        GgmlType::Q8K,
        GgmlType::Q8_1,
    ] {
        assert!(decoder(ggml_type).is_none(), "{ggml_type}");
    }
}
