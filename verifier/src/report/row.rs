//! A finding as a report shows it: every name escaped.

use schemars::JsonSchema;
use serde::Serialize;

use crate::code::{CauseCode, Code};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FindingRow {
    /// Stable code, such as `tensor.bytes`.
    pub code: Code,
    /// `different`, `undecided`, `warning` or `note`.
    pub effect: Effect,
    /// The entry of the policy that lets it pass, from 0: it does not decide the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_by: Option<usize>,
    /// How many findings of its kind it stands for, beyond a few; 1 where absent.
    #[serde(skip_serializing_if = "is_one")]
    #[schemars(default = "one")]
    pub count: usize,
    /// One sentence. Bytes of the files that could confuse a reader are escaped.
    pub message: String,
    /// Where, the damaged file first.
    pub places: Vec<PlaceRow>,
    /// What should stand there; where two files of one format are unlike, what the file of the second place has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What stands there, in the file of the first place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The likely cause of a damage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseRow>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl FindingRow {
    /// Tells whether the finding keeps the verdict from being verified.
    #[must_use]
    pub const fn decides(&self) -> bool {
        self.effect.decides() && self.allowed_by.is_none()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_one(count: &usize) -> bool {
    *count == 1
}

const fn one() -> usize {
    1
}

/// The likely cause of a damage: a hint that never changes the verdict.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CauseRow {
    /// Stable code, such as `cause.single-bit`.
    pub code: CauseCode,
    /// One sentence.
    pub text: String,
}

/// A place in one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PlaceRow {
    /// `apr` or `gguf`; of one format, `a` or `b`.
    pub file: Side,
    /// The shard of a split set, from 0.
    pub shard: usize,
    /// The kind of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionKind>,
    /// First byte, from the start of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Number of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The tensor name or metadata key, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The finer place: block, part of the block, element, bit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<&Finding> for FindingRow {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code,
            effect: finding.effect,
            allowed_by: None,
            count: 1,
            message: finding.message.clone(),
            places: finding.places.iter().map(PlaceRow::from).collect(),
            expected: finding.expected.clone(),
            found: finding.found.clone(),
            cause: finding.cause.as_ref().map(|cause| CauseRow {
                code: cause.code,
                text: cause.text.clone(),
            }),
            hint: finding.hint.clone(),
        }
    }
}

impl From<&Place> for PlaceRow {
    fn from(place: &Place) -> Self {
        Self {
            file: place.side,
            shard: place.shard,
            region: place.region,
            offset: place.span.map(|span| span.offset),
            length: place.span.map(|span| span.length),
            name: place.name.as_ref().map(|name| escape(name)),
            detail: place.detail.clone(),
        }
    }
}
