//! Findings of one kind are counted beyond a few: a report stays readable, and its size is bounded.

use std::collections::HashMap;

use crate::code::Code;
use crate::finding::{Effect, Finding};

/// Keeps the first findings of each kind and counts the rest: each with how many it stands for. `tensors` is the number of
/// tensors that were compared.
pub(super) fn capped(findings: &[Finding], tensors: usize) -> Vec<(Finding, usize)> {
    let mut totals: HashMap<(Code, Effect), usize> = HashMap::new();
    for finding in findings {
        let total = totals.entry((finding.code, finding.effect)).or_default();
        *total += 1;
    }
    let mut seen: HashMap<(Code, Effect), usize> = HashMap::new();
    let mut kept = Vec::with_capacity(findings.len().min(MOST));
    for finding in findings {
        let kind = (finding.code, finding.effect);
        let total = totals.get(&kind).copied().unwrap_or_default();
        let before = seen.entry(kind).or_default();
        let number = *before;
        *before += 1;
        let most = most_of(finding.code);
        if total <= most {
            kept.push((finding.clone(), 1));
        } else if finding.code == Code::TensorBytes && total == tensors {
            if number == 0 {
                kept.push((all_differ(finding, total), total));
            }
        } else if number < most.min(SHOWN) {
            kept.push((finding.clone(), 1));
        } else if number == most.min(SHOWN) {
            let more = total - number;
            kept.push((rest_of(finding, more, total), more));
        }
    }
    kept
}

fn all_differ(first: &Finding, total: usize) -> Finding {
    Finding {
        message: format!("all {total} tensors differ; the first: {}", first.message),
        ..first.clone()
    }
}

fn rest_of(next: &Finding, more: usize, total: usize) -> Finding {
    let message = format!(
        "{more} more findings of this kind, {total} in all; the next: {}",
        next.message
    );
    Finding {
        message,
        hint: None,
        ..next.clone()
    }
}

/// A cut file is cut once, whatever was after the cut.
const fn most_of(code: Code) -> usize {
    match code {
        Code::AprTruncated | Code::GgufTruncated => 1,
        _ => MOST,
    }
}

const MOST: usize = 32;
/// Kept of a kind with more than that.
const SHOWN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(code: Code, count: usize) -> Vec<Finding> {
        let one = |index| Finding::new(code, Effect::Different, format!("t{index}"));
        (0..count).map(one).collect()
    }

    #[test]
    fn a_few_findings_stay_as_they_are() {
        let few = findings(Code::TensorBytes, MOST);
        let kept = few.iter().map(|finding| (finding.clone(), 1));
        assert_eq!(capped(&few, 1000), kept.collect::<Vec<_>>());
    }

    #[test]
    fn many_findings_of_a_kind_are_counted() {
        let mut many = findings(Code::TensorBytes, 100);
        many.extend(findings(Code::MetaLost, 2));
        let kept = capped(&many, 1000);
        assert_eq!(kept.len(), SHOWN + 1 + 2);
        let (rest, count) = &kept[SHOWN];
        assert!(
            rest.message
                .starts_with("92 more findings of this kind, 100 in all")
        );
        assert_eq!(*count, 92);
        assert_eq!(kept.iter().map(|(_, count)| count).sum::<usize>(), 102);
    }

    #[test]
    fn that_all_tensors_differ_is_one_finding() {
        let kept = capped(&findings(Code::TensorBytes, 1011), 1011);
        assert_eq!(kept.len(), 1);
        assert!(kept[0].0.message.starts_with("all 1011 tensors differ"));
        assert_eq!(kept[0].1, 1011);
    }
}
