//! Why a stage differs: what feeds it in both files, compared tensor for tensor and number for number.

use inference::{Model, Setting, Step, Tensor};
use verifier::code::{Code, Group};
use verifier::finding::Side;
use verifier::report::text::{called, grouped, sides};
use verifier::report::{ConclusionKind, FileFormat, FindingRow, Report, Sides, TensorRow};

use crate::behaviour::Pair;

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
    /// Its name or value in each file.
    pub(crate) sides: Sides<String>,
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
pub(crate) fn diagnose(report: &Report, pair: &Pair<'_>, step: Step, prompt: &str) -> Diagnosis {
    let mut feeds = pair.models().map(|model| model.feeds(step));
    let layers = pair.models().map(|model| model.config.layers);
    if layers[0] != layers[1] && only_side(report, step, pair.models()).is_some() {
        // Of a layer that one model does not run, nothing feeds the other.
        feeds = Default::default();
    }
    let [first, second] = &feeds;
    let count = first.tensors.len().max(second.tensors.len());
    let tensors: Vec<Fed> = (0..count)
        .map(|index| {
            let of_both = [first, second].map(|feeds| feeds.tensors.get(index).copied());
            tensor(report, of_both)
        })
        .collect();
    let settings = settings(sides(report), [&first.settings, &second.settings]);
    Diagnosis {
        step,
        prompt: prompt.to_owned(),
        cause: sentence(report, step, &settings, &tensors, pair.models()),
        tensors,
        settings,
    }
}

/// The cause of what a report decides, in one sentence: of the stage that differs first, or else of the first finding. None
/// where the conclusion says all there is.
pub(crate) fn cause(report: &Report, diagnosis: Option<&Diagnosis>) -> Option<String> {
    let first = report.findings.iter().find(|one| one.decides())?;
    let conclusion = report.conclusion.as_ref();
    let is_all = conclusion.is_some_and(|conclusion| {
        !matches!(
            conclusion.kind,
            ConclusionKind::Damaged | ConclusionKind::Unlike
        )
    });
    // What is said of names and places says all there is, too.
    let is_all = is_all || matches!(first.code, Code::TensorNaming | Code::TensorLayout);
    let cause = match diagnosis {
        _ if is_all => return None,
        Some(diagnosis) => diagnosis.cause.clone(),
        None => of_finding(report, first),
    };
    (cause != first.message).then_some(cause)
}

/// The numbers of both, by name.
fn settings(sides: [Side; 2], [first, second]: [&[Setting]; 2]) -> Vec<Fed> {
    let value = |settings: &[Setting], name: &str| {
        let setting = settings.iter().find(|setting| setting.name == name);
        setting.map(|setting| setting.value.clone())
    };
    let only_second = second
        .iter()
        .filter(|setting| value(first, setting.name).is_none());
    first
        .iter()
        .chain(only_second)
        .map(|Setting { name, .. }| {
            let values = [first, second].map(|settings| value(settings, name));
            Fed {
                what: (*name).to_owned(),
                result: if values[0] == values[1] {
                    FedResult::Equal
                } else {
                    FedResult::Unlike("different".to_owned())
                },
                sides: Sides::new(sides, values),
            }
        })
        .collect()
}

fn sentence(
    report: &Report,
    step: Step,
    settings: &[Fed],
    tensors: &[Fed],
    models: [&Model; 2],
) -> String {
    let mut parts = Vec::new();
    let names = models.map(|model| model.config.architecture.name);
    if names[0] != names[1] {
        parts.push(in_both(report, "architecture", names));
    }
    let different = settings.iter();
    let different = different.filter(|setting| setting.result.difference().is_some());
    parts.extend(different.map(|setting| {
        let values = [setting.sides.first(), setting.sides.second()];
        let values = values.map(|value| value.map_or("none", String::as_str));
        in_both(report, &setting.what, values)
    }));
    parts.extend(tensors.iter().filter_map(|tensor| {
        let how = tensor.result.difference()?;
        Some(format!("{}: {how}", tensor.what))
    }));
    let layers = models.map(|model| model.config.layers);
    let drafts = models.map(|model| model.config.drafts);
    if parts.is_empty() {
        let is_of_key = |one: &&FindingRow| one.decides() && one.code.group() == Group::Metadata;
        parts.push(if layers[0] != layers[1] {
            let (what, counts) = match drafts[0] == drafts[1] {
                true => ("num_layers", layers),
                false => ("nextn_predict_layers", drafts),
            };
            let counts = counts.map(|count| count.to_string());
            let mut text = in_both(report, what, [&counts[0], &counts[1]]);
            if let (Some(layer), Some(side)) = (step.layer, only_side(report, step, models)) {
                text.push_str(&format!(
                    ": layer {layer} is run {} alone",
                    within(report, side)
                ));
            }
            text
        } else if let Some(of_key) = report.findings.iter().find(is_of_key) {
            of_key.message.clone()
        } else if let Some(side) = only_side(report, step, models) {
            format!("{step} is computed {} alone", within(report, side))
        } else {
            format!("{step}: same bytes, same metadata: engines differ")
        });
    }
    parts.join("; ")
}

