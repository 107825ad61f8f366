//! Architectures of llama.cpp that are not described, and what they compute that no description says (src/models/*.cpp).

/// Architectures that no description can say.
#[derive(Debug)]
pub struct Undescribed {
    names: &'static [&'static str],
    /// Whether they write text by themselves: what reads text, or finishes what another model began, does not.
    pub writes_text: bool,
    /// What they compute beyond what a description says.
    pub lacking: &'static str,
}

/// Returns what is known of an architecture; `None` for one that is described or unknown.
pub fn undescribed(name: &str) -> Option<&'static Undescribed> {
    UNDESCRIBED.iter().find(|known| known.names.contains(&name))
}

const fn text(lacking: &'static str, names: &'static [&'static str]) -> Undescribed {
    Undescribed {
        names,
        writes_text: true,
        lacking,
    }
}

const fn no_text(lacking: &'static str, names: &'static [&'static str]) -> Undescribed {
    Undescribed {
        names,
        writes_text: false,
        lacking,
    }
}

const UNDESCRIBED: &[Undescribed] = &[
    no_text(
        "it is an encoder, which gives no logits",
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
    ),
    no_text("it is an encoder with a decoder", &["t5"]),
    no_text(
        "it guesses the next tokens of another model",
        &["dflash", "eagle3", "gemma4-assistant"],
    ),
    no_text(
        "it makes sound",
        &["pockettts", "qwen3tts", "wavtokenizer-dec"],
    ),
    text(
        "its attention looks ahead (a diffusion model)",
        &["dream", "llada", "llada-moe", "rnd1"],
    ),
    text(
        "its residual has several streams (AltUp), and its feed-forwards are sparse",
        &["gemma3n"],
    ),
    text(
        "it has state spaces with a decay for each channel (Mamba 1)",
        &["mamba", "jamba"],
    ),
    text("its layers are state spaces alone", &["mamba2"]),
    text(
        "its state spaces take their numbers through norms",
        &["plamo2"],
    ),
    text(
        "an attention and a state space stand beside each other in each layer",
        &["falcon-h1"],
    ),
    text(
        "its delta rules have a decay for each channel (KDA)",
        &["kimi-linear"],
    ),
    text(
        "it mixes tokens in time, without an attention (RWKV)",
        &["rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"],
    ),
    text(
        "it has LayerNorm, and what else it computes is not described",
        &["codeshell", "gptj", "jais", "jais2"],
    ),
    text(
        "the model of 40 layers has a bias of scores by distance and no rope, which its file leaves to the architecture",
        &["baichuan"],
    ),
    text(
        "its scales and caps are those of the architecture where its file has none",
        &["grok"],
    ),
    text(
        "a dense feed-forward stands beside its experts",
        &["arctic"],
    ),
    text(
        "its activation has numbers for each layer (xIELU)",
        &["apertus"],
    ),
    text(
        "what it computes is not described",
        &[
            "afmoe",
            "bailingmoe2",
            "bailingmoe3",
            "chameleon",
            "cogvlm",
            "cohere2moe",
            "deci",
            "deepseek2-ocr",
            "deepseek32",
            "deepseek4",
            "dots3note",
            "exaone-moe",
            "glm-dsa",
            "glm5-next",
            "granite_swa",
            "graniteswitch",
            "grovemoe",
            "hrm_text",
            "hunyuan_vl",
            "hy_v3",
            "hy_v4",
            "kimi-k3",
            "laguna",
            "maincoder",
            "maple",
            "mellum",
            "mimo2",
            "minimax-01",
            "minimax-m3",
            "mistral4",
            "muse-glimmer",
            "nanbeige",
            "openelm",
            "paddleocr",
            "plamo",
            "plamo3",
            "plm",
            "qwen",
            "qwen4exp",
            "refact",
            "smallthinker",
            "spark2_5",
            "step35",
            "talkie",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_described_lacks_nothing() {
        let names = || UNDESCRIBED.iter().flat_map(|known| known.names);
        assert!(names().all(|name| crate::find(name).is_none()));
        assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
        let lacking = |name| undescribed(name).map(|known| known.lacking);
        assert!(lacking("gemma3n").is_some_and(|what| what.contains("AltUp")));
        assert_eq!(lacking("llama"), None);
    }
}
