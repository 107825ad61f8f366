//! The tensor infos: name, rank, dimensions, type id and offset of every tensor.

use std::collections::HashMap;

use super::{Broken, ShardHead};
use crate::code::Code;
use crate::decode::findings::Findings;
use crate::decode::head_reader::Head;
use crate::decode::types::{BlockType, TypeId, ggml_type};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{Region, RegionKind, Span};

/// A tensor info that could be read, before its data is looked for.
pub(super) struct Info {
    pub(super) name: Vec<u8>,
    pub(super) dims: Vec<u64>,
    pub(super) type_id: u32,
    pub(super) block_type: Option<&'static BlockType>,
    /// Bytes of the data by type and shape; none when the type is not known or the shape does not fit it.
    pub(super) size: Option<u64>,
    /// From the start of the data.
    pub(super) offset: u64,
    pub(super) span: Span,
}

pub(super) fn decode(
    head: &mut Head<'_>,
    shard: usize,
    parts: &ShardHead,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> Result<Vec<Info>, Broken> {
    let mut infos = Vec::new();
    let mut names = HashMap::new();
    for index in 0..parts.tensor_count {
        let info = decode_one(head, shard, index, findings)?;
        check_name(shard, &info, &mut names, findings);
        regions.push(Region {
            kind: RegionKind::TensorInfo,
            span: info.span,
            label: info.name.clone(),
        });
        infos.push(info);
    }
    Ok(infos)
}

fn decode_one(
    head: &mut Head<'_>,
    shard: usize,
    index: u64,
    findings: &mut Findings,
) -> Result<Info, Broken> {
    let stop = |stop| Broken::Stop(stop, format!("tensor info {index}"));
    let start = head.position();
    let length = head.u64().map_err(stop)?;
    if length > LONGEST_NAME_READ {
        return Err(Broken::Field(Box::new(
            finding(
                shard,
                Code::GgufNameLength,
                &format!("tensor info {index}: the name is too long"),
                start,
                8,
            )
            .expected_found("at most 64 bytes", length.to_string()),
        )));
    }
    let name = head.take(length).map_err(stop)?.to_vec();
    let rank_offset = head.position();
    let rank = head.u32().map_err(stop)?;
    if rank > MOST_DIMS {
        return Err(Broken::Field(Box::new(
            finding(
                shard,
                Code::GgufTensorRank,
                &format!("{}: too many dimensions", escape(&name)),
                rank_offset,
                4,
            )
            .expected_found("1 to 4 dimensions", rank.to_string()),
        )));
    }
    let dims_offset = head.position();
    let dims = (0..rank)
        .map(|_| head.u64())
        .collect::<Result<Vec<_>, _>>()
        .map_err(stop)?;
    let type_offset = head.position();
    let type_id = head.u32().map_err(stop)?;
    let offset = head.u64().map_err(stop)?;
    let span = Span::new(start, head.position().saturating_sub(start));

    let mut info = Info {
        name,
        dims,
        type_id,
        block_type: None,
        size: None,
        offset,
        span,
    };
    let problem = match ggml_type(type_id) {
        TypeId::Known(block_type) => {
            info.block_type = Some(block_type);
            let size = size(block_type, &info.dims);
            size.map(|size| info.size = Some(size))
                .map_err(|(code, text, expected)| {
                    let found = format!("{:?}", info.dims);
                    (code, text.to_owned(), expected, dims_offset, found)
                })
        }
        TypeId::Removed => Err((
            Code::GgufTypeRemoved,
            format!("type {type_id} is one that ggml has taken out"),
            "a type that ggml still has".to_owned(),
            type_offset,
            type_id.to_string(),
        )),
        TypeId::Unknown => Err((
            Code::GgufTypeUnknown,
            format!("type {type_id} is none of ggml's table, so that its data cannot be read"),
            "a type of ggml's table".to_owned(),
            type_offset,
            type_id.to_string(),
        )),
    };
    if let Err((code, text, expected, offset, found)) = problem {
        let length = head.position().saturating_sub(offset).saturating_sub(8);
        let text = format!("{}: {text}", escape(&info.name));
        findings.push(
            finding(shard, code, &text, offset, length.max(4)).expected_found(expected, found),
        );
    }
    warn_of_oddities(shard, &info, findings);
    Ok(info)
}

/// Bytes of a tensor by type and shape, with every product checked.
fn size(block_type: &BlockType, dims: &[u64]) -> Result<u64, (Code, &'static str, String)> {
    let most = i64::MAX.unsigned_abs();
    if dims.iter().any(|&dim| dim > most) {
        let expected = format!("dimensions of at most {most}");
        return Err((Code::GgufTensorDim, "a dimension is too large", expected));
    }
    let elements = dims
        .iter()
        .try_fold(1_u64, |product, &dim| product.checked_mul(dim))
        .filter(|&elements| elements <= most)
        .ok_or((
            Code::GgufTensorElements,
            "the dimensions multiply to more than any tensor holds",
            format!("at most {most} elements"),
        ))?;
    let row = dims.first().copied().unwrap_or(1);
    if !row.is_multiple_of(block_type.elements) {
        return Err((
            Code::GgufTensorRow,
            "its rows are not whole blocks",
            format!(
                "rows of whole blocks of {} elements for {}",
                block_type.elements, block_type.name
            ),
        ));
    }
    // The size itself may fit where the product does not: a reader that multiplies first then sees a few bytes.
    elements
        .checked_mul(block_type.bytes)
        .and_then(|_| block_type.size_of(elements))
        .ok_or((
            Code::GgufTensorBytes,
            "its bytes are more than any file holds",
            "elements times block bytes below 2^64".to_owned(),
        ))
}

fn warn_of_oddities(shard: usize, info: &Info, findings: &mut Findings) {
    let mut warn = |code, text: &str| {
        findings.push(
            Finding::new(
                code,
                Effect::Warning,
                format!("{}: {text}", escape(&info.name)),
            )
            .at(place(shard, info)),
        );
    };
    if info.dims.is_empty() {
        warn(Code::GgufTensorScalar, "has no dimensions: a scalar");
    }
    if info.dims.contains(&0) {
        warn(Code::GgufTensorEmpty, "has a dimension of 0, so no data");
    }
    if info.name.len() == LONGEST_NAME {
        warn(
            Code::GgufNameLong,
            "has 64 bytes, which the format allows and llama.cpp does not",
        );
    }
}

/// Names must differ, also for readers that stop at the first NUL.
fn check_name(
    shard: usize,
    info: &Info,
    names: &mut HashMap<Vec<u8>, Vec<u8>>,
    findings: &mut Findings,
) {
    let mut refuse = |code, text: &str| {
        findings.push(
            Finding::new(
                code,
                Effect::Undecided,
                format!("{}: {text}", escape(&info.name)),
            )
            .at(place(shard, info)),
        );
    };
    let c_name = info
        .name
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default();
    match names.insert(c_name.to_vec(), info.name.clone()) {
        Some(other) if other == info.name => {
            refuse(Code::GgufNameDuplicate, "the name stands twice");
        }
        Some(_) => refuse(
            Code::GgufNameCDuplicate,
            "another name is the same up to the first NUL",
        ),
        None => {}
    }
    if info.name.is_empty() || info.name.iter().any(|byte| byte.is_ascii_control()) {
        refuse(
            Code::GgufNameBytes,
            "the name is empty or has control bytes",
        );
    }
    if info.name.len() > LONGEST_NAME {
        refuse(Code::GgufNameLength, "the name is longer than 64 bytes");
    }
}

fn place(shard: usize, info: &Info) -> Place {
    Place::new(Side::Gguf, shard)
        .region(RegionKind::TensorInfo)
        .span(info.span)
        .name(info.name.clone())
}

fn finding(shard: usize, code: Code, text: &str, offset: u64, length: u64) -> Finding {
    Finding::new(code, Effect::Undecided, text).at(Place::new(Side::Gguf, shard)
        .region(RegionKind::TensorInfo)
        .span(Span::new(offset, length)))
}

const LONGEST_NAME: usize = 64;
/// Longer names are refused without being read; up to here the infos after it can still be read.
const LONGEST_NAME_READ: u64 = 65_535;
const MOST_DIMS: u32 = 4;
