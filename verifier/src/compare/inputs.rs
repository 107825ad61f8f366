//! The two models of a pair, as the passes over them see both, whatever their formats.

use crate::decode::container::{Container, Format, Shard, Tensor};
use crate::decode::{apr, gguf};
use crate::finding::{Finding, Side};
use crate::region::Span;
use crate::source::Source;

/// The two models, decoded, and where their bytes come from.
pub(crate) struct Inputs<'a> {
    /// The APR file of a pair of two formats.
    pub(crate) first: Model<'a>,
    pub(crate) second: Model<'a>,
}

/// One model.
#[derive(Clone, Copy)]
pub(crate) struct Model<'a> {
    pub(crate) side: Side,
    /// What a sentence calls it: `the APR file`, or the name of the file.
    pub(crate) called: &'a str,
    pub(crate) shards: &'a [Shard],
    pub(crate) tensors: &'a [Tensor],
    pub(crate) findings: &'a [Finding],
    /// Whether header, metadata and tensor list were decoded to their end.
    pub(crate) complete: bool,
    pub(crate) metadata: Metadata<'a>,
    /// The bytes of each shard.
    pub(crate) sources: &'a [&'a dyn Source],
}

/// The metadata of either format.
#[derive(Clone, Copy)]
pub(crate) enum Metadata<'a> {
    Apr(&'a apr::Metadata),
    Gguf(&'a gguf::Metadata),
}

impl<'a> Inputs<'a> {
    pub(crate) const fn models(&self) -> [&Model<'a>; 2] {
        [&self.first, &self.second]
    }

    /// The model of a side.
    pub(crate) const fn of(&self, side: Side) -> &Model<'a> {
        if side.is_first() {
            &self.first
        } else {
            &self.second
        }
    }

    /// Whether both have one format, so that no file is made from the other.
    pub(crate) fn are_of_one_format(&self) -> bool {
        self.first.side == Side::A
    }
}

impl<'a> Model<'a> {
    /// An APR file.
    pub(crate) fn apr(
        side: Side,
        called: &'a str,
        container: &'a Container<apr::Metadata>,
        sources: &'a [&'a dyn Source],
    ) -> Self {
        Self::new(side, called, container, Metadata::Apr, sources)
    }

    /// A GGUF, or a set of its shards.
    pub(crate) fn gguf(
        side: Side,
        called: &'a str,
        container: &'a Container<gguf::Metadata>,
        sources: &'a [&'a dyn Source],
    ) -> Self {
        Self::new(side, called, container, Metadata::Gguf, sources)
    }

    fn new<M>(
        side: Side,
        called: &'a str,
        container: &'a Container<M>,
        metadata: impl FnOnce(&'a M) -> Metadata<'a>,
        sources: &'a [&'a dyn Source],
    ) -> Self {
        Self {
            side,
            called,
            shards: &container.shards,
            tensors: &container.tensors,
            findings: &container.findings,
            complete: container.complete,
            metadata: metadata(&container.metadata),
            sources,
        }
    }

    pub(crate) const fn format(&self) -> Format {
        match self.metadata {
            Metadata::Apr(_) => Format::Apr,
            Metadata::Gguf(_) => Format::Gguf,
        }
    }

    /// What a sentence about causes calls its file.
    pub(crate) fn as_file(&self) -> String {
        match self.side {
            Side::Apr | Side::Gguf => format!("the {} file", self.side.as_str()),
            Side::A | Side::B => self.called.to_owned(),
        }
    }

    /// The length of one of its files.
    #[expect(
        clippy::indexing_slicing,
        reason = "tensors name the shards of their own model"
    )]
    pub(crate) fn length(&self, shard: usize) -> u64 {
        self.sources[shard].length()
    }

    /// Where the footer of an APR file lies, and the CRC-32 that it holds.
    pub(crate) const fn footer(&self) -> Option<(Span, u32)> {
        match self.metadata {
            Metadata::Apr(metadata) => metadata.footer,
            Metadata::Gguf(_) => None,
        }
    }

    /// Whether its format says nothing against it.
    pub(crate) fn is_sound(&self) -> bool {
        self.complete && !self.findings.iter().any(|finding| finding.effect.decides())
    }

    /// Whether something in it contradicts its own format.
    pub(crate) fn contradicts_itself(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.effect.decides() && !finding.code.is_of_unknown_type())
    }
}
