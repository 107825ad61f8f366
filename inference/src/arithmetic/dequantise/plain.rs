//! Floats: widened exactly.

/// A 32-bit float.
#[inline(always)]
pub(super) fn f32(bytes: &[u8; 4], value: &mut [f32; 1]) {
    *value = [f32::from_le_bytes(*bytes)];
}

/// An IEEE half.
#[inline(always)]
pub(super) fn f16(bytes: &[u8; 2], value: &mut [f32; 1]) {
    *value = [super::half_at(bytes, 0)];
}

/// A brain float: the upper half of the bits.
#[inline(always)]
pub(super) fn bf16(bytes: &[u8; 2], value: &mut [f32; 1]) {
    *value = [f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16)];
}
