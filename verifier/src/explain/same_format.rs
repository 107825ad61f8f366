//! Two files of one format: neither is made from the other, so that only what each says of itself tells which is wrong.

use std::collections::{BTreeSet, HashMap};

use super::culprit::{
    Census, VERSIONS, are_versions, conclusion, counted_tensors, differ_as_by_damage, is_most,
    is_not_finite, not_finite_in_both, other_model, unreadable,
};
use super::identity::Identity;
use super::integrity::Integrity;
use super::rewriting;
use super::{common, locate, tensors};
use crate::code::{CauseCode, Code};
use crate::compare::inputs::{Inputs, Metadata, Model};
use crate::compare::metadata::{Compared, same_format};
use crate::compare::pairing::{Pairing, place};
use crate::compare::scan::Scan;
use crate::decode::apr;
use crate::decode::container::{Container, Tensor};
use crate::finding::{Effect, Finding, Place, Side, escape, hex};
use crate::report::{AtFault, Conclusion, ConclusionKind};

/// What the passes over two files of one format found.
pub(crate) struct FormatJudge<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) pairing: &'a Pairing,
    pub(crate) scan: &'a Scan,
    /// Whether each file has the digest that its name or its publisher gives, where one does.
    pub(crate) digests_hold: [Option<bool>; 2],
    pub(crate) metadata: &'a Compared,
}

/// What is known of the two files beside the findings.
pub(crate) struct Facts {
    called: [String; 2],
    integrity: [Integrity; 2],
    /// How the second file is the model of the first, written in another way.
    rewritten: Option<String>,
    /// Whether most tensors have other values, which are near those of the other file.
    are_versions: bool,
}

