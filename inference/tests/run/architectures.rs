//! Every architecture with an oracle: how near the truth it is, that no key that it reads is ignored, and that neither
//! threads nor later tokens change a bit.

use std::{fs, path::PathBuf};

use crate::support::{npy, relative_error};
use fixtures::shared;
use gguf_file::{Content, Limits, Value};
use inference::{
    Digests, Error, Model, Options, Source, StageSink, Step, forward, forward_batch,
    forward_in_f64, load,
};

/// What the oracles were run with; a model has as many rows of truth as it had tokens.
const TOKENS: [u32; 24] = [
    10, 72, 105, 33, 300, 17, 42, 99, 5, 250, 131, 64, 299, 7, 88, 201, 150, 23, 277, 111, 190, 46,
    222, 68,
];

struct Nothing;

impl<F> StageSink<F> for Nothing {
    fn stage(&mut self, _step: Step, _tokens: usize, _values: &[F]) {}
}

/// The name and the bytes of each model.
fn models() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(shared::path("arch")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "gguf"));
    paths.sort();
    let named = paths.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    });
    named.collect()
}

#[needs::data("arch")]
#[test]
fn the_numbers_of_every_kind_of_layer_are_settings() {
    let shown = |name: &str, stage: &str| {
        let bytes = shared::read(&format!("arch/{name}.f32.gguf"));
        let model = load(&[&bytes]).unwrap();
        let taken = model.program.iter();
        let of_stage = taken.filter(|taken| taken.step.to_string() == stage);
        let settings = of_stage.flat_map(|taken| taken.settings.clone());
        let shown = settings.map(|setting| format!("{} {}", setting.name, setting.value));
        shown.collect::<Vec<_>>().join(", ")
    };
    for (name, stage, expected) in [
        (
            "qwen35",
            "0.ssm_scan",
            "recurrence gated delta rule, ssm_state_size 8, ssm_group_count 2, ssm_time_step_rank 4, ssm_inner_size 32",
        ),
        ("qwen35", "0.ssm_conv", "ssm_conv_kernel 4"),
        (
            "granitehybrid",
            "0.ssm_scan",
            "recurrence state space, ssm_state_size 8, ssm_group_count 2, ssm_time_step_rank 4, ssm_inner_size 64",
        ),
        (
            "nemotron_h",
            "0.ssm_scan",
            "recurrence state space, ssm_state_size 8, ssm_group_count 2, ssm_time_step_rank 4, ssm_inner_size 32",
        ),
        (
            "lfm2",
            "0.ssm_conv",
            "recurrence short convolution, shortconv_l_cache 3",
        ),
        (
            "gemma4",
            "layer_inputs_rows",
            "embedding_length_per_layer_input 8",
        ),
        (
            "gemma4",
            "5.attention",
            "num_heads 4, num_kv_heads 2, head_dim 24, keys_and_values_of_layer 2",
        ),
    ] {
        assert_eq!(shown(name, stage), expected, "{name}: {stage}");
    }
}

#[needs::data("arch")]
#[test]
fn every_architecture_is_as_near_the_truth_as_f64_and_f32_are() {
    let mut far = Vec::new();
    for (name, bytes) in models() {
        let truth = fs::read(shared::path(&format!("arch/{name}.f64.logits.npy"))).unwrap();
        let truth = npy(&truth);
        let sources: [&dyn Source; 1] = [&bytes];
        let model = load(&sources).unwrap_or_else(|error| panic!("{name}: {error}"));
        let width = model.config.vocabulary;
        let tokens = &TOKENS[..truth.len() / width];
        let options = Options::default();
        let exact = forward_in_f64(&model, &sources, tokens, &options, &mut Nothing).unwrap();
        let found = forward(&model, &sources, tokens, &options, &mut Nothing).unwrap();
        let exact = relative_error(&exact, &truth);
        let rows = found.chunks(width).zip(truth.chunks(width));
        let worst = rows.map(|(found, truth)| relative_error(found, truth));
        let worst = worst.fold(0.0, f64::max);
        // Its products in f32: see CONTRACT.md, "What is left".
        let gate = if name == "gemma4.f32" { 2e-5 } else { 1e-5 };
        if exact > 1e-12 || worst > gate {
            far.push(format!("{name}: f64 {exact:.1e}, f32 {worst:.1e}"));
        }
    }
    assert_eq!(far, [""; 0]);
}

