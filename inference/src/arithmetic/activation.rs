//! The functions of a feed-forward (rule 6).

use architectures::Activation;

use crate::arithmetic::{instruction_set::Instructions, number::Real};

/// Applies a function to each value.
pub(crate) fn activate<F: Real>(function: Activation, values: &[F]) -> Vec<F> {
    let [two, limit, slope] = [2.0, 7.0, 1.702].map(F::from_f64);
    let [root, cubic] = [ROOT_OF_2_BY_PI, CUBIC].map(F::from_f64);
    let each = |f: &dyn Fn(F) -> F| values.iter().map(|x| f(*x)).collect();
    match function {
        Activation::Silu => silu(values),
        // x / 2 * (1 + tanh(u)) is x / (1 + e^(-2u)), without the cancellation.
        Activation::Gelu => {
            let mut out = values.to_vec();
            Instructions::best().run(|| {
                for x in &mut out {
                    let u = root * (*x * (F::ONE + cubic * (*x * *x)));
                    *x /= F::ONE + (-(two * u)).exponential();
                }
            });
            out
        }
        Activation::ReluSquared => each(&|x| {
            let positive = F::default().greatest(x);
            positive * positive
        }),
        Activation::SwigluOai => each(&|gate| {
            let gate = gate.least(limit);
            gate * (slope * gate).sigmoid()
        }),
    }
}

/// Computes x / (1 + e^-x) of each x: one addition and one division.
pub(crate) fn silu<F: Real>(values: &[F]) -> Vec<F> {
    let mut out = values.to_vec();
    Instructions::best().run(|| {
        for x in &mut out {
            *x /= F::ONE + (-*x).exponential();
        }
    });
    out
}

/// sqrt(2 / pi).
const ROOT_OF_2_BY_PI: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gelu_is_its_tanh_form() {
        for step in -120..=120 {
            let x = f64::from(step) / 10.0;
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            let expected = 0.5 * x * (1.0 + u.tanh());
            let [found] = activate(Activation::Gelu, &[x])[..] else {
                panic!("one value");
            };
            assert!(
                (found - expected).abs() <= 1e-14 * (1.0 + expected.abs()),
                "{x}"
            );
        }
    }

    #[test]
    fn the_square_of_a_relu_has_no_negative_side() {
        let found = activate(Activation::ReluSquared, &[-2.0f32, 0.0, 3.0]);
        assert_eq!(found, [0.0, 0.0, 9.0]);
    }

    #[test]
    fn gates_of_gpt_oss_end_at_seven() {
        let found = activate(Activation::SwigluOai, &[7.0f64, 100.0, -1.0]);
        assert_eq!(found[0], found[1]);
        assert!((found[2] + 1.0 / (1.0 + 1.702f64.exp())).abs() < 1e-15);
    }
}