impl FormatJudge<'_> {
    /// All findings, the first cause first, and what else is known.
    pub(crate) fn findings(&self, structure: Vec<Finding>) -> (Vec<Finding>, Facts) {
        let models = self.inputs.models();
        let [of_a, of_b] = self.scan.crc;
        let [name_of_a, name_of_b] = self.digests_hold;
        let integrity = [(models[0], of_a, name_of_a), (models[1], of_b, name_of_b)].map(
            |(model, crc, name)| Integrity::of(model, crc, self.pairing, self.scan).named(name),
        );
        let damaged = match &integrity {
            [a, b] => match (a.what(), b.what()) {
                (Some(_), None) => Some(Side::A),
                (None, Some(_)) => Some(Side::B),
                _ => None,
            },
        };
        let data = tensors::findings(self.inputs, self.pairing, self.scan, damaged, None);
        let renamed = self.renamed();
        let rewritten = self.rewritten(renamed.len());
        let mut facts = Facts {
            called: models.map(|model| model.called.to_owned()),
            integrity,
            rewritten: rewritten.as_ref().map(|found| found.message.clone()),
            are_versions: are_versions(self.pairing, self.scan),
        };

        let mut findings = common::io_errors(self.scan);
        if let Some(other) = self.other_model(&data, renamed.len()) {
            findings.extend(common::malformed(models[0].findings));
            findings.extend(common::malformed(models[1].findings));
            findings.push(other);
            return (findings, facts);
        }
        for (model, integrity) in models.into_iter().zip(&facts.integrity) {
            findings.extend(self.locate(model, integrity, &data));
        }
        findings.extend(
            models
                .into_iter()
                .flat_map(|model| common::malformed(model.findings)),
        );
        common::add_text_causes(self.inputs, &mut findings);
        findings.extend(structure);
        findings.extend(self.alone(&renamed));
        findings.extend(data);
        findings.extend(self.metadata_findings(damaged));
        for integrity in &mut facts.integrity {
            findings.append(&mut integrity.findings);
        }
        if !findings.iter().any(|finding| finding.effect.decides()) {
            findings.extend(rewritten);
        }
        findings.extend(common::nothing_compared(self.inputs, self.scan));
        findings.extend(common::not_covered(self.inputs));
        common::drop_followers(&mut findings);
        findings.extend(self.whole_files(&findings));
        (findings, facts)
    }

    /// What comparing the keys said; the intact file is the expected one.
    fn metadata_findings(&self, damaged: Option<Side>) -> Vec<Finding> {
        let mut findings = self.metadata.findings.clone();
        if damaged == Some(Side::B) {
            findings.iter_mut().for_each(Finding::turn);
        }
        findings
    }

    /// The exact byte of a damage that no tensor shows, where the file carries a sum of its bytes.
    fn locate(
        &self,
        model: &Model<'_>,
        integrity: &Integrity,
        data: &[Finding],
    ) -> Option<Finding> {
        let is_shown = data.iter().any(|found| found.code == Code::TensorBytes);
        let has_footer = model.footer().is_some() || !model.complete;
        if !integrity.is_damaged || !has_footer || is_shown && model.complete {
            return None;
        }
        let Metadata::Apr(_) = model.metadata else {
            return None;
        };
        let other = self.inputs.of(model.side.other());
        let is_right = |candidate: &Container<apr::Metadata>| {
            let called = model.called;
            let mended = Model::apr(model.side, called, candidate, model.sources);
            let is_alike = || {
                let [first, second] = if model.side.is_first() {
                    [mended, *other]
                } else {
                    [*other, mended]
                };
                same_format::compare(&Inputs { first, second })
                    .findings
                    .is_empty()
            };
            mended.is_sound() && (!other.complete || is_alike())
        };
        let source = model.sources.first()?;
        let found = locate::locate_in_apr(*source, &is_right);
        // What cannot be read again is said where it was read.
        found.ok().flatten().map(|found| found.on(model.side))
    }

    /// Tensors of one file whose data the other one has under a name of its own: their numbers in both.
    fn renamed(&self) -> Vec<(usize, usize)> {
        let mut of_first: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        let alone = |side| {
            self.scan
                .alone
                .iter()
                .filter(move |alone| alone.side == side)
        };
        for alone in alone(Side::A) {
            of_first
                .entry(alone.digests.blake3)
                .or_default()
                .push(alone.index);
        }
        let (first, second) = (self.inputs.first.tensors, self.inputs.second.tensors);
        let mut renamed = Vec::new();
        for alone in alone(Side::B) {
            let Some(tensor) = second.get(alone.index) else {
                continue;
            };
            let same_data = of_first.get_mut(&alone.digests.blake3);
            let is_same = |index: &usize| {
                first.get(*index).is_some_and(|other| {
                    (other.type_id, &other.dims) == (tensor.type_id, &tensor.dims)
                })
            };
            if let Some(indices) = same_data
                && let Some(at) = indices.iter().position(is_same)
            {
                renamed.push((indices.remove(at), alone.index));
            }
        }
        renamed
    }

    /// Tensors that one file has, or that both have under two names.
    fn alone(&self, renamed: &[(usize, usize)]) -> Vec<Finding> {
        let (first, second) = (&self.inputs.first, &self.inputs.second);
        let named = self.other_names(renamed);
        let only = |model: &Model<'_>, index: usize| {
            let tensor = model.tensors.get(index)?;
            let code = if model.side.is_first() {
                Code::TensorExtra
            } else {
                Code::TensorMissing
            };
            let message = format!("{} is only in {}", escape(&tensor.name), model.called);
            let finding = Finding::new(code, Effect::Different, message);
            Some(finding.at(place(model.side, tensor)))
        };
        // Of a list that was not read to its end nothing is missed.
        let are_complete = first.complete && second.complete;
        let of_second = self.pairing.only_gguf.iter().filter(|_| are_complete);
        let of_second = of_second.filter(|index| renamed.iter().all(|pair| pair.1 != **index));
        let of_first = self.pairing.only_apr.iter().filter(|_| are_complete);
        let of_first = of_first.filter(|index| renamed.iter().all(|pair| pair.0 != **index));
        let of_first = of_first.filter_map(|&index| only(first, index));
        let of_second = of_second.filter_map(|&index| only(second, index));
        named.into_iter().chain(of_second).chain(of_first).collect()
    }

    /// One finding for all tensors that have another name in each file.
    fn other_names(&self, renamed: &[(usize, usize)]) -> Option<Finding> {
        let (first, second) = (&self.inputs.first, &self.inputs.second);
        let paired = self.pairing.pairs.iter().map(|pair| (pair.apr, pair.gguf));
        let named: Vec<(&Tensor, &Tensor)> = paired
            .chain(renamed.iter().copied())
            .filter_map(|(a, b)| first.tensors.get(a).zip(second.tensors.get(b)))
            .filter(|(a, b)| a.name != b.name)
            .collect();
        let (a, b) = named.first()?;
        let one = format!(
            "{} in {} is {} in {}",
            escape(&a.name),
            first.called,
            escape(&b.name),
            second.called
        );
        let message = match named.len() {
            1 => one,
            count => format!("{count} tensors have other names; the first: {one}"),
        };
        let finding = Finding::new(Code::TensorRenamed, Effect::Different, message);
        // A policy judges a finding by its names: all of them are here.
        Some(named.iter().fold(finding, |finding, (a, b)| {
            finding.at(place(first.side, a)).at(place(second.side, b))
        }))
    }

    /// What of the second file is written otherwise than in the first, where all tensors that both have are equal.
    fn rewritten(&self, renamed: usize) -> Option<Finding> {
        let models = self.inputs.models();
        if !models.into_iter().all(Model::is_sound) || self.looks_damaged() {
            return None;
        }
        let census = Census::of(self.inputs, self.pairing, self.scan);
        let alone = self.pairing.only_apr.len() + self.pairing.only_gguf.len();
        let paired = census.total.saturating_sub(alone);
        let changes = rewriting::changes(self.inputs, self.pairing, &self.metadata.keys);
        let is_one_model = paired + renamed > 0 && census.equal == paired;
        // A key that is unlike is no other way of writing the same, unless something is.
        if changes.is_empty() || !is_one_model || self.has_other_types() {
            return None;
        }
        let [first, second] = models.map(|model| model.called);
        let changes = changes.join("; ");
        let message = if alone > 0 && renamed == 0 {
            format!("{second} has other tensors than {first}: {changes}")
        } else if self.metadata.decides() {
            let keys = self.metadata.findings.iter();
            let mut keys = keys.filter(|found| found.effect.decides());
            let is_named = |found: &Finding| {
                let mut names = found.places.iter().filter_map(|place| place.name.as_ref());
                names.any(|name| changes.contains(&escape(name)))
            };
            // Where a tensor stands is no key.
            let key = match keys.clone().any(is_named) {
                true => String::new(),
                false => keys
                    .next()
                    .map_or_else(String::new, |key| format!("{}; ", key.message)),
            };
            format!("{second} has the tensors of {first}, and other keys: {key}{changes}")
        } else {
            format!("{second} is the model of {first}, written in another way: {changes}")
        };
        Some(Finding::new(Code::PairRewritten, Effect::Warning, message).at(Place::new(Side::B, 0)))
    }

    fn has_other_types(&self) -> bool {
        let mut pairs = self.pairing.pairs.iter();
        pairs.any(|pair| {
            let (a, b) = self.inputs.tensors_of(*pair);
            a.block_type != b.block_type
        })
    }

    /// Whether a head differs from the other one as damage does and no tool: in one byte.
    fn looks_damaged(&self) -> bool {
        match (self.inputs.first.metadata, self.inputs.second.metadata) {
            (Metadata::Gguf(a), Metadata::Gguf(b)) => {
                // Of another number of files each says so.
                let mut heads = a.shards.iter().zip(&b.shards);
                a.shards.len() == b.shards.len()
                    && heads.any(|(a, b)| differ_as_by_damage(&a.bytes, &b.bytes))
            }
            (Metadata::Apr(a), Metadata::Apr(b)) => differ_as_by_damage(&a.head, &b.head),
            _ => unreachable!("two files of one format have the same kind of metadata"),
        }
    }

    /// One finding for two models that have nothing to do with each other, in the place of one for each tensor and key.
    fn other_model(&self, data: &[Finding], renamed: usize) -> Option<Finding> {
        let models = self.inputs.models();
        let identities = models.map(|model| match model.metadata {
            Metadata::Gguf(metadata) => Some(Identity::of_gguf(metadata)),
            Metadata::Apr(metadata) => metadata.document.as_ref().map(Identity::of_apr),
        });
        let [Some(a), Some(b)] = identities else {
            return None;
        };
        // Of files that say they are two models, what looks like damage proves nothing.
        let is_unlike = a.is_unlike(&b);
        let data = if is_unlike { &[] } else { data };
        let census = Census::of_others(self.inputs, self.pairing, self.scan, data, is_unlike)?;
        let is_other = is_unlike
            || census.is_mostly_unlike() && renamed == 0
            || is_most(self.scan.differing(false), census.total);
        if !is_other {
            return None;
        }
        let digest = |shard: usize| {
            let digest = self.scan.blake3.get(shard).copied().flatten();
            digest.map(|digest| format!("blake3 {}", hex(&digest)))
        };
        let [first, second] = models;
        let (a, b) = (a.text(digest(0)), b.text(digest(first.sources.len())));
        Some(
            Finding::new(
                Code::SourceOther,
                Effect::Different,
                format!(
                    "two models: {} is {a}; {} is {b}; {} of {} tensors are equal",
                    first.called, second.called, census.equal, census.total
                ),
            )
            .at(Place::new(Side::A, 0))
            .at(Place::new(Side::B, 0)),
        )
    }

    /// What the digests of the whole files say. Files that are not the same must have a finding that says why.
    fn whole_files(&self, findings: &[Finding]) -> Option<Finding> {
        let (a, b) = self
            .scan
            .blake3
            .split_at_checked(self.inputs.first.sources.len())?;
        let are_known = a.iter().chain(b).all(Option::is_some);
        if are_known && a == b {
            let message = "both files are the same, byte for byte";
            return Some(Finding::new(Code::PairIdentical, Effect::Note, message));
        }
        let is_explained =
            |finding: &Finding| finding.effect.decides() || finding.code == Code::PairRewritten;
        (!findings.iter().any(is_explained)).then(|| {
            Finding::new(
                Code::PairUnexplained,
                Effect::Undecided,
                "the files are not the same byte for byte, and nothing that was compared says why",
            )
        })
    }
}

