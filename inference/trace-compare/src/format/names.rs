//! Mapping of the names of other engines to our stages.
//!
//! A name that does not say where a value was taken gets every capture point that it may mean; comparing decides.

use super::{
    capture::{Capture, Layout},
    record::{Content, Record, Statistics},
};
use inference::{Stage, Step};

/// A folder of APRT files: `embedding`, `layer-N/STAGE`.
pub(crate) fn aprt(layer: Option<usize>, name: &str) -> Vec<Capture> {
    let Some(layer) = layer else {
        return match name {
            "embedding" => model(Stage::Embedding),
            "final_norm" => model(Stage::FinalNorm),
            "lm_head" => model(Stage::Logits),
            _ => Vec::new(),
        };
    };
    let stage = match name {
        // The reference tool files the rows looked up under the first layer.
        "embedding" if layer == 0 => return model(Stage::Embedding),
        "qkv_matmul" => return vec![Capture::joined(layer, &PRE_BIAS)],
        "qkv_bias" => return vec![Capture::joined(layer, &POST_BIAS)],
        "qkv" => return unlabelled(layer),
        "attn_scores" => Stage::AttnScores,
        "attn_softmax" => Stage::AttnSoftmax,
        "q_post_rope" => Stage::QRope,
        "k_post_rope" => Stage::KRope,
        "post_attn_residual" => Stage::FfnInp,
        "ffn_swigl" => Stage::FfnSwiglu,
        "ffn_out" => Stage::FfnDown,
        "post_ffn_residual" | "layer_output" => Stage::LayerOut,
        "attn_norm" => Stage::AttnNorm,
        "attention" => Stage::Attention,
        "attn_out" => Stage::AttnOut,
        "ffn_norm" => Stage::FfnNorm,
        "ffn_gate" => Stage::FfnGate,
        "ffn_up" => Stage::FfnUp,
        "ffn_silu" => Stage::FfnSilu,
        _ => return Vec::new(),
    };
    let capture = Capture::one(Step::in_layer(layer, stage));
    vec![if stage.is_per_position() {
        capture.laid_out(Layout::Heads)
    } else {
        capture
    }]
}

/// The statistics of `apr trace --payload`.
fn payload(layer: Option<usize>, name: &str) -> Vec<Capture> {
    match (layer, name) {
        (Some(layer), "output") => aprt(Some(layer), "layer_output"),
        _ => aprt(layer, name),
    }
}

/// A record of statistics.
pub(crate) fn payload_record(layer: Option<usize>, name: &str, statistics: Statistics) -> Record {
    Record {
        captures: payload(layer, name),
        name: match layer {
            Some(layer) => format!("layer {layer} {name}"),
            None => name.to_owned(),
        },
        content: Content::Statistics(statistics),
    }
}

/// The parts of a key: `NAME|OPERATION`, `NAME|OPERATION|WEIGHT`, either with `#2` behind it.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) name: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) weight: Option<&'a str>,
}

impl<'a> Node<'a> {
    pub(crate) fn of(key: &'a str) -> Option<Self> {
        let key = key.rsplit_once('#').map_or(key, |(key, _)| key);
        let (name, rest) = key.split_once('|')?;
        let (operation, weight) = match rest.split_once('|') {
            Some((operation, weight)) => (operation, Some(weight)),
            None => (rest, None),
        };
        Some(Self {
            name,
            operation,
            weight,
        })
    }

    /// The layer that it says it is of.
    pub(crate) fn layer(self) -> Option<usize> {
        let of_weight = |weight: &str| weight.strip_prefix("blk.")?.split('.').next()?.parse().ok();
        let of_name = |name: &str| name.rsplit_once('-')?.1.parse().ok();
        self.weight
            .and_then(of_weight)
            .or_else(|| of_name(self.name))
    }
}

