//! The verifier's own decoder for APR v2.
//!
//! Layout: `header (64) | metadata JSON | tensor index | tensor data | footer (4)`, each part zero-padded to 64 bytes,
//! little-endian. Decoding never fails: what is broken is a finding, and the regions partition the file in every case.
//! Padding and the footer's CRC are checked where the bytes are read, in the scan.

mod header;
mod index;
mod json;
mod layout;
mod semantics;

use crate::code::Code;
use crate::decode::container::{Container, Shard};
use crate::decode::findings::Findings;
use crate::decode::head_reader::{Head, Stop};
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{Region, RegionKind, Span, close, push};
use crate::source::Source;

pub use header::{Header, flags, header_crc};
pub use json::{Document, Json, Kind};
pub use semantics::ALIASES;

/// What an APR file says beside its tensors.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// The bytes from the start of the file up to the end of the index, as far as they were read.
    pub head: Vec<u8>,
    /// The fixed header, when it could be read.
    pub header: Option<Header>,
    /// The metadata, when they are JSON.
    pub document: Option<Document>,
    /// Where the JSON text lies.
    pub json_span: Span,
    /// The footer: where it lies and the CRC-32 that it holds.
    pub footer: Option<(Span, u32)>,
}

/// Decodes one APR file.
#[must_use]
pub fn decode(source: &dyn Source) -> Container<Metadata> {
    let mut container = Container {
        shards: Vec::new(),
        tensors: Vec::new(),
        metadata: Metadata::default(),
        findings: Vec::new(),
        complete: true,
    };
    let mut head = Head::new(source, HEAD_LIMIT);
    let mut regions = Vec::new();
    let mut findings = Findings::default();
    if let Err(broken) = decode_parts(
        source,
        &mut head,
        &mut regions,
        &mut container,
        &mut findings,
    ) {
        container.complete = false;
        findings.push(broken.finding(&container, source.length()));
    }
    close(&mut regions, source.length());
    container.metadata.head = head.into_bytes();
    container.shards.push(Shard {
        length: source.length(),
        regions,
    });
    if container.complete {
        semantics::check(&container, &mut findings);
    }
    container.findings = findings.into_list();
    container
}

/// Why the head could not be decoded to its end.
enum Broken {
    /// The file ends, or cannot be read, in this part.
    Stop(Stop, RegionKind),
    /// A field holds something that cannot be followed.
    Field(Box<Finding>),
}

fn decode_parts(
    source: &dyn Source,
    head: &mut Head<'_>,
    regions: &mut Vec<Region>,
    container: &mut Container<Metadata>,
    findings: &mut Findings,
) -> Result<(), Broken> {
    let header = header::decode(head, regions, findings)?;
    container.metadata.header = Some(header);
    header::check(&header, findings)?;

    let stop = |stop| Broken::Stop(stop, RegionKind::Metadata);
    let json_span = Span::new(head.position(), header.metadata_size.into());
    let text = head.take(json_span.length).map_err(stop)?;
    let document = json::read(text, json_span.offset, findings);
    container.metadata.json_span = json_span;
    container.metadata.document = document;
    // Without its metadata a file can still be taken apart: the index and the data do not depend on them.
    push(regions, RegionKind::Metadata, json_span, b"metadata");
    pad(head, regions, RegionKind::Metadata, b"metadata")?;

    let entries = index::decode(head, &header, regions, findings)?;
    pad(head, regions, RegionKind::IndexEntry, b"index")?;
    layout::lay_out(
        source,
        head.position(),
        &header,
        entries,
        regions,
        container,
        findings,
    );
    Ok(())
}

/// Takes the bytes up to the next multiple of 64.
fn pad(
    head: &mut Head<'_>,
    regions: &mut Vec<Region>,
    part: RegionKind,
    label: &[u8],
) -> Result<(), Broken> {
    let position = head.position();
    let length = align(position).saturating_sub(position);
    let span = head.skip(length).map_err(|stop| Broken::Stop(stop, part))?;
    push(regions, RegionKind::Padding, span, label);
    Ok(())
}

/// Rounds up to 64; saturates, which no offset inside a file reaches.
const fn align(offset: u64) -> u64 {
    match offset.checked_next_multiple_of(64) {
        Some(aligned) => aligned,
        None => u64::MAX,
    }
}

impl Broken {
    fn finding(self, container: &Container<Metadata>, length: u64) -> Finding {
        let (stop, part) = match self {
            Self::Field(finding) => return *finding,
            Self::Stop(stop, part) => (stop, part),
        };
        let place = Place::new(Side::Apr, 0).region(part);
        match (stop, container.metadata.header) {
            (Stop::End, None) => Finding::new(
                Code::AprShort,
                Effect::Undecided,
                "the file ends inside the header",
            )
            .at(place.span(Span::new(length, 0)))
            .expected_found("a header of 64 bytes", format!("{length} bytes"))
            .hint("fetch the file again: it is cut, or it is not an APR file"),
            (Stop::End, Some(header)) => Finding::new(
                Code::AprTruncated,
                Effect::Undecided,
                format!("the file ends at {length}, inside the {}", part.as_str()),
            )
            .at(place.span(Span::new(length, 0)))
            .expected_found(
                format!("tensor data from {} on", header.data_offset),
                format!("{length} bytes"),
            )
            .hint("fetch or convert the file again"),
            (Stop::Limit, _) => Finding::new(
                Code::AprMetaLimit,
                Effect::Undecided,
                format!("metadata and index take more than {HEAD_LIMIT} bytes"),
            )
            .at(place),
            (Stop::Io(error), _) => Finding::new(
                Code::Io,
                Effect::Undecided,
                format!("the {} cannot be read: {error}", part.as_str()),
            )
            .at(place),
        }
    }
}

/// Header, metadata and index may take this much.
const HEAD_LIMIT: u64 = 256 << 20;
