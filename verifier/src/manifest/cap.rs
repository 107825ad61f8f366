//! A manifest of a hundred thousand rows can be wrong in each of them: findings of one kind are counted beyond a few.

use std::collections::HashMap;

use crate::finding::Finding;

/// Keeps the first findings of each kind; one more says how many there are beside them.
pub(super) fn cap(findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts = HashMap::new();
    let mut kept: Vec<Finding> = Vec::new();
    let mut beyond: Vec<(Finding, usize)> = Vec::new();
    for finding in findings {
        let kind = (finding.code, finding.effect);
        let count: &mut usize = counts.entry(kind).or_default();
        *count += 1;
        if *count <= MOST {
            kept.push(finding);
            continue;
        }
        let known = beyond.iter_mut();
        match known
            .map(|(first, more)| ((first.code, first.effect), more))
            .find(|(other, _)| *other == kind)
        {
            Some((_, more)) => *more += 1,
            None => beyond.push((finding, 1)),
        }
    }
    // The kinds are few: the codes of this module.
    kept.extend(beyond.into_iter().map(|(finding, more)| {
        Finding::new(
            finding.code,
            finding.effect,
            format!(
                "and {more} more of this kind, the first: {}",
                finding.message
            ),
        )
    }));
    kept
}

/// How many findings of a kind are told in full.
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::finding::Effect;

    #[test]
    fn findings_of_one_kind_are_counted_beyond_a_few() {
        let many = (0..1000).map(|row| {
            Finding::new(
                Code::ManifestMismatch,
                Effect::Different,
                format!("row {row}"),
            )
        });
        let one = Finding::new(Code::ManifestName, Effect::Note, "a name");
        let capped = cap(many.chain([one.clone()]).collect());
        assert_eq!(capped.len(), MOST + 2);
        assert!(capped.contains(&one));
        let last = capped.last().unwrap();
        assert_eq!(last.effect, Effect::Different);
        assert_eq!(last.message, "and 980 more of this kind, the first: row 20");
    }
}
