//! A file whose name is its digest, as Ollama keeps models: `sha256-` and 64 hexadecimal digits.

use crate::code::Code;
use crate::finding::{Effect, Finding, Place, Side};
use crate::input::Input;

/// The SHA-256 that the name of the one file of a model gives.
pub(crate) fn digest_of_name<'a>(input: &'a Input<'_>) -> Option<&'a str> {
    let [(name, _)] = input.shards.as_slice() else {
        return None;
    };
    let digest = name.strip_prefix("sha256-")?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digest.len() == 64 && digest.bytes().all(is_hex)).then_some(digest)
}

/// Whether the bytes have the digest of the name; none where there is no such name, or not all bytes were read.
pub(crate) fn holds(input: &Input<'_>, sha256: Option<&str>) -> Option<bool> {
    Some(digest_of_name(input)? == sha256?)
}

/// What is wrong with a file that has another digest than its name.
pub(crate) fn finding(side: Side, input: &Input<'_>, sha256: Option<&str>) -> Option<Finding> {
    let (named, found) = (digest_of_name(input)?, sha256?);
    let text = "its SHA-256 is not the one that its name gives";
    let finding = Finding::new(Code::InputName, Effect::Different, text)
        .at(Place::new(side, 0))
        .expected_found(named, found)
        .hint(format!("fetch what the name gives again (`ollama pull MODEL` replaces blobs that are damaged), or give this file the name of its digest: sha256-{found}"));
    (named != found).then_some(finding)
}

#[cfg(test)]
mod tests {
    use super::digest_of_name;
    use crate::input::Input;

    #[test]
    fn only_a_whole_digest_in_lower_case_is_a_name() {
        let digest = "0123456789abcdef".repeat(4);
        let nothing: Vec<u8> = Vec::new();
        for (name, is_one) in [
            (format!("sha256-{digest}"), true),
            (format!("sha256-{digest}.gguf"), false),
            (format!("sha256-{}", digest.to_uppercase()), false),
            (format!("sha256-{}", &digest[1..]), false),
            (format!("sha256:{digest}"), false),
        ] {
            let input = Input {
                name: name.clone(),
                shards: vec![(name.clone(), &nothing)],
            };
            assert_eq!(digest_of_name(&input).is_some(), is_one, "{name}");
        }
    }
}
