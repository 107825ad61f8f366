//! What is the matter with one model, in one sentence.

use crate::code::{Code, Group};
use crate::explain::culprit;
use crate::explain::evidence::Evidence;
use crate::finding::{Effect, Finding, Side};
use crate::report::{AtFault, Conclusion, ConclusionKind};

/// Concludes from findings in the order of causes; none when nothing decides, or when the first finding says it all.
pub(super) fn conclude(
    side: Side,
    evidence: &Evidence,
    findings: &[Finding],
) -> Option<Conclusion> {
    if let Some(unreadable) = culprit::unreadable(findings, None) {
        return Some(unreadable);
    }
    let is_different = |finding: &&Finding| finding.effect == Effect::Different;
    let mut different = findings.iter().filter(is_different);
    let first = different.clone().next()?;
    let is_of_sidecar = |finding: &Finding| finding.code.group() == Group::Manifest;
    let message = &first.message;
    let (kind, at_fault, text) = if different.all(is_of_sidecar) {
        let text = if evidence.apr_is_intact && evidence.recorded.is_some() {
            "the sidecar is of another file, or the APR file was changed and what it records of itself with it"
        } else {
            "the file is not the one that its sidecar describes"
        };
        (
            ConclusionKind::Unlike,
            AtFault::Unknown,
            format!("{text}: {message}"),
        )
    } else {
        let what = match first.code {
            Code::MetaRecordDigest | Code::AprFooterCrc | Code::AprDamaged => {
                "the file is not what was written"
            }
            Code::InputPublished => "the file is not what its publisher gives",
            Code::InputName => "the file is not what its name says",
            Code::TensorScaleNotFinite | Code::TensorValueNotFinite => {
                "the file holds numbers that no model computes with"
            }
            Code::MetaFlags | Code::MetaParamCount | Code::MetaTensorShapes
                if evidence.recorded.is_none() =>
            {
                "the file contradicts itself"
            }
            _ if evidence.apr_is_damaged => "the file is not what was written",
            code if matches!(code.group(), Group::Apr | Group::Gguf) => {
                "the file contradicts its own format"
            }
            code if code.group() == Group::Metadata => {
                "the file does not hold what its record of the source gives"
            }
            _ => "the file is not sound",
        };
        (
            ConclusionKind::Damaged,
            side.into(),
            format!("{what}: {message}"),
        )
    };
    Some(Conclusion {
        kind,
        at_fault,
        text,
    })
}
