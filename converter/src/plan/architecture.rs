//! Which architectures APR has no words for, and which weights the others need.
//!
//! Sources: the graphs of llama.cpp, and as a second one the tensors of small models of 64 architectures that llama.cpp
//! runs: the test at the bottom of `complete.rs` holds the lists against those that are there. The names of the
//! architectures are those of gguf-py.

use crate::error::Error;

/// Refuses an architecture that computes something which the keys of APR cannot say.
///
/// # Errors
/// Fails with the reason; no key can be added to the GGUF that would help.
pub(crate) fn check(architecture: &str) -> Result<(), Error> {
    let reason = if LAYER_NORM.contains(&architecture) {
        "it normalises with LayerNorm, and APR can say RMSNorm only (rms_norm_eps): loaders would subtract no mean and \
         give wrong tokens without an error. No key that is added to the GGUF helps"
    } else if ENCODERS.contains(&architecture) {
        "it is an encoder: its result is an embedding of the whole text, which no key of APR can say"
    } else if DIFFUSION.contains(&architecture) {
        "its attention looks ahead (a diffusion model), and loaders of APR give every model a causal mask"
    } else if RECURRENT.contains(&architecture) {
        "it has recurrent or convolutional layers, which no key of APR can say"
    } else {
        return Ok(());
    };
    Err(Error::Architecture {
        architecture: architecture.escape_debug().to_string(),
        reason,
    })
}

/// The tensors of each layer: all of them, where a requirement is one list; any of the lists, where there are more.
pub(crate) type Requirement = &'static [&'static [&'static str]];

/// Returns what each layer of an architecture needs; `None` where that is not known.
pub(crate) fn layer_needs(architecture: &str, has_experts: bool) -> Option<Vec<Requirement>> {
    let norms: &[Requirement] = match architecture {
        "olmo2" | "exaone4" => &[HEAD_NORMS, POST_NORMS],
        "gemma2" | "glm4" => &[ATTENTION_NORM, FEED_FORWARD_NORM, POST_NORMS],
        "gemma3" => &[ATTENTION_NORM, FEED_FORWARD_NORM, HEAD_NORMS, POST_NORMS],
        "seed_oss" => &[ATTENTION_NORM, POST_ATTENTION_NORM],
        "plamo" => &[ATTENTION_NORM],
        "qwen3" | "qwen3moe" | "olmoe" | "minimax-m2" | "hunyuan-dense" | "hunyuan-moe" => {
            &[ATTENTION_NORM, FEED_FORWARD_NORM, HEAD_NORMS]
        }
        _ if LLAMA_LIKE.contains(&architecture) => &[ATTENTION_NORM, FEED_FORWARD_NORM],
        _ => return None,
    };
    let feed_forward: &[Requirement] = match architecture {
        "arcee" | "chatglm" | "glm4" | "phi3" => &[UP_AND_DOWN],
        "qwen2moe" => &[EXPERTS, SHARED_EXPERTS],
        _ if has_experts => &[EXPERTS],
        _ => &[GATE_UP_AND_DOWN],
    };
    let mut needs = vec![QUERY_KEY_VALUE, ATTENTION_OUTPUT];
    needs.extend(norms.iter().chain(feed_forward));
    Some(needs)
}

/// Whether a model without `output.weight` is incomplete, since the architecture never uses its embedding for that.
pub(crate) fn needs_output(architecture: &str) -> bool {
    NEVER_TIED.contains(&architecture)
}

/// Whether llama.cpp ignores a sliding window that a file of the architecture states.
pub(crate) fn ignores_window(architecture: &str) -> bool {
    WITHOUT_WINDOW.contains(&architecture)
}

/// Whether releases of `apr` run an .apr file of the architecture.
pub(crate) fn runs_from_apr(architecture: &str) -> bool {
    matches!(architecture, "llama" | "mistral" | "qwen2" | "qwen3")
}

const LAYER_NORM: [&str; 19] = [
    "bloom",
    "codeshell",
    "cohere2",
    "command-r",
    "dbrx",
    "falcon",
    "gpt2",
    "gptj",
    "gptneox",
    "jais",
    "jais2",
    "mpt",
    "nemotron",
    "olmo",
    "orion",
    "phi2",
    "stablelm",
    "starcoder",
    "starcoder2",
];

const ENCODERS: [&str; 12] = [
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "llama-embed",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "t5",
    "t5encoder",
];

const DIFFUSION: [&str; 4] = ["dream", "llada", "llada-moe", "rnd1"];

const RECURRENT: [&str; 19] = [
    "arwkv7",
    "falcon-h1",
    "granitehybrid",
    "jamba",
    "kimi-linear",
    "lfm2",
    "lfm2moe",
    "mamba",
    "mamba2",
    "nemotron_h",
    "nemotron_h_moe",
    "plamo2",
    "qwen35",
    "qwen35moe",
    "qwen3next",
    "rwkv6",
    "rwkv6qwen2",
    "rwkv7",
    "wavtokenizer-dec",
];

/// Those whose layers have a norm before the attention and one before the feed-forward, and nothing else.
const LLAMA_LIKE: [&str; 17] = [
    "arcee",
    "chatglm",
    "ernie4_5",
    "exaone",
    "gemma",
    "granite",
    "granitemoe",
    "internlm2",
    "llama",
    "minicpm",
    "mistral",
    "mistral3",
    "phi3",
    "qwen2",
    "qwen2moe",
    "smollm3",
    "xverse",
];

const NEVER_TIED: [&str; 6] = [
    "bailingmoe",
    "internlm2",
    "olmo2",
    "olmoe",
    "qwen2moe",
    "xverse",
];

const WITHOUT_WINDOW: [&str; 8] = [
    "llama", "mistral", "mistral3", "phi3", "qwen2", "qwen2moe", "qwen3", "qwen3moe",
];

const ATTENTION_NORM: Requirement = &[&["attn_norm.weight"]];
const FEED_FORWARD_NORM: Requirement = &[&["ffn_norm.weight"]];
const POST_ATTENTION_NORM: Requirement = &[&["post_attention_norm.weight"]];
const POST_NORMS: Requirement = &[&["post_attention_norm.weight", "post_ffw_norm.weight"]];
const HEAD_NORMS: Requirement = &[&["attn_q_norm.weight", "attn_k_norm.weight"]];
const QUERY_KEY_VALUE: Requirement = &[
    &["attn_q.weight", "attn_k.weight", "attn_v.weight"],
    &["attn_qkv.weight"],
];
const ATTENTION_OUTPUT: Requirement = &[&["attn_output.weight"]];
const GATE_UP_AND_DOWN: Requirement = &[&["ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"]];
const UP_AND_DOWN: Requirement = &[&["ffn_up.weight", "ffn_down.weight"]];
const EXPERTS: Requirement = &[
    &[
        "ffn_gate_inp.weight",
        "ffn_gate_exps.weight",
        "ffn_up_exps.weight",
        "ffn_down_exps.weight",
    ],
    &[
        "ffn_gate_inp.weight",
        "ffn_gate_up_exps.weight",
        "ffn_down_exps.weight",
    ],
];
const SHARED_EXPERTS: Requirement = &[&[
    "ffn_gate_inp_shexp.weight",
    "ffn_gate_shexp.weight",
    "ffn_up_shexp.weight",
    "ffn_down_shexp.weight",
]];
