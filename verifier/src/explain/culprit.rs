//! Who is at fault: one sentence drawn from the evidence and the findings.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::given_back::GivenBack;
use super::identity::Identity;
use super::judge::Judge;
use super::recorded::{Rewriting, head_of};
use crate::code::{CauseCode, Code, Group};
use crate::compare::inputs::{Inputs, Model};
use crate::compare::pairing::Pairing;
use crate::compare::scan::Scan;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{RegionKind, Span};
use crate::report::{AtFault, Conclusion, ConclusionKind, TensorResult};

/// What the first finding says, and how many tensors differ where it is about one of them.
pub(super) fn counted_tensors(findings: &[Finding], first: &Finding) -> String {
    let is_like = |one: &&Finding| (one.code, one.effect) == (first.code, first.effect);
    match findings.iter().filter(is_like).count() {
        count if first.code == Code::TensorBytes && count > 1 => {
            format!("{count} tensors differ, the first: {}", first.message)
        }
        _ => first.message.clone(),
    }
}

/// Concludes from findings in the order of causes; none when nothing decides.
pub(crate) fn conclude(evidence: &Evidence, findings: &[Finding]) -> Option<Conclusion> {
    if let Some(mut unreadable) = unreadable(findings, None) {
        if unreadable.at_fault == AtFault::Gguf && evidence.apr_is_damaged {
            unreadable.at_fault = AtFault::Both;
            unreadable.text += "; the APR file is damaged as well";
        } else if unreadable.at_fault == AtFault::Apr && evidence.gguf_is_other {
            unreadable.text += "; the GGUF is not the file that it records";
        }
        return Some(unreadable);
    }
    // What is undecided for want of words says nothing of a file that differs.
    let differs = |finding: &&Finding| finding.effect == Effect::Different;
    let mut deciding = findings.iter().filter(|finding| finding.effect.decides());
    let first = findings.iter().find(differs).or_else(|| deciding.next())?;
    let message = &counted_tensors(findings, first);
    if let Some(other) = other_model(findings, first) {
        return Some(other);
    }
    if first.effect == Effect::Undecided {
        return None;
    }
    match first.code {
        Code::SourceRewritten => {
            return Some(conclusion(
                ConclusionKind::Rewritten,
                AtFault::Gguf,
                message.clone(),
            ));
        }
        Code::TensorNaming => {
            return Some(conclusion(
                ConclusionKind::Unlike,
                AtFault::Apr,
                format!("the tensors of the APR file are named in two ways: {message}"),
            ));
        }
        _ => {}
    }
    if let Some(not_finite) = not_finite_in_both(findings) {
        return Some(not_finite);
    }
    let shows_damage = evidence.gguf_is_misnamed
        || !evidence.gguf_is_source && evidence.recorded.is_some() && gguf_contradicts(findings);
    let gguf_is_damaged = shows_damage || evidence.gguf_is_unlike;
    let changes = evidence.rewriting.as_ref();
    let (kind, at_fault, text) = if let Some(changes) = changes.filter(|_| !evidence.is_open()) {
        let (kind, what) = match first.cause {
            Some(_) => (ConclusionKind::Damaged, "is damaged or holds other tensors"),
            None => (ConclusionKind::Unlike, "holds other tensors"),
        };
        (
            kind,
            AtFault::Gguf,
            format!(
                "the GGUF {what}, and is not the file that the APR file was made from ({changes}): {message}"
            ),
        )
    } else if evidence.are_versions
        && evidence.apr_is_intact
        && !evidence.gguf_is_source
        && first.cause.is_none()
    {
        (
            ConclusionKind::Unlike,
            AtFault::Unknown,
            format!("{VERSIONS}: {message}"),
        )
    } else if evidence.is_open() && !shows_damage {
        let changes = changes.map_or_else(String::new, |changes| format!(" ({changes})"));
        (
            ConclusionKind::Unlike,
            AtFault::Unknown,
            format!(
                "the GGUF is not the file that the APR file was made from{changes}, and which of them is wrong cannot be told, since the APR file does not hold all tensors as that file did: {message}"
            ),
        )
    } else if evidence.apr_is_proven() {
        let what = match shows_damage {
            true => "damaged, the APR file is as it was written",
            false => "damaged, or not the file that the APR file was made from and gives back",
        };
        (
            ConclusionKind::Damaged,
            AtFault::Gguf,
            format!("the GGUF is {what}: {message}"),
        )
    } else if evidence.apr_is_damaged && gguf_is_damaged {
        (
            ConclusionKind::Damaged,
            AtFault::Both,
            match shows_damage {
                true => format!("both files are damaged: {message}"),
                false => format!(
                    "both files are damaged, or the GGUF is not the file that the APR file was made from: {message}"
                ),
            },
        )
    } else if evidence.apr_is_damaged {
        let gguf = if evidence.gguf_is_source {
            "the GGUF is the file that it was made from"
        } else if evidence.given_back == GivenBack::WithGguf {
            "the GGUF has the tensors of the file that it was made from"
        } else if evidence.gguf_is_other {
            "the GGUF is not the file that it records"
        } else {
            "nothing shows a damage of the GGUF"
        };
        (
            ConclusionKind::Damaged,
            AtFault::Apr,
            format!("the APR file is not what was written, {gguf}: {message}"),
        )
    } else if evidence.gguf_is_misnamed {
        (
            ConclusionKind::Damaged,
            AtFault::Gguf,
            match first.code {
                Code::InputPublished => {
                    format!("the GGUF is not what its publisher gives: {message}")
                }
                _ => format!("the GGUF is not what its name says: {message}"),
            },
        )
    } else if evidence.gguf_is_source || evidence.record_is_wrong {
        let what = match first.code {
            // It may hold all bytes of it.
            Code::MetaNotCarried => "loaders do not compute what the source of the APR file says",
            _ => "the APR file does not hold what its source does",
        };
        (
            ConclusionKind::Unlike,
            AtFault::Apr,
            format!("{what}: {message}"),
        )
    } else if findings
        .iter()
        .any(|finding| finding.effect == Effect::Different && finding.code.group() == Group::Gguf)
    {
        (
            ConclusionKind::Damaged,
            AtFault::Gguf,
            format!("the GGUF contradicts its own format: {message}"),
        )
    } else {
        let text = match first.code {
            // Not the GGUF: it has the name that decides, and no such key.
            Code::MetaRopeType => message.clone(),
            _ => format!(
                "the files do not agree, and no record of the source tells which is wrong: {message}"
            ),
        };
        (ConclusionKind::Unlike, AtFault::Unknown, text)
    };
    Some(conclusion(kind, at_fault, text))
}

