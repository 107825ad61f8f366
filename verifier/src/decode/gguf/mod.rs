//! The verifier's own GGUF decoder, versions 2 and 3, single files and split sets.
//!
//! Layout: `"GGUF" | version u32 | tensor_count u64 | kv_count u64 | key/values | tensor infos | zero padding | data`,
//! little-endian (source: the GGUF format text of ggml). Decoding never fails: what is broken is a finding, and the
//! regions of each file partition it in every case.

mod header;
mod layout;
mod metadata;
mod semantics;
mod split;
mod tensors;
mod value;

use crate::code::Code;
use crate::decode::container::{Container, Shard};
use crate::decode::findings::Findings;
use crate::decode::head_reader::{Head, Stop};
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{Region, Span, close};
use crate::source::Source;

pub use metadata::{Entry, Metadata, ShardHead};
pub(crate) use value::TYPE_NAMES;
pub use value::{Items, Value};

/// Decodes the files of one model, in shard order.
#[must_use]
pub fn decode(sources: &[&dyn Source]) -> Container<Metadata> {
    let mut container = Container {
        shards: Vec::new(),
        tensors: Vec::new(),
        metadata: Metadata::default(),
        findings: Vec::new(),
        complete: true,
    };
    let mut findings = Findings::default();
    for (index, source) in sources.iter().enumerate() {
        decode_shard(*source, index, &mut container, &mut findings);
    }
    split::check(&container, &mut findings);
    if container.complete {
        semantics::check(&container, &mut findings);
    }
    container.findings = findings.into_list();
    container
}

/// Why a head could not be decoded to its end.
enum Broken {
    /// The file ends, or cannot be read, at this field.
    Stop(Stop, String),
    /// The field holds something that cannot be followed.
    Field(Box<Finding>),
}

fn decode_shard(
    source: &dyn Source,
    shard: usize,
    container: &mut Container<Metadata>,
    findings: &mut Findings,
) {
    let mut head = Head::new(source, HEAD_LIMIT);
    let mut regions = Vec::new();
    let mut parts = ShardHead::default();
    let decoded = header::decode(&mut head, shard, &mut parts, &mut regions)
        .and_then(|()| metadata::decode(&mut head, shard, &mut parts, &mut regions, findings))
        .and_then(|()| tensors::decode(&mut head, shard, &parts, &mut regions, findings));
    let tensors = match decoded {
        Ok(tensors) => {
            parts.infos_end = head.position();
            layout::lay_out(source, shard, &mut parts, tensors, &mut regions, findings)
        }
        Err(broken) => {
            container.complete = false;
            findings.push(broken.finding(shard, &regions, source.length()));
            Vec::new()
        }
    };
    close(&mut regions, source.length());
    parts.bytes = head.into_bytes();
    container.tensors.extend(tensors);
    container.metadata.shards.push(parts);
    container.shards.push(Shard {
        length: source.length(),
        regions,
    });
}

impl Broken {
    fn finding(self, shard: usize, regions: &[Region], length: u64) -> Finding {
        match self {
            Self::Field(finding) => *finding,
            Self::Stop(Stop::End, field) => {
                let end = regions.last().map_or(0, |region| region.span.end());
                Finding::new(
                    Code::GgufShort,
                    Effect::Undecided,
                    format!("the file ends inside {field}"),
                )
                .at(Place::new(Side::Gguf, shard)
                    .span(Span::new(end, length.saturating_sub(end)))
                    .detail(field))
                .expected_found("more bytes", format!("end of file at {length}"))
                .hint("fetch the file again: it is cut, or it is not a GGUF")
            }
            Self::Stop(Stop::Limit, field) => Finding::new(
                Code::GgufLimitMetadata,
                Effect::Undecided,
                format!("the metadata is larger than {HEAD_LIMIT} bytes at {field}"),
            )
            .at(Place::new(Side::Gguf, shard).detail(field)),
            Self::Stop(Stop::Io(error), field) => Finding::new(
                Code::Io,
                Effect::Undecided,
                format!("{field} cannot be read: {error}"),
            )
            .at(Place::new(Side::Gguf, shard).detail(field)),
        }
    }
}

/// Header, key/values and tensor infos may take this much: the largest real vocabularies need under 20 MiB.
const HEAD_LIMIT: u64 = 256 << 20;
