//! What the digests and checksums of a pair prove about each file.

use std::collections::HashMap;

use super::culprit::are_versions;
use super::given_back::GivenBack;
use super::integrity::digests_of;
use super::judge::Judge;
use super::recorded;
use crate::code::Code;
use crate::compare::metadata::{self, Digests, record};
use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name};
use crate::compare::pairing::{Method, Pair};
use crate::compare::scan::tensor::PairOutcome;
use crate::decode::container::Container;
use crate::decode::gguf::Metadata;
use crate::finding::{Effect, Finding, Side, escape, hex};

/// What is known of the two files; nothing, by default.
#[derive(Default)]
pub(crate) struct Evidence {
    /// The sources that the artifact records, when it does and they are sound.
    pub(crate) recorded: Option<Container<Metadata>>,
    /// Whether nothing shows that the APR file is not what was written.
    pub(crate) apr_is_intact: bool,
    /// Whether the APR file is provably not what was written.
    pub(crate) apr_is_damaged: bool,
    /// Whether the GGUF is byte for byte a source that the artifact records.
    pub(crate) gguf_is_source: bool,
    /// Whether the GGUF does not have the BLAKE3 that the artifact records.
    pub(crate) gguf_is_other: bool,
    /// What contradicts the record in the file that holds it, where another GGUF is at hand.
    pub(crate) contradiction: Option<(Code, String)>,
    /// Whether the artifact gives back the source that it records; computed where that GGUF is not at hand.
    pub(crate) given_back: GivenBack,
    /// Whether the GGUF does not have the digest that its name or its publisher gives.
    pub(crate) gguf_is_misnamed: bool,
    /// Whether the GGUF holds a tensor that is not the recorded one, where no damage of the record explains it.
    pub(crate) gguf_is_unlike: bool,
    /// Whether most tensors of both files differ and have values near each other.
    pub(crate) are_versions: bool,
    /// How the GGUF is written otherwise than the recorded source, while its tensors differ as well.
    pub(crate) rewriting: Option<String>,
    /// APR tensors that do not have the digests that the artifact records for them, escaped.
    pub(crate) unlike_record: Vec<String>,
    /// Whether a digest of the record fits neither file while both are equal: the record is wrong.
    pub(crate) record_is_wrong: bool,
}

impl Evidence {
    pub(crate) fn of(judge: &Judge<'_>, crc: &Result<bool, Box<Finding>>) -> Self {
        let tensors = Tensors::of(judge);
        let records = &judge.metadata.records;
        let has_broken_record = judge
            .metadata
            .findings
            .iter()
            .any(|finding| finding.code == Code::MetaRecord);
        let apr = judge.apr;
        let crc_is_wrong = crc.is_err();
        let [apr_name, gguf_name] = judge.digests_hold;
        let gguf_is_source = !records.is_empty() && is_source(judge, &tensors);
        let recorded = (!gguf_is_source && !has_broken_record)
            .then(|| recorded::decode(records))
            .flatten();
        let given_back = match &recorded {
            Some(recorded) if apr.complete => {
                judge.given_back(recorded, tensors.apr_unlike.is_empty())
            }
            _ => GivenBack::Unknown,
        };
        let is_of_other = !gguf_is_source && !has_broken_record && !records.is_empty();
        let contradiction = if !apr.complete || !is_of_other {
            None
        } else {
            contradiction(judge, recorded.as_ref(), given_back)
        };
        let is_unlike_given = recorded
            .as_ref()
            .is_some_and(|recorded| judge.is_unlike_given(recorded, given_back));
        // It records tensors that the file which it was made from does not hold.
        let is_unlike_source = gguf_is_source && tensors.gguf_differs;
        let contradicts_itself = judge.inputs.first.contradicts_itself()
            || is_unlike_source
            || is_unlike_given
            || contradiction.is_some()
            || judge.gguf_sources().is_empty() && recorded.is_some() && judge.metadata.differs();
        Self {
            recorded,
            apr_is_intact: apr.complete
                && matches!(crc, Ok(true))
                && given_back != GivenBack::TooLarge
                && !contradicts_itself
                && !has_broken_record
                && tensors.apr_unlike.is_empty()
                && !tensors.record_is_wrong,
            apr_is_damaged: crc_is_wrong
                || apr_name == Some(false) && !matches!(crc, Ok(true))
                || contradicts_itself
                || !tensors.apr_unlike.is_empty(),
            gguf_is_source,
            gguf_is_other: judge.has_other_digest(),
            contradiction,
            given_back,
            gguf_is_misnamed: gguf_name == Some(false)
                && !gguf_is_source
                && given_back != GivenBack::WithGguf,
            // Digests of a record that is wrong itself are no evidence, nor are those that nothing else holds.
            gguf_is_unlike: tensors.gguf_is_unlike
                && !gguf_is_source
                && match given_back {
                    GivenBack::Not | GivenBack::WithGguf | GivenBack::TooLarge => false,
                    GivenBack::Unknown => !tensors.apr_unlike.is_empty(),
                    GivenBack::Alone | GivenBack::Mixed => true,
                },
            are_versions: are_versions(judge.pairing, judge.scan),
            rewriting: None,
            unlike_record: tensors.apr_unlike,
            record_is_wrong: tensors.record_is_wrong,
        }
    }

