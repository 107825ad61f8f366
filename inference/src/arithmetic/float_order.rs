//! The rank of a number among all floats in ascending order.

/// The rank of a number; both zeros are neighbours. A NaN ranks beyond the infinity of its sign.
pub(crate) const fn rank(value: f32) -> i32 {
    mirrored(value.to_bits().cast_signed())
}

/// The float of a rank.
pub(crate) const fn from_rank(rank: i32) -> f32 {
    f32::from_bits(mirrored(rank).cast_unsigned())
}

/// Negative floats are in descending order by their bits.
const fn mirrored(bits: i32) -> i32 {
    if bits < 0 { bits ^ i32::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_unit_apart_across_zero_as_well() {
        assert_eq!(rank(f32::from_bits(1)).abs_diff(rank(-0.0)), 2);
        assert_eq!(rank(1.0).abs_diff(rank(1f32.next_up())), 1);
        assert_eq!(
            rank(f32::MIN).abs_diff(rank(f32::MAX)),
            u32::MAX - (1 << 24)
        );
    }

    #[test]
    fn a_rank_leads_back_to_its_float() {
        for value in [0.0, -0.0, 1e-45, -1e-45, 1.5, -1.5, f32::INFINITY, f32::MIN] {
            assert_eq!(from_rank(rank(value)).to_bits(), value.to_bits());
        }
    }
}
