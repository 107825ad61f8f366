//! The bits of every stage.

use crate::support::{again, gpu};
use fixtures::{apr::from_model_with_rope_type, models, shared};
use inference::{
    Comparison, Digests, Instruction, Mode, Model, Op, Options, Side, Source, StageSink, cuda,
    cuda::Gpu, forward_batch, forward_pair, load,
};

/// When a GPU does what it may do in any order, it does it in each of these.
#[test]
fn models_have_the_bits_of_the_cpu_in_every_order() {
    let Some(gpu) = gpu() else {
        let test = "bits::models_have_the_bits_of_the_cpu_in_every_order";
        for settings in [
            vec![("ORDER", "late")],
            vec![("ORDER", "early"), ("SEED", "1")],
            vec![("ORDER", "copies-first"), ("SEED", "2")],
        ] {
            again(test, &settings);
        }
        return;
    };
    let prompts = [&LONG[..3], &LONG[..10]];
    for (model, panel_bytes) in [
        (models::qwen2(), 20_000),
        (models::qwen2_tied(), 1 << 20),
        (models::qwen3(), 20_000),
        (models::llama(), 1 << 20),
        (models::llama_biased(), 1 << 20),
        (models::llama_scaled(), 1 << 20),
    ] {
        let bytes = model.to_bytes();
        let expected = digests(None, &bytes, &prompts, 1 << 20);
        let found = digests(Some(&gpu), &bytes, &prompts, panel_bytes);
        assert_eq!(found, expected);
        assert_eq!(digests_of_values(&gpu, &bytes, &prompts), expected);
    }
}

/// Every operation is in one of them: those without a kernel run on the host, between the others.
#[needs::data("arch")]
#[test]
fn other_architectures_have_the_bits_of_the_cpu() {
    let Some(gpu) = gpu() else {
        let test = "bits::other_architectures_have_the_bits_of_the_cpu";
        again(test, &[("ORDER", "late")]);
        return;
    };
    for name in [
        "bloom",
        "cohere2",
        "deepseek2",
        "falcon-7b",
        "gemma2",
        "gemma4-moe",
        "gpt-oss",
        "granitehybrid",
        "lfm2",
        "llama4",
        "olmo2",
        "phi3-long",
        "qwen2vl",
        "qwen35moe",
    ] {
        let bytes = shared::read(&format!("arch/{name}.f32.gguf"));
        let prompts = [&LONG[..2], &LONG[..6]];
        let expected = digests(None, &bytes, &prompts, 1 << 20);
        let found = digests(Some(&gpu), &bytes, &prompts, 20_000);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_type_and_number_of_tokens_has_the_bits_of_the_cpu() {
    let Some(gpu) = gpu() else {
        let test = "bits::every_type_and_number_of_tokens_has_the_bits_of_the_cpu";
        again(test, &[]);
        return;
    };
    for (ids, lengths) in [
        // Those that products take as they are, with each of their kernels.
        (&[0, 12, 14][..], &[1, 2, 3, 8, 9, 17, 33][..]),
        (&[1, 30, 2, 3, 6, 7, 8, 10, 11, 13], &[1, 9]),
    ] {
        for id in ids {
            let bytes = models::with_type(*id).to_bytes();
            for tokens in lengths {
                let prompts = [&LONG[..*tokens]];
                let found = digests(Some(&gpu), &bytes, &prompts, 1 << 20);
                let expected = digests(None, &bytes, &prompts, 1 << 20);
                assert_eq!(found, expected, "type {id}, {tokens} tokens");
            }
        }
    }
}

#[test]
fn panels_of_any_number_of_rows_have_the_bits_of_whole_matrices() {
    let Some(gpu) = gpu() else {
        let test = "bits::panels_of_any_number_of_rows_have_the_bits_of_whole_matrices";
        for order in ["late", "copies-first"] {
            again(test, &[("ORDER", order)]);
        }
        return;
    };
    for id in [6, 14] {
        let bytes = models::with_type(id).to_bytes();
        let prompts = [&LONG[..2]];
        for panel_bytes in [1, 5000] {
            let found = digests(Some(&gpu), &bytes, &prompts, panel_bytes);
            assert_eq!(found, digests(None, &bytes, &prompts, 1 << 20));
        }
    }
}

#[test]
fn pairs_are_compared_as_on_the_cpu() {
    let Some(gpu) = gpu() else {
        let test = "bits::pairs_are_compared_as_on_the_cpu";
        for order in ["late", "copies-first"] {
            again(test, &[("ORDER", order)]);
        }
        return;
    };
    let good = models::qwen2();
    let mut bad = good.clone();
    bad.tensor_mut("blk.0.ffn_gate.weight").data[0] ^= 0x40;
    bad.tensor_mut("blk.1.attn_v.bias").data[4] ^= 0x40;
    let unbiased = models::llama();
    let biased = models::llama_biased();
    let wrong_rope = from_model_with_rope_type(&models::qwen3(), 0).to_bytes();
    for (a, b) in [
        (good.to_bytes(), good.to_bytes()),
        (bad.to_bytes(), good.to_bytes()),
        (unbiased.to_bytes(), biased.to_bytes()),
        (wrong_rope, models::qwen3().to_bytes()),
    ] {
        for mode in [Mode::Free, Mode::Isolated] {
            let found = comparisons(Some(&gpu), &a, &b, mode);
            let expected = comparisons(None, &a, &b, mode);
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.rows.len(), expected.rows.len());
                for (found, expected) in found.rows.iter().zip(&expected.rows) {
                    // A cosine may be NaN, which is like no other.
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
                }
            }
        }
    }
}

