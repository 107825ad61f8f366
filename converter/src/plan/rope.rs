//! Which elements rotary position embedding pairs, by architecture.
//!
//! The table is the answer of llama.cpp itself, `rope_types.tsv`; no line of it was typed. The architecture `mistral` is
//! not one of llama.cpp: `apr import` reads keys of that prefix and its loader runs the model as a llama.

/// Returns the value of `rope_type`: 0 pairs neighbours (NORM), 2 pairs the halves of a head (NEOX); `None` for architectures
/// that pair in another way or are not in the table.
pub(crate) fn rope_type(architecture: &str) -> Option<u32> {
    if architecture == "mistral" {
        return Some(NORM);
    }
    let (_, rope) = rows().find(|(name, _)| *name == architecture)?;
    match rope {
        "NORM" => Some(NORM),
        "NEOX" => Some(NEOX),
        _ => None,
    }
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
    use super::*;

    #[test]
    fn plamo_and_orion_pair_halves_and_llama_pairs_neighbours() {
        for architecture in ["plamo", "orion", "qwen2", "qwen3", "phi3", "gemma2"] {
            assert_eq!(rope_type(architecture), Some(2), "{architecture}");
        }
        for architecture in ["llama", "mistral", "deepseek2", "internlm2", "granite"] {
            assert_eq!(rope_type(architecture), Some(0), "{architecture}");
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
            assert_eq!(rope_type(architecture), expected, "{architecture}");
        }
    }

    #[needs::data("rope_types.tsv")]
    #[test]
    fn the_table_is_the_one_that_llama_cpp_printed() {
        let printed = String::from_utf8(fixtures::shared::read("rope_types.tsv")).unwrap();
        let ours: Vec<String> = rows()
            .map(|(name, rope)| format!("{name}\t{rope}\n"))
            .collect();
        assert_eq!(ours.concat(), printed);
    }
}
