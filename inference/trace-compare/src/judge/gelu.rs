//! The gelu of ggml's CPU code: a table with a result in f16 for each f16.

use half::f16;

/// The result for a value, which is rounded to f16 first; beyond 10 there is no table.
pub(crate) fn looked_up(x: f32) -> f32 {
    if x <= -10.0 {
        0.0
    } else if x >= 10.0 {
        x
    } else {
        let x = f16::from_f32(x).to_f32();
        f16::from_f32(0.5 * x * (1.0 + libm::tanhf(ROOT_OF_2_BY_PI * x * (1.0 + CUBIC * x * x))))
            .to_f32()
    }
}

/// sqrt(2 / pi).
const ROOT_OF_2_BY_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_those_of_a_table_of_half_floats() {
        for (x, expected) in [(1.0, 0.841_308_6), (-0.5, -0.154_296_88), (0.0, 0.0)] {
            assert_eq!(looked_up(x), expected);
            // Values that are the same in f16.
            assert_eq!(looked_up(x * 1.0001), expected);
        }
        assert_eq!((looked_up(10.01), looked_up(-10.01)), (10.01, 0.0));
    }
}
