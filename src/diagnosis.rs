//! Why a stage differs: what feeds it in both files, compared tensor for tensor and number for number.

use inference::{Model, Setting, Step, Tensor};
use verifier::code::{Code, Group};
use verifier::finding::Side;
use verifier::report::{ConclusionKind, FindingRow, Report, TensorRow};

/// A stage that differs, and why.
pub(crate) struct Diagnosis {
    /// The stage.
    pub(crate) step: Step,
    /// The name of the prompt in which it was seen.
    pub(crate) prompt: String,
    /// One sentence.
    pub(crate) cause: String,
    /// The tensors that feed it.
    pub(crate) tensors: Vec<Fed>,
    /// The numbers that feed it.
    pub(crate) settings: Vec<Fed>,
}

/// Something that feeds a stage.
pub(crate) struct Fed {
    /// A tensor as a person calls it, or the key of a number.
    pub(crate) what: String,
    /// Its name or value in the APR file.
    pub(crate) apr: Option<String>,
    /// Its name or value in the GGUF.
    pub(crate) gguf: Option<String>,
    /// How both compare.
    pub(crate) result: FedResult,
}

/// How what feeds a stage compares.
pub(crate) enum FedResult {
    /// The same in both files.
    Equal,
    /// How it differs, in words.
    Unlike(String),
}

impl FedResult {
    /// `equal`, or how it differs.
    pub(crate) fn text(&self) -> &str {
        self.difference().unwrap_or(EQUAL)
    }

    fn difference(&self) -> Option<&str> {
        match self {
            Self::Equal => None,
            Self::Unlike(how) => Some(how),
        }
    }
}

/// Compares what feeds a step of both models; the report has compared the bytes of all tensors.
pub(crate) fn diagnose(
    report: &Report,
    apr: &Model,
    gguf: &Model,
    step: Step,
    prompt: &str,
) -> Diagnosis {
    let (of_apr, of_gguf) = (apr.feeds(step), gguf.feeds(step));
    let count = of_apr.tensors.len().max(of_gguf.tensors.len());
    let tensors: Vec<Fed> = (0..count)
        .map(|index| {
            let (a, g) = (of_apr.tensors.get(index), of_gguf.tensors.get(index));
            tensor(report, a.copied(), g.copied())
        })
        .collect();
    let settings = settings(&of_apr.settings, &of_gguf.settings);
    Diagnosis {
        step,
        prompt: prompt.to_owned(),
        cause: sentence(step, &settings, &tensors, apr, gguf),
        tensors,
        settings,
    }
}

/// The cause of what a report decides, in one sentence: of the stage that differs first, or else of the first finding. None
/// where the conclusion says all there is, and for two files of one format, of which none is what the other should be.
pub(crate) fn cause(report: &Report, diagnosis: Option<&Diagnosis>) -> Option<String> {
    let first = report.findings.iter().find(|one| one.decides())?;
    let formats = [report.files.first()?, report.files.last()?].map(|file| file.format);
    if formats[0] == formats[1] {
        return None;
    }
    let conclusion = report.conclusion.as_ref();
    let is_all = conclusion.is_some_and(|conclusion| {
        !matches!(
            conclusion.kind,
            ConclusionKind::Damaged | ConclusionKind::Unlike
        )
    });
    let cause = match diagnosis {
        _ if is_all => return None,
        Some(diagnosis) => diagnosis.cause.clone(),
        None => of_finding(report, first),
    };
    (cause != first.message).then_some(cause)
}

/// The numbers of both, by name.
fn settings(apr: &[Setting], gguf: &[Setting]) -> Vec<Fed> {
    let value = |settings: &[Setting], name: &str| {
        let setting = settings.iter().find(|setting| setting.name == name);
        setting.map(|setting| setting.value.clone())
    };
    let only_gguf = gguf
        .iter()
        .filter(|setting| value(apr, setting.name).is_none());
    apr.iter()
        .chain(only_gguf)
        .map(|Setting { name, .. }| {
            let (apr, gguf) = (value(apr, name), value(gguf, name));
            Fed {
                what: (*name).to_owned(),
                result: if apr == gguf {
                    FedResult::Equal
                } else {
                    FedResult::Unlike("different".to_owned())
                },
                apr,
                gguf,
            }
        })
        .collect()
}