/// Two models, and what else the first finding says of one of them.
pub(super) fn other_model(findings: &[Finding], first: &Finding) -> Option<Conclusion> {
    let other = findings
        .iter()
        .find(|found| found.code == Code::SourceOther)?;
    let mut text = other.message.clone();
    if first.code != Code::SourceOther {
        text = format!("{text}; one of them is damaged as well: {}", first.message);
    }
    Some(conclusion(
        ConclusionKind::AnotherModel,
        AtFault::Neither,
        text,
    ))
}

/// Puts a conclusion together.
pub(super) const fn conclusion(
    kind: ConclusionKind,
    at_fault: AtFault,
    text: String,
) -> Conclusion {
    Conclusion {
        kind,
        at_fault,
        text,
    }
}

/// What two files that differ in nothing have in common: numbers that no model computes with.
pub(super) fn not_finite_in_both(findings: &[Finding]) -> Option<Conclusion> {
    let mut deciding = findings.iter().filter(|finding| finding.effect.decides());
    let first = deciding.clone().next()?;
    let is_in_both = |finding: &Finding| is_not_finite(finding) && finding.places.len() == 2;
    deciding.all(is_in_both).then(|| {
        let message = &first.message;
        let text = format!("both files hold numbers that no model computes with: {message}");
        conclusion(ConclusionKind::Damaged, AtFault::Both, text)
    })
}

/// Whether a finding is of numbers that no model computes with.
pub(super) const fn is_not_finite(finding: &Finding) -> bool {
    matches!(
        finding.code,
        Code::TensorScaleNotFinite | Code::TensorValueNotFinite
    )
}

