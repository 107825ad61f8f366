//! Exact values of storage types that APR cannot hold, in the arithmetic order of ggml.
//!
//! Every product and sum is rounded to F32 on its own, as ggml's reference code and gguf-py do; nothing is fused. The
//! types are those that the verifier decodes on its own, so that whatever is decoded here is proven there: whole numbers
//! and F64 are refused. Layouts: ggml's block structures, and llama.cpp's dequantiser, which gives the same bits.

mod k_quants;
mod legacy;
mod tables;

use gguf_file::GgmlType;

/// Appends the little-endian F32 values of whole blocks.
pub(crate) type Decoder = fn(&[u8], &mut Vec<u8>);

/// Returns the decoder of a type, or `None` where there is none.
pub(crate) const fn decoder(ggml_type: GgmlType) -> Option<Decoder> {
    Some(match ggml_type {
        GgmlType::Q4_0 => |bytes, out| blocks(bytes, out, legacy::q4_0),
        GgmlType::Q4_1 => |bytes, out| blocks(bytes, out, legacy::q4_1),
        GgmlType::Q5_0 => |bytes, out| blocks(bytes, out, legacy::q5_0),
        GgmlType::Q5_1 => |bytes, out| blocks(bytes, out, legacy::q5_1),
        GgmlType::Q8_0 => |bytes, out| blocks(bytes, out, legacy::q8_0),
        GgmlType::Q2K => |bytes, out| blocks(bytes, out, k_quants::q2_k),
        GgmlType::Q3K => |bytes, out| blocks(bytes, out, k_quants::q3_k),
        GgmlType::Q5K => |bytes, out| blocks(bytes, out, k_quants::q5_k),
        GgmlType::Iq4Nl => |bytes, out| blocks(bytes, out, tables::iq4_nl),
        GgmlType::Iq4Xs => |bytes, out| blocks(bytes, out, tables::iq4_xs),
        GgmlType::Tq2_0 => |bytes, out| blocks(bytes, out, tables::tq2_0),
        GgmlType::Mxfp4 => |bytes, out| blocks(bytes, out, tables::mxfp4),
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

/// Reads an F16 from its two bytes.
const fn half(low: u8, high: u8) -> f32 {
    half::f16::from_le_bytes([low, high]).to_f32_const()
}

#[cfg(test)]
mod tests;