fn sentence(step: Step, settings: &[Fed], tensors: &[Fed], apr: &Model, gguf: &Model) -> String {
    let mut parts = Vec::new();
    let [a, g] = [apr, gguf].map(|model| model.config.architecture.name);
    if a != g {
        parts.push(in_both("architecture", a, g));
    }
    let different = settings.iter();
    let different = different.filter(|setting| setting.result.difference().is_some());
    parts.extend(different.map(|setting| {
        let [apr, gguf] =
            [&setting.apr, &setting.gguf].map(|value| value.as_deref().unwrap_or("none"));
        in_both(&setting.what, apr, gguf)
    }));
    parts.extend(tensors.iter().filter_map(|tensor| {
        let how = tensor.result.difference()?;
        Some(format!("{}: {how}", tensor.what))
    }));
    if parts.is_empty() {
        let layers = [apr.config.layers, gguf.config.layers];
        parts.push(match layers {
            [a, g] if a != g => in_both("num_layers", &a.to_string(), &g.to_string()),
            _ => format!("{step}: same bytes, same metadata: engines differ"),
        });
    }
    parts.join("; ")
}

/// How a tensor of one file differs from that of the other with the same role.
fn tensor(report: &Report, apr: Option<&Tensor>, gguf: Option<&Tensor>) -> Fed {
    let name = gguf.or(apr).map_or("", |tensor| &tensor.name);
    let result = match (apr, gguf) {
        (Some(apr), Some(gguf)) => difference(report, apr, gguf),
        (None, _) => FedResult::Unlike(MISSING.to_owned()),
        (_, None) => FedResult::Unlike(EXTRA.to_owned()),
    };
    Fed {
        what: spoken(name),
        apr: apr.map(|tensor| tensor.name.clone()),
        gguf: gguf.map(|tensor| tensor.name.clone()),
        result,
    }
}

fn difference(report: &Report, apr: &Tensor, gguf: &Tensor) -> FedResult {
    let is_pair = |row: &&TensorRow| {
        let side = row
            .sides
            .apr
            .as_ref()
            .is_some_and(|side| side.name == apr.name);
        side && row
            .sides
            .gguf
            .as_ref()
            .is_some_and(|side| side.name == gguf.name)
    };
    if let Some(row) = report.tensors.iter().find(is_pair) {
        return if row.result.is_equal() {
            FedResult::Equal
        } else {
            FedResult::Unlike(of_row(report, row))
        };
    }
    let is_missing = |row: &&TensorRow| {
        let gguf = row
            .sides
            .gguf
            .as_ref()
            .is_some_and(|side| side.name == gguf.name);
        gguf && row.sides.apr.is_none()
    };
    FedResult::Unlike(match report.tensors.iter().find(is_missing) {
        Some(_) => format!("missing in the .apr, {} in its place", apr.name),
        None => format!("{} in the .apr, {} in the .gguf", apr.name, gguf.name),
    })
}

