//! Architectures of llama.cpp that are not described, and what of them the forward lacks (src/models/*.cpp of llama.cpp).

/// Architectures that no description can say.
#[derive(Debug)]
pub struct Undescribed {
    names: &'static [&'static str],
    /// What they are.
    pub kind: Kind,
    /// What they compute beyond what a description says.
    pub lacking: &'static str,
}

/// What an architecture is that is not described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its result is no token.
    Encoder,
    /// Its attention looks ahead.
    Diffusion,
    /// It has layers with a state.
    Recurrent,
    /// None of these.
    Other,
}

/// Returns what is known of an architecture; `None` for one that is described or unknown.
pub fn undescribed(name: &str) -> Option<&'static Undescribed> {
    UNDESCRIBED.iter().find(|known| known.names.contains(&name))
}

const UNDESCRIBED: &[Undescribed] = &[
    Undescribed {
        names: &[
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
        kind: Kind::Encoder,
        lacking: "it is an encoder, which gives no logits",
    },
    Undescribed {
        names: &["t5"],
        kind: Kind::Encoder,
        lacking: "it is an encoder with a decoder",
    },
    Undescribed {
        names: &["dream", "llada", "llada-moe", "rnd1"],
        kind: Kind::Diffusion,
        lacking: "its attention looks ahead (a diffusion model)",
    },
    Undescribed {
        names: &["gemma3n"],
        kind: Kind::Other,
        lacking: "its residual has several streams (AltUp), and its feed-forwards are sparse",
    },
    Undescribed {
        names: &["mamba", "jamba"],
        kind: Kind::Recurrent,
        lacking: "it has state spaces with a decay for each channel (Mamba 1)",
    },
    Undescribed {
        names: &["mamba2"],
        kind: Kind::Recurrent,
        lacking: "its layers are state spaces alone",
    },
    Undescribed {
        names: &["plamo2"],
        kind: Kind::Recurrent,
        lacking: "its state spaces take their numbers through norms",
    },
    Undescribed {
        names: &["falcon-h1"],
        kind: Kind::Recurrent,
        lacking: "an attention and a state space stand beside each other in each layer",
    },
    Undescribed {
        names: &["kimi-linear"],
        kind: Kind::Recurrent,
        lacking: "its delta rules have a decay for each channel (KDA)",
    },
    Undescribed {
        names: &["rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"],
        kind: Kind::Recurrent,
        lacking: "it mixes tokens in time, without an attention (RWKV)",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_lacks_nothing() {
        for known in UNDESCRIBED {
            let mut names = known.names.iter();
            assert!(names.all(|name| crate::find(name).is_none()));
        }
        let lacking = |name| undescribed(name).map(|known| known.lacking);
        assert!(lacking("gemma3n").is_some_and(|what| what.contains("AltUp")));
        assert_eq!(lacking("llama"), None);
    }
}
