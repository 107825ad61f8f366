//! One model of either format, told by content.

use std::io;

use crate::code::Code;
use crate::decode::container::{Container, FileFormat, Format, Shard, Tensor};
use crate::decode::sniff;
use crate::decode::{apr, gguf};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::input::Input;
use crate::region::{Region, RegionKind, Span};
use crate::source::{Held, Source};

/// A decoded model, or the finding that it is none.
pub(crate) enum Decoded {
    Gguf(Container<gguf::Metadata>),
    Apr(Container<apr::Metadata>),
    /// Neither format; the regions are undecoded.
    Unknown(Container<()>),
}

impl Decoded {
    /// Decodes by the first bytes, whatever the file is called.
    pub(crate) fn of(input: &Input<'_>) -> Self {
        let sources: Vec<&dyn Source> = input.sources().collect();
        let start = sources
            .first()
            .map_or(Ok(Vec::new()), |source| sniff::start_of(*source));
        if let Some((shard, finding)) = sniff::stranger_in_set(&input.shards) {
            return Self::Unknown(undecodable(&sources, shard, finding));
        }
        let format = start.as_ref().map(|start| Format::of(start));
        match (format, sources.as_slice()) {
            (Ok(Some(format)), sources) if format == Format::Gguf || sources.len() == 1 => {
                Self::of_format(format, sources)
            }
            _ => Self::Unknown(unknown(input, &sources, start)),
        }
    }

    /// Decodes what is taken for a model of a format. An APR model is one file.
    pub(crate) fn of_format(format: Format, sources: &[&dyn Source]) -> Self {
        match (format, sources) {
            (Format::Gguf, _) => Self::Gguf(gguf::decode(sources)),
            (Format::Apr, [source]) => Self::Apr(apr::decode(*source)),
            (Format::Apr, _) => unreachable!("an APR model of {} files", sources.len()),
        }
    }

    /// Moves its findings to a side of a comparison.
    pub(crate) fn on(mut self, side: Side) -> Self {
        let findings = match &mut self {
            Self::Gguf(container) => &mut container.findings,
            Self::Apr(container) => &mut container.findings,
            Self::Unknown(container) => &mut container.findings,
        };
        for place in findings.iter_mut().flat_map(|finding| &mut finding.places) {
            place.side = side;
        }
        self
    }

    /// The files, with what was decoded of them in memory.
    pub(crate) fn held<'a>(&'a self, input: &Input<'a>) -> Vec<Held<'a>> {
        let sources = input.sources();
        match self {
            Self::Apr(apr) => {
                let metadata = &apr.metadata;
                let footer = metadata.footer.map(|(span, sum)| (span, sum.to_le_bytes()));
                sources
                    .map(|source| Held::new(source, &metadata.head, footer))
                    .collect()
            }
            Self::Gguf(gguf) => sources
                .zip(&gguf.metadata.shards)
                .map(|(source, head)| Held::new(source, &head.bytes, None))
                .collect(),
            Self::Unknown(_) => Vec::new(),
        }
    }

    pub(crate) const fn format(&self) -> FileFormat {
        match self {
            Self::Gguf(_) => FileFormat::Gguf,
            Self::Apr(_) => FileFormat::Apr,
            Self::Unknown(_) => FileFormat::Unknown,
        }
    }

    /// The side that places name; of a file of neither format, that of the many.
    pub(crate) const fn side(&self) -> Side {
        match self {
            Self::Apr(_) => Side::Apr,
            Self::Gguf(_) | Self::Unknown(_) => Side::Gguf,
        }
    }

    pub(crate) fn shards(&self) -> &[Shard] {
        match self {
            Self::Gguf(container) => &container.shards,
            Self::Apr(container) => &container.shards,
            Self::Unknown(container) => &container.shards,
        }
    }

    pub(crate) fn tensors(&self) -> &[Tensor] {
        match self {
            Self::Gguf(container) => &container.tensors,
            Self::Apr(container) => &container.tensors,
            Self::Unknown(container) => &container.tensors,
        }
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        match self {
            Self::Gguf(container) => &container.findings,
            Self::Apr(container) => &container.findings,
            Self::Unknown(container) => &container.findings,
        }
    }

    /// Whether header, metadata and tensor list were decoded to their end.
    pub(crate) const fn is_complete(&self) -> bool {
        match self {
            Self::Gguf(container) => container.complete,
            Self::Apr(container) => container.complete,
            Self::Unknown(container) => container.complete,
        }
    }
}

fn unknown(
    input: &Input<'_>,
    sources: &[&dyn Source],
    start: io::Result<Vec<u8>>,
) -> Container<()> {
    let finding = match (start, input.shards.as_slice()) {
        (Ok(start), [(name, source)]) => {
            let other = sniff::not_a_model(name, &start, source.length());
            other.unwrap_or_else(|| no_magic(sources, &start))
        }
        (Ok(start), _) => no_magic(sources, &start),
        (Err(error), _) => Finding::new(
            Code::Io,
            Effect::Unreadable,
            format!("the header cannot be read: {error}"),
        ),
    };
    undecodable(sources, 0, finding)
}

fn undecodable(sources: &[&dyn Source], shard: usize, finding: Finding) -> Container<()> {
    let finding = finding.at(Place::new(Side::Gguf, shard));
    Container {
        shards: sources
            .iter()
            .map(|source| undecoded(source.length()))
            .collect(),
        tensors: Vec::new(),
        metadata: (),
        findings: vec![finding],
        complete: false,
    }
}

fn no_magic(sources: &[&dyn Source], start: &[u8]) -> Finding {
    let magic = start.get(..4).unwrap_or(start);
    let found = match sources.len() {
        0 => "no file".to_owned(),
        1 => format!("\"{}\"", escape(magic)),
        count => format!("{count} files, the first with \"{}\"", escape(magic)),
    };
    Finding::new(
        Code::FormatUnknown,
        Effect::Undecided,
        "the input is neither a GGUF, or the set of its shards, nor one APR v2 file",
    )
    .expected_found("\"GGUF\" or \"APR\\x00\" at the start", found)
}

fn undecoded(length: u64) -> Shard {
    let region = Region {
        kind: RegionKind::Undecoded,
        span: Span::new(0, length),
        label: Vec::new(),
    };
    Shard {
        length,
        regions: Some(region).filter(|_| length > 0).into_iter().collect(),
    }
}