/// A node of llama.cpp, `NAME-LAYER|OPERATION`.
pub(crate) fn llama_cpp(key: &str) -> Vec<Capture> {
    let Some(Node {
        name, operation, ..
    }) = Node::of(key)
    else {
        return Vec::new();
    };
    match (name, operation) {
        ("embd" | "inp_embd" | "model.embed_tokens" | "model.input_embed", "GET_ROWS") => {
            return model(Stage::Embedding);
        }
        ("embd" | "inp_scaled", "SCALE") => return model(Stage::EmbeddingScaled),
        ("result_norm", "MUL" | "ADD") | ("h_nextn", "MUL") => return model(Stage::FinalNorm),
        ("result_output", "MUL_MAT") => return model(Stage::Logits),
        _ => {}
    }
    let Some((name, layer)) = name.rsplit_once('-') else {
        return Vec::new();
    };
    let Ok(layer) = layer.parse() else {
        return Vec::new();
    };
    let one = |stage| vec![Capture::one(Step::in_layer(layer, stage))];
    // The stages that a model does not have are no meanings of its records.
    let either = |stages: &[Stage]| -> Vec<Capture> {
        let steps = stages.iter().map(|stage| Step::in_layer(layer, *stage));
        steps.map(Capture::one).collect()
    };
    let heads = |stage, layout| vec![Capture::one(Step::in_layer(layer, stage)).laid_out(layout)];
    match (name, operation) {
        ("attn_norm", "MUL") => one(Stage::AttnNorm),
        ("Qcur", "MUL_MAT") => one(Stage::QPreBias),
        ("Kcur", "MUL_MAT") => one(Stage::KPreBias),
        ("Vcur", "MUL_MAT") => one(Stage::VPreBias),
        ("Qcur", "ADD") => one(Stage::QPostBias),
        ("Kcur", "ADD") => one(Stage::KPostBias),
        ("Vcur", "ADD") => one(Stage::VPostBias),
        ("Qcur_normed", "MUL") => one(Stage::QNorm),
        ("Kcur_normed", "MUL") => one(Stage::KNorm),
        ("Qcur", "ROPE") => one(Stage::QRope),
        ("Kcur", "ROPE") => one(Stage::KRope),
        ("kq", "MUL_MAT") => scores(Step::in_layer(layer, Stage::AttnScores)),
        ("kq_soft_max", "SOFT_MAX") => heads(Stage::AttnSoftmax, Layout::Heads),
        // What latents or heads are made of, if a model does not stop at the values: `nodes` knows which stage that is.
        ("kqv", "MUL_MAT") => heads(Stage::Attention, Layout::HeadRows),
        ("kqv_out", "CONT") => one(Stage::Attention),
        ("attn_out", "MUL_MAT") => one(Stage::AttnOut),
        ("ffn_inp" | "sa_out" | "attn_residual", "ADD") => one(Stage::FfnInp),
        ("ffn_norm", "MUL" | "ADD") => one(Stage::FfnNorm),
        ("attn_post_norm" | "post_attn_norm", "MUL") => {
            either(&[Stage::AttnPostNorm, Stage::FfnNorm])
        }
        ("ffn_post_norm" | "post_mlp_norm", "MUL") => one(Stage::FfnPostNorm),
        // A shared expert has the names of a dense feed-forward; no layer has both.
        ("ffn_gate", "MUL_MAT") => either(&[Stage::FfnGate, Stage::SharedGate]),
        ("ffn_up", "MUL_MAT") => either(&[Stage::FfnUp, Stage::SharedUp]),
        ("ffn_swiglu", "SWIGLU" | "GLU") => either(&[Stage::FfnSwiglu, Stage::SharedGated]),
        ("ffn_out" | "ffn_down", "MUL_MAT") => one(Stage::FfnDown),
        ("ffn_out", "ADD") => either(&[Stage::FfnDownBias, Stage::FfnOut, Stage::FfnInput]),
        ("ffn_moe_logits", "MUL_MAT") => one(Stage::MoeLogits),
        ("ffn_moe_probs", "ADD") => one(Stage::MoeLogitsBias),
        ("ffn_moe_probs", "SOFT_MAX" | "SIGMOID") => one(Stage::MoeProbs),
        ("ffn_moe_gate", "MUL_MAT_ID") => one(Stage::MoeGate),
        ("ffn_moe_up", "MUL_MAT_ID") => one(Stage::MoeUp),
        ("ffn_moe_gate_biased", "ADD_ID") => one(Stage::MoeGateBias),
        ("ffn_moe_up_biased", "ADD_ID") => one(Stage::MoeUpBias),
        ("ffn_moe_swiglu", "SWIGLU")
        | ("ffn_moe_geglu", "GEGLU")
        | ("ffn_moe_swiglu_oai", "SWIGLU_OAI") => one(Stage::MoeGated),
        ("ffn_moe_down", "MUL_MAT_ID") => one(Stage::MoeDown),
        ("ffn_moe_down_biased", "ADD_ID") => one(Stage::MoeDownBias),
        ("ffn_moe_out", "ADD") => one(Stage::MoeOut),
        ("ffn_shexp" | "ffn_moe_shexp", "MUL_MAT") => one(Stage::SharedDown),
        ("ffn_shexp_gate_inp" | "shared_expert_gate", "MUL_MAT") => one(Stage::SharedWeight),
        ("ffn_shexp_out" | "ffn_shexp_gated", "MUL") => one(Stage::SharedOut),
        ("l_out", "ADD") => either(&[Stage::LayerOut, Stage::FfnOut]),
        _ => Vec::new(),
    }
}