    /// Whether the APR file is what was written, and every byte of the source that it records gives the BLAKE3 that it has of
    /// it. Digests of what it stores in another way than the source can be put right by whoever edits it, and accuse nobody.
    pub(crate) fn apr_is_proven(&self) -> bool {
        self.apr_is_intact && self.recorded.is_some() && self.given_back.is_proven()
    }

    /// Whether nothing contradicts the APR file, and nothing but digests that its editor can put right speaks for it.
    pub(crate) fn is_open(&self) -> bool {
        self.apr_is_intact && self.recorded.is_some() && !self.given_back.is_proven()
    }

    /// The file that is known to be damaged while the other one is intact.
    pub(crate) fn damaged(&self) -> Option<Side> {
        if self.apr_is_proven() {
            Some(Side::Gguf)
        } else if self.apr_is_damaged {
            Some(Side::Apr)
        } else {
            None
        }
    }
}

/// The metadata of an artifact are a function of its source, and so are the bytes of the source: where another file is at
/// hand, they are held against the record. What contradicts it, and the code that it has beside its source.
fn contradiction(
    judge: &Judge<'_>,
    recorded: Option<&Container<Metadata>>,
    given_back: GivenBack,
) -> Option<(Code, String)> {
    let of_record = |why: &str| Some((Code::MetaRecord, why.to_owned()));
    // On its own its metadata were held against the record.
    if !judge.gguf_sources().is_empty() {
        let Some(recorded) = recorded else {
            return of_record("what it holds is no sound GGUF");
        };
        let compared = metadata::compare(judge.apr, recorded, Digests::NotAsked);
        let mut findings = compared.findings.into_iter();
        if let Some(unlike) = findings.find(|finding| finding.effect == Effect::Different) {
            return Some((unlike.code, unlike.message));
        }
    }
    if given_back == GivenBack::Not {
        return of_record("what it and the tensors give does not have the BLAKE3 that it says");
    }
    let is_no_copy = recorded.is_some_and(|recorded| has_other_output(judge, recorded));
    is_no_copy
        .then(|| of_record("its source ties output.weight to the embedding, and it holds no copy"))
        .flatten()
}

/// Whether an artifact of a source without an output holds one that is no copy of its embedding.
fn has_other_output(judge: &Judge<'_>, recorded: &Container<Metadata>) -> bool {
    let digests = digests_of(&judge.inputs.first, judge.pairing, judge.scan);
    let named = |wanted: &[u8]| {
        let mut found = digests.iter();
        let found = found.find(|(name, _)| gguf_name(name) == wanted);
        found.map(|(_, digest)| digest)
    };
    let is_tied = recorded.tensors.iter().all(|tensor| tensor.name != OUTPUT);
    is_tied && named(OUTPUT).is_some_and(|output| named(EMBEDDING) != Some(output))
}

/// What the recorded digests of the tensors say.
#[derive(Default)]
struct Tensors {
    apr_unlike: Vec<String>,
    /// A tensor of the GGUF that is not the recorded one.
    gguf_differs: bool,
    /// The same, where no damage of the record explains it.
    gguf_is_unlike: bool,
    record_is_wrong: bool,
}

