//! The keys and tensors that the forward does not honour: a model is not covered that has one that changes what an engine
//! computes, whatever else it holds. Any other key of the architecture that its description does not ask for in a GGUF has
//! no effect and is named.
//!
//! Two sources: the keys are those of `LLM_KV_NAMES` (llama.cpp, src/llama-arch.cpp), and which architectures read them is
//! said by `load_hparams` (src/llama-model.cpp) and `load_arch_hparams` (src/models/*.cpp) at commit 0c1e57098. The
//! description of an architecture asks for those that it reads; where it does not, a row says so. Of an APR file no engine
//! says which it reads, and every key counts.

use std::collections::BTreeSet;

use crate::error::Error;

/// A key with the value that changes nothing.
struct Row {
    /// The key of GGUF, without the name of the architecture.
    gguf: &'static str,
    /// The keys of APR and of the configurations of Hugging Face.
    apr: &'static [&'static str],
    neutral: Neutral,
    /// What the key does.
    does: &'static str,
    /// The architectures for which llama.cpp reads it and the forward may not.
    readers: &'static [&'static str],
}

/// As readers: all.
const EVERY: &[&str] = &["*"];

impl Row {
    const fn read_by(mut self, readers: &'static [&'static str]) -> Self {
        self.readers = readers;
        self
    }

    /// Whether what is said under the key changes the result.
    fn changes(&self, key: &str, stated: &impl Fn(&str) -> Option<Said>) -> bool {
        let factor = || stated(&key.replace("yarn_attn_factor", "factor"));
        stated(key).is_some_and(|said| !said.changes_nothing(self.neutral, factor))
    }
}

