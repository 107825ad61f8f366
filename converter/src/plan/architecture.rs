//! What APR can say of an architecture: a llama, with what its keys and the names of its tensors add to one.

use architectures::{
    Architecture, Experts, HeadNorm, RopeFactors, RopeKind, Temperature, find, undescribed,
};

use crate::{error::Error, plan::rope};

/// What APR can say of an architecture.
pub(crate) struct Words {
    /// Which elements rotary positions pair.
    pub(crate) rope_type: Option<u32>,
    /// What no key says: models with such a part are kept on request, for their source.
    pub(crate) unsaid: Option<String>,
}

/// Finds out what of an architecture the keys of APR cannot say.
///
/// # Errors
/// Fails for one that writes no text, and for one that nobody knows.
pub(crate) fn words(architecture: &str) -> Result<Words, Error> {
    let refuse = |reason| {
        let architecture = architecture.escape_debug().to_string();
        Err(Error::Architecture {
            architecture,
            reason,
        })
    };
    let unsaid = match (find(architecture), undescribed(architecture)) {
        (Some(described), _) => unsaid(described),
        (None, Some(known)) if known.writes_text => Some(known.lacking.to_owned()),
        (None, Some(known)) => return refuse(known.lacking),
        (None, None) => return refuse("it is not known, and a guess would give wrong tokens"),
    };
    Ok(Words {
        rope_type: rope::rope_type(architecture),
        unsaid,
    })
}

/// Says what an architecture does that a llama does not, beside what keys and names of tensors say; `None` for nothing.
///
/// Whatever is new in descriptions is unsaid until it is named here.
fn unsaid(described: &Architecture) -> Option<String> {
    let llama = find("llama").unwrap_or_else(|| unreachable!("it is described"));
    let is_norm = |part: &&str| part.ends_with("norm");
    let has_norm_biases = described.further_biases.iter().any(is_norm);
    // The shapes of the tensors say the size.
    let usual = |experts: &Experts| {
        let size = Experts::SOFTMAX.size;
        Experts { size, ..*experts } == Experts::SOFTMAX
    };
    let llama = Architecture {
        experts: None,
        rope_factors: RopeFactors::None,
        ..*llama
    };
    let rest = Architecture {
        name: llama.name,
        // `rms_norm_eps`, `rope_type`, `tied_embeddings`.
        usual_epsilon: llama.usual_epsilon,
        rope: match described.rope {
            RopeKind::Neox => RopeKind::Norm,
            other => other,
        },
        output: llama.output,
        // Tensors: the names say what they are.
        feed_forward_norm: match described.feed_forward_norm {
            ["ffn_norm" | "post_attention_norm"] => llama.feed_forward_norm,
            others => others,
        },
        head_norm: described.head_norm.filter(|norm| *norm != HeadNorm::HEADS),
        biases: llama.biases,
        further_biases: match has_norm_biases {
            true => described.further_biases,
            false => llama.further_biases,
        },
        needed_biases: llama.needed_biases,
        fused_gate: llama.fused_gate,
        dense_factors: llama.dense_factors,
        rope_factors: llama.rope_factors,
        experts: described.experts.filter(|experts| !usual(experts)),
        // A model with such a key is refused for it.
        factors_by_type: llama.factors_by_type,
        yarn: llama.yarn,
        rope_alpha: llama.rope_alpha,
        ignores_window: llama.ignores_window,
        temperature: match described.temperature {
            Temperature::Key => Temperature::None,
            other => other,
        },
        required: llama.required,
        ..*described
    };
    (rest != llama).then(|| rest.in_words().join(", "))
}

/// Whether llama.cpp ignores a sliding window that a file of the architecture states.
pub(crate) fn ignores_window(architecture: &str) -> bool {
    find(architecture).is_some_and(|described| described.window.is_none())
}

/// Whether releases of `apr` run an .apr file of the architecture.
pub(crate) fn runs_from_apr(architecture: &str) -> bool {
    matches!(architecture, "llama" | "mistral" | "qwen2" | "qwen3")
}

#[cfg(test)]
mod tests {
    use architectures::ALL;

    use super::*;

    /// Held against the graphs of llama.cpp (src/models/*.cpp), which here are those of a llama.
    #[test]
    fn what_is_said_is_a_llama() {
        let said = ALL.iter().filter(|one| unsaid(one).is_none());
        let said: Vec<&str> = said.map(|one| one.name).collect();
        let llamas = [
            "llama",
            "mistral",
            "mistral3",
            "internlm2",
            "xverse",
            "qwen2",
            "qwen3",
            "qwen3moe",
            "phi3",
            "chatglm",
            "exaone",
            "ernie4_5",
            "seed_oss",
            "pangu-embedded",
        ];
        assert_eq!(said, llamas);
        for one in ALL {
            assert!(unsaid(one).as_deref() != Some(""), "{}", one.name);
            let pairs = match one.rope {
                RopeKind::Norm => Some(0),
                RopeKind::Neox => Some(2),
                _ => continue,
            };
            assert_eq!(rope::rope_type(one.name), pairs, "{}", one.name);
        }
    }
}
