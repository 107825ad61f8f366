//! The exponential function of the contract.

/// Computes e^x with a fixed sequence of roundings (rule 6), within 1.1 units in the last place.
///
/// Cody-Waite reduction x = n ln 2 + r, a polynomial of degree 6 in fma, two exact scalings. Above 88.72283 the result
/// is +infinity, below -103.97208 it is +0, for a NaN it is the canonical NaN.
///
/// Without an early exit, so that it vectorises: the ends of the range are chosen at the end.
#[inline(always)]
pub(crate) fn exp32(x: f32) -> f32 {
    let shifted = x.mul_add(LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = (-n).mul_add(LN_2_HIGH, x);
    let r = (-n).mul_add(LN_2_LOW, r);
    let p = COEFFICIENTS
        .iter()
        .fold(HIGHEST_COEFFICIENT, |p, c| p.mul_add(r, *c));
    // The last bits of the shifted number are those of n.
    let n = shifted
        .to_bits()
        .wrapping_sub(ROUNDER.to_bits())
        .cast_signed();
    // Two powers of two that are normal each: only the last product can round, where the result is subnormal.
    let half = n >> 1;
    let result = p * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    if x.is_nan() {
        f32::from_bits(0x7FC0_0000)
    } else if x > HIGHEST {
        f32::INFINITY
    } else if x < LOWEST {
        0.0
    } else {
        result
    }
}

/// 2^n for n from -126 to 127; without a meaning for others.
#[inline(always)]
const fn power_of_two(n: i32) -> f32 {
    f32::from_bits(n.wrapping_add(127).cast_unsigned().wrapping_shl(23))
}

/// The last float below ln(largest f32).
const HIGHEST: f32 = f32::from_bits(0x42B1_7217);
/// The first float above ln(2^-150): e to a lower one rounds to zero.
const LOWEST: f32 = f32::from_bits(0xC2CF_F1B4);
const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// 1.5 * 2^23: adding it leaves no bits behind the point.
const ROUNDER: f32 = 12_582_912.0;
/// The upper 12 bits of ln 2, so that n times it is exact.
const LN_2_HIGH: f32 = f32::from_bits(0x3F31_8000);
/// ln 2 less [`LN_2_HIGH`].
const LN_2_LOW: f32 = f32::from_bits(0xB95E_8083);
/// The polynomial from the highest power down: a minimax fit of (e^r - 1 - r) / r^2 over |r| <= ln(2) / 2, relative
/// error 3.7e-9 of e^r, then r + 1.
const HIGHEST_COEFFICIENT: f32 = f32::from_bits(0x3AB5_11E8);
const COEFFICIENTS: [f32; 6] = [
    f32::from_bits(0x3C09_1D10),
    f32::from_bits(0x3D2A_AC79),
    f32::from_bits(0x3E2A_AA49),
    f32::from_bits(0x3EFF_FFFE),
    1.0,
    1.0,
];

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
mod tests {
    use rayon::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::arithmetic::{activation::silu, instruction_set::Instructions};

    /// The expected results of a GPU for `scripts/gpu-check`: first input, number of inputs, and SHA-256 over the little-endian results.
    const RECORDED: &str = include_str!("../../kernels/exp32.sha256");

    #[test]
    fn short_slices_of_the_inputs_have_the_recorded_digests() {
        let short = slices().filter(|(_, count)| *count <= 4096);
        assert_eq!(short.clone().count(), 4);
        short.for_each(|slice| assert!(RECORDED.contains(&line(slice)), "{}", line(slice)));
    }

    /// To be renewed by hand, from what it prints, after a deliberate change of the contract.
    #[test]
    #[ignore = "all 2^32 inputs take a minute or more"]
    fn all_slices_of_the_inputs_have_the_recorded_digests() {
        let slices: Vec<_> = slices().collect();
        let found: Vec<_> = slices.into_par_iter().map(line).collect();
        assert!(RECORDED == found.concat(), "{}", found.concat());
    }

    #[test]
    fn the_recorded_slices_are_these() {
        let recorded = RECORDED.lines().map(|line| &line[..line.len() - 64]);
        let expected: Vec<_> = slices()
            .map(|(first, count)| format!("{first:08x} {count} "))
            .collect();
        assert_eq!(recorded.collect::<Vec<_>>(), expected);
    }

    /// Short ones, around 1, where results vanish, where they overflow and where inputs are no numbers; then all inputs.
    fn slices() -> impl Iterator<Item = (u32, usize)> + Clone {
        let short = [0x3F80_0000, 0xC2CF_F000, 0x42B1_7000, 0x7F7F_F800];
        let all = (0..64u32).map(|slice| (slice << 26, 1 << 26));
        short.map(|first| (first, 4096)).into_iter().chain(all)
    }

    fn line((first, count): (u32, usize)) -> String {
        let mut digest = Sha256::new();
        let (mut results, mut bytes) = ([0.0; 4096], [0; 4 * 4096]);
        for piece in (0..u32::try_from(count).unwrap()).step_by(results.len()) {
            Instructions::best().run(|| {
                for (place, result) in (piece..).zip(&mut results) {
                    *result = exp32(f32::from_bits(first.wrapping_add(place)));
                }
            });
            for (four, result) in bytes.as_chunks_mut().0.iter_mut().zip(&results) {
                *four = result.to_le_bytes();
            }
            digest.update(bytes);
        }
        let digest: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{first:08x} {count} {digest}\n")
    }

    #[test]
    fn a_sample_of_all_bit_patterns_is_near_the_f64_value() {
        let worst = (0..=u32::MAX)
            .step_by(65_521)
            .map(distance)
            .fold(0.0, f64::max);
        assert!(worst <= MOST_ULP, "{worst}");
    }

    #[test]
    #[ignore = "all 2^32 inputs take a minute or more"]
    fn all_bit_patterns_are_near_the_f64_value() {
        let worst = (0..=u32::MAX).map(distance).fold(0.0, f64::max);
        assert!(worst <= MOST_ULP, "{worst}");
    }

    #[test]
    fn the_ends_of_the_range_are_exact() {
        assert_eq!(exp32(0.0).to_bits(), 1.0f32.to_bits());
        assert_eq!(exp32(-0.0).to_bits(), 1.0f32.to_bits());
        assert_eq!(exp32(f32::NEG_INFINITY).to_bits(), 0);
        assert_eq!(exp32(f32::INFINITY), f32::INFINITY);
        assert!(exp32(HIGHEST).is_finite());
        assert_eq!(exp32(HIGHEST.next_up()), f32::INFINITY);
        assert_eq!(exp32(LOWEST.next_down()).to_bits(), 0);
        assert_eq!(exp32(f32::from_bits(0xFFC0_0001)).to_bits(), 0x7FC0_0000);
    }

    #[test]
    fn the_bits_of_some_values_never_change() {
        let bits = [1.0, -1.0, 10.0, -87.5, -100.0, 0.3].map(|x| exp32(x).to_bits());
        let expected = [
            0x402D_F854,
            0x3EBC_5AB2,
            0x46AC_14EF,
            0x006C_B2BC,
            0x0000_001B,
            0x3FAC_C82C,
        ];
        assert_eq!(bits, expected);
    }

    #[test]
    fn silu_of_large_values_is_the_value_or_zero() {
        let found = silu(&[100.0, -200.0, 0.0f32]);
        assert_eq!(found[0], 100.0);
        assert_eq!(found[1].to_bits(), (-0.0f32).to_bits());
        assert_eq!(found[2].to_bits(), 0);
    }

    #[test]
    fn vectors_have_the_bits_of_single_calls() {
        let values: Vec<f32> = (0..=u32::MAX).step_by(65_521).map(f32::from_bits).collect();
        for (x, found) in values.iter().zip(silu(&values)) {
            let expected = x / (1.0 + exp32(-x));
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan());
        }
    }

    /// How far the result for these bits is from the f64 value, in units in the last place of the result.
    fn distance(bits: u32) -> f64 {
        let x = f32::from_bits(bits);
        let found = exp32(x);
        let truth = f64::from(x).exp();
        if x.is_nan() || truth >= 340_282_356_779_733_661_637_539_395_458_142_568_448.0 {
            assert!(
                found.to_bits() == 0x7FC0_0000 || !x.is_nan() && found == f32::INFINITY,
                "{x}"
            );
            return 0.0;
        }
        let unit =
            f64::from(f32::from_bits((truth as f32).to_bits() & 0x7F80_0000)) * 2f64.powi(-23);
        (f64::from(found) - truth).abs() / unit.max(2f64.powi(-149))
    }

    const MOST_ULP: f64 = 1.1;
}