/// The values under which an engine computes what it computes without the key.
#[derive(Clone, Copy)]
enum Neutral {
    /// These numbers.
    Numbers(&'static [f64]),
    /// This flag.
    Flag(bool),
    /// 1, and what YaRN makes of the factor beside it in any case: converters write that down.
    Magnitude,
    /// No value.
    None,
}

use Neutral::{Flag, Numbers};

const OFF: Neutral = Numbers(&[0.0]);
const FACTOR: Neutral = Numbers(&[0.0, 1.0]);

const fn row(
    gguf: &'static str,
    apr: &'static [&'static str],
    neutral: Neutral,
    does: &'static str,
) -> Row {
    Row {
        gguf,
        apr,
        neutral,
        does,
        readers: &[],
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Gemma 2 and others: read by gemma2, gemma3, grok, gemma4.
    row("attn_logit_softcapping", &["attn_logit_softcapping", "attention_logit_softcapping"], OFF, "caps attention scores"),
    row("final_logit_softcapping", &["final_logit_softcapping", "logit_softcapping"], OFF, "caps logits"),
    row("router_logit_softcapping", &["router_logit_softcapping"], OFF, "caps the router"),
    // Granite, MiniCPM, Command R, Grok, Gemma.
    row("logit_scale", &["logit_scale", "logits_scaling"], FACTOR, "scales logits"),
    row("residual_scale", &["residual_scale", "residual_multiplier"], FACTOR, "scales what a layer adds"),
    row("embedding_scale", &["embedding_scale", "embedding_multiplier"], FACTOR, "scales the embedding"),
    row("attention.output_scale", &["attention_output_scale"], FACTOR, "scales what the attention gives"),
    row("attention.temperature_scale", &["attention_temperature_scale"], OFF, "scales queries by position").read_by(&["deepseek2"]),
    row("attention.scale", &["attention_scale"], OFF, "scales scores, where it is read: for granite"),
    // OLMo, DBRX, MPT, BLOOM.
    row("attention.clamp_kqv", &["clip_qkv", "clamp_kqv"], OFF, "clips query, key and value"),
    row("attention.max_alibi_bias", &["max_alibi_bias", "alibi_bias_max"], OFF, "adds a bias by distance to scores"),
    row("attention.causal", &["is_causal", "causal"], Flag(true), "lets tokens see later ones").read_by(EVERY),
    row("use_parallel_residual", &["use_parallel_residual", "parallel_residual"], Flag(false), "runs attention and feed-forward beside each other"),
    row("swin_norm", &["swin_norm"], Flag(false), "moves the norms"),
    row("rescale_every_n_layers", &["rescale_every"], OFF, "halves the residual"),
    // Mixtures of experts: read for llama as well, and by all that are named after them.
    row("expert_count", &["num_experts", "num_local_experts", "n_experts"], FACTOR, "adds experts").read_by(EVERY),
    row("expert_shared_count", &["n_shared_experts", "num_shared_experts"], OFF, "adds shared experts"),
    row("leading_dense_block_count", &["first_k_dense_replace"], OFF, "tells layers apart")
        .read_by(&["deepseek", "deepseek2", "dots1", "ernie4_5-moe", "glm4moe", "lfm2moe"]),
    row("interleave_moe_layer_step", &["interleave_moe_layer_step"], FACTOR, "tells layers apart").read_by(&["ernie4_5-moe", "llama4"]),
    row("moe_every_n_layers", &["moe_every_n_layers"], OFF, "tells layers apart"),
    // Layers of other kinds.
    row("nextn_predict_layers", &["num_nextn_predict_layers", "nextn_predict_layers"], OFF, "makes the last layers draft ones"),
    row("full_attention_interval", &["full_attention_interval"], OFF, "makes layers recurrent"),
    row("attention.shared_kv_layers", &["num_kv_shared_layers"], OFF, "shares keys and values between layers"),
    row("attention.kv_lora_rank", &["kv_lora_rank"], OFF, "compresses keys and values").read_by(&["deepseek2", "minicpm3"]),
    row("attention.q_lora_rank", &["q_lora_rank"], OFF, "compresses queries").read_by(&["deepseek2", "minicpm3"]),
    row("ssm.state_size", &["ssm_state_size", "state_size"], OFF, "makes layers recurrent"),
    // `n_deepstack_layers` of qwen3vl tells where images go in, and no text.
    row("deepstack_mapping", &["deepstack_mapping"], Neutral::None, "adds the embedding to layers").read_by(&["granite"]),
    // Rope: read for all are `freq_base`, `dimension_count`, `scaling.{type,factor,attn_factor,original_context_length}`.
    row("rope.dimension_sections", &["rope_dimension_sections", "mrope_section"], Neutral::None, "rotates by several positions")
        .read_by(&["ernie4_5", "ernie4_5-moe", "glm4", "glm4moe", "hunyuan-dense"]),
    row("rope.freq_base_swa", &["rope_local_base_freq", "rope_freq_base_swa"], Neutral::None, "gives layers with a window another base"),
    row("rope.scaling.alpha", &["rope_scaling.alpha"], OFF, "changes the base (Hunyuan)"),
    // Read by the engine of Ollama in place of `freq_base` and `freq_base_swa` (model/models/gemma3/model_text.go), not by llama.cpp.
    row("rope.global.freq_base", &[], Neutral::None, "is the base in a file of Ollama").read_by(&["gemma3"]),
    row("rope.local.freq_base", &[], Neutral::None, "is the base of layers with a window in a file of Ollama").read_by(&["gemma3"]),
    // Read for mistral3 and grok alone; the values are those that llama.cpp takes for the others.
    row("rope.scaling.yarn_beta_fast", &["rope_scaling.yarn_beta_fast", "rope_scaling.beta_fast"], Numbers(&[32.0]), "is read for mistral3 and grok alone"),
    row("rope.scaling.yarn_beta_slow", &["rope_scaling.yarn_beta_slow", "rope_scaling.beta_slow"], Numbers(&[1.0]), "is read for mistral3 and grok alone"),
    row("rope.scaling.yarn_ext_factor", &["rope_scaling.yarn_ext_factor"], Numbers(&[-1.0, 1.0]), "is read for grok alone"),
    row("rope.scaling.yarn_attn_factor", &["rope_scaling.yarn_attn_factor"], Neutral::Magnitude, "is read for grok alone"),
    row("rope.scaling.yarn_log_multiplier", &["rope_scaling.yarn_log_multiplier"], OFF, "is read for deepseek2 and mistral3 alone"),
    // Keys of Hugging Face that no GGUF has.
    row("", &["rope_scaling.attention_factor"], Neutral::None, "scales rope"),
    row("", &["rope_scaling.mscale", "rope_scaling.mscale_all_dim"], Neutral::None, "scales rope"),
    row("", &["query_pre_attn_scalar", "attention_multiplier"], Neutral::None, "replaces the scale of the attention"),
    row("", &["partial_rotary_factor", "rotary_pct"], Numbers(&[1.0]), "rotates a part of a head"),
];

/// What a file says under a key.
pub(super) enum Said {
    Number(f64),
    Flag(bool),
    /// Text, an array or an object.
    Other,
}

impl Said {
    fn changes_nothing(&self, neutral: Neutral, factor: impl Fn() -> Option<Self>) -> bool {
        match (self, neutral) {
            (Self::Number(number), Numbers(neutral)) => neutral.contains(number),
            (Self::Number(number), Neutral::Magnitude) => {
                let usual = match factor() {
                    Some(Self::Number(factor)) if factor > 1.0 => 1.0 + 0.1 * libm::log(factor),
                    _ => 1.0,
                };
                // Files hold it as f32.
                *number == 1.0 || (number - usual).abs() < 1e-6
            }
            (Self::Flag(flag), Flag(neutral)) => *flag == neutral,
            _ => false,
        }
    }
}

/// Holds every key of a GGUF against those that were read; returns the ones of the architecture that nothing reads.
///
/// A key of the architecture begins with its name, or, where that was forgotten, as one that is read does without it.
///
/// # Errors
/// Fails with [`Error::NotCovered`] for the first key that changes the result.
pub(super) fn check_gguf<'k>(
    architecture: &str,
    read: &BTreeSet<&str>,
    keys: impl Iterator<Item = &'k str>,
    stated: impl Fn(&str) -> Option<Said>,
) -> Result<Vec<String>, Error> {
    let groups: BTreeSet<&str> = read.iter().filter_map(|key| group(key)).collect();
    let mut named = Vec::new();
    for full in keys {
        let own = full.strip_prefix(architecture);
        let Some(key) = own.and_then(|rest| rest.strip_prefix('.')) else {
            if read.contains(full) || group(full).is_some_and(|group| groups.contains(group)) {
                named.push(format!("key {}", full.escape_debug()));
            }
            continue;
        };
        if read.contains(key) {
            continue;
        }
        match ROWS.iter().find(|row| row.gguf == key) {
            Some(row) if !row.changes(full, &stated) => {}
            Some(row) if row.readers == EVERY || row.readers.contains(&architecture) => {
                return Err(refused(full, row));
            }
            _ => named.push(format!("key {}", full.escape_debug())),
        }
    }
    named.sort_unstable();
    Ok(named)
}