/// Concludes from findings in the order of causes; none when nothing decides.
pub(crate) fn conclude(facts: &Facts, findings: &[Finding]) -> Option<Conclusion> {
    use ConclusionKind::{Damaged, Rewritten, Unlike};
    let [first, second] = &facts.called;
    if let Some(unreadable) = unreadable(findings, Some(&facts.called)) {
        return Some(unreadable);
    }
    let decisive = findings.iter().find(|finding| finding.effect.decides())?;
    let message = &counted_tensors(findings, decisive);
    if let Some(other) = other_model(findings, decisive) {
        return Some(other);
    }
    if let Some(not_finite) = not_finite_in_both(findings) {
        return Some(not_finite);
    }
    let [a, b] = &facts.integrity;
    if let (Some(of_a), Some(of_b)) = (a.what(), b.what()) {
        let text = if a.is_damaged && b.is_damaged {
            format!("both files are damaged: {message}")
        } else {
            format!("{first} is {of_a}; {second} is {of_b}: {message}")
        };
        return Some(conclusion(Damaged, AtFault::Both, text));
    }
    for (this, other, name, other_name, at_fault) in [
        (a, b, first, second, AtFault::A),
        (b, a, second, first, AtFault::B),
    ] {
        if let Some(what) = this.what() {
            let rest = if other.is_intact {
                format!("{other_name} is as it was written")
            } else {
                format!("nothing shows a damage of {other_name}")
            };
            let text = format!("{name} is {what}, {rest}: {message}");
            return Some(conclusion(Damaged, at_fault, text));
        }
    }
    for (this, side, name, other_name) in [(a, Side::A, first, second), (b, Side::B, second, first)]
    {
        if !this.is_intact && not_finite_sides(findings) == BTreeSet::from([side]) {
            let text = format!(
                "{name} holds numbers that no model computes with, and {other_name} does not: {message}"
            );
            return Some(conclusion(Damaged, AtFault::from(side), text));
        }
    }
    if let Some(rewritten) = &facts.rewritten {
        return Some(conclusion(Rewritten, AtFault::Unknown, rewritten.clone()));
    }
    if decisive.effect == Effect::Undecided {
        return None;
    }
    if are_flips(findings) && !(a.is_intact && b.is_intact) {
        let text =
            format!("one of the files is damaged, and nothing in them tells which: {message}");
        return Some(conclusion(Damaged, AtFault::Unknown, text));
    }
    let text = if facts.are_versions {
        format!("{VERSIONS}: {message}")
    } else if a.is_intact && b.is_intact {
        format!("the files differ, and each has the digests that it says of itself: {message}")
    } else {
        format!("the files differ, and nothing in them tells which of them is right: {message}")
    };
    Some(conclusion(Unlike, AtFault::Unknown, text))
}

/// The files with numbers that no model computes with.
fn not_finite_sides(findings: &[Finding]) -> BTreeSet<Side> {
    let not_finite = findings.iter().filter(|finding| is_not_finite(finding));
    let places = not_finite.flat_map(|finding| &finding.places);
    places.map(|place| place.side).collect()
}

/// Whether all that differs are bits, flipped as no tool does it.
fn are_flips(findings: &[Finding]) -> bool {
    let is_flip = |finding: &Finding| {
        let mut causes = finding.cause.iter();
        finding.code == Code::TensorBytes
            && causes.any(|cause| matches!(cause.code, CauseCode::SingleBit | CauseCode::SameBit))
    };
    let mut deciding = findings.iter().filter(|finding| finding.effect.decides());
    deciding.all(is_flip)
}
