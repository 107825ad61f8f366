use super::*;

/// The upper bytes of a linear congruential generator.
fn pseudo_random(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The sums are those of what gguf-py 0.19 decodes from the same 64 blocks; it has no `Q1_0` and `Q2_0`, whose sums are those
/// of their formulas in ggml.
#[test]
fn quantised_blocks_decode_bit_for_bit_as_in_gguf_py() {
    let cases: [(GgmlType, u32, &[usize]); 23] = [
        (GgmlType::Q4_0, 0xec08_d55d, &[0]),
        (GgmlType::Q4_1, 0x37b2_b9a7, &[0, 2]),
        (GgmlType::Q5_0, 0x6366_c014, &[0]),
        (GgmlType::Q5_1, 0x83b8_c4f0, &[0, 2]),
        (GgmlType::Q8_0, 0x07ca_21e9, &[0]),
        (GgmlType::Q2K, 0xb168_4570, &[80, 82]),
        (GgmlType::Q3K, 0x003d_5d2f, &[108]),
        (GgmlType::Q5K, 0x99af_47d5, &[0, 2]),
        (GgmlType::Iq2Xxs, 0x9c53_08bc, &[0]),
        (GgmlType::Iq2Xs, 0xfd7b_929f, &[0]),
        (GgmlType::Iq3Xxs, 0xc273_bcea, &[0]),
        (GgmlType::Iq1S, 0xbced_c634, &[0]),
        (GgmlType::Iq4Nl, 0x352e_570a, &[0]),
        (GgmlType::Iq3S, 0x89ff_0d40, &[0]),
        (GgmlType::Iq2S, 0xc612_71d8, &[0]),
        (GgmlType::Iq4Xs, 0x531a_5168, &[0]),
        // The top bits of the scale are in its last byte.
        (GgmlType::Iq1M, 0xd013_3dd8, &[54]),
        (GgmlType::Tq1_0, 0xc562_71c8, &[52]),
        (GgmlType::Tq2_0, 0x9c9a_2303, &[64]),
        (GgmlType::Mxfp4, 0x2306_b625, &[]),
        (GgmlType::Nvfp4, 0x29a1_76d5, &[]),
        (GgmlType::Q1_0, 0x32bc_1b90, &[0]),
        (GgmlType::Q2_0, 0x0230_00b5, &[0]),
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
        decoder(ggml_type).unwrap()(&bytes, &mut out);
        assert_eq!(crc32fast::hash(&out), expected, "{ggml_type}");
        assert_eq!(out.len() as u64, 64 * ggml_type.block_size() * 4);
    }
}

#[test]
fn types_that_the_verifier_does_not_decode_have_no_decoder() {
    for ggml_type in [
        GgmlType::I8,
        GgmlType::I16,
        GgmlType::I32,
        GgmlType::I64,
        GgmlType::F64,
        GgmlType::Q8K,
        GgmlType::Q8_1,
    ] {
        assert!(decoder(ggml_type).is_none(), "{ggml_type}");
    }
}
