use fixtures::random::Random;

use super::{
    run::{Argument, bytes, check, input, output},
    values,
};
use crate::attention::{self, Heads};

#[test]
fn attention_has_the_bits_of_a_cpu() {
    let mut random = Random::new(6);
    for (heads, key_values, dim, tokens) in
        [(4, 2, 64, 40), (3, 1, 20, 17), (2, 2, 130, 5), (1, 1, 8, 1)]
    {
        let shape = Heads {
            queries: heads,
            key_values,
            dim,
            scale: 1.0 / (dim as f32).sqrt(),
        };
        let q = values(tokens * heads * dim, &mut random);
        let k = values(tokens * key_values * dim, &mut random);
        let v = values(tokens * key_values * dim, &mut random);
        let (t, h, kv, d) = (tokens as u32, heads as u32, key_values as u32, dim as u32);
        let mut scores = attention::scores(shape, &q, &k, 1);
        let tiles = t.div_ceil(16);
        check(
            "attention_scores",
            [tiles, tiles, h],
            &[
                input(&bytes(&q)),
                input(&bytes(&k)),
                output(&scores),
                Argument::U32(t),
                Argument::U32(h),
                Argument::U32(kv),
                Argument::U32(d),
                Argument::F32(shape.scale),
            ],
        );
        for odd in [false, true] {
            if odd {
                // The first row stays as it is.
                for (index, score) in scores.iter_mut().enumerate().skip(1) {
                    match index % 61 {
                        0 => *score = f32::NAN,
                        7 => *score = f32::NEG_INFINITY,
                        11 => *score = -0.0,
                        13 => *score *= 100.0,
                        _ => {}
                    }
                }
            }
            let probabilities = attention::softmax(shape, &scores, tokens, 1);
            check(
                "softmax",
                [t * h, 1, 1],
                &[
                    input(&bytes(&scores)),
                    output(&probabilities),
                    Argument::U32(t),
                    Argument::U32(h),
                ],
            );
            let out = attention::weighted(shape, &probabilities, &v, tokens, 1);
            check(
                "attention_weighted",
                [t, h, 1],
                &[
                    input(&bytes(&probabilities)),
                    input(&bytes(&v)),
                    output(&out),
                    Argument::U32(t),
                    Argument::U32(h),
                    Argument::U32(kv),
                    Argument::U32(d),
                ],
            );
        }
    }
}