#[needs::data("arch")]
#[test]
fn neither_threads_nor_later_tokens_change_a_bit_of_any() {
    for (name, bytes) in models() {
        let sources: [&dyn Source; 1] = [&bytes];
        let model = load(&sources).unwrap();
        let of = |prompts: &[&[u32]], threads| {
            let options = Options {
                threads,
                panel_bytes: 3000,
                ..Options::default()
            };
            let mut logits = vec![Logits::default(); prompts.len()];
            let mut sinks: Vec<(&[u32], &mut dyn StageSink)> = Vec::new();
            for (prompt, sink) in prompts.iter().zip(&mut logits) {
                sinks.push((prompt, sink));
            }
            forward_batch(&model, &sources, &mut sinks, &options, &mut |_| {}).unwrap();
            logits
        };
        let alone = of(&[&TOKENS[..7]], 1);
        let together = of(&[&TOKENS[..11], &TOKENS[..7]], 3);
        assert!(
            alone[0].0 == together[1].0,
            "{name}: another prompt, threads"
        );
        let row = together[0].0.get(..alone[0].0.len());
        assert!(Some(&alone[0].0[..]) == row, "{name}: later tokens");
    }
}

#[derive(Default, Clone)]
struct Logits(Vec<u32>);

impl StageSink for Logits {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f32]) {
        if step.to_string() == "logits" {
            self.0 = values.iter().map(|value| value.to_bits()).collect();
        }
    }
}

/// Keys that llama.cpp does not read for these, or not under the other keys of the file.
const TRAPS: [(&str, &str); 8] = [
    // Below the context of the run as well.
    ("phi3-long", "rope.scaling.original_context_length"),
    ("phi3", "attention.sliding_window"),
    ("nemotron_h", "rope.dimension_count"),
    ("nemotron_h", "rope.freq_base"),
    // Its experts are in the last layer.
    ("ernie4_5-moe", "interleave_moe_layer_step"),
    // All layers have experts, whose size is the other key.
    ("qwen", "feed_forward_length"),
    ("gpt-oss", "feed_forward_length"),
    ("minimax-m2", "expert_feed_forward_length"),
];

/// Keys that describe.
const WITHOUT_EFFECT: [&str; 2] = ["context_length", "vocab_size"];

#[needs::data("arch")]
#[test]
fn no_key_that_an_architecture_has_is_ignored() {
    let mut ignored = Vec::new();
    let mut changed = 0;
    for (name, bytes) in models()
        .into_iter()
        .filter(|(name, _)| name.ends_with(".f32"))
    {
        let as_it_is = digests(&bytes).unwrap();
        for (key, place) in numbers(&bytes) {
            let trap = TRAPS
                .iter()
                .any(|(start, other)| name.starts_with(start) && key == *other);
            if WITHOUT_EFFECT.contains(&key.as_str()) || trap {
                continue;
            }
            let mut other = bytes.clone();
            place.change(&mut other);
            changed += 1;
            // A contradiction is an answer as well.
            if digests(&other).is_ok_and(|found| found == as_it_is) {
                ignored.push(format!("{name}: {key}"));
            }
        }
    }
    assert_eq!(ignored, [""; 0]);
    assert!(changed > 400, "{changed}");
}

fn digests(bytes: &[u8]) -> Result<Digests, Error> {
    let owned = bytes.to_vec();
    let sources: [&dyn Source; 1] = [&owned];
    let model: Model = load(&sources)?;
    let mut digests = Digests::default();
    forward(&model, &sources, &TOKENS, &Options::default(), &mut digests)?;
    Ok(digests)
}

/// Where a value stands, and what it becomes.
struct Place {
    at: usize,
    other: Vec<u8>,
}

impl Place {
    fn change(&self, bytes: &mut [u8]) {
        let value = bytes[self.at..].iter_mut().zip(&self.other);
        for (byte, other) in value {
            *byte = *other;
        }
    }
}

/// Another value of the same length.
fn other(value: &Value<'_>) -> Option<Vec<u8>> {
    // Contexts decide by their order of magnitude, all else by ones.
    let number = |value: u32| match value {
        32.. => value / 16,
        _ => value.wrapping_add(1),
    };
    Some(match value {
        Value::F32(0.0) => 0.5f32.to_le_bytes().to_vec(),
        Value::F32(value) => (value / 64.0).to_le_bytes().to_vec(),
        Value::U32(value) => number(*value).to_le_bytes().to_vec(),
        Value::I32(value) => number(u32::try_from(*value).unwrap())
            .to_le_bytes()
            .to_vec(),
        Value::Bool(value) => vec![u8::from(!value)],
        _ => return None,
    })
}

/// The numbers and flags of the architecture's keys.
fn numbers(bytes: &[u8]) -> Vec<(String, Place)> {
    let length = bytes.len() as u64;
    let content = Content::parse(bytes, length, &Limits::default()).unwrap();
    let name = content.get(b"general.architecture").unwrap();
    let prefix = format!("{}.", str::from_utf8(name.as_str().unwrap()).unwrap());
    let entries = content.metadata.iter().filter_map(|entry| {
        let key = str::from_utf8(entry.key).unwrap();
        let ending = key.strip_prefix(&prefix)?;
        let other = other(&entry.value)?;
        let at = usize::try_from(entry.value_span.offset).unwrap();
        Some((ending.to_owned(), Place { at, other }))
    });
    entries.collect()
}
