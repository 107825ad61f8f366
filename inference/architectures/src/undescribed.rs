//! Architectures of llama.cpp that are not described, and what they compute that no description says: read off the graphs of
//! src/models/*.cpp at commit 0c1e57098.

/// Architectures that no description can say.
#[derive(Debug)]
pub struct Undescribed {
    /// With a space between two.
    names: &'static str,
    /// Whether they write text by themselves: what reads text, or finishes what another model began, does not.
    pub writes_text: bool,
    /// What they compute beyond what a description says.
    pub lacking: &'static str,
}

/// Returns what is known of an architecture; `None` for one that is described or unknown.
pub fn undescribed(name: &str) -> Option<&'static Undescribed> {
    UNDESCRIBED
        .iter()
        .find(|known| known.names.split(' ').any(|known| known == name))
}

const fn text(lacking: &'static str, names: &'static str) -> Undescribed {
    Undescribed {
        names,
        writes_text: true,
        lacking,
    }
}

const fn no_text(lacking: &'static str, names: &'static str) -> Undescribed {
    Undescribed {
        names,
        writes_text: false,
        lacking,
    }
}

const UNDESCRIBED: &[Undescribed] = &[
    no_text(
        "it is an encoder, which gives no logits",
        "bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 llama-embed modern-bert neo-bert nomic-bert \
         nomic-bert-moe t5encoder",
    ),
    no_text("it is an encoder with a decoder", "t5"),
    no_text(
        "it guesses the next tokens of another model",
        "dflash eagle3 gemma4-assistant",
    ),
    no_text("it is a projector of images or sounds", "clip"),
    no_text("it makes sound", "pockettts qwen3tts wavtokenizer-dec"),
    text(
        "its attention looks ahead (a diffusion model)",
        "dream llada llada-moe rnd1",
    ),
    text(
        "its residual has several streams (AltUp), and its feed-forwards are sparse",
        "gemma3n",
    ),
    text(
        "it has state spaces with a decay for each channel (Mamba 1)",
        "mamba jamba",
    ),
    text("its layers are state spaces alone", "mamba2"),
    text(
        "its state spaces take their numbers through norms",
        "plamo2",
    ),
    text(
        "an attention and a state space stand beside each other in each layer",
        "falcon-h1",
    ),
    text(
        "its delta rules have a decay for each channel (KDA)",
        "kimi-linear bailingmoe3",
    ),
    text(
        "its delta rules have a decay for each channel (KDA), and its layers attend to what earlier ones left",
        "kimi-k3",
    ),
    text(
        "its delta rules have a decay for each channel (KDA), and its residual has several streams (hyper-connections)",
        "glm5-next",
    ),
    text(
        "its residual has several streams (hyper-connections), and an indexer chooses keys for each token",
        "deepseek4 hy_v4 qwen4exp",
    ),
    text(
        "an indexer chooses keys for each token (sparse attention)",
        "deepseek32 dots3note glm-dsa minimax-m3",
    ),
    text(
        "its linear attention has a decay for each head (lightning attention)",
        "minimax-01",
    ),
    text(
        "it mixes tokens in time, without an attention (RWKV)",
        "rwkv6 rwkv6qwen2 rwkv7 arwkv7",
    ),
    text(
        "it goes through its layers several times",
        "hrm_text nanbeige",
    ),
    text(
        "a gate from a matrix of its own multiplies what the attention gives (attn_gate)",
        "afmoe laguna muse-glimmer spark2_5",
    ),
    text(
        "a gate from a matrix of its own multiplies what the attention gives (attn_gate), and its experts are clamped",
        "step35",
    ),
    text(
        "its experts are clamped by a key (swiglu_clamp_exp)",
        "maple",
    ),
    text(
        "its router reads what enters a layer, before the attention",
        "smallthinker",
    ),
    text(
        "experts share smaller ones, one for each group (chunk experts)",
        "grovemoe",
    ),
    text(
        "its values are scaled by a key, and the heads of some layers have sinks",
        "mimo2",
    ),
    text(
        "an array says which layers rotate (attention.rope_pattern)",
        "granite_swa",
    ),
    text("tokens switch adapters on (LoRA)", "graniteswitch"),
    text(
        "its norms have no weights, and the embedding is added again in each layer",
        "talkie",
    ),
    text(
        "a key moves its norms (swin_norm), those of heads have biases, and it never writes the tokens of images",
        "chameleon",
    ),
    text(
        "some layers have one matrix or nothing in place of the attention",
        "deci",
    ),
    text("images have matrices of their own in each layer", "cogvlm"),
    text(
        "the model of 40 layers has a bias of scores by distance and no rope, which its file leaves to the architecture",
        "baichuan",
    ),
    text(
        "its scales and caps are those of the architecture where its file has none",
        "grok",
    ),
    text("a dense feed-forward stands beside its experts", "arctic"),
    text(
        "its activation has numbers for each layer (xIELU)",
        "apertus",
    ),
    text("llama.cpp has its name alone", "gptj"),
    text(
        "no model of it was held against another engine; it has no rope, and a bias of scores by distance that no key says",
        "refact",
    ),
    text(
        "no model of it was held against another engine; it has attention and feed-forward beside each other behind one norm",
        "plamo",
    ),
    text(
        "no model of it was held against another engine; it has a feed-forward of half the width that its key says",
        "qwen",
    ),
    text(
        "no model of it was held against another engine; it has norms of heads after rope",
        "maincoder",
    ),
    text(
        "no model of it was held against another engine; it has LayerNorm, and GELU without a gate",
        "codeshell",
    ),
    text(
        "no model of it was held against another engine; it has LayerNorm, and scores biased by distance",
        "jais",
    ),
    text(
        "no model of it was held against another engine; it has LayerNorm, and the square of a ReLU",
        "jais2",
    ),
    text(
        "no model of it was held against another engine; it has numbers of heads and sizes that differ between layers",
        "openelm",
    ),
    text(
        "no model of it was held against another engine; it has norms behind, and windows with a base of their own",
        "plamo3",
    ),
    text(
        "no model of it was held against another engine; it has rope in sections",
        "hunyuan_vl paddleocr",
    ),
    text(
        "no model of it was held against another engine; it has keys and values from a latent space, and the square of a ReLU",
        "plm",
    ),
    text(
        "no model of it was held against another engine; it has keys and values from a latent space, and experts",
        "mistral4",
    ),
    text(
        "no model of it was held against another engine; it has experts beside shared ones",
        "deepseek2-ocr hy_v3",
    ),
    text(
        "no model of it was held against another engine; it has norms of heads, and groups of experts",
        "bailingmoe2",
    ),
    text(
        "no model of it was held against another engine; it has windows, and experts",
        "exaone-moe mellum",
    ),
    text(
        "no model of it was held against another engine; it has LayerNorm, attention and feed-forward beside each other, windows, and experts",
        "cohere2moe",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names of llama.cpp, as the verifier has them: a second source.
    const KNOWN: &str = include_str!("../../../verifier/src/compare/metadata/rope_types.tsv");

    #[test]
    fn what_is_missing_is_said_of_every_name_without_a_description() {
        let lines = KNOWN.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<_> = lines.filter_map(|line| line.split('\t').next()).collect();
        assert!(names.len() > 120, "{}", names.len());
        for name in names {
            let lacking = undescribed(name).map(|known| known.lacking);
            assert_ne!(lacking.is_some(), crate::find(name).is_some(), "{name}");
            assert!(
                !lacking.is_some_and(|what| what.contains("not described")),
                "{name}"
            );
        }
        for name in ["bert", "nomic-bert", "modern-bert", "t5encoder"] {
            let lacking = undescribed(name).map_or("", |known| known.lacking);
            assert!(lacking.starts_with("it is an encoder"), "{name}");
        }
    }

    #[test]
    fn what_is_described_lacks_nothing() {
        let names = || UNDESCRIBED.iter().flat_map(|known| known.names.split(' '));
        assert!(names().all(|name| crate::find(name).is_none()));
        assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
        let lacking = |name| undescribed(name).map(|known| known.lacking);
        assert!(lacking("gemma3n").is_some_and(|what| what.contains("AltUp")));
        assert_eq!(lacking("llama"), None);
    }
}
