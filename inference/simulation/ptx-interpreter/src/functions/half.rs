//! IEEE halves.
#![expect(
    clippy::cast_possible_truncation,
    reason = "fields of 5, 8, 10 and 23 bits, in numbers of 16 and 32"
)]

/// Widens, exactly.
pub(super) fn widen(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10 & 0x1F);
    let fraction = u32::from(half & 0x3FF);
    let magnitude = match exponent {
        // Units of 2^-24: exact, since there are 10 bits.
        0 => (f32::from(half & 0x3FF) * 2f32.powi(-24)).to_bits(),
        0x1F => 0x7F80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// Rounds to the nearest half, ties to even; a NaN becomes 0x7fff.
pub(super) fn narrow(value: f32) -> u16 {
    if value.is_nan() {
        return 0x7FFF;
    }
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7FFF_FFFF;
    // From 65520 on, half of the last step, everything rounds to infinity.
    if magnitude >= 0x477F_F000 {
        return sign | 0x7C00;
    }
    // Below 2^-14 the unit stays 2^-24: the sum with 0.5 rounds there, and its last bits are the result.
    if magnitude < 0x3880_0000 {
        let sum = f32::from_bits(magnitude) + 0.5;
        return sign | (sum.to_bits() - 0.5f32.to_bits()) as u16;
    }
    let odd = magnitude >> 13 & 1;
    sign | ((magnitude - (112 << 23) + 0xFFF + odd) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_widens_and_comes_back() {
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits).to_f32();
            let found = widen(bits);
            if expected.is_nan() {
                assert!(found.is_nan());
            } else {
                assert_eq!(found.to_bits(), expected.to_bits());
                assert_eq!(narrow(found), bits);
            }
        }
    }

    #[test]
    fn narrowing_rounds_to_even() {
        for bits in (0..=u32::MAX).step_by(1021) {
            let value = f32::from_bits(bits);
            let expected = half::f16::from_f32(value);
            assert!(
                narrow(value) == expected.to_bits() || value.is_nan(),
                "{value}"
            );
        }
    }
}