/// `rope` of `rope.freq_base`.
fn group(key: &str) -> Option<&str> {
    key.split_once('.').map(|(group, _)| group)
}

/// Looks up every key of APR; a dot leads into an object.
///
/// # Errors
/// Fails with [`Error::NotCovered`] for the first key that changes the result.
pub(super) fn check_apr(
    read: &BTreeSet<&str>,
    stated: impl Fn(&str) -> Option<Said>,
) -> Result<(), Error> {
    let unread = ROWS.iter().filter(|row| !read.contains(row.gguf));
    let mut keys = unread.flat_map(|row| row.apr.iter().map(move |key| (*key, row)));
    match keys.find(|(key, row)| row.changes(key, &stated)) {
        None => Ok(()),
        Some((key, row)) => Err(refused(key, row)),
    }
}

/// The names that APR has for a key of GGUF, of those in the list.
pub(super) fn apr_names(gguf: &str) -> &'static [&'static str] {
    let row = ROWS.iter().find(|row| row.gguf == gguf);
    row.map_or(&[], |row| row.apr)
}

fn refused(key: &str, row: &Row) -> Error {
    Error::not_covered(format_args!("{key}: it {}", row.does))
}

/// Returns whether an engine would use a tensor that no step reads, by its name in either format.
///
/// llama.cpp refuses a file with a tensor that it does not read, but for the tables below that it skips: so every other
/// name inside a layer is one that some engine knows, and so are the families of names outside of the layers. What is left
/// has no meaning to any engine and is listed in [`super::Model::unused`].
pub(super) fn is_used_elsewhere(name: &str) -> bool {
    // Old tables of angles, which engines compute themselves.
    let skipped = ["rotary_emb.inv_freq", "rope.freqs"];
    if skipped.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    let prefixes = [
        // Layers.
        "blk.",
        "model.layers.",
        "layers.",
        // Vision and audio towers and what joins them to the text.
        "v.",
        "mm.",
        "a.",
        "visual.",
        "vision_",
        "model.vision",
        "model.visual",
        "audio_",
        "model.audio",
        "multi_modal_projector.",
        "model.multi_modal_projector.",
        "model.mm_projector.",
        // Encoders and decoders, draft layers, heads.
        "enc.",
        "dec.",
        "mtp.",
        "nextn.",
        "cls",
        "dense_",
        "score.",
        "classifier.",
        // Inputs and outputs of other architectures.
        "token_embd",
        "token_types",
        "position_embd",
        "per_layer_",
        "output",
        "altup_",
        "model.norm.",
        "lm_head.",
        "model.embed_",
        // Other sets of rope factors.
        "rope_factors_",
        "rope_freqs",
    ];
    name.ends_with(".bias")
        || name.ends_with(".scale")
        || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neutral_value_is_covered_and_any_other_names_its_key() {
        for row in ROWS {
            for key in row.apr {
                let with = |value: fn(Neutral) -> Said| {
                    let stated = value(row.neutral);
                    let stated = std::cell::Cell::new(Some(stated));
                    check_apr(&BTreeSet::new(), |asked| {
                        (asked == *key).then(|| stated.take()).flatten()
                    })
                };
                let neutral = with(|neutral| match neutral {
                    Numbers(numbers) => Said::Number(numbers[0]),
                    Neutral::Magnitude => Said::Number(1.0),
                    Flag(flag) => Said::Flag(flag),
                    Neutral::None => Said::Other,
                });
                assert_eq!(
                    neutral.is_ok(),
                    !matches!(row.neutral, Neutral::None),
                    "{key}"
                );
                let other = with(|neutral| match neutral {
                    Numbers(_) | Neutral::Magnitude => Said::Number(0.7),
                    Flag(flag) => Said::Flag(!flag),
                    Neutral::None => Said::Number(0.0),
                });
                let error = other.unwrap_err().to_string();
                assert!(
                    error.starts_with(&format!("not covered ({key}: it ")),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn what_yarn_does_in_any_case_may_be_written_down() {
        let said = |key: &str, attention, factor: Option<f64>| {
            let keys = std::iter::once(key);
            check_gguf("olmo2", &BTreeSet::new(), keys, |asked| match asked {
                _ if asked == key => Some(Said::Number(attention)),
                "olmo2.rope.scaling.factor" => factor.map(Said::Number),
                _ => None,
            })
            .is_ok_and(|named| named.is_empty())
        };
        let key = "olmo2.rope.scaling.yarn_attn_factor";
        let factor = Some(8.0);
        assert!(said(key, f64::from(1.207_944_2_f32), factor));
        assert!(said(key, 1.0, factor));
        assert!(!said(key, 1.2, factor));
        assert!(!said(key, 1.207_944_2, None));
        assert!(!said("olmo2.rope.scaling.yarn_ext_factor", 1.2, factor));
        assert!(said("olmo2.expert_count", 1.0, None));
        assert!(!said("olmo2.expert_count", 2.0, None));
        assert!(said("olmo2.interleave_moe_layer_step", 1.0, None));
        assert!(!said("olmo2.deepstack_mapping", 0.0, None));
    }

    #[test]
    fn a_key_counts_where_llama_cpp_reads_it_and_is_named_elsewhere() {
        let check = |architecture: &str, key: &str| {
            let stated = format!("{architecture}.{key}");
            let keys = std::iter::once(stated.as_str());
            check_gguf(architecture, &BTreeSet::new(), keys, |asked| {
                (asked == stated).then_some(Said::Number(7.0))
            })
        };
        for (architecture, key) in [
            ("llama", "attention.scale"),
            ("gemma4", "attention.scale"),
            ("llama", "rope.scaling.yarn_beta_fast"),
            ("olmo2", "rope.freq_base_swa"),
            ("qwen3", "attention.temperature_scale"),
            ("qwen2", "rope.dimension_sections"),
            ("olmo2", "num_deepstack_layers"),
            ("qwen2", "rope.global.freq_base"),
        ] {
            let named = vec![format!("key {architecture}.{key}")];
            assert_eq!(check(architecture, key), Ok(named));
        }
        for (architecture, key) in [
            ("deepseek2", "attention.temperature_scale"),
            ("glm4", "rope.dimension_sections"),
            ("granite", "deepstack_mapping"),
            ("gemma3", "rope.global.freq_base"),
            ("qwen2", "expert_count"),
            ("qwen2", "attention.causal"),
        ] {
            let text = check(architecture, key).unwrap_err().to_string();
            let start = format!("not covered ({architecture}.{key}: it ");
            assert!(text.starts_with(&start), "{text}");
        }
    }

    #[test]
    fn tensors_that_engines_know_are_told_from_those_they_skip() {
        for name in [
            "blk.0.attn_q.scale",
            "blk.7.extra.weight",
            "v.blk.0.attn_q.weight",
            "mm.0.weight",
            "rope_factors_long.weight",
            "rope_freqs.weight",
            "output.bias",
            "token_embd_norm.weight",
            "model.layers.0.self_attn.q_proj.weight_scale",
            "visual.patch_embed.weight",
            // Refused by llama.cpp, which loads it for no architecture.
            "blk.0.attn_rot_embd.weight",
        ] {
            assert!(is_used_elsewhere(name), "{name}");
        }
        for name in [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "notes.weight",
        ] {
            assert!(!is_used_elsewhere(name), "{name}");
        }
    }
}
