//! What is to be said of any two models, whatever their formats.

use std::collections::HashSet;

use crate::code::Code;
use crate::compare::inputs::{Inputs, Model};
use crate::compare::scan::Scan;
use crate::explain::cause;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{RegionKind, Span};

/// What could not be read.
pub(super) fn io_errors(scan: &Scan) -> Vec<Finding> {
    let errors = scan.errors.iter();
    errors
        .map(|unread| {
            Finding::new(
                Code::Io,
                Effect::Undecided,
                format!(
                    "{} bytes cannot be read: {}",
                    unread.span.length, unread.error
                ),
            )
            .at(Place::new(unread.side, unread.shard).span(unread.span))
        })
        .collect()
}

/// Whether the sum in the footer of a model is right; `Ok(false)` when there is none.
pub(super) fn check_footer(model: &Model<'_>, computed: Option<u32>) -> Result<bool, Box<Finding>> {
    let Some((span, stored)) = model.footer() else {
        return Ok(false);
    };
    let place = Place::new(model.side, 0)
        .region(RegionKind::Footer)
        .span(span);
    match computed {
        Some(computed) if computed == stored => Ok(true),
        Some(computed) => Err(Box::new(
            Finding::new(
                Code::AprFooterCrc,
                Effect::Different,
                "the file contents do not match the footer CRC-32",
            )
            .at(place)
            .expected_found(format!("{computed:08x}"), format!("{stored:08x}")),
        )),
        None => Err(Box::new(
            Finding::new(
                Code::AprFooterCrc,
                Effect::Undecided,
                "the CRC-32 of the file could not be computed",
            )
            .at(place),
        )),
    }
}

/// A file that went through a text tool is broken all over; that says more than the first broken field.
pub(super) fn add_text_causes(inputs: &Inputs<'_>, findings: &mut [Finding]) {
    for model in inputs.models().into_iter().filter(|model| !model.complete) {
        let Some(source) = model.sources.first() else {
            continue;
        };
        // A cause is a hint: what cannot be read for it is left out.
        let Ok(Some(cause)) = cause::text_mode(*source) else {
            continue;
        };
        let about =
            |finding: &&mut Finding| finding.places.iter().any(|place| place.side == model.side);
        if let Some(finding) = findings.iter_mut().find(about) {
            finding.cause = Some(cause);
        }
    }
}

/// That no tensor was compared, where both files could be decoded: of one that could not that is said already.
pub(super) fn nothing_compared(inputs: &Inputs<'_>, scan: &Scan) -> Option<Finding> {
    let are_decoded = inputs.models().into_iter().all(|model| model.complete);
    let compared = scan.pairs.iter().any(Option::is_some);
    (!compared && are_decoded).then(|| {
        Finding::new(
            Code::NothingCompared,
            Effect::Undecided,
            "no tensor was compared",
        )
    })
}

/// The regions must partition each file, and nothing may be left that was not decoded without a word about it.
pub(super) fn not_covered(inputs: &Inputs<'_>) -> Vec<Finding> {
    let shards = inputs.models().into_iter().flat_map(|model| {
        let shards = model.shards.iter().enumerate();
        shards.map(|(index, shard)| (model.side, index, shard))
    });
    let mut findings = Vec::new();
    for (side, index, shard) in shards {
        let mut position = 0;
        for region in &shard.regions {
            if region.span.offset != position || region.kind == RegionKind::Undecoded {
                findings.push(
                    Finding::new(
                        Code::NotCovered,
                        Effect::Undecided,
                        "bytes of the file could not be assigned to a region",
                    )
                    .at(Place::new(side, index)
                        .region(region.kind)
                        .span(region.span)),
                );
            }
            position = region.span.end();
        }
        if position != shard.length {
            let rest = Span::new(position, shard.length.saturating_sub(position));
            findings.push(
                Finding::new(
                    Code::NotCovered,
                    Effect::Undecided,
                    "the regions do not end where the file does",
                )
                .at(Place::new(side, index).span(rest)),
            );
        }
    }
    findings
}

/// The findings of a decoder: what it cannot follow is malformed, whichever file it is. A type that is not known is not.
pub(crate) fn malformed(findings: &[Finding]) -> impl Iterator<Item = Finding> {
    findings.iter().cloned().map(|mut finding| {
        let is_about_type = finding.code.is_of_unknown_type();
        let is_no_json = finding.code == Code::AprMetaJson;
        if (finding.effect == Effect::Undecided && !is_about_type) || is_no_json {
            finding.effect = Effect::Unreadable;
        }
        finding
    })
}

/// Leaves out that a tensor could not be compared, where it is said that the file ends before it.
pub(super) fn drop_followers(findings: &mut Vec<Finding>) {
    let names: HashSet<Vec<u8>> = findings
        .iter()
        .filter(|finding| matches!(finding.code, Code::AprTruncated | Code::GgufTruncated))
        .flat_map(|finding| &finding.places)
        .filter_map(|place| place.name.clone())
        .collect();
    findings.retain(|finding| {
        let mut places = finding.places.iter();
        finding.code != Code::TensorNotCompared
            || !places.any(|place| place.name.as_ref().is_some_and(|name| names.contains(name)))
    });
}

/// A digest that an artifact carries and its own tensor does not have.
pub(super) fn wrong_record(side: Side, name: &str) -> Finding {
    Finding::new(
        Code::MetaRecordDigest,
        Effect::Different,
        format!("{name} does not have the digest that the artifact records for it"),
    )
    .at(Place::new(side, 0)
        .region(RegionKind::Tensor)
        .name(name.as_bytes()))
}
