//! The arithmetic of the contract, written once for f32 and for f64: it reads like `CONTRACT.md`.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod dequantise;
pub(crate) mod exp;
pub(crate) mod experts;
pub(crate) mod float_order;
pub(crate) mod instruction_set;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod number;
pub(crate) mod ordered_sum;
pub(crate) mod recurrent;
pub(crate) mod rope;
pub(crate) mod thread_pool;
