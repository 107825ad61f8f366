//! Floats: widened exactly.

/// 32-bit floats.
pub(super) fn f32(bytes: &[u8], values: &mut [f32]) {
    let (sources, _) = bytes.as_chunks();
    for (source, value) in sources.iter().zip(values) {
        *value = f32::from_le_bytes(*source);
    }
}

/// IEEE halves.
pub(super) fn f16(bytes: &[u8], values: &mut [f32]) {
    let (sources, _) = bytes.as_chunks();
    for (source, value) in sources.iter().zip(values) {
        *value = half::f16::from_le_bytes(*source).to_f32();
    }
}

/// Brain floats: the upper half of the bits.
pub(super) fn bf16(bytes: &[u8], values: &mut [f32]) {
    let (sources, _) = bytes.as_chunks();
    for (source, value) in sources.iter().zip(values) {
        *value = f32::from_bits(u32::from(u16::from_le_bytes(*source)) << 16);
    }
}