/// How the tensors of a row differ, in a few words.
fn of_row(report: &Report, row: &TensorRow) -> String {
    if row.result.is_equal() {
        return EQUAL.to_owned();
    }
    let (Some(apr), Some(gguf)) = (&row.sides.apr, &row.sides.gguf) else {
        return if row.sides.apr.is_none() {
            MISSING
        } else {
            EXTRA
        }
        .to_owned();
    };
    if let Some(other) = holder(report, row) {
        return stored_elsewhere(report, other, row);
    }
    let mut text = match (counted(row), row.values.as_ref()) {
        (Some(text), _) => text,
        (None, Some(values)) => format!(
            "{} of {} elements {}",
            grouped(values.different),
            grouped(values.elements),
            differ(values.different)
        ),
        (None, None) => "other bytes".to_owned(),
    };
    if row.tied {
        text = format!("its copy output.weight: {text}");
    }
    if apr.r#type != gguf.r#type {
        text.push_str(&format!(", {}", in_both("type", &apr.r#type, &gguf.r#type)));
    }
    for finding in findings(report, &apr.name) {
        if let Some(cause) = &finding.cause {
            text.push_str(&format!(", {}", cause.text));
        }
        if matches!(
            finding.code,
            Code::TensorScaleNotFinite | Code::TensorValueNotFinite
        ) {
            text.push_str(&format!(", {}", finding.message));
        }
    }
    text
}

/// What a finding of the verifier says, as a cause: for files whose stages agree or that could not be run.
pub(crate) fn of_finding(report: &Report, finding: &FindingRow) -> String {
    let name = |file| {
        let mut places = finding.places.iter().filter(|place| place.file == file);
        places.find_map(|place| place.name.as_deref())
    };
    let is_about = |row: &&TensorRow| {
        let apr = row.sides.apr.as_ref().map(|side| side.name.as_str());
        let gguf = row.sides.gguf.as_ref().map(|side| side.name.as_str());
        name(Side::Apr).is_some_and(|name| apr == Some(name))
            || name(Side::Gguf).is_some_and(|name| gguf == Some(name))
    };
    let values = (&finding.found, &finding.expected);
    if finding.code.group() == Group::Tensor
        && let Some(row) = report.tensors.iter().find(is_about)
    {
        let side = row.sides.gguf.as_ref().or(row.sides.apr.as_ref());
        let what = side.map_or_else(String::new, |side| spoken(&side.name));
        return match values {
            // Shapes and types stand in the finding, bytes in the row.
            (Some(found), Some(expected)) if row.difference.is_none() => {
                format!("{what}: {}", in_both(finding.code.kind(), found, expected))
            }
            _ => format!("{what}: {}", of_row(report, row)),
        };
    }
    match (values, name(Side::Apr).or(name(Side::Gguf))) {
        ((Some(found), Some(expected)), Some(name)) if finding.code.group() == Group::Metadata => {
            in_both(name, found, expected)
        }
        ((Some(found), Some(expected)), _) => {
            format!("{} (expected {expected}, found {found})", finding.message)
        }
        _ => finding.message.clone(),
    }
}

fn in_both(what: &str, apr: &str, gguf: &str) -> String {
    format!("{what} {apr} in the .apr, {gguf} by the .gguf")
}

/// `1 of 149,184 blocks differs (scale d), row 12`.
fn counted(row: &TensorRow) -> Option<String> {
    let difference = row.difference.as_ref()?;
    let unit = if difference.parts.is_empty() {
        "elements"
    } else {
        "blocks"
    };
    let mut text = format!(
        "{} of {} {unit} {}",
        grouped(difference.blocks),
        grouped(difference.blocks_total),
        differ(difference.blocks)
    );
    if !difference.parts.is_empty() {
        let parts: Vec<&str> = difference.parts.keys().map(|part| spelled(part)).collect();
        text.push_str(&format!(" ({})", parts.join(", ")));
    }
    // The dimensions of a GGUF begin with the contiguous one.
    let shape = &row.sides.gguf.as_ref()?.shape;
    if let [columns, rows, ..] = shape.as_slice() {
        let blocks_of_row = difference.blocks_total.checked_div(*rows)?;
        let row = |block: u64| block.checked_div(blocks_of_row.max(1));
        let (first, last) = (row(difference.first_block)?, row(difference.last_block)?);
        if *columns > 0 {
            text.push_str(&if first == last {
                format!(", row {first}")
            } else {
                format!(", rows {first} to {last}")
            });
        }
    }
    Some(text)
}

/// The row of the GGUF tensor whose bytes the APR tensor of this row holds in the place of its own.
fn holder<'a>(report: &'a Report, row: &TensorRow) -> Option<&'a TensorRow> {
    let held = row.sides.apr.as_ref()?.blake3.as_ref()?;
    let own = row.sides.gguf.as_ref()?;
    let holds = |other: &&TensorRow| {
        let other = other.sides.gguf.as_ref();
        other.is_some_and(|other| other.blake3.as_ref() == Some(held) && other.name != own.name)
    };
    report.tensors.iter().find(holds)
}

