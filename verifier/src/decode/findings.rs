//! Findings as they are collected: those of one kind beyond a cap are counted and not kept.
//!
//! A hostile file can give one finding for every few of its bytes. Twenty of a kind show a person what is wrong; the
//! rest would only make the report many times larger than the file.

use std::ops::Deref;

use crate::finding::{Effect, Finding};

/// The findings of one pass.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    /// How many were pushed of each kind. There are about a hundred codes, so a scan is short.
    kinds: Vec<(&'static str, Effect, u64)>,
}

impl Findings {
    /// Keeps a finding, unless enough of its kind are kept already.
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.count(finding.code, finding.effect) <= LISTED {
            self.list.push(finding);
        }
    }

    /// Returns what was kept, and after it one finding for each kind that was cut short.
    pub(crate) fn into_list(mut self) -> Vec<Finding> {
        for (code, effect, count) in self.kinds {
            if let Some(more) = count.checked_sub(LISTED).filter(|&more| more > 0) {
                self.list.push(Finding::new(
                    code,
                    effect,
                    format!("and {more} more findings of this kind, which are not listed"),
                ));
            }
        }
        self.list
    }

    /// Makes every warning a difference; what is pushed later keeps its effect.
    pub(crate) fn raise_warnings(&mut self) {
        let raise = |effect: &mut Effect| {
            if *effect == Effect::Warning {
                *effect = Effect::Different;
            }
        };
        self.list
            .iter_mut()
            .for_each(|finding| raise(&mut finding.effect));
        self.kinds.iter_mut().for_each(|kind| raise(&mut kind.1));
    }

    fn count(&mut self, code: &'static str, effect: Effect) -> u64 {
        let known = self
            .kinds
            .iter_mut()
            .find(|kind| (kind.0, kind.1) == (code, effect));
        match known {
            Some((.., count)) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.kinds.push((code, effect, 1));
                1
            }
        }
    }
}

impl Deref for Findings {
    type Target = [Finding];

    fn deref(&self) -> &[Finding] {
        &self.list
    }
}

/// How many findings of one kind are listed.
pub(crate) const LISTED: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_one_kind_are_counted_beyond_the_cap() {
        let mut findings = Findings::default();
        for _ in 0..100_000 {
            findings.push(Finding::new("a", Effect::Note, "one"));
        }
        findings.push(Finding::new("a", Effect::Different, "another effect"));
        let list = findings.into_list();
        assert_eq!(list.len(), 22);
        assert_eq!(
            list[21].message,
            "and 99980 more findings of this kind, which are not listed"
        );
    }
}