#[test]
fn the_memory_of_the_gpu_does_not_grow_with_the_model() {
    let Some(gpu) = gpu() else {
        let test = "bits::the_memory_of_the_gpu_does_not_grow_with_the_model";
        // Half of the model: three panels of whole chunks, the values of one token, and the records of all stages.
        again(test, &[("MEMORY", "524288")]);
        return;
    };
    let bytes = include_bytes!("../../../fixtures/models/qwen3-q4_k_m.gguf");
    assert!(bytes.len() > 2 * 524_288, "{}", bytes.len());
    let found = digests(Some(&gpu), bytes, &[&LONG[..1]], 4096);
    assert_eq!(found, digests(None, bytes, &[&LONG[..1]], 4096));
}

/// The digests of each prompt, on a GPU or on the CPU.
fn digests(
    gpu: Option<&Gpu>,
    bytes: &[u8],
    prompts: &[&[u32]],
    panel_bytes: usize,
) -> Vec<Digests> {
    let bytes = bytes.to_vec();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources).unwrap();
    let options = Options {
        threads: 2,
        panel_bytes,
        ..Options::default()
    };
    let side = Side {
        model: &model,
        sources: &sources,
    };
    if let Some(gpu) = gpu {
        let (found, weights) = cuda::digests(gpu, side, prompts, &options, &mut |_| {}).unwrap();
        check_weights(&weights, &bytes, &model);
        return found;
    }
    let mut all: Vec<_> = prompts.iter().map(|_| Digests::default()).collect();
    forward_batch(
        &model,
        &sources,
        &mut batch(prompts, &mut all),
        &options,
        &mut |_| {},
    )
    .unwrap();
    all
}

/// The digests of what the GPU computes and the host digests.
fn digests_of_values(gpu: &Gpu, bytes: &[u8], prompts: &[&[u32]]) -> Vec<Digests> {
    let bytes = bytes.to_vec();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources).unwrap();
    let side = Side {
        model: &model,
        sources: &sources,
    };
    let mut all: Vec<_> = prompts.iter().map(|_| Digests::default()).collect();
    let options = Options::default();
    cuda::forward_batch(
        gpu,
        side,
        &mut batch(prompts, &mut all),
        &options,
        &mut |_| {},
    )
    .unwrap();
    all
}

/// Each prompt with its sink.
fn batch<'a>(
    prompts: &[&'a [u32]],
    sinks: &'a mut [Digests],
) -> Vec<(&'a [u32], &'a mut dyn StageSink)> {
    let pairs = prompts.iter().zip(sinks);
    pairs.map(|(prompt, sink)| (*prompt, sink as _)).collect()
}

/// The weights that were used are all that the model has, with the bytes that the file has.
fn check_weights(weights: &[cuda::Weight], bytes: &[u8], model: &Model) {
    let taken = model.program.iter().skip(1);
    // The rows of the tokens alone are read of the embedding, and the factors of rope by the CPU.
    let taken = taken.filter(|taken| !matches!(taken.op, Op::Rotate(_)));
    let tensors: Vec<_> = taken.flat_map(|taken| taken.op.tensors()).collect();
    let mut expected: Vec<_> = tensors
        .into_iter()
        .map(|tensor| {
            let range = tensor.offset..tensor.offset.saturating_add(tensor.size);
            let range = range.start.try_into().unwrap()..range.end.try_into().unwrap();
            let own = bytes.get::<std::ops::Range<usize>>(range).unwrap();
            (tensor.name.clone(), blake3::hash(own).to_string())
        })
        .collect();
    let mut found: Vec<_> = weights
        .iter()
        .map(|weight| (weight.name.clone(), weight.digest.to_string()))
        .collect();
    if model.program.iter().all(has_kernel) {
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    } else {
        found.retain(|weight| !expected.contains(weight));
        assert_eq!(found, []);
    }
}

/// Whether a step runs on the GPU, with tensors that are all of their bytes in the file.
fn has_kernel(taken: &Instruction) -> bool {
    taken.op.tensors().iter().all(|tensor| tensor.is_whole)
        && matches!(
            taken.op,
            Op::Lookup { .. }
                | Op::Norm { .. }
                | Op::Product { .. }
                | Op::AddVector { .. }
                | Op::Rotate(_)
                | Op::Scores { .. }
                | Op::Softmax { .. }
                | Op::Weighted { .. }
                | Op::Add { .. }
                | Op::Multiply { .. }
                | Op::Activate { .. }
        )
}

/// The comparisons of two prompts, on a GPU or on the CPU.
fn comparisons(gpu: Option<&Gpu>, a: &[u8], b: &[u8], mode: Mode) -> Vec<Comparison> {
    let (a, b) = (a.to_vec(), b.to_vec());
    let (of_a, of_b): ([&dyn Source; 1], [&dyn Source; 1]) = ([&a], [&b]);
    let (model_a, model_b) = (load(&of_a).unwrap(), load(&of_b).unwrap());
    let a = Side {
        model: &model_a,
        sources: &of_a,
    };
    let b = Side {
        model: &model_b,
        sources: &of_b,
    };
    let options = Options {
        threads: 2,
        panel_bytes: 50_000,
        ..Options::default()
    };
    let prompts = [&LONG[..3], &LONG[..9]];
    match gpu {
        None => forward_pair(a, b, &prompts, &options, mode, &mut |_| {}).unwrap(),
        Some(gpu) => {
            cuda::forward_pair(gpu, a, b, &prompts, &options, mode, &mut |_| {})
                .unwrap()
                .0
        }
    }
}

const LONG: [u32; 33] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 28, 29, 30, 31, 32, 33,
];
