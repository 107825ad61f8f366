//! Halves, in which blocks have their scales.

/// Reads an F16 from its two bytes.
pub(super) const fn half(low: u8, high: u8) -> f32 {
    ::half::f16::from_le_bytes([low, high]).to_f32_const()
}
