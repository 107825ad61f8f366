use fixtures::random::Random;

use super::{
    Matrix,
    run::{Argument, check, input, output},
};
use crate::{cuda::simulated::launches::WEIGHT_TYPES, model::WeightType};

#[test]
fn dequantised_blocks_have_the_bits_of_the_formulas() {
    for (name, weight_type) in WEIGHT_TYPES {
        let mut random = Random::new(11);
        let mut matrix = Matrix::new(weight_type, 512, 3, &mut random);
        for any_bits in [false, true] {
            if any_bits {
                random.fill(&mut matrix.bytes);
            }
            let expected = matrix.decoded();
            let count = expected.len() as u32;
            check(
                &format!("dequantise_{name}"),
                [count.div_ceil(256), 1, 1],
                &[
                    input(&matrix.bytes),
                    output(&expected),
                    Argument::U32(count),
                ],
            );
        }
    }
}

#[test]
fn halves_are_widened_as_on_a_cpu() {
    let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let mut matrix = Matrix::new(WeightType::F16, 1 << 16, 1, &mut Random::new(1));
    matrix.bytes = halves;
    check(
        "dequantise_f16",
        [256, 1, 1],
        &[
            input(&matrix.bytes),
            output(&matrix.decoded()),
            Argument::U32(1 << 16),
        ],
    );
}
