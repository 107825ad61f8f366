//! Rows of files of one name in several folders: which of them count, and that a split set is one of the list.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Claim, ManifestCheck};
use super::target::Subject;
use crate::code::Code;
use crate::finding::{Effect, Finding};

impl ManifestCheck<'_> {
    /// Of rows of one name in several folders keeps those of a folder that has a row that holds for each file at hand, as
    /// the files of one model lie in one folder; where there is none, any may be of another file.
    pub(super) fn tell_apart(&mut self, claims: &mut Vec<Claim>) {
        let mut open: BTreeSet<Subject> = BTreeSet::new();
        let mut doubtful = Vec::new();
        let mut holding: BTreeMap<Vec<u8>, BTreeSet<Subject>> = BTreeMap::new();
        for claim in claims.iter() {
            let (Some(one_of), Some(folder)) = (claim.one_of, &claim.folder) else {
                continue;
            };
            open.insert(claim.subject);
            if self.matched(claim).is_some() {
                let held = holding.entry(folder.clone()).or_default();
                held.insert(claim.subject);
            } else if one_of.may_be_own {
                doubtful.push((claim.place.clone(), claim.subject));
            }
        }
        holding.retain(|_, held| *held == open);
        claims.retain(|claim| {
            let mut folder = claim.folder.iter();
            claim.one_of.is_none() || folder.any(|folder| holding.contains_key(folder))
        });
        let undecided = |judge: &Self, subject, text: String| {
            Finding::new(Code::ManifestOtherFiles, Effect::Undecided, text)
                .at(judge.place(subject))
                .hint("give the digest of its own row: aprove verify FILE --digest sha256:HEX")
        };
        if !holding.is_empty() {
            for (place, subject) in doubtful {
                let name = self.name(subject);
                let text = format!(
                    "{place} may be the row of {name}, and does not hold; a row of another folder does"
                );
                self.findings.push(undecided(self, subject, text));
            }
            return;
        }
        let none = if self.target.names.len() > 1 {
            "the rows of none of them hold for each file of the set, and none"
        } else {
            "none of them holds or"
        };
        let findings = open.into_iter().map(|subject| {
            let name = self.name(subject);
            let text = format!(
                "the manifest has rows of the name {name} in several folders, and {none} is in the folder of this one"
            );
            undecided(self, subject, text)
        });
        let findings: Vec<Finding> = findings.collect();
        self.findings.extend(findings);
    }

    /// The files of one model lie in one folder: where each file of a set has rows that hold, those of one folder are among
    /// them.
    pub(super) fn find_mixed_set(&mut self, claims: &[Claim]) {
        let mut folders: BTreeMap<Subject, BTreeSet<&[u8]>> = BTreeMap::new();
        for claim in claims {
            let (Subject::File(_) | Subject::Model(_)) = claim.subject else {
                continue;
            };
            if let (Some(folder), Some(_)) = (&claim.folder, self.matched(claim)) {
                folders.entry(claim.subject).or_default().insert(folder);
            }
        }
        for kind in [Subject::File, Subject::Model] {
            let mut of_files = (0..self.target.names.len()).map(|shard| folders.get(&kind(shard)));
            let Some(Some(first)) = of_files.next() else {
                continue;
            };
            let rest: Option<Vec<&BTreeSet<&[u8]>>> = of_files.collect();
            let Some(rest) = rest else {
                continue;
            };
            if !first
                .iter()
                .any(|folder| rest.iter().all(|of| of.contains(folder)))
            {
                let text = "each file of the set has a row that holds, but they are rows of several folders: the files may be of several models";
                self.findings.push(
                    Finding::new(Code::ManifestOtherFiles, Effect::Undecided, text)
                        .at(self.place(kind(0)))
                        .hint("compare the names and folders of the rows with where the files come from"),
                );
            }
        }
    }
}