impl Tensors {
    fn of(judge: &Judge<'_>) -> Self {
        let mut found = Self::default();
        let Some(document) = &judge.apr.metadata.document else {
            return found;
        };
        let pairs = judge.pairing.pairs.iter().zip(&judge.scan.pairs);
        let mut paired: HashMap<&[u8], (&Pair, &PairOutcome)> = HashMap::new();
        let digests = digests_of(&judge.inputs.first, judge.pairing, judge.scan);
        for (pair, outcome) in pairs {
            let (a, _) = judge.inputs.tensors_of(*pair);
            if let Some(outcome) = outcome {
                paired.insert(&a.name, (pair, outcome));
            }
        }
        // A record that cannot be read is a finding of the comparison of the metadata.
        let recorded = record::tensor_digests(document).unwrap_or_default();
        let is_other_file = judge.has_other_digest();
        for (name, blake3, ..) in recorded {
            // What was not computed says nothing.
            let Some(of_apr) = digests.get(name.as_bytes()) else {
                continue;
            };
            let apr_is_unlike = hex(of_apr) != blake3;
            let gguf = paired.get(name.as_bytes());
            let gguf = gguf.filter(|(pair, _)| matches!(pair.how, Some(Method::Bytes(_))));
            let gguf_is_unlike = gguf.map(|(_, outcome)| hex(&outcome.gguf.blake3) != blake3);
            found.gguf_differs |= gguf_is_unlike == Some(true);
            let are_equal = gguf.is_some_and(|(_, outcome)| outcome.difference.is_none());
            // Of three bytes that all differ, the digest of the whole file says whether the record is the wrong one.
            // The digest of a copy is no word about the embedding.
            let is_own = gguf.is_some_and(|(pair, _)| !pair.tied);
            found.gguf_is_unlike |= is_own
                && gguf_is_unlike == Some(true)
                && (!apr_is_unlike || is_other_file && !are_equal);
            if apr_is_unlike {
                found.record_is_wrong |= are_equal;
                found.apr_unlike.push(escape(name.as_bytes()));
            }
        }
        found
    }
}

/// Whether every byte of the GGUF is one that the artifact records: by the digest of the file, or part by part. The digest
/// is of the source itself, and what is recorded of its tensors comes after it.
fn is_source(judge: &Judge<'_>, tensors: &Tensors) -> bool {
    if judge.gguf.complete && judge.has_recorded_digests() {
        return true;
    }
    let records = &judge.metadata.records;
    let sources = judge.gguf_sources();
    if records.len() != sources.len() || !judge.gguf.complete {
        return false;
    }
    let heads = &judge.gguf.metadata.shards;
    let digests = judge.scan.blake3.iter().skip(1);
    let parts = records.iter().zip(sources).zip(heads).zip(digests);
    let mut files = parts.map(|(((record, source), head), digest)| {
        digest.as_ref().map_or_else(
            || source.length() == record.size && head.bytes.starts_with(&record.head),
            |digest| hex(digest) == record.blake3,
        )
    });
    let has_dirty_padding = judge
        .scan
        .not_zero
        .iter()
        .any(|padding| padding.side == Side::Gguf);
    files.all(|is_same| is_same) && !tensors.gguf_differs && !has_dirty_padding
}

impl Judge<'_> {
    /// Whether each file of the GGUF has the BLAKE3 that the artifact records.
    pub(super) fn has_recorded_digests(&self) -> bool {
        self.recorded_digests()
            .is_some_and(|mut same| same.all(|same| same == Some(true)))
    }

    /// Whether a file of the GGUF has another BLAKE3 than the artifact records.
    fn has_other_digest(&self) -> bool {
        self.recorded_digests()
            .is_some_and(|mut same| same.any(|same| same == Some(false)))
    }

    /// Whether the BLAKE3 of each file is the recorded one, where it was computed; none where another number of files is
    /// recorded, or nothing.
    fn recorded_digests(&self) -> Option<impl Iterator<Item = Option<bool>>> {
        let (records, digests) = (&self.metadata.records, self.scan.blake3.iter().skip(1));
        let is_same_set = !records.is_empty() && records.len() == self.gguf_sources().len();
        let files = records.iter().zip(digests);
        let same = files.map(|(record, digest)| Some(hex(&(*digest)?) == record.blake3));
        is_same_set.then_some(same)
    }
}
