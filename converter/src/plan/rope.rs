//! Which elements rotary position embedding pairs, by architecture, as llama.cpp has it.

use crate::error::Error;

/// Returns the value of `rope_type`: 0 pairs neighbours (NORM), 2 pairs the halves of a head (NEOX).
///
/// # Errors
/// Fails for architectures that pair in another way or are not in the table: a guess would run with wrong tokens.
pub(crate) fn rope_type(architecture: &str) -> Result<u32, Error> {
    let refuse = |reason| {
        Err(Error::Architecture {
            architecture: architecture.escape_debug().to_string(),
            reason,
        })
    };
    if NORM.contains(&architecture) {
        Ok(0)
    } else if NEOX.contains(&architecture) {
        Ok(2)
    } else if architecture == "qwen2vl" {
        refuse(
            "it uses multi-section rotary positions (MROPE), which the rope_type of APR cannot say",
        )
    } else {
        refuse(
            "its rotary position type is not known, and a wrong one gives wrong tokens without an error",
        )
    }
}

const NORM: [&str; 25] = [
    "arcee",
    "arctic",
    "baichuan",
    "chameleon",
    "chatglm",
    "cohere2",
    "command-r",
    "deci",
    "deepseek",
    "deepseek2",
    "ernie4_5",
    "granite",
    "internlm2",
    "llama",
    "llama4",
    "minicpm",
    "mistral",
    "mistral3",
    "mistral4",
    "olmo",
    "orion",
    "plamo",
    "smollm3",
    "starcoder",
    "xverse",
];

const NEOX: [&str; 27] = [
    "bert",
    "bitnet",
    "codeshell",
    "dbrx",
    "exaone",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gptneox",
    "grok",
    "minicpm3",
    "nemotron",
    "nomic-bert",
    "olmo2",
    "olmoe",
    "openelm",
    "phi2",
    "phi3",
    "phimoe",
    "qwen",
    "qwen2",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "stablelm",
    "starcoder2",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_pair_as_in_llama_cpp() {
        for architecture in [
            "llama",
            "deepseek2",
            "internlm2",
            "orion",
            "plamo",
            "granite",
        ] {
            assert_eq!(rope_type(architecture).unwrap(), 0, "{architecture}");
        }
        for architecture in ["qwen2", "qwen3", "qwen3moe", "phi3", "gemma2", "falcon"] {
            assert_eq!(rope_type(architecture).unwrap(), 2, "{architecture}");
        }
        assert!(NORM.iter().all(|architecture| !NEOX.contains(architecture)));
    }

    #[test]
    fn what_the_table_cannot_say_is_refused_with_the_reason() {
        let refused = rope_type("qwen2vl").unwrap_err().to_string();
        assert!(
            refused.contains("\"qwen2vl\"") && refused.contains("MROPE"),
            "{refused}"
        );
        for architecture in ["qwen2.5", "Qwen2", "mixtral", "", "qw\u{1b}en2"] {
            let refused = rope_type(architecture).unwrap_err().to_string();
            assert!(refused.contains("not known"), "{refused}");
            assert!(!refused.contains('\u{1b}'));
        }
    }
}
