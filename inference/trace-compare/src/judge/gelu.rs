//! The gelu of ggml's CPU code: a table with a result in f16 for each f16.

use half::f16;

/// The least and the largest result that the table may hold for a value, which is rounded to f16 first; beyond 10 there is no
/// table.
///
/// They differ where the result lies near the middle of two f16, or is small: ggml makes the table in f32, and whether a
/// compiler fuses the products with the sums decides then.
pub(crate) fn looked_up(x: f32) -> [f32; 2] {
    if x <= -10.0 {
        [0.0; 2]
    } else if x >= 10.0 {
        [x; 2]
    } else {
        let x = f16::from_f32(x).to_f64();
        let exact = 0.5 * x * (1.0 + libm::tanh(ROOT_OF_2_BY_PI * x * (1.0 + CUBIC * x * x)));
        [-SLACK, SLACK].map(|slack| f16::from_f64(exact + x * slack).to_f32())
    }
}

/// sqrt(2 / pi).
const ROOT_OF_2_BY_PI: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;
/// What the arithmetic in f32 may be off by, of the value: two steps of the sum with the tangent.
const SLACK: f64 = 1.0 / 4_194_304.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_those_of_a_table_of_half_floats() {
        for (x, expected) in [(1.0, 0.841_308_6), (-0.5, -0.154_296_88), (0.0, 0.0)] {
            assert_eq!(looked_up(x), [expected; 2]);
            // Values that are the same in f16.
            assert_eq!(looked_up(x * 1.0001), [expected; 2]);
        }
        assert_eq!(
            (looked_up(10.01), looked_up(-10.01)),
            ([10.01; 2], [0.0; 2])
        );
    }

    #[test]
    fn a_table_made_with_fused_products_lies_between_the_two() {
        const ROOT: f32 = 0.797_884_6;
        let (mut all, mut other, mut two) = (0, 0, 0);
        for x in (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32()) {
            if !(-10.0..10.0).contains(&x) || x == -10.0 {
                continue;
            }
            let made = |square: f32| {
                let tangent = libm::tanhf(ROOT * x * square);
                let plain = 0.5 * x * (1.0 + tangent);
                let fused = (0.5 * x).mul_add(tangent, 0.5 * x);
                [plain, fused].map(|value| f16::from_f32(value).to_f32())
            };
            let made = [
                made(1.0 + 0.044_715 * x * x),
                made((0.044_715 * x).mul_add(x, 1.0)),
            ];
            let made = made.as_flattened();
            let [a, b] = looked_up(x);
            let inside = |value: &f32| (a.min(b)..=a.max(b)).contains(value);
            assert!(made.iter().all(inside), "{x}: {made:?} {a} {b}");
            assert!((a - b).abs() <= x.abs() / 512.0 + 6e-8, "{x}: {a} {b}");
            other += usize::from(made.iter().any(|value| *value != made[0]));
            two += usize::from(a != b);
            all += 1;
        }
        assert!(other > 0 && two < all / 4, "{other} {two} {all}");
    }
}
