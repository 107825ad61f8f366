//! Architectures of llama.cpp that are not described, and what of them the forward lacks (src/models/*.cpp of llama.cpp).

/// Returns what an architecture computes that no description can say; `None` for one that is described or unknown.
pub fn lacking(name: &str) -> Option<&'static str> {
    let known = LACKING.iter().find(|(names, _)| names.contains(&name));
    known.map(|(_, what)| *what)
}

const LACKING: &[(&[&str], &str)] = &[
    (
        &[
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
            "t5encoder",
        ],
        "it is an encoder, which gives no logits",
    ),
    (&["t5"], "it is an encoder with a decoder"),
    (
        &["dream", "llada", "llada-moe", "rnd1"],
        "its attention looks ahead (a diffusion model)",
    ),
    (
        &["gemma3n"],
        "its residual has several streams (AltUp), and its feed-forwards are sparse",
    ),
    (
        &["mamba", "jamba"],
        "it has state spaces with a decay for each channel (Mamba 1)",
    ),
    (&["mamba2"], "its layers are state spaces alone"),
    (
        &["plamo2"],
        "its state spaces take their numbers through norms",
    ),
    (
        &["falcon-h1"],
        "an attention and a state space stand beside each other in each layer",
    ),
    (
        &["kimi-linear"],
        "its delta rules have a decay for each channel (KDA)",
    ),
    (
        &["rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"],
        "it mixes tokens in time, without an attention (RWKV)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_lacks_nothing() {
        for (names, _) in LACKING {
            assert!(names.iter().all(|name| crate::find(name).is_none()));
        }
        assert!(lacking("gemma3n").is_some_and(|what| what.contains("AltUp")));
        assert_eq!(lacking("llama"), None);
    }
}
