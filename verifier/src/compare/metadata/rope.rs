//! Which pairs of a head the rotary embedding turns: by architecture, as llama.cpp answers.
//!
//! The table in `rope_types.tsv` was asked of llama.cpp itself, architecture by architecture. It replaces a list that was
//! typed from a page and had `plamo` and `orion` wrong, as the converter's had, because both were typed from it.

/// `rope_type` 0: elements 2i and 2i + 1 are a pair.
pub(super) const NORM: u64 = 0;
/// `rope_type` 2: elements i and i + d/2 are a pair.
pub(super) const NEOX: u64 = 2;

/// Returns the rope type of an architecture; none when it is not in the table, or has one that APR cannot say.
pub(super) fn rope_type(architecture: &str) -> Option<u64> {
    // Written by `apr import` for models whose GGUF says llama.
    if architecture == "mistral" {
        return Some(NORM);
    }
    let (_, name) = rows(TABLE).find(|(known, _)| *known == architecture)?;
    match name {
        "NORM" => Some(NORM),
        "NEOX" => Some(NEOX),
        _ => None,
    }
}

/// The architectures of the table.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    rows(TABLE).map(|(name, _)| name)
}

fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
}

const TABLE: &str = include_str!("rope_types.tsv");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architectures_that_a_page_had_wrong_are_right() {
        for (architecture, expected) in [
            ("plamo", Some(NEOX)),
            ("orion", Some(NEOX)),
            ("llama", Some(NORM)),
            ("qwen3", Some(NEOX)),
            ("deepseek2", Some(NORM)),
            ("gpt-oss", Some(NEOX)),
            ("qwen2vl", None),
            ("gpt2", None),
            ("nobody", None),
        ] {
            assert_eq!(rope_type(architecture), expected, "{architecture}");
        }
    }

    #[test]
    fn each_of_the_126_architectures_has_one_known_answer() {
        let known = ["NORM", "NEOX", "MROPE", "IMROPE", "none", "not loaded"];
        let names: std::collections::BTreeSet<&str> = rows(TABLE).map(|(name, _)| name).collect();
        assert_eq!((rows(TABLE).count(), names.len()), (126, 126));
        assert!(rows(TABLE).all(|(_, answer)| known.contains(&answer)));
    }

    #[needs::data("rope_types.tsv")]
    #[test]
    fn the_committed_answers_are_those_beside_the_repository() {
        let asked = String::from_utf8(fixtures::shared::read("rope_types.tsv")).unwrap();
        assert!(rows(TABLE).eq(rows(&asked)));
    }
}
