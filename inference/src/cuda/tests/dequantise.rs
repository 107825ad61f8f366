use fixtures::random::Random;

use super::{
    Matrix,
    run::{Argument, check, input, output},
};
use crate::model::WeightType;

#[test]
fn dequantised_blocks_have_the_bits_of_the_formulas() {
    for (name, weight_type) in TYPES {
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

const TYPES: [(&str, WeightType); 13] = [
    ("f32", WeightType::F32),
    ("f16", WeightType::F16),
    ("bf16", WeightType::BF16),
    ("q4_0", WeightType::Q4_0),
    ("q4_1", WeightType::Q4_1),
    ("q5_0", WeightType::Q5_0),
    ("q5_1", WeightType::Q5_1),
    ("q8_0", WeightType::Q8_0),
    ("q2_k", WeightType::Q2K),
    ("q3_k", WeightType::Q3K),
    ("q4_k", WeightType::Q4K),
    ("q5_k", WeightType::Q5K),
    ("q6_k", WeightType::Q6K),
];