/// Whether a finding shows that the GGUF is not what the artifact recorded, beside the tensors of a damaged APR file.
fn gguf_contradicts(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.effect == Effect::Different && finding.code.group() == Group::Gguf)
}

/// A file that cannot be read or decoded is all that is to be said. `called` are the names of two files of one format.
pub(crate) fn unreadable(findings: &[Finding], called: Option<&[String; 2]>) -> Option<Conclusion> {
    let mut unreadable = findings
        .iter()
        .filter(|finding| finding.effect == Effect::Unreadable || finding.code == Code::Io);
    let first = unreadable.clone().next()?;
    let sides: BTreeSet<Side> = unreadable
        .by_ref()
        .filter_map(|finding| finding.places.first())
        .map(|place| place.side)
        .collect();
    let sides: Vec<Side> = sides.into_iter().collect();
    let (at_fault, what) = match sides.as_slice() {
        [side] => {
            let what = match (side, called) {
                (Side::A, Some([first, _])) => first,
                (Side::B, Some([_, second])) => second,
                (Side::Apr, _) => "the APR file",
                (Side::Gguf, _) => "the GGUF",
                (Side::A | Side::B, None) => "a file",
            };
            (AtFault::from(*side), what)
        }
        [_, _, ..] => (AtFault::Both, "neither file"),
        [] => (AtFault::Unknown, "a file"),
    };
    let (kind, text) = match first.code {
        Code::InputNotAModel | Code::InputPointer | Code::InputWebPage => {
            (ConclusionKind::NotAModel, first.message.clone())
        }
        Code::InputChanged => (ConclusionKind::Unreadable, first.message.clone()),
        code => {
            let is_truncated = first
                .cause
                .as_ref()
                .is_some_and(|cause| cause.code == CauseCode::Truncated);
            // A size that does not fit its tensor explains what is missing.
            let is_wrong_size = |one: &Finding| one.code == Code::AprTensorSize;
            let is_malformed = is_out_of_range(code)
                || is_beyond_end(code) && says_more_than_any_file(first)
                || code == Code::AprTruncated && findings.iter().any(is_wrong_size);
            let how = if is_malformed {
                "is malformed"
            } else if is_cut(code) || is_truncated {
                "is cut, half a download or copy"
            } else if is_beyond_end(code) {
                "is cut or malformed"
            } else if code == Code::Io {
                "cannot be read"
            } else {
                "cannot be decoded"
            };
            let text = if at_fault == AtFault::Both {
                format!("both files cannot be read to their end: {}", first.message)
            } else {
                format!("{what} {how}: {}", first.message)
            };
            (ConclusionKind::Unreadable, text)
        }
    };
    Some(Conclusion {
        kind,
        at_fault,
        text,
    })
}

const fn is_cut(code: Code) -> bool {
    matches!(
        code,
        Code::AprShort | Code::AprTruncated | Code::GgufShort | Code::GgufTruncated
    )
}

/// Beyond the end of a file that would hold all that its tensors need.
const fn is_out_of_range(code: Code) -> bool {
    matches!(code, Code::AprDataBounds | Code::GgufOffsetRange)
}

/// Whether a count or length is one that no model has: what is left of a cut file would be nothing of it.
fn says_more_than_any_file(finding: &Finding) -> bool {
    let found = finding.found.as_ref();
    let number = found.and_then(|found| found.parse::<u64>().ok());
    number.is_some_and(|number| number > 1 << 40)
}

/// More than the bytes that are left: of a cut file, or of a wrong count.
const fn is_beyond_end(code: Code) -> bool {
    matches!(
        code,
        Code::GgufCountTensors | Code::GgufCountKv | Code::GgufStringLength | Code::GgufArrayCount
    )
}