/// Scores before the scale, or of queries that were scaled.
pub(crate) fn scores(step: Step) -> Vec<Capture> {
    let layouts = [Layout::UnscaledHeads, Layout::Heads];
    let one = |layout| Capture::one(step).laid_out(layout);
    layouts.map(one).into()
}

/// A module of Hugging Face transformers, with or without `.output` at its end, or a hidden state.
pub(crate) fn hugging_face(key: &str) -> Vec<Capture> {
    let key = key.strip_suffix(".output").unwrap_or(key);
    let key = key.strip_prefix("model.").unwrap_or(key);
    if let Some(index) = key.strip_prefix("hidden_states.") {
        let Ok(index) = index.parse::<usize>() else {
            return Vec::new();
        };
        // Before layer `index`; the last of them comes after the final norm.
        return match index.checked_sub(1) {
            None => model(Stage::Embedding),
            Some(layer) => vec![
                Capture::one(Step::in_layer(layer, Stage::LayerOut)),
                Capture::one(Step::of_model(Stage::FinalNorm)),
            ],
        };
    }
    match key {
        "embed_tokens" => return model(Stage::Embedding),
        "norm" => return model(Stage::FinalNorm),
        "lm_head" | "logits" => return model(Stage::Logits),
        _ => {}
    }
    let Some(rest) = key.strip_prefix("layers.") else {
        return Vec::new();
    };
    let (layer, name) = rest.split_once('.').unwrap_or((rest, ""));
    let Ok(layer) = layer.parse() else {
        return Vec::new();
    };
    // A projection adds its bias itself, and llama's pairs are ordered differently there than in GGUF.
    let projection = |stages: [Stage; 2], layouts: &[Layout]| {
        stages
            .iter()
            .flat_map(|stage| {
                let one = Capture::one(Step::in_layer(layer, *stage));
                layouts
                    .iter()
                    .map(move |layout| one.clone().laid_out(*layout))
            })
            .collect()
    };
    let stage = match name {
        "" => Stage::LayerOut,
        "input_layernorm" => Stage::AttnNorm,
        "self_attn.q_proj" => return projection([Stage::QPostBias, Stage::QPreBias], &PAIRS),
        "self_attn.k_proj" => return projection([Stage::KPostBias, Stage::KPreBias], &PAIRS),
        "self_attn.v_proj" => {
            return projection([Stage::VPostBias, Stage::VPreBias], &[Layout::Tokens]);
        }
        "self_attn.q_norm" => Stage::QNorm,
        "self_attn.k_norm" => Stage::KNorm,
        "self_attn.o_proj" | "self_attn" => Stage::AttnOut,
        "post_attention_layernorm" => Stage::FfnNorm,
        "mlp.gate_proj" => Stage::FfnGate,
        "mlp.up_proj" => Stage::FfnUp,
        "mlp.act_fn" => Stage::FfnSilu,
        "mlp.down_proj" | "mlp" => Stage::FfnDown,
        _ => return Vec::new(),
    };
    vec![Capture::one(Step::in_layer(layer, stage))]
}

