//! The exact values of blocks, in the arithmetic order of ggml.
//!
//! Every product and sum is rounded to F32 on its own, as ggml's reference code and gguf-py do; nothing is fused. The
//! types are those that the verifier decodes on its own, so that whatever is decoded here is proven there: whole numbers
//! and F64 are left out, and so are Q8_1 and Q8_K, which no file holds. Layouts: ggml's block structures, and llama.cpp's
//! dequantiser, which gives the same bits.

mod grid_points;
mod grids;
mod half;
mod k_quants;
mod legacy;
mod low_bits;
mod tables;

use crate::GgmlType;

pub use grid_points::{iq1_m, iq1_s, iq2_s, iq2_xs, iq2_xxs, iq3_s, iq3_xxs};
pub use low_bits::{q1_0, q2_0, tq1_0, tq2_0};
pub use tables::{E2M1_DOUBLED, IQ4, e8m0_halved, iq4_nl, iq4_xs, mxfp4, nvfp4};

/// Appends the little-endian F32 values of whole blocks.
pub type Decoder = fn(&[u8], &mut Vec<u8>);

/// Returns the decoder of a quantised type, or `None` where there is none.
#[must_use]
pub const fn decoder(ggml_type: GgmlType) -> Option<Decoder> {
    Some(match ggml_type {
        GgmlType::Q4_0 => |bytes, out| blocks(bytes, out, legacy::q4_0),
        GgmlType::Q4_1 => |bytes, out| blocks(bytes, out, legacy::q4_1),
        GgmlType::Q5_0 => |bytes, out| blocks(bytes, out, legacy::q5_0),
        GgmlType::Q5_1 => |bytes, out| blocks(bytes, out, legacy::q5_1),
        GgmlType::Q8_0 => |bytes, out| blocks(bytes, out, legacy::q8_0),
        GgmlType::Q2K => |bytes, out| blocks(bytes, out, k_quants::q2_k),
        GgmlType::Q3K => |bytes, out| blocks(bytes, out, k_quants::q3_k),
        GgmlType::Q5K => |bytes, out| blocks(bytes, out, k_quants::q5_k),
        GgmlType::Q1_0 => |bytes, out| blocks(bytes, out, q1_0),
        GgmlType::Q2_0 => |bytes, out| blocks(bytes, out, q2_0),
        GgmlType::Tq1_0 => |bytes, out| blocks(bytes, out, tq1_0),
        GgmlType::Tq2_0 => |bytes, out| blocks(bytes, out, tq2_0),
        GgmlType::Iq1S => |bytes, out| blocks(bytes, out, iq1_s),
        GgmlType::Iq1M => |bytes, out| blocks(bytes, out, iq1_m),
        GgmlType::Iq2Xxs => |bytes, out| blocks(bytes, out, iq2_xxs),
        GgmlType::Iq2Xs => |bytes, out| blocks(bytes, out, iq2_xs),
        GgmlType::Iq2S => |bytes, out| blocks(bytes, out, iq2_s),
        GgmlType::Iq3Xxs => |bytes, out| blocks(bytes, out, iq3_xxs),
        GgmlType::Iq3S => |bytes, out| blocks(bytes, out, iq3_s),
        GgmlType::Iq4Nl => |bytes, out| blocks(bytes, out, iq4_nl),
        GgmlType::Iq4Xs => |bytes, out| blocks(bytes, out, iq4_xs),
        GgmlType::Mxfp4 => |bytes, out| blocks(bytes, out, mxfp4),
        GgmlType::Nvfp4 => |bytes, out| blocks(bytes, out, nvfp4),
        _ => return None,
    })
}

/// Decodes blocks of `BYTES` bytes to `VALUES` values each; bytes after the last whole block are left alone.
fn blocks<const BYTES: usize, const VALUES: usize>(
    bytes: &[u8],
    out: &mut Vec<u8>,
    decode: impl Fn(&[u8; BYTES]) -> [f32; VALUES],
) {
    for block in bytes.as_chunks().0 {
        let values = decode(block).map(f32::to_le_bytes);
        out.extend_from_slice(values.as_flattened());
    }
}

#[cfg(test)]
mod tests;