impl Judge<'_> {
    /// Whether the files of the GGUF have the lengths that the artifact records.
    fn has_recorded_sizes(&self) -> bool {
        let (records, sources) = (&self.metadata.records, self.gguf_sources());
        let mut files = records.iter().zip(sources);
        records.len() == sources.len()
            && files.all(|(record, source)| source.length() == record.size)
    }

    /// One finding for two models that do not belong together, in the place of one for each tensor and key.
    pub(super) fn other_model(&self, evidence: &Evidence, data: &[Finding]) -> Option<Finding> {
        let (apr, gguf) = (self.apr, self.gguf);
        if self.has_recorded_digests() {
            return None;
        }
        let recorded = evidence.recorded.as_ref();
        let made_from = match recorded {
            Some(recorded) => Identity::of_gguf(&recorded.metadata),
            None => Identity::of_apr(apr.metadata.document.as_ref()?),
        };
        let found = Identity::of_gguf(&gguf.metadata);
        let is_unlike = made_from.is_unlike(&found);
        let census = Census::of_others(self.inputs, self.pairing, self.scan, data, is_unlike)?;
        // A file of the same head and another length is damaged: bytes were lost or put in.
        let is_other_file = evidence.apr_is_intact
            && recorded.is_some_and(|recorded| {
                self.has_recorded_sizes()
                    || !Rewriting::between(head_of(recorded), head_of(gguf))
                        .changes
                        .is_empty()
            });
        let is_other_file = is_other_file && !evidence.are_versions;
        if !is_unlike && !census.is_mostly_unlike() && !is_other_file {
            return None;
        }
        let digest = |digest: Option<&str>| digest.map(|digest| format!("blake3 {digest}"));
        let recorded_digest = self
            .metadata
            .records
            .first()
            .filter(|_| recorded.is_some())
            .map(|record| record.blake3.as_str());
        let now = self.scan.blake3.get(1).and_then(|digest| *digest);
        let now = now.map(|digest| crate::finding::hex(&digest));
        let made_from = made_from.text(digest(recorded_digest));
        let found = found.text(digest(now.as_deref()));
        Some(
            Finding::new(
                Code::SourceOther,
                Effect::Different,
                format!(
                    "another model: the APR file was made from {made_from}; this is {found}; {} of {} tensors are equal",
                    census.equal, census.total
                ),
            )
            .at(Place::new(Side::Gguf, 0))
            .expected_found(made_from, found)
            .hint("give the GGUF that the APR file was made from"),
        )
    }

    /// One finding for a GGUF that is the recorded source written in another way.
    pub(super) fn rewritten(&self, evidence: &Evidence) -> Option<(Finding, Rewriting)> {
        let recorded = evidence.recorded.as_ref()?;
        let gguf = self.gguf;
        let is_sound = gguf.complete && gguf.findings.iter().all(|found| !found.effect.decides());
        let is_same_set = self.metadata.records.len() == self.gguf_sources().len();
        if !evidence.apr_is_intact || !is_sound || is_same_set && self.looks_damaged() {
            return None;
        }
        let rewriting = Rewriting::between(head_of(recorded), head_of(gguf));
        if rewriting.changes.is_empty() || rewriting.is_split_alone() {
            return None;
        }
        let changes = rewriting.changes.join("; ");
        let message = if rewriting.has_other_tensors {
            format!(
                "the GGUF has other tensors than the file that the APR file was made from: {changes}"
            )
        } else if self.metadata.differs() {
            format!(
                "the GGUF is not the file that the APR file was made from, and has other keys: {changes}"
            )
        } else {
            format!(
                "the GGUF is the model that the APR file was made from, written in another way: {changes}"
            )
        };
        let finding = Finding::new(Code::SourceRewritten, Effect::Different, message)
            .at(if rewriting.is_other_version {
                Place::new(Side::Gguf, 0)
                    .region(RegionKind::Header)
                    .span(Span::new(VERSION_OFFSET as u64, 4))
            } else {
                Place::new(Side::Gguf, 0)
            })
            .hint("give the file that the APR file was made from, or convert this one under another name");
        Some((finding, rewriting))
    }

    /// Whether the GGUF is the recorded source in as many files, which begin at other tensors.
    pub(super) fn is_split_elsewhere(&self, evidence: &Evidence) -> bool {
        let recorded = evidence.recorded.as_ref().filter(|_| self.gguf.complete);
        recorded.is_some_and(|recorded| {
            Rewriting::between(head_of(recorded), head_of(self.gguf)).is_split_alone()
        })
    }

    /// Whether a head differs from the recorded one as damage does and no tool: in one byte, and not in its length.
    fn looks_damaged(&self) -> bool {
        let heads = &self.gguf.metadata.shards;
        self.metadata
            .records
            .iter()
            .zip(heads)
            .filter(|(record, head)| record.head.len() as u64 == head.data_offset)
            .any(|(record, head)| {
                let found = head.bytes.get(..record.head.len());
                found.is_some_and(|found| differ_as_by_damage(found, &record.head))
            })
    }
}

