//! Keys that a person takes for another one: other case, blanks or NULs at an end, invisible or foreign letters, aliases.

use crate::decode::apr::ALIASES;

/// Returns the known key that a key looks like.
pub(super) fn looks_like<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let shape = shape(key);
    let alias = ALIASES
        .iter()
        .find(|(_, aliases)| aliases.contains(&key))
        .map(|(canonical, _)| *canonical);
    if shape.len() > LONGEST {
        return alias;
    }
    let bare = key.trim_start_matches("model.");
    let mut known = known;
    known
        .find(|known| *known != key && (same_shape(&shape, known) || bare == *known))
        .or(alias)
}

/// Letters in lower case, foreign letters as a mark, and nothing that cannot be seen.
fn shape(key: &str) -> Vec<char> {
    key.chars()
        .filter(|character| !character.is_whitespace() && !character.is_control())
        .filter(|character| !matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
        .map(|character| match character {
            '-' => '_',
            ascii if ascii.is_ascii() => ascii.to_ascii_lowercase(),
            _ => FOREIGN,
        })
        .collect()
}

fn same_shape(shape: &[char], known: &str) -> bool {
    let mut known = known.chars();
    shape.iter().all(|character| {
        known
            .next()
            .is_some_and(|one| *character == FOREIGN || *character == one)
    }) && known.next().is_none()
}

/// Stands for any letter that is not ASCII.
const FOREIGN: char = '\u{fffd}';
/// Every known key is shorter.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_of_a_known_key_are_told_from_other_keys() {
        let known = ["license", "num_layers", "rope_type"];
        for (key, twin) in [
            ("License", Some("license")),
            ("license ", Some("license")),
            ("license\0", Some("license")),
            ("lic\u{435}nse", Some("license")),
            ("rope\u{200b}_type", Some("rope_type")),
            ("rope-type", Some("rope_type")),
            ("n_layers", Some("num_layers")),
            ("model.rope_type", Some("rope_type")),
            ("licence", None),
            ("something", None),
        ] {
            assert_eq!(looks_like(key, known.into_iter()), twin, "{key:?}");
        }
    }
}
