//! The record against the two files: everything in it that can be computed is computed, whatever flags and footer say.

use std::collections::BTreeSet;

use super::{Record, SourceRecord, tensor_digests};
use crate::code::Code;
use crate::compare::metadata::own;
use crate::compare::metadata::{
    ARCHITECTURE, Digests, behaviour, has_place, record_place, suffix, unsaid,
};
use crate::compare::names::{OUTPUT, gguf_name, hf_name};
use crate::compare::pairing::place;
use crate::decode::apr::Document;
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::decode::{apr, gguf};
use crate::finding::{Effect, Finding, Place, Side, escape, hex};

/// The two files of a pair and what the artifact records.
pub(crate) struct Recorded<'a> {
    pub(crate) record: &'a Record,
    pub(crate) document: &'a Document,
    pub(crate) apr: &'a Container<apr::Metadata>,
    pub(crate) gguf: &'a Container<gguf::Metadata>,
    pub(crate) digests: Digests<'a>,
}

impl Recorded<'_> {
    pub(crate) fn check(&self, findings: &mut Findings) {
        if self.record.version == 1 {
            findings.push(
                Finding::new(
                    Code::MetaRecordVersion,
                    Effect::Undecided,
                    "record version 1 is of an older aprove: convert again",
                )
                .at(record_place())
                .hint("`aprove convert` on the GGUF that it was made from"),
            );
        }
        // Another file than the recorded one says nothing about the record: that it is another one is a finding of its own.
        if self.is_recorded_source() != Some(false) {
            self.check_sources(findings);
            self.check_set(findings);
            self.check_choices(findings);
            self.check_record_only(findings);
        }
        self.check_tensors(findings);
        self.check_layout(findings);
        self.check_flags(findings);
    }

    /// Whether the GGUF at hand is the recorded one, by its digests; `None` where they were not computed.
    fn is_recorded_source(&self) -> Option<bool> {
        let Digests::Of { blake3: files, .. } = self.digests else {
            return None;
        };
        let sources = &self.record.sources;
        if sources.len() != files.len() {
            return Some(false);
        }
        let mut same = true;
        for (source, digest) in sources.iter().zip(files) {
            same &= hex(digest.as_ref()?) == source.blake3;
        }
        Some(same)
    }

    fn check_sources(&self, findings: &mut Findings) {
        let (sources, shards) = (&self.record.sources, &self.gguf.shards);
        if sources.len() != shards.len() {
            findings.push(wrong(
                "sources",
                shards.len().to_string(),
                sources.len().to_string(),
            ));
            return;
        }
        for (shard, (source, file)) in sources.iter().zip(shards).enumerate() {
            let part = |member| format!("sources[{shard}].{member}");
            if source.size != file.length {
                let sizes = (file.length.to_string(), source.size.to_string());
                findings.push(wrong(&part("size"), sizes.0, sizes.1));
            }
            if let Some(head) = self.gguf.metadata.shards.get(shard) {
                check_head(shard, source, head, findings);
            }
            self.check_digest(shard, source, findings);
        }
    }

    /// What differs is named where files are compared with their digests; here only that nobody could compare.
    fn check_digest(&self, shard: usize, source: &SourceRecord, findings: &mut Findings) {
        let Digests::Of { blake3, sha256 } = self.digests else {
            return;
        };
        let computed = sha256.get(shard).copied().flatten();
        if let Some((recorded, computed)) = source.sha256.as_ref().zip(computed)
            && hex(&computed) != *recorded
        {
            findings.push(wrong(
                &format!("sources[{shard}].sha256"),
                hex(&computed),
                recorded,
            ));
        }
        match blake3.get(shard).copied().flatten() {
            Some(_) => {}
            None => findings.push(
                Finding::new(
                    Code::MetaRecordUnchecked,
                    Effect::Undecided,
                    format!(
                        "the BLAKE3 of file {shard} of the GGUF was not computed, so the recorded one ({}) is not checked",
                        source.blake3
                    ),
                )
                .at(Place::new(Side::Gguf, shard)),
            ),
        }
    }

    /// What the user gave stands for keys that the source lacks, and never for one that it has.
    fn check_set(&self, findings: &mut Findings) {
        let architecture = self.architecture();
        let mut last: Option<&[u8]> = None;
        for set in &self.record.set {
            let name = escape(&set.key);
            if self.gguf.metadata.get(&set.key).is_some() {
                findings.push(wrong(
                    &format!("set: {name}"),
                    "a key that the GGUF lacks",
                    "one that it has",
                ));
            }
            if !has_place(architecture, &set.key) {
                let expected = "a key that one of loaders is made of";
                findings.push(wrong(&format!("set: {name}"), expected, &name));
            }
            if last.is_some_and(|last| last >= set.key.as_slice()) {
                findings.push(wrong("set", "keys in their order, each once", name));
            }
            last = Some(&set.key);
        }
    }

    /// A conversion lays the tensors behind each other in the order of the index, each at the next multiple of 64.
    fn check_layout(&self, findings: &mut Findings) {
        let Some(header) = self.apr.metadata.header else {
            return;
        };
        let mut next = header.data_offset;
        for tensor in &self.apr.tensors {
            if tensor.span.offset != next {
                findings.push(
                    Finding::new(
                        Code::TensorLayout,
                        Effect::Different,
                        format!("{} is not where a conversion lays it", escape(&tensor.name)),
                    )
                    .at(place(Side::Apr, tensor))
                    .expected_found(next.to_string(), tensor.span.offset.to_string()),
                );
                return;
            }
            let Some(end) = tensor.span.end().checked_next_multiple_of(64) else {
                return;
            };
            next = end;
        }
    }

    fn check_choices(&self, findings: &mut Findings) {
        let has_output = self.gguf.tensors.iter().any(|tensor| tensor.name == OUTPUT);
        let stored = self
            .apr
            .tensors
            .iter()
            .any(|tensor| gguf_name(&tensor.name) == OUTPUT);
        let tie = match (has_output, stored) {
            (true, _) => "none",
            (false, true) => "duplicate",
            (false, false) => "shared",
        };
        if self.record.tie != tie {
            findings.push(wrong("tie", tie, &self.record.tie));
        }

        let source = self.gguf.tensors.iter().map(|tensor| &tensor.name);
        let copy = OUTPUT.to_vec();
        let names: BTreeSet<&Vec<u8>> = source
            .chain((tie == "duplicate").then_some(&copy))
            .collect();
        let held = |rename: fn(&[u8]) -> Vec<u8>| {
            let expected: BTreeSet<Vec<u8>> = names.iter().map(|name| rename(name)).collect();
            self.apr.tensors.len() == expected.len()
                && self
                    .apr
                    .tensors
                    .iter()
                    .all(|tensor| expected.contains(&tensor.name))
        };
        let right = match self.record.names.as_str() {
            "gguf" => held(<[u8]>::to_vec),
            "hf" => held(hf_name),
            _ => false,
        };
        if !right {
            let names = "the naming that all tensors of the index follow";
            findings.push(wrong("names", names, &self.record.names));
        }
        let (mut decoded, mut raw) = (Vec::new(), Vec::new());
        let stored: std::collections::BTreeMap<Vec<u8>, u32> = self
            .apr
            .tensors
            .iter()
            .map(|tensor| (gguf_name(&tensor.name), tensor.type_id))
            .collect();
        for tensor in &self.gguf.tensors {
            match stored.get(&tensor.name) {
                Some(&F32) if tensor.type_id != F32 => decoded.push(tensor.name.clone()),
                Some(type_id) if !KEPT.contains(type_id) => raw.push(tensor.name.clone()),
                _ => {}
            }
        }
        for (member, mut expected, found) in [
            ("decoded", decoded, &self.record.decoded),
            ("raw", raw, &self.record.raw),
        ] {
            expected.sort();
            if expected != *found {
                findings.push(wrong(member, list(&expected), list(found)));
            }
        }
    }

    /// What is said to stand in the record alone is a key or a tensor that loaders do not find elsewhere, and each is said once.
    fn check_record_only(&self, findings: &mut Findings) {
        let keys = &self.record.record_only;
        let left_out = unsaid::left_out(&self.gguf.metadata, &self.gguf.tensors);
        let may_stand = |name: &Vec<u8>| match self.gguf.metadata.get(name) {
            Some(value) => self.may_be_kept_alone(name, value),
            // Sorted, and any number of them.
            None => left_out.binary_search(&name.as_slice()).is_ok(),
        };
        if !keys.is_sorted_by(|one, next| one < next) || !keys.iter().all(may_stand) {
            let expected = "keys and tensors of the GGUF that no key of APR carries, sorted";
            findings.push(wrong("record_only", expected, list(keys)));
        }
    }

    /// Whether an honest conversion may keep a key in the record alone. Of a key that changes what is computed with some
    /// values every value may be: a record that says too much of it only keeps the artifact from being verified.
    fn may_be_kept_alone(&self, key: &[u8], value: gguf::Value<'_>) -> bool {
        let architecture = self.architecture();
        let name = String::from_utf8_lossy(key);
        if key == ARCHITECTURE {
            return !unsaid::is_llama(architecture);
        }
        // One dot alone: `A..expert_count` is another key than `A.expert_count`.
        let ending = suffix(architecture, &name).and_then(|suffix| suffix.strip_prefix('.'));
        let Some(ending) = ending else {
            return behaviour::GLOBAL.contains(&&*name);
        };
        let is_of_layers = value.as_array().is_some();
        match behaviour::meaning(ending) {
            _ if is_of_layers || unsaid::is_unread(&self.gguf.metadata, ending, value) => true,
            Some(behaviour::Meaning::Changes(_)) => true,
            Some(behaviour::Meaning::Label) => false,
            None => UNREAD_BY_SOME.contains(&ending) || !has_place(architecture, key),
        }
    }

    /// The architecture, as the GGUF says or else the user.
    fn architecture(&self) -> &[u8] {
        let mut given = self.record.set.iter();
        let given = given.find(|set| set.key == ARCHITECTURE);
        let given = given.and_then(|set| set.value().as_string());
        let architecture = self.gguf.metadata.architecture().or(given);
        architecture.unwrap_or_default()
    }

    /// Each tensor has its digest, and nothing else has one; whether they are right is seen where the bytes are read.
    fn check_tensors(&self, findings: &mut Findings) {
        // Reading the record has refused digests that are none.
        let Ok(digests) = tensor_digests(self.document) else {
            return;
        };
        let recorded: BTreeSet<&[u8]> = digests.iter().map(|(name, ..)| name.as_bytes()).collect();
        let stored: BTreeSet<&[u8]> = self
            .apr
            .tensors
            .iter()
            .map(|tensor| tensor.name.as_slice())
            .collect();
        for name in stored.difference(&recorded) {
            findings.push(wrong(
                "tensors",
                format!("a digest of {}", escape(name)),
                "none",
            ));
        }
        for name in recorded.difference(&stored) {
            findings.push(wrong(
                "tensors",
                "digests of the tensors in the index",
                format!("one of {}, which is not there", escape(name)),
            ));
        }
    }

    fn check_flags(&self, findings: &mut Findings) {
        let Some(header) = self.apr.metadata.header else {
            return;
        };
        let mut expected = apr::flags::ROW_MAJOR;
        if self.apr.tensors.iter().any(own::is_quantised) {
            expected |= apr::flags::QUANTIZED;
        }
        if self.document.get("tokenizer.vocabulary").is_some() {
            expected |= apr::flags::HAS_VOCAB;
        }
        if header.flags != expected {
            findings.push(own::other_flags(Effect::Different, expected, header.flags));
        }
        if self.apr.metadata.footer.is_none() {
            findings.push(
                Finding::new(
                    Code::AprFooterMissing,
                    Effect::Different,
                    "the file carries a record and no footer, which every converted file has",
                )
                .at(Place::new(Side::Apr, 0)),
            );
        }
    }
}