/// The file whose model alone has the step.
fn only_side(report: &Report, step: Step, models: [&Model; 2]) -> Option<Side> {
    let sides = sides(report);
    match models.map(|model| model.instruction(step).is_some()) {
        [true, false] => Some(sides[0]),
        [false, true] => Some(sides[1]),
        _ => None,
    }
}

/// How a tensor of one file differs from that of the other with the same role.
fn tensor(report: &Report, tensors: [Option<&Tensor>; 2]) -> Fed {
    let sides = sides(report);
    let [first, second] = tensors;
    let name = second.or(first).map_or("", |tensor| &tensor.name);
    // A step that only one model takes is no word about the tensors that it reads.
    let is_in_both = |tensor: Option<&Tensor>, side| {
        let has = |row: &&TensorRow| row.sides.get(side).is_some_and(|of| of.name == name);
        let row = tensor.and_then(|_| report.tensors.iter().find(has));
        row.is_some_and(|row| row.result.is_equal())
    };
    let result = match (first, second) {
        (Some(first), Some(second)) => difference(report, [first, second]),
        (None, _) if is_in_both(second, sides[1]) => FedResult::Equal,
        (_, None) if is_in_both(first, sides[0]) => FedResult::Equal,
        (None, _) => FedResult::Unlike(format!("missing {}", within(report, sides[0]))),
        (_, None) => FedResult::Unlike(format!("not {}", within(report, sides[1]))),
    };
    Fed {
        what: spoken(name),
        sides: Sides::new(
            sides,
            tensors.map(|tensor| tensor.map(|tensor| tensor.name.clone())),
        ),
        result,
    }
}

fn difference(report: &Report, [first, second]: [&Tensor; 2]) -> FedResult {
    let sides = sides(report);
    let holds = |row: &TensorRow, side: Side, tensor: &Tensor| {
        row.sides
            .get(side)
            .is_some_and(|side| side.name == tensor.name)
    };
    let is_pair = |row: &&TensorRow| holds(row, sides[0], first) && holds(row, sides[1], second);
    if let Some(row) = report.tensors.iter().find(is_pair) {
        return if row.result.is_equal() {
            FedResult::Equal
        } else {
            FedResult::Unlike(of_row(report, row))
        };
    }
    let is_missing =
        |row: &&TensorRow| holds(row, sides[1], second) && row.sides.get(sides[0]).is_none();
    let [in_first, in_second] = sides.map(|side| within(report, side));
    FedResult::Unlike(if report.tensors.iter().any(|row| is_missing(&row)) {
        format!("missing {in_first}, {} in its place", first.name)
    } else {
        format!("{} {in_first}, {} {in_second}", first.name, second.name)
    })
}

