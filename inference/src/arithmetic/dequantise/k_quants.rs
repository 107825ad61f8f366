//! Super-blocks of 256 elements.
//!
//! In every function i is the element, s = i / 32 its group of 32 and l = i mod 32 its index there, h = i / 128 its half
//! and g = (i mod 128) / 32 its quarter of the half. A product of scales is the same for 16 or 32 elements.

use super::{half_at, signed};

/// 84 bytes, scales and mins as nibbles at 0, quants at 16, d at 80 and dmin at 82: d * scale * q - dmin * min.
#[inline(always)]
pub(super) fn q2_k(block: &[u8; 84], values: &mut [f32; 256]) {
    for (s, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let crumbs = &block[16 + 32 * (s / 4)..][..32];
        for (part, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let (scale, min) = q2_k_scale_and_min(block, 2 * s + part);
            for (value, crumbs) in values.iter_mut().zip(&crumbs[16 * part..]) {
                *value = scale * f32::from(crumbs >> (2 * (s % 4)) & 3) - min;
            }
        }
    }
}

/// 110 bytes, third bits at 0, quants at 32, 6-bit scales at 96 and d at 108: d * (scale - 32) * (q - 4).
#[inline(always)]
pub(super) fn q3_k(block: &[u8; 110], values: &mut [f32; 256]) {
    for (s, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let crumbs = &block[32 + 32 * (s / 4)..][..32];
        for (part, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = q3_k_scale(block, 2 * s + part);
            let quants = crumbs[16 * part..].iter().zip(&block[16 * part..]);
            for (value, (crumbs, thirds)) in values.iter_mut().zip(quants) {
                let q = crumbs >> (2 * (s % 4)) & 3 | (thirds >> s & 1) << 2;
                *value = scale * (f32::from(q) - 4.0);
            }
        }
    }
}

/// 144 bytes, d at 0, dmin at 2, 6-bit scales and mins at 4 and nibbles at 16: d * scale * q - dmin * min.
#[inline(always)]
pub(super) fn q4_k(block: &[u8; 144], values: &mut [f32; 256]) {
    for (s, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = scale_and_min(block, s);
        let nibbles = &block[16 + 32 * (s / 2)..];
        for (value, nibbles) in values.iter_mut().zip(nibbles) {
            *value = scale * f32::from(nibbles >> (4 * (s % 2)) & 15) - min;
        }
    }
}

/// 176 bytes, as [`q4_k`] but with fifth bits at 16 and nibbles at 48.
#[inline(always)]
pub(super) fn q5_k(block: &[u8; 176], values: &mut [f32; 256]) {
    for (s, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = scale_and_min(block, s);
        let quants = block[48 + 32 * (s / 2)..].iter().zip(&block[16..48]);
        for (value, (nibbles, fifths)) in values.iter_mut().zip(quants) {
            let q = nibbles >> (4 * (s % 2)) & 15 | (fifths >> s & 1) << 4;
            *value = scale * f32::from(q) - min;
        }
    }
}

/// 210 bytes, low nibbles at 0, upper two bits at 128, signed scales at 192 and d at 208: d * scale * (q - 32).
#[inline(always)]
pub(super) fn q6_k(block: &[u8; 210], values: &mut [f32; 256]) {
    let d = half_at(block, 208);
    for (s, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (h, g) = (s / 4, s % 4);
        let nibbles = &block[64 * h + 32 * (g % 2)..][..32];
        let crumbs = &block[128 + 32 * h..][..32];
        for (part, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * signed(block[192 + 2 * s + part]);
            let quants = nibbles[16 * part..].iter().zip(&crumbs[16 * part..]);
            for (value, (nibbles, crumbs)) in values.iter_mut().zip(quants) {
                let q = nibbles >> (4 * (g / 2)) & 15 | (crumbs >> (2 * g) & 3) << 4;
                *value = scale * (f32::from(q) - 32.0);
            }
        }
    }
}

/// d * scale and dmin * min of 16 elements of [`q2_k`].
#[inline(always)]
fn q2_k_scale_and_min(block: &[u8; 84], part: usize) -> (f32, f32) {
    let scale = half_at(block, 80) * f32::from(block[part] & 15);
    (scale, half_at(block, 82) * f32::from(block[part] >> 4))
}

/// d * (scale - 32) of 16 elements of [`q3_k`].
#[inline(always)]
fn q3_k_scale(block: &[u8; 110], part: usize) -> f32 {
    let scales = &block[96..108];
    let low = if part < 8 {
        scales[part] & 15
    } else {
        scales[part - 8] >> 4
    };
    let scale = low | (scales[8 + part % 4] >> (2 * (part / 4)) & 3) << 4;
    half_at(block, 108) * (f32::from(scale) - 32.0)
}

/// d * scale and dmin * min of group s of [`q4_k`] and [`q5_k`]: 6 bits each, packed in the 12 bytes at 4.
#[inline(always)]
fn scale_and_min(block: &[u8], s: usize) -> (f32, f32) {
    let scales = &block[4..16];
    let (scale, min) = if s < 4 {
        (scales[s] & 63, scales[s + 4] & 63)
    } else {
        (
            scales[s + 4] & 15 | scales[s - 4] >> 6 << 4,
            scales[s + 4] >> 4 | scales[s] >> 6 << 4,
        )
    };
    (
        half_at(block, 0) * f32::from(scale),
        half_at(block, 2) * f32::from(min),
    )
}
