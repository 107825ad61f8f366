use fixtures::random::Random;

use super::{
    odd_values,
    run::{Argument, bytes, check, input, output},
};
use crate::{
    comparison::{Comparison, Outcome},
    forward::PairSink as _,
    stage::{Stage, Step},
};

#[test]
fn stages_are_compared_as_on_a_cpu() {
    let mut random = Random::new(8);
    let a = odd_values(5000, &mut random);
    let mut cases = vec![(a.clone(), a.clone())];
    let mut b = a.clone();
    b[4321] = -b[4321];
    b[1234] = f32::NAN;
    cases.push((a.clone(), b));
    cases.push((a.clone(), odd_values(5000, &mut random)));
    cases.push((vec![0.0], vec![-0.0]));
    cases.push((vec![f32::INFINITY, 1.0, 2.0], vec![f32::INFINITY, 1.5, 2.0]));
    cases.push((
        vec![f32::INFINITY, f32::NAN],
        vec![f32::NEG_INFINITY, f32::from_bits(0xFFC0_0001)],
    ));
    for (a, b) in cases {
        let expected = compared(&a, &b);
        let blocks = 3;
        let results = (0..blocks).flat_map(|block| {
            let own = |x: &[f32]| -> Vec<f32> {
                let of_block = x
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| i / 256 % blocks == block);
                of_block.map(|(_, x)| *x).collect()
            };
            let mut found = compared(&own(&a), &own(&b));
            // From the number among the values of the block to that among all.
            if found[1] != u32::MAX {
                let (turn, place) = (found[1] as usize / 256, found[1] as usize % 256);
                found[1] = ((turn * blocks + block) * 256 + place) as u32;
            }
            found
        });
        let results: Vec<u32> = results.collect();
        check(
            "compare_stage",
            [blocks as u32, 1, 1],
            &[
                input(&bytes(&a)),
                input(&bytes(&b)),
                output(&results),
                Argument::U32(a.len() as u32),
            ],
        );
        check(
            "compare_join",
            [1, 1, 1],
            &[
                input(&bytes(&results)),
                output(&expected),
                Argument::U32(blocks as u32),
            ],
        );
    }
}

/// The six words of a comparison, from what the CPU finds.
fn compared(a: &[f32], b: &[f32]) -> [u32; 6] {
    let mut comparison = Comparison::default();
    comparison.stage(Step::of_model(Stage::Logits), 1, Some(a), Some(b));
    let nans = |x: &[f32]| x.iter().filter(|x| x.is_nan()).count() as u32;
    match comparison.rows[0].outcome {
        Outcome::Equal => [0, u32::MAX, 0, 0, nans(a), nans(b)],
        Outcome::Different(found) => {
            // The CPU keeps the difference in f64, a kernel the f32 next to it.
            let numbers = a.iter().zip(b).filter(|(a, b)| a != b);
            let differences = numbers.map(|(a, b)| (a - b).abs());
            let largest = differences.filter(|x| !x.is_nan()).fold(0f32, f32::max);
            let [elements, first] = [found.elements, found.first].map(|count| count as u32);
            let largest = largest.to_bits();
            [
                elements,
                first,
                found.largest_ulp,
                largest,
                nans(a),
                nans(b),
            ]
        }
        ref other => panic!("{other:?}"),
    }
}