/// How the tensors of a row differ, in a few words.
fn of_row(report: &Report, row: &TensorRow) -> String {
    let sides = sides(report);
    if row.result.is_equal() {
        return EQUAL.to_owned();
    }
    let [Some(first), Some(second)] = sides.map(|side| row.sides.get(side)) else {
        return if row.sides.get(sides[0]).is_none() {
            format!("missing {}", within(report, sides[0]))
        } else {
            format!("not {}", within(report, sides[1]))
        };
    };
    if let Some(other) = holder(report, row) {
        return stored_elsewhere(report, other, row);
    }
    let mut text = match (counted(report, row), row.values.as_ref()) {
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
    if first.r#type != second.r#type {
        let types = in_both(report, "type", [&first.r#type, &second.r#type]);
        text.push_str(&format!(", {types}"));
    }
    for finding in findings(report, sides[0], &first.name) {
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
    let sides = sides(report);
    let name = |file| {
        let mut places = finding.places.iter().filter(|place| place.file == file);
        places.find_map(|place| place.name.as_deref())
    };
    let is_about = |row: &&TensorRow| {
        sides.into_iter().any(|side| {
            let held = row.sides.get(side).map(|held| held.name.as_str());
            held.is_some() && held == name(side)
        })
    };
    let values = (&finding.found, &finding.expected);
    if finding.code.group() == Group::Tensor
        && let Some(row) = report.tensors.iter().find(is_about)
    {
        let side = row.sides.second().or(row.sides.first());
        let what = side.map_or_else(String::new, |side| spoken(&side.name));
        return match values {
            // Shapes and types stand in the finding, bytes in the row.
            (Some(found), Some(expected)) if row.difference.is_none() => {
                let how = in_both(report, finding.code.kind(), [found, expected]);
                format!("{what}: {how}")
            }
            _ => format!("{what}: {}", of_row(report, row)),
        };
    }
    match (values, name(sides[0]).or(name(sides[1]))) {
        ((Some(found), Some(expected)), Some(name)) if finding.code.group() == Group::Metadata => {
            in_both(report, name, [found, expected])
        }
        ((Some(found), Some(expected)), _) => {
            format!("{} (expected {expected}, found {found})", finding.message)
        }
        _ => finding.message.clone(),
    }
}

fn in_both(report: &Report, what: &str, [first, second]: [&str; 2]) -> String {
    match sides(report) {
        [_, Side::Gguf] => format!("{what} {first} in the .apr, {second} by the .gguf"),
        sides => {
            let [a, b] = sides.map(|side| within(report, side));
            format!("{what} {first} {a}, {second} {b}")
        }
    }
}

/// Where something is, or is missing.
fn within(report: &Report, side: Side) -> String {
    match side {
        Side::Apr => "in the .apr".to_owned(),
        Side::Gguf => "in the .gguf".to_owned(),
        Side::A | Side::B => format!("in {}", called(report, side)),
    }
}

/// `1 of 149,184 blocks differs (scale d), row 12`.
fn counted(report: &Report, row: &TensorRow) -> Option<String> {
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
    if let Some((rows, of_expert)) = rows(report, row) {
        let blocks_of_row = difference.blocks_total.checked_div(rows)?;
        let row = |block: u64| block.checked_div(blocks_of_row);
        let (first, last) = (row(difference.first_block)?, row(difference.last_block)?);
        text.push_str(&placed(first, last, of_expert)?);
    }
    Some(text)
}

/// `, row 12`, or of a tensor of experts, each with so many rows, `, expert 3, rows 0 to 15`.
fn placed(first: u64, last: u64, of_expert: Option<u64>) -> Option<String> {
    let mut text = String::new();
    let (mut first, mut last) = (first, last);
    if let Some(rows) = of_expert {
        let [expert, other] = [first, last].map(|row| row.checked_div(rows));
        if expert != other {
            return Some(format!(", experts {} to {}", expert?, other?));
        }
        text = format!(", expert {}", expert?);
        (first, last) = (first.checked_rem(rows)?, last.checked_rem(rows)?);
    }
    text.push_str(&if first == last {
        format!(", row {first}")
    } else {
        format!(", rows {first} to {last}")
    });
    Some(text)
}

/// How many rows a tensor has, over all its matrices, and how many each expert has, where it holds experts; none where it has
/// fewer than two dimensions.
fn rows(report: &Report, row: &TensorRow) -> Option<(u64, Option<u64>)> {
    let side = row.sides.second()?;
    let shape = &side.shape;
    // The dimensions of a GGUF begin with the contiguous one, those of an APR file end with it.
    let files = &mut report.files.iter();
    let (outer, of_matrix) = if files.all(|file| file.format == FileFormat::Apr) {
        let outer = shape.split_last()?.1;
        (outer, outer.last())
    } else {
        let outer = shape.split_first()?.1;
        (outer, outer.first())
    };
    let count = outer
        .iter()
        .try_fold(1, |count: u64, &dim| count.checked_mul(dim))?;
    let of_experts = outer.len() > 1 && side.name.contains("exps");
    Some((count, of_matrix.copied().filter(|_| of_experts))).filter(|_| !outer.is_empty())
}

/// The row of the second file's tensor whose bytes the first file's tensor of this row holds in the place of its own.
fn holder<'a>(report: &'a Report, row: &TensorRow) -> Option<&'a TensorRow> {
    let held = row.sides.first()?.blake3.as_ref()?;
    let own = row.sides.second()?;
    let holds = |other: &&TensorRow| {
        let other = other.sides.second();
        other.is_some_and(|other| other.blake3.as_ref() == Some(held) && other.name != own.name)
    };
    report.tensors.iter().find(holds)
}

/// `q bias of layer 4 stored in layer 5`, or `holds layer 0 attn_k.weight`, and whether it is the other way round, too.
fn stored_elsewhere(report: &Report, other: &TensorRow, row: &TensorRow) -> String {
    let name = |row: &TensorRow| {
        let side = row.sides.second();
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

/// The findings on a tensor of a file.
fn findings<'a>(
    report: &'a Report,
    side: Side,
    name: &'a str,
) -> impl Iterator<Item = &'a FindingRow> {
    report.findings.iter().filter(move |finding| {
        let mut places = finding.places.iter();
        finding.code.group() == Group::Tensor
            && places.any(|place| place.file == side && place.name.as_deref() == Some(name))
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

const EQUAL: &str = "equal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_experts_are_told_by_expert() {
        for (rows, of_expert, expected) in [
            ([48, 63], Some(16), ", expert 3, rows 0 to 15"),
            ([50, 50], Some(16), ", expert 3, row 2"),
            ([15, 16], Some(16), ", experts 0 to 1"),
            ([48, 63], None, ", rows 48 to 63"),
        ] {
            assert_eq!(placed(rows[0], rows[1], of_expert).unwrap(), expected);
        }
        assert_eq!(placed(0, 1, Some(0)), None);
    }

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
