//! The kernels by name: threads of a block and parameters in their order.
//!
//! Grids, layouts and rules stand above each kernel in the sources.

use Parameter::{F32, InPlace, Input, Output, U32};

/// The text of all kernels: PTX ISA 8.0 for compute capability 6.1, which drivers from 525 on compile for newer GPUs.
///
/// `scripts/make-ptx` makes it.
pub(crate) const PTX: &str = include_str!("../../kernels/kernels.ptx");

/// How a kernel is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// The name of the entry.
    pub(crate) name: &'static str,
    /// The threads of a block, all in the first dimension.
    pub(crate) threads: u32,
    /// What it takes, in order.
    pub(crate) parameters: &'static [Parameter],
}

/// A parameter of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// A device address that is read.
    Input(&'static str),
    /// A device address that is written.
    Output(&'static str),
    /// A device address that is read and written.
    InPlace(&'static str),
    /// A number.
    U32(&'static str),
    /// A number.
    F32(&'static str),
}

/// Returns the kernel of a name.
#[cfg(test)]
pub(crate) fn kernel(name: &str) -> Option<&'static Kernel> {
    KERNELS.iter().find(|kernel| kernel.name == name)
}

/// Every kernel, in the order of the sources.
pub(crate) static KERNELS: [Kernel; 71] = [
    of("dequantise_f32", 256, &DEQUANTISE),
    of("dequantise_f16", 256, &DEQUANTISE),
    of("dequantise_bf16", 256, &DEQUANTISE),
    of("dequantise_q4_0", 256, &DEQUANTISE),
    of("dequantise_q4_1", 256, &DEQUANTISE),
    of("dequantise_q5_0", 256, &DEQUANTISE),
    of("dequantise_q5_1", 256, &DEQUANTISE),
    of("dequantise_q8_0", 256, &DEQUANTISE),
    of("dequantise_q2_k", 256, &DEQUANTISE),
    of("dequantise_q3_k", 256, &DEQUANTISE),
    of("dequantise_q4_k", 256, &DEQUANTISE),
    of("dequantise_q5_k", 256, &DEQUANTISE),
    of("dequantise_q6_k", 256, &DEQUANTISE),
    of("gather_rows", 256, &GATHER_ROWS),
    of("dequantise_iq1_s", 256, &DEQUANTISE),
    of("dequantise_iq1_m", 256, &DEQUANTISE),
    of("dequantise_iq2_xxs", 256, &DEQUANTISE),
    of("dequantise_iq2_xs", 256, &DEQUANTISE),
    of("dequantise_iq2_s", 256, &DEQUANTISE),
    of("dequantise_iq3_xxs", 256, &DEQUANTISE),
    of("dequantise_iq3_s", 256, &DEQUANTISE),
    of("dequantise_iq4_nl", 256, &DEQUANTISE),
    of("dequantise_iq4_xs", 256, &DEQUANTISE),
    of("dequantise_tq1_0", 256, &DEQUANTISE),
    of("dequantise_tq2_0", 256, &DEQUANTISE),
    of("dequantise_mxfp4", 256, &DEQUANTISE),
    of("dequantise_nvfp4", 256, &DEQUANTISE),
    of("dequantise_q1_0", 256, &DEQUANTISE),
    of("dequantise_q2_0", 256, &DEQUANTISE),
    of("matmul_q4_k_gemv_1", 128, &GEMV),
    of("matmul_q4_k_gemv_2", 128, &GEMV),
    of("matmul_q4_k_gemv_4", 128, &GEMV),
    of("matmul_q4_k_gemv_8", 128, &GEMV),
    of("matmul_q6_k_gemv_1", 128, &GEMV),
    of("matmul_q6_k_gemv_2", 128, &GEMV),
    of("matmul_q6_k_gemv_4", 128, &GEMV),
    of("matmul_q6_k_gemv_8", 128, &GEMV),
    of("matmul_f32_gemv_1", 128, &GEMV),
    of("matmul_f32_gemv_2", 128, &GEMV),
    of("matmul_f32_gemv_4", 128, &GEMV),
    of("matmul_f32_gemv_8", 128, &GEMV),
    of("sum_partials", 256, &SUM_PARTIALS),
    of("matmul_q4_k_gemm_16", 128, &GEMM),
    of("matmul_q4_k_gemm_32", 128, &GEMM),
    of("matmul_q4_k_gemm_64", 128, &GEMM),
    of("matmul_q6_k_gemm_16", 128, &GEMM),
    of("matmul_q6_k_gemm_32", 128, &GEMM),
    of("matmul_q6_k_gemm_64", 128, &GEMM),
    of("matmul_f32_gemm_16", 128, &GEMM),
    of("matmul_f32_gemm_32", 128, &GEMM),
    of("matmul_f32_gemm_64", 128, &GEMM),
    of("rms_norm", 256, &RMS_NORM),
    of("add_vector", 256, &ADD_VECTOR),
    of("rotate", 256, &ROTATE),
    of("silu", 256, &SILU),
    of("multiply", 256, &PAIR),
    of("add", 256, &PAIR),
    of("copy_rows", 256, &COPY_ROWS),
    of("exp32_all", 256, &EXP32_ALL),
    of("attention_scores", 256, &ATTENTION_SCORES),
    of("softmax", 32, &SOFTMAX),
    of("attention_weighted", 128, &ATTENTION_WEIGHTED),
    of("sum_spans", 256, &SUM_SPANS),
    of("sum_join", 256, &SUM_JOIN),
    of("square_spans", 256, &SQUARE_SPANS),
    of("square_join", 256, &SQUARE_JOIN),
    of("compare_spans", 256, &COMPARE_SPANS),
    of("compare_join", 256, &COMPARE_JOIN),
    of("digest_spans", 256, &DIGEST_SPANS),
    of("digest_bytes", 256, &DIGEST_BYTES),
    of("digest_join", 256, &DIGEST_JOIN),
];

const fn of(name: &'static str, threads: u32, parameters: &'static [Parameter]) -> Kernel {
    Kernel {
        name,
        threads,
        parameters,
    }
}

const DEQUANTISE: [Parameter; 3] = [Input("blocks"), Output("values"), U32("count")];
const GATHER_ROWS: [Parameter; 4] = [
    Input("table"),
    Input("ids"),
    Output("values"),
    U32("columns"),
];
const GEMV: [Parameter; 6] = [
    Input("weights"),
    Input("x"),
    Output("partial"),
    U32("rows"),
    U32("columns"),
    U32("tokens"),
];
const SUM_PARTIALS: [Parameter; 7] = [
    Input("partial"),
    Output("y"),
    U32("rows"),
    U32("blocks"),
    U32("tokens"),
    U32("first"),
    U32("all_rows"),
];
const GEMM: [Parameter; 8] = [
    Input("weights"),
    Input("x"),
    Output("y"),
    U32("rows"),
    U32("columns"),
    U32("tokens"),
    U32("first"),
    U32("all_rows"),
];
const RMS_NORM: [Parameter; 5] = [
    Input("values"),
    Input("weight"),
    Output("out"),
    U32("n"),
    F32("epsilon"),
];
const ADD_VECTOR: [Parameter; 4] = [Input("values"), Input("vector"), Output("out"), U32("n")];
const ROTATE: [Parameter; 6] = [
    InPlace("values"),
    Input("turns"),
    U32("heads"),
    U32("head_dim"),
    U32("dims"),
    U32("neox"),
];
const SILU: [Parameter; 3] = [Input("values"), Output("out"), U32("count")];
const PAIR: [Parameter; 4] = [Input("a"), Input("b"), Output("out"), U32("count")];
const EXP32_ALL: [Parameter; 3] = [Output("out"), U32("first"), U32("count")];
const ATTENTION_SCORES: [Parameter; 8] = [
    Input("q"),
    Input("k"),
    Output("scores"),
    U32("tokens"),
    U32("heads"),
    U32("key_values"),
    U32("dim"),
    F32("scale"),
];
const SOFTMAX: [Parameter; 4] = [
    Input("scores"),
    Output("probabilities"),
    U32("tokens"),
    U32("heads"),
];
const ATTENTION_WEIGHTED: [Parameter; 7] = [
    Input("probabilities"),
    Input("v"),
    Output("out"),
    U32("tokens"),
    U32("heads"),
    U32("key_values"),
    U32("dim"),
];
const COPY_ROWS: [Parameter; 5] = [
    Input("from"),
    Output("to"),
    U32("rows"),
    U32("first_row"),
    U32("all_rows"),
];
const SUM_SPANS: [Parameter; 3] = [Input("values"), Input("spans"), Output("partials")];
const SUM_JOIN: [Parameter; 4] = [
    Input("spans"),
    Input("partials"),
    Output("results"),
    U32("blocks"),
];
const SQUARE_SPANS: [Parameter; 4] = [
    Input("values"),
    Input("spans"),
    Input("results"),
    Output("partials"),
];
const SQUARE_JOIN: [Parameter; 4] = [
    Input("spans"),
    Input("partials"),
    InPlace("results"),
    U32("blocks"),
];
const COMPARE_SPANS: [Parameter; 4] = [Input("a"), Input("b"), Input("spans"), Output("partials")];
const COMPARE_JOIN: [Parameter; 6] = [
    Input("a"),
    Input("b"),
    Input("spans"),
    Input("partials"),
    Output("results"),
    U32("blocks"),
];
const DIGEST_SPANS: [Parameter; 4] = [
    Input("values"),
    Input("spans"),
    Output("chaining"),
    U32("stride"),
];
const DIGEST_BYTES: [Parameter; 5] = [
    Input("bytes"),
    Output("chaining"),
    U32("length"),
    U32("first_chunk"),
    U32("is_whole"),
];
const DIGEST_JOIN: [Parameter; 6] = [
    Input("spans"),
    Input("in"),
    Output("out"),
    U32("in_stride"),
    U32("out_stride"),
    U32("level"),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_text_is_that_of_the_sources() {
        let recorded = PTX
            .lines()
            .find_map(|line| line.strip_prefix("// sources: sha256 "));
        assert_eq!(
            recorded,
            Some(digest_of_sources(None).as_str()),
            "the kernels changed: run scripts/make-ptx"
        );
    }

    #[test]
    fn a_changed_or_renamed_source_is_another_digest() {
        let now = digest_of_sources(None);
        assert_ne!(now, digest_of_sources(Some(("gemv.cuh", "gemv.cuh"))));
        assert_ne!(now, digest_of_sources(Some(("gemv.cuh", "other.cuh"))));
    }

    #[test]
    fn entries_have_the_names_threads_and_parameters_of_the_list() {
        let found = entries();
        let listed: Vec<_> = KERNELS
            .iter()
            .map(|kernel| {
                let kinds = kernel.parameters.iter().map(|parameter| match parameter {
                    Input(_) | Output(_) | InPlace(_) => ".u64",
                    U32(_) => ".u32",
                    F32(_) => ".f32",
                });
                (kernel.name, kinds.collect(), kernel.threads)
            })
            .collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn drivers_from_525_on_take_the_text() {
        assert!(PTX.contains("\n.version 8.0\n.target sm_61\n.address_size 64\n"));
    }

    /// Name, types of parameters and threads of each entry, in the order of the text.
    fn entries() -> Vec<(&'static str, Vec<&'static str>, u32)> {
        let entries = PTX.split(".visible .entry ").skip(1);
        entries
            .map(|entry| {
                let (name, rest) = entry.split_once('(').unwrap();
                let (parameters, rest) = rest.split_once(')').unwrap();
                let kinds = parameters.split(".param ").skip(1);
                let kinds = kinds.map(|kind| kind.split_whitespace().next().unwrap());
                let (threads, _) = rest.split_once('{').unwrap();
                let threads = threads.trim().strip_prefix(".maxntid ").unwrap();
                let threads = threads
                    .split(',')
                    .map(|side| side.trim().parse::<u32>().unwrap());
                (name.trim(), kinds.collect(), threads.product())
            })
            .collect()
    }

    /// What `scripts/make-ptx` computes, over name, length and bytes of each source; with a file changed for a test.
    fn digest_of_sources(change: Option<(&str, &str)>) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".cu") || name.ends_with(".cuh"))
            .collect();
        names.sort();
        let mut digest = Sha256::new();
        for name in names {
            let mut content = fs::read(folder.join(&name)).unwrap();
            let mut shown = name.as_str();
            if let Some((from, to)) = change.filter(|(from, _)| *from == name) {
                shown = to;
                if from == to {
                    content[0] ^= 1;
                }
            }
            digest.update(format!("{shown} {}\n", content.len()));
            digest.update(content);
        }
        let bytes = digest.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