/// Whether two heads of one length differ as damage does and no tool: in one byte.
pub(super) fn differ_as_by_damage(a: &[u8], b: &[u8]) -> bool {
    let mut differing = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
    // Another version is one that tools write.
    let first = differing.next();
    first.is_some_and(|(at, _)| at != VERSION_OFFSET) && differing.next().is_none()
}

/// Where a GGUF states its version.
const VERSION_OFFSET: usize = 4;

/// Whether a count is at least half of all.
pub(super) const fn is_most(count: usize, total: usize) -> bool {
    count >= total.div_ceil(2)
}

/// Whether most tensors differ, and have nearly the values of the other file: quantised or trained another time.
pub(super) fn are_versions(pairing: &Pairing, scan: &Scan) -> bool {
    let total = pairing.pairs.len();
    total > 0 && is_most(scan.differing(true), total)
}

/// What is said of two files that are.
pub(super) const VERSIONS: &str =
    "the files hold two versions of one model, with values near each other";

/// How many tensors agree.
pub(super) struct Census {
    pub(super) total: usize,
    pub(super) equal: usize,
    /// Without a counterpart, or with one of another shape.
    unlike: usize,
}

impl Census {
    /// The census of two files that may be two models; none where they are more alike, or where what differs is damage:
    /// what contradicts its own format is, unless both files say that they are two models.
    pub(super) fn of_others(
        inputs: &Inputs<'_>,
        pairing: &Pairing,
        scan: &Scan,
        data: &[Finding],
        say_so: bool,
    ) -> Option<Self> {
        let models = inputs.models();
        if !models.iter().all(|model| model.complete)
            || !say_so && !models.into_iter().all(Model::is_sound)
        {
            return None;
        }
        let census = Self::of(inputs, pairing, scan);
        // What damage looks like is damage, however much of the file it has reached.
        let differing = data.iter().filter(|finding| {
            finding.effect == Effect::Different && finding.code.group() == Group::Tensor
        });
        let explained = differing.clone().filter(|found| found.cause.is_some());
        let (explained, differing) = (explained.count(), differing.count());
        let has_cause = explained > 0 && is_most(explained, differing);
        let are_alike = census.total == 0 || is_most(census.equal, census.total);
        (!are_alike && !has_cause).then_some(census)
    }

    /// Whether most tensors have no counterpart of their shape.
    pub(super) const fn is_mostly_unlike(&self) -> bool {
        is_most(self.unlike, self.total)
    }

    pub(super) fn of(inputs: &Inputs<'_>, pairing: &Pairing, scan: &Scan) -> Self {
        let alone = pairing.only_apr.len() + pairing.only_gguf.len();
        let mut census = Self {
            total: pairing.pairs.len() + alone,
            equal: 0,
            unlike: alone,
        };
        for (pair, outcome) in pairing.pairs.iter().zip(&scan.pairs) {
            let (a, g) = inputs.tensors_of(*pair);
            let sorted = |dims: &[u64]| {
                let mut dims = dims.to_vec();
                dims.sort_unstable();
                dims
            };
            let is_equal = matches!(
                TensorResult::of(a, g, pair.how, outcome.as_ref()),
                TensorResult::BytesEqual | TensorResult::ValuesEqual
            );
            census.equal += usize::from(is_equal);
            let is_unlike = sorted(&a.dims) != sorted(&g.dims);
            census.unlike += usize::from(is_unlike);
        }
        census
    }
}