fn check_head(
    shard: usize,
    source: &SourceRecord,
    head: &gguf::ShardHead,
    findings: &mut Findings,
) {
    let recorded = source.head.len() as u64;
    if head.tensor_count > 0 && recorded != head.data_offset {
        let part = format!("sources[{shard}].data_offset");
        let (expected, found) = (head.data_offset.to_string(), recorded.to_string());
        findings.push(wrong(&part, expected, found));
    }
    // The reader may have kept less than all of the padding, which is looked at where the file is read.
    let end = usize::try_from(head.infos_end).unwrap_or(usize::MAX);
    let zeros = std::iter::repeat(&0);
    let found = head.bytes.get(..end).unwrap_or(&head.bytes);
    let found = found.iter().chain(zeros);
    let alike = source.head.iter().zip(found);
    let same = alike.take_while(|(one, other)| one == other).count() as u64;
    if same == recorded {
        return;
    }
    let region = source
        .regions
        .iter()
        .find(|region| region.span.end() > same);
    let place = region.map_or_else(
        || "its end".to_owned(),
        |region| match region.label.as_slice() {
            [] => region.kind.as_str().to_owned(),
            label => format!("{} {}", region.kind.as_str(), escape(label)),
        },
    );
    findings.push(
        wrong(
            &format!("sources[{shard}]"),
            "the header, key/values and tensor infos of the GGUF",
            format!("other bytes from {same} on, in {place}"),
        )
        .at(Place::new(Side::Gguf, shard).span(crate::region::Span::new(same, 1))),
    );
}

fn wrong(part: &str, expected: impl Into<String>, found: impl Into<String>) -> Finding {
    Finding::new(
        Code::MetaRecord,
        Effect::Different,
        format!("the record of the source is wrong: {part}"),
    )
    .at(record_place())
    .expected_found(expected, found)
}

fn list(names: &[Vec<u8>]) -> String {
    match names {
        [] => "none".to_owned(),
        names => {
            let shown: Vec<String> = names.iter().take(5).map(|name| escape(name)).collect();
            format!("{} tensors: {}", names.len(), shown.join(", "))
        }
    }
}

/// Keys that have a place in the JSON and that change what some architectures compute beside it.
const UNREAD_BY_SOME: [&str; 2] = ["attention.sliding_window", "rope.scaling.finetuned"];
const F32: u32 = 0;
const F16: u32 = 1;
const BF16: u32 = 30;
/// Types that every reader of APR takes for the same.
const KEPT: [u32; 5] = [F32, F16, 12, 14, BF16];
