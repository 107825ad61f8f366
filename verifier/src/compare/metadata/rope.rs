//! Which pairs of a head the rotary embedding turns: by architecture, the table of llama.cpp.

/// `rope_type` 0: elements 2i and 2i + 1 are a pair.
pub(super) const NORM: u64 = 0;
/// `rope_type` 2: elements i and i + d/2 are a pair.
pub(super) const NEOX: u64 = 2;

/// Returns the rope type of an architecture; none when it is not in the table.
///
/// Source: `llama_model_rope_type` of llama.cpp.
pub(super) fn rope_type(architecture: &str) -> Option<u64> {
    if NORM_ARCHITECTURES.contains(&architecture) {
        Some(NORM)
    } else if NEOX_ARCHITECTURES.contains(&architecture) {
        Some(NEOX)
    } else {
        None
    }
}

const NORM_ARCHITECTURES: &[&str] = &[
    "llama",
    "llama4",
    "mistral",
    "mistral3",
    "mistral4",
    "deci",
    "baichuan",
    "starcoder",
    "plamo",
    "orion",
    "internlm2",
    "minicpm",
    "xverse",
    "command-r",
    "cohere2",
    "olmo",
    "arctic",
    "deepseek",
    "deepseek2",
    "chatglm",
    "granite",
    "granitemoe",
    "chameleon",
    "smollm3",
    "arcee",
    "ernie4_5",
];

const NEOX_ARCHITECTURES: &[&str] = &[
    "qwen",
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "olmo2",
    "olmoe",
    "phi2",
    "phi3",
    "phimoe",
    "gemma",
    "gemma2",
    "gemma3",
    "starcoder2",
    "falcon",
    "grok",
    "dbrx",
    "bert",
    "nomic-bert",
    "stablelm",
    "bitnet",
    "openelm",
    "gptneox",
    "codeshell",
    "nemotron",
    "exaone",
    "minicpm3",
];
