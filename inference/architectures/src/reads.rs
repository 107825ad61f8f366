//! Which keys llama.cpp reads for an architecture, of those that it reads for some alone.

use crate::*;

impl Architecture {
    /// Whether llama.cpp reads a key, named without the architecture; `None` where no description says so.
    pub fn reads(&self, key: &str) -> Option<bool> {
        Some(match key {
            "attention.clamp_kqv" => self.clamp,
            "attention.layer_norm_epsilon" => self.norm != NormKind::Rms || self.one_block,
            "attention.max_alibi_bias" => self.alibi == Alibi::Key,
            "attention.scale" => self.scale == AttentionScale::Key,
            "attention.shared_kv_layers" => self.shared_keys,
            // Where no layer is without a window, none has the other base.
            "attention.sliding_window_pattern" | "rope.freq_base_swa" => {
                self.window.is_some_and(|window| window.pattern != Some(0))
            }
            "attn_logit_softcapping" => self.score_cap.is_some(),
            "embedding_scale" => matches!(self.embedding_scale, Factor::Key(..)),
            "final_logit_softcapping" => self.logit_cap.is_some(),
            "logit_scale" => self.logit_scale != LogitScale::None,
            "residual_scale" => matches!(self.residual_scale, Factor::Key(..)),
            "use_parallel_residual" => self.parallel == Parallel::Key,
            // Read for architectures that are not described.
            "attention.output_scale" | "router_logit_softcapping" | "swin_norm" => false,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `load_arch_hparams` of llama.cpp in which the key stands (src/models/*.cpp), of what is described.
    const READERS: [(&str, &str); 13] = [
        ("attention.clamp_kqv", "dbrx mpt olmo"),
        (
            "attention.layer_norm_epsilon",
            "bloom cohere2 command-r dbrx falcon gpt2 gptneox mpt nemotron nemotron_h nemotron_h_moe olmo orion phi2 stablelm \
             starcoder starcoder2",
        ),
        ("attention.max_alibi_bias", "mpt"),
        ("attention.scale", "granite granitehybrid granitemoe"),
        ("attention.shared_kv_layers", "gemma4"),
        (
            "attention.sliding_window_pattern",
            "cohere2 exaone4 gemma2 gemma3 gemma4 gpt-oss llama4 olmo2",
        ),
        ("attn_logit_softcapping", "gemma2"),
        (
            "embedding_scale",
            "granite granitehybrid granitemoe minicpm",
        ),
        ("final_logit_softcapping", "gemma2 gemma3 gemma4"),
        (
            "logit_scale",
            "cohere2 command-r granite granitehybrid granitemoe minicpm",
        ),
        ("residual_scale", "granite granitehybrid granitemoe minicpm"),
        (
            "rope.freq_base_swa",
            "cohere2 exaone4 gemma2 gemma3 gemma4 gpt-oss llama4 olmo2",
        ),
        ("use_parallel_residual", "gptneox"),
    ];

    #[test]
    fn a_key_is_read_for_the_architectures_of_llama_cpp() {
        for (key, readers) in READERS {
            let reads = ALL.iter().filter(|one| one.reads(key) == Some(true));
            let mut names: Vec<&str> = reads.map(|one| one.name).collect();
            names.sort_unstable();
            assert_eq!(names.join(" "), readers, "{key}");
        }
        assert_eq!(
            find("llama").and_then(|llama| llama.reads("block_count")),
            None
        );
    }
}
