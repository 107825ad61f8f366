//! The fixed header: magic, version and the two counts, 24 bytes.

use super::{Broken, ShardHead};
use crate::code::Code;
use crate::decode::head_reader::Head;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{Region, RegionKind, Span};

pub(super) fn decode(
    head: &mut Head<'_>,
    shard: usize,
    parts: &mut ShardHead,
    regions: &mut Vec<Region>,
) -> Result<(), Broken> {
    let stop = |stop| Broken::Stop(stop, "the header".to_owned());
    let magic = head.u32().map_err(stop)?;
    if magic != u32::from_le_bytes(*b"GGUF") {
        return Err(refuse(
            shard,
            Code::GgufMagic,
            0,
            4,
            "GGUF",
            &format!("{:02x?}", magic.to_le_bytes()),
        ));
    }
    parts.version = head.u32().map_err(stop)?;
    let version = parts.version;
    if version.trailing_zeros() >= 16 && version != 0 {
        // Written on a big-endian machine: 3 reads as 00 00 00 03.
        let finding = Finding::new(
            Code::GgufEndian,
            Effect::Undecided,
            "it is a big-endian file, as for s390x, and this program reads little-endian ones",
        );
        let place = Place::new(Side::Gguf, shard).region(RegionKind::Header);
        return Err(Broken::Field(Box::new(
            finding
                .at(place.span(Span::new(4, 4)))
                .expected_found("a little-endian file", "a big-endian one")
                .hint("give the little-endian file of the same model, or convert it with gguf_convert_endian.py of llama.cpp"),
        )));
    }
    match version {
        2 | 3 => {}
        1 => {
            return Err(refuse(
                shard,
                Code::GgufVersionV1,
                4,
                4,
                "version 2 or 3",
                "1",
            ));
        }
        _ => {
            return Err(refuse(
                shard,
                Code::GgufVersionUnknown,
                4,
                4,
                "version 2 or 3",
                &version.to_string(),
            ));
        }
    }
    parts.tensor_count = head.u64().map_err(stop)?;
    parts.kv_count = head.u64().map_err(stop)?;
    for (count, least, code, offset) in [
        (parts.tensor_count, 24, Code::GgufCountTensors, 8),
        (parts.kv_count, 13, Code::GgufCountKv, 16),
    ] {
        let most = head.left().checked_div(least).unwrap_or(0);
        if count > most {
            return Err(refuse(
                shard,
                code,
                offset,
                8,
                &format!("at most {most}, by the bytes left"),
                &count.to_string(),
            ));
        }
    }
    regions.push(Region {
        kind: RegionKind::Header,
        span: Span::new(0, head.position()),
        label: Vec::new(),
    });
    Ok(())
}

fn refuse(
    shard: usize,
    code: Code,
    offset: u64,
    length: u64,
    expected: &str,
    found: &str,
) -> Broken {
    let says = match code {
        Code::GgufCountTensors => format!("the file says that it has {found} tensors"),
        Code::GgufCountKv => format!("the file says that it has {found} keys"),
        _ => {
            let what = code.as_str().trim_start_matches("gguf.");
            format!("{what} cannot be accepted")
        }
    };
    Broken::Field(Box::new(
        Finding::new(code, Effect::Undecided, format!("header: {says}"))
            .at(Place::new(Side::Gguf, shard)
                .region(RegionKind::Header)
                .span(Span::new(offset, length)))
            .expected_found(expected, found),
    ))
}