/// The name of a stage of a layer in a folder of APRT files; the joined ones are [`PRE_BIAS`] and [`POST_BIAS`].
pub(crate) const fn aprt_name(stage: Stage) -> Option<&'static str> {
    Some(match stage {
        Stage::Embedding => "embedding",
        Stage::AttnNorm => "attn_norm",
        Stage::QRope => "q_post_rope",
        Stage::KRope => "k_post_rope",
        Stage::AttnScores => "attn_scores",
        Stage::AttnSoftmax => "attn_softmax",
        Stage::Attention => "attention",
        Stage::AttnOut => "attn_out",
        Stage::FfnInp => "post_attn_residual",
        Stage::FfnNorm => "ffn_norm",
        Stage::FfnGate => "ffn_gate",
        Stage::FfnUp => "ffn_up",
        Stage::FfnSilu => "ffn_silu",
        Stage::FfnSwiglu => "ffn_swigl",
        Stage::FfnDown => "ffn_out",
        Stage::LayerOut => "post_ffn_residual",
        Stage::FinalNorm => "final_norm",
        Stage::Logits => "lm_head",
        _ => return None,
    })
}

fn model(stage: Stage) -> Vec<Capture> {
    vec![Capture::one(Step::of_model(stage))]
}

/// Query, key and value in one, before or after the bias.
fn unlabelled(layer: usize) -> Vec<Capture> {
    vec![
        Capture::joined(layer, &PRE_BIAS),
        Capture::joined(layer, &POST_BIAS),
    ]
}

pub(crate) const PRE_BIAS: [Stage; 3] = [Stage::QPreBias, Stage::KPreBias, Stage::VPreBias];

pub(crate) const POST_BIAS: [Stage; 3] = [Stage::QPostBias, Stage::KPostBias, Stage::VPostBias];

const PAIRS: [Layout; 2] = [Layout::Tokens, Layout::Halves];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_the_operation_tell_the_capture_point() {
        let keys =
            |key| -> Vec<String> { llama_cpp(key).iter().map(ToString::to_string).collect() };
        assert_eq!(keys("Qcur-3|MUL_MAT"), ["3.q_pre_bias"]);
        assert_eq!(keys("Qcur-3|ADD"), ["3.q_post_bias"]);
        assert_eq!(keys("Qcur-3|ROPE"), ["3.q_rope"]);
        assert_eq!(keys("result_output|MUL_MAT"), ["logits"]);
        assert_eq!(keys("ffn_moe_gate-1|MUL_MAT_ID"), ["1.moe_gate"]);
        assert_eq!(
            keys("ffn_up-1|MUL_MAT"),
            ["1.ffn_up", "1.shexp_up"],
            "the model says which"
        );
        for key in [
            "Qcur-3|RESHAPE",
            "Qcur-x|ADD",
            "",
            "|",
            "Qcur-3",
            "norm|RMS_NORM",
        ] {
            assert!(llama_cpp(key).is_empty(), "{key}");
        }
    }

    #[test]
    fn an_unlabelled_projection_means_two_points() {
        let keys: Vec<_> = payload(Some(1), "qkv")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            keys,
            [
                "1.q_pre_bias + k_pre_bias + v_pre_bias",
                "1.q_post_bias + k_post_bias + v_post_bias"
            ]
        );
        assert_eq!(hugging_face("model.layers.0.self_attn.q_proj").len(), 4);
        assert_eq!(
            hugging_face("model.layers.0.self_attn.v_proj.output").len(),
            2
        );
        assert_eq!(hugging_face("hidden_states.2").len(), 2);
        assert!(hugging_face("model.layers.x").is_empty());
    }
}
