//! NaN and infinity, in values and in block scales.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets inside one buffer in memory"
)]

use half::{bf16, f16};

use super::grid_points::iq1_m_scale;
use crate::decode::types::BlockType;

/// The first number of a run of blocks that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// The block, counted from the start of the bytes.
    pub block: u64,
    /// The field of the block; none for a plain type, where the block is the element.
    pub part: Option<&'static str>,
    /// First byte of the number within the bytes.
    pub offset: usize,
    /// How many numbers of the bytes are not finite.
    pub count: u64,
}

/// Looks for NaN and infinity in values (F32, F16, BF16, F64) and in the half-precision scales of blocks.
///
/// `bytes` start at a block border. Types without such numbers have nothing to find.
#[must_use]
pub fn first_not_finite(block_type: &BlockType, bytes: &[u8]) -> Option<NotFinite> {
    match block_type.name {
        "F32" => plain::<4>(bytes, |bytes| f32::from_le_bytes(bytes).is_finite()),
        "F16" => plain::<2>(bytes, |bytes| f16::from_le_bytes(bytes).is_finite()),
        "BF16" => plain::<2>(bytes, |bytes| bf16::from_le_bytes(bytes).is_finite()),
        "F64" => plain::<8>(bytes, |bytes| f64::from_le_bytes(bytes).is_finite()),
        _ => scales(block_type, bytes),
    }
}

fn plain<const N: usize>(bytes: &[u8], is_finite: impl Fn([u8; N]) -> bool) -> Option<NotFinite> {
    let (values, _) = bytes.as_chunks::<N>();
    // The common case first, in a loop without an exit, which the compiler turns into vector code.
    let count: u64 = values
        .iter()
        .map(|value| u64::from(!is_finite(*value)))
        .sum();
    if count == 0 {
        return None;
    }
    let index = values.iter().position(|value| !is_finite(*value))?;
    Some(NotFinite {
        block: index as u64,
        part: None,
        offset: index * N,
        count,
    })
}

fn scales(block_type: &BlockType, bytes: &[u8]) -> Option<NotFinite> {
    match block_type.name {
        "IQ1_M" => fields(bytes, "scales", 48, |block: &[u8; 56]| {
            iq1_m_scale(block).is_finite()
        }),
        // The one code of E8M0 that is no power of two.
        "MXFP4" => fields(bytes, "e", 0, |block: &[u8; 17]| block[0] != 0xff),
        _ => halves(block_type, bytes),
    }
}

/// Looks at one field of every block.
fn fields<const BYTES: usize>(
    bytes: &[u8],
    part: &'static str,
    start: usize,
    is_finite: impl Fn(&[u8; BYTES]) -> bool,
) -> Option<NotFinite> {
    let (blocks, _) = bytes.as_chunks::<BYTES>();
    let mut bad = blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| !is_finite(block));
    let (block, _) = bad.next()?;
    Some(NotFinite {
        block: block as u64,
        part: Some(part),
        offset: block * BYTES + start,
        count: 1 + bad.count() as u64,
    })
}

fn halves(block_type: &BlockType, bytes: &[u8]) -> Option<NotFinite> {
    let size = usize::try_from(block_type.bytes).ok()?;
    let mut first = None;
    let mut count: u64 = 0;
    for part in block_type.parts.iter().filter(|part| part.half) {
        let numbers = bytes.chunks_exact(size).map(|block| {
            block
                .get(part.start..part.end)
                .and_then(|bytes| bytes.try_into().ok())
                .is_some_and(|bytes| f16::from_le_bytes(bytes).is_finite())
        });
        for (index, is_finite) in numbers.enumerate() {
            if is_finite {
                continue;
            }
            count += 1;
            let offset = index * size + part.start;
            if first.is_none_or(|first: NotFinite| offset < first.offset) {
                first = Some(NotFinite {
                    block: index as u64,
                    part: Some(part.name),
                    offset,
                    count: 0,
                });
            }
        }
    }
    first.map(|first| NotFinite { count, ..first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::types::{TypeId, ggml_type};

    fn known(id: u32) -> &'static BlockType {
        let TypeId::Known(known) = ggml_type(id) else {
            panic!()
        };
        known
    }

    #[test]
    fn a_nan_scale_is_found_in_its_block_and_field() {
        let mut blocks = vec![0; 3 * 144];
        assert_eq!(first_not_finite(known(12), &blocks), None);
        blocks[2 * 144 + 2..2 * 144 + 4].copy_from_slice(&f16::NAN.to_le_bytes());
        let found = first_not_finite(known(12), &blocks).unwrap();
        assert_eq!(
            (found.block, found.part, found.offset, found.count),
            (2, Some("dmin"), 290, 1)
        );
    }

    #[test]
    fn a_scale_that_is_spread_over_words_is_put_together() {
        let mut blocks = vec![0; 3 * 56];
        // The top nibbles of four words, the low one first: infinity is 0x7c00.
        blocks[56 + 53] = 0xc0;
        assert_eq!(first_not_finite(known(29), &blocks), None);
        blocks[56 + 55] = 0x70;
        let found = first_not_finite(known(29), &blocks).unwrap();
        assert_eq!(
            (found.block, found.part, found.offset, found.count),
            (1, Some("scales"), 56 + 48, 1)
        );
    }

    #[test]
    fn an_exponent_that_is_no_power_of_two_is_found() {
        let mut blocks = vec![0xfe; 3 * 17];
        assert_eq!(first_not_finite(known(39), &blocks), None);
        blocks[17] = 0xff;
        blocks[34] = 0xff;
        let found = first_not_finite(known(39), &blocks).unwrap();
        assert_eq!((found.block, found.part, found.count), (1, Some("e"), 2));
    }

    #[test]
    fn infinity_in_plain_values_is_found_by_element() {
        let mut values = vec![0; 40];
        values[28..32].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert_eq!(first_not_finite(known(0), &values).unwrap().block, 7);
    }
}
