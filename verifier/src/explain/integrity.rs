//! What a file proves of itself: an APR file has a CRC-32 of its bytes, and the digests that our record keeps of its tensors.

use std::collections::HashMap;

use super::common;
use crate::compare::inputs::{Metadata, Model};
use crate::compare::metadata::record;
use crate::compare::pairing::Pairing;
use crate::compare::scan::Scan;
use crate::finding::{Finding, escape, hex};

/// Whether a file is what was written.
pub(crate) struct Integrity {
    /// Provably all of it.
    pub(crate) is_intact: bool,
    /// Provably not all of it.
    pub(crate) is_damaged: bool,
    /// Whether it has another digest than its name or its publisher gives: the name may be the wrong one.
    is_misnamed: bool,
    pub(crate) findings: Vec<Finding>,
}

impl Integrity {
    pub(crate) fn of(model: &Model<'_>, crc: Option<u32>, pairing: &Pairing, scan: &Scan) -> Self {
        let footer = common::check_footer(model, crc);
        let unlike = match model.metadata {
            Metadata::Apr(metadata) => {
                let digests = digests_of(model, pairing, scan);
                let recorded = metadata.document.as_ref().map(record::tensor_digests);
                unlike_record(recorded.and_then(Result::ok).unwrap_or_default(), &digests)
            }
            Metadata::Gguf(_) => Vec::new(),
        };
        let contradicts_itself = model.contradicts_itself();
        let is_intact = model.is_sound() && matches!(footer, Ok(true)) && unlike.is_empty();
        let is_damaged = footer.is_err() || contradicts_itself || !unlike.is_empty();
        let records = unlike
            .iter()
            .map(|name| common::wrong_record(model.side, name));
        let mut findings: Vec<Finding> = records.collect();
        findings.extend(footer.err().map(|finding| *finding));
        Self {
            is_intact,
            is_damaged,
            is_misnamed: false,
            findings,
        }
    }

    /// With what the name of the file proves: whether the file has the digest that it gives.
    pub(super) fn named(mut self, holds: Option<bool>) -> Self {
        self.is_intact = holds.unwrap_or(self.is_intact);
        self.is_misnamed = holds == Some(false);
        self
    }

    /// What is wrong with the file itself, in words.
    pub(super) const fn what(&self) -> Option<&'static str> {
        if self.is_damaged {
            Some("damaged")
        } else if self.is_misnamed {
            Some("damaged, or another file than its name or publisher says")
        } else {
            None
        }
    }
}

/// The digests of all tensors of a model that were read, by name.
pub(super) fn digests_of<'a>(
    model: &Model<'a>,
    pairing: &Pairing,
    scan: &Scan,
) -> HashMap<&'a [u8], [u8; 32]> {
    let is_first = model.side.is_first();
    let paired = pairing.pairs.iter().zip(&scan.pairs);
    let paired = paired.filter_map(|(pair, outcome)| {
        let outcome = outcome.as_ref()?;
        Some(if is_first {
            (pair.apr, outcome.apr.blake3)
        } else {
            (pair.gguf, outcome.gguf.blake3)
        })
    });
    let alone = scan.alone.iter().filter(|alone| alone.side == model.side);
    let alone = alone.map(|alone| (alone.index, alone.digests.blake3));
    paired
        .chain(alone)
        .filter_map(|(index, digest)| Some((model.tensors.get(index)?.name.as_slice(), digest)))
        .collect()
}

/// The tensors that do not have the digest that the record keeps of them, escaped; what was not computed says nothing.
fn unlike_record(
    recorded: Vec<(String, String, Option<String>)>,
    digests: &HashMap<&[u8], [u8; 32]>,
) -> Vec<String> {
    let unlike = recorded.into_iter().filter(|(name, blake3, _)| {
        let computed = digests.get(name.as_bytes());
        computed.is_some_and(|computed| hex(computed) != *blake3)
    });
    unlike.map(|(name, ..)| escape(name.as_bytes())).collect()
}
