//! Which elements rotary position embedding pairs, by architecture.
//!
//! The table is the answer of llama.cpp itself, `rope_types.tsv`; no line of it was typed. The architecture `mistral` is
//! not one of llama.cpp: `apr import` reads keys of that prefix and its loader runs the model as a llama.

use crate::plan::architecture::Refusal;

/// Returns the value of `rope_type`: 0 pairs neighbours (NORM), 2 pairs the halves of a head (NEOX).
///
/// # Errors
/// Fails for architectures that pair in another way or are not in the table: a guess would run with wrong tokens.
pub(crate) fn rope_type(architecture: &str) -> Result<u32, Refusal> {
    Err(match llama_cpp(architecture) {
        Some("NORM") => return Ok(NORM),
        Some("NEOX") => return Ok(NEOX),
        None if architecture == "mistral" => return Ok(NORM),
        Some("MROPE" | "IMROPE") => Refusal::Unsaid(
            "it uses multi-section rotary positions (MROPE), which the rope_type of APR cannot say",
        ),
        Some("none") => {
            Refusal::Unsaid("it has no rotary positions, which the rope_type of APR cannot say")
        }
        _ => Refusal::Never(
            "its rotary position type is not known, and a wrong one gives wrong tokens without an error",
        ),
    })
}

fn llama_cpp(architecture: &str) -> Option<&'static str> {
    rows().find_map(|(name, rope)| (name == architecture).then_some(rope))
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t'))
}

const TABLE: &str = include_str!("rope_types.tsv");
const NORM: u32 = 0;
const NEOX: u32 = 2;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn plamo_and_orion_pair_halves_and_llama_pairs_neighbours() {
        for architecture in ["plamo", "orion", "qwen2", "qwen3", "phi3", "gemma2"] {
            assert_eq!(rope_type(architecture).unwrap(), 2, "{architecture}");
        }
        for architecture in ["llama", "mistral", "deepseek2", "internlm2", "granite"] {
            assert_eq!(rope_type(architecture).unwrap(), 0, "{architecture}");
        }
    }

    #[test]
    fn every_architecture_has_the_type_that_llama_cpp_gives_it() {
        assert_eq!(rows().count(), 126);
        for (architecture, rope) in rows() {
            let expected = match rope {
                "NORM" => Some(0),
                "NEOX" => Some(2),
                _ => None,
            };
            assert_eq!(rope_type(architecture).ok(), expected, "{architecture}");
        }
    }

    #[test]
    #[ignore = "needs ../shared/data"]
    fn the_table_is_the_one_that_llama_cpp_printed() {
        let path = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/data/rope_types.tsv"
        ));
        let printed = fs::read_to_string(path).unwrap();
        let ours: Vec<String> = rows()
            .map(|(name, rope)| format!("{name}\t{rope}\n"))
            .collect();
        assert_eq!(ours.concat(), printed);
    }

    #[test]
    fn what_the_table_cannot_say_is_refused_with_the_reason() {
        for (architecture, reason) in [
            ("qwen2vl", "MROPE"),
            ("qwen35", "MROPE"),
            ("jamba", "no rotary positions"),
        ] {
            let refused = rope_type(architecture).unwrap_err();
            assert!(
                matches!(refused, Refusal::Unsaid(said) if said.contains(reason)),
                "{refused:?}"
            );
        }
        for architecture in ["qwen2.5", "Qwen2", "mixtral", "", "qw\u{1b}en2", "# The"] {
            let refused = rope_type(architecture).unwrap_err();
            assert!(
                matches!(refused, Refusal::Never(said) if said.contains("not known")),
                "{refused:?}"
            );
        }
    }
}