/// `q bias of layer 4 stored in layer 5`, or `holds layer 0 attn_k.weight`, and whether it is the other way round, too.
fn stored_elsewhere(report: &Report, other: &TensorRow, row: &TensorRow) -> String {
    let name = |row: &TensorRow| {
        let side = row.sides.gguf.as_ref();
        side.map_or_else(String::new, |side| side.name.clone())
    };
    let (from, to) = (name(other), name(row));
    let text = stored(&from, &to);
    let back = holder(report, other).is_some_and(|back| name(back) == to);
    if back {
        format!("{text}, and the other way round: swapped")
    } else {
        text
    }
}

fn stored(from: &str, to: &str) -> String {
    match (in_layer(from), in_layer(to)) {
        (Some((layer, part)), Some((other, same))) if part == same => {
            let short = part
                .strip_prefix("attn_")
                .and_then(|part| part.strip_suffix(".bias"))
                .map_or(part.to_owned(), |part| format!("{part} bias"));
            format!("{short} of layer {layer} stored in layer {other}")
        }
        _ => format!("holds {}", spoken(from)),
    }
}

/// The findings on an APR tensor.
fn findings<'a>(report: &'a Report, name: &'a str) -> impl Iterator<Item = &'a FindingRow> {
    report.findings.iter().filter(move |finding| {
        let mut places = finding.places.iter();
        finding.code.group() == Group::Tensor
            && places.any(|place| place.file == Side::Apr && place.name.as_deref() == Some(name))
    })
}

/// `layer 3 ffn_gate.weight` for `blk.3.ffn_gate.weight`.
fn spoken(name: &str) -> String {
    match in_layer(name) {
        Some((layer, part)) => format!("layer {layer} {part}"),
        None => name.to_owned(),
    }
}

/// The layer and the rest of a GGUF name.
fn in_layer(name: &str) -> Option<(usize, &str)> {
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

/// A field of a block in words, beside its name in the block tables.
fn spelled(part: &str) -> &str {
    match part {
        "d" => "scale d",
        "dmin" => "minimum dmin",
        "m" => "minimum m",
        "qs" => "quants qs",
        other => other,
    }
}

const fn differ(count: u64) -> &'static str {
    if count == 1 { "differs" } else { "differ" }
}

/// A number with commas.
fn grouped(number: u64) -> String {
    verifier::report::text::grouped(number)
}

const EQUAL: &str = "equal";
const MISSING: &str = "missing in the .apr";
const EXTRA: &str = "not in the .gguf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_of_another_layer_is_said_in_one_sentence() {
        for (other, name, expected) in [
            (
                "blk.4.attn_q.bias",
                "blk.5.attn_q.bias",
                "q bias of layer 4 stored in layer 5",
            ),
            (
                "blk.0.ffn_up.weight",
                "blk.1.ffn_up.weight",
                "ffn_up.weight of layer 0 stored in layer 1",
            ),
            (
                "blk.0.ffn_up.weight",
                "blk.0.ffn_gate.weight",
                "holds layer 0 ffn_up.weight",
            ),
            (
                "token_embd.weight",
                "output.weight",
                "holds token_embd.weight",
            ),
        ] {
            assert_eq!(stored(other, name), expected);
        }
    }
}
