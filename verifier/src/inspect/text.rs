//! An inspection for a person: aligned columns, the numbers to the right.

use super::{FileView, Inspection, KeyView, Summary};
use crate::finding::counted;
use crate::report::FindingRow;
use crate::report::text::grouped;

/// Which lists are written. What it comes to, the files and the findings always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections {
    /// The metadata keys.
    pub metadata: bool,
    /// The tensors.
    pub tensors: bool,
    /// The regions of every file.
    pub regions: bool,
}

/// Writes an inspection as text.
#[must_use]
pub fn to_text(inspection: &Inspection, sections: Sections) -> String {
    let is_set = inspection.files.len() > 1;
    let first = inspection.findings.iter().find(|one| one.decides());
    let first = first.map(|one| format!("{}\n", one.message));
    let summary = inspection.summary.as_ref().map(Summary::text);
    let top: String = first.into_iter().chain(summary).collect();
    let mut text = format!("{}: {top}\n", inspection.result.as_str());
    for (shard, file) in inspection.files.iter().enumerate() {
        text.push_str(&file_text(inspection, shard, file));
    }
    if sections.metadata {
        push_table(
            &mut text,
            "metadata",
            &KEY_COLUMNS,
            inspection.metadata.iter().map(key_row),
        );
    }
    if sections.tensors {
        let rows = inspection.tensors.iter().map(|tensor| {
            let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
            vec![
                tensor.name.clone(),
                tensor.r#type.clone(),
                format!("[{}]", shape.join(", ")),
                tensor.offset.to_string(),
                tensor.size.to_string(),
                tensor.shard.to_string(),
            ]
        });
        // The last column says nothing of a model of one file.
        let (of_file, _) = TENSOR_COLUMNS.split_at(5);
        let columns = if is_set { &TENSOR_COLUMNS } else { of_file };
        push_table(&mut text, "tensors", columns, rows);
    }
    if sections.regions {
        let rows = inspection.regions.iter().map(|region| {
            vec![
                region.offset.to_string(),
                region.length.to_string(),
                region.kind.to_owned(),
                region.label.clone(),
                region.shard.to_string(),
            ]
        });
        let (of_file, _) = REGION_COLUMNS.split_at(4);
        let columns = if is_set { &REGION_COLUMNS } else { of_file };
        push_table(&mut text, "regions", columns, rows);
    }
    text.push_str("\nfindings");
    if inspection.findings.is_empty() {
        text.push_str(": none");
    }
    text.push('\n');
    for finding in &inspection.findings {
        text.push_str(&finding_text(finding, is_set));
    }
    text
}

fn file_text(inspection: &Inspection, shard: usize, file: &FileView) -> String {
    let regions = inspection
        .regions
        .iter()
        .filter(|region| region.shard == shard)
        .count();
    let mut text = format!(
        "{}: {}, {} {}, {}\n",
        file.name,
        inspection.format.as_str(),
        grouped(file.size),
        if file.size == 1 { "byte" } else { "bytes" },
        counted(regions, "region")
    );
    let rows = file
        .header
        .iter()
        .map(|field| vec![field.name.to_owned(), field.value.clone()]);
    text.push_str(&columns(&[Left, Left], rows.collect()));
    text
}

fn key_row(key: &KeyView) -> Vec<String> {
    vec![
        key.key.clone(),
        key.r#type.clone(),
        key.count.map(|count| count.to_string()).unwrap_or_default(),
        key.value.clone(),
    ]
}

fn finding_text(finding: &FindingRow, is_set: bool) -> String {
    let mut text = format!(
        "  {}: {} [{}]\n",
        finding.effect.as_str(),
        finding.message,
        finding.code
    );
    for place in &finding.places {
        if let (Some(offset), Some(length)) = (place.offset, place.length) {
            let file = match is_set {
                true => format!(", of file {}", place.shard),
                false => String::new(),
            };
            let length = counted(length, "byte");
            text.push_str(&format!("    at offset {offset}, {length}{file}\n"));
        }
    }
    for (word, value) in [
        ("expected", &finding.expected),
        ("found", &finding.found),
        ("hint", &finding.hint),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("    {word}: {value}\n"));
        }
    }
    text
}

/// A heading with the number of rows, the names of the columns, and the rows.
fn push_table(
    text: &mut String,
    title: &str,
    names: &[(&str, Align)],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let mut table: Vec<Vec<String>> = rows.collect();
    text.push_str(&format!("\n{title}: {}\n", table.len()));
    if table.is_empty() {
        return;
    }
    table.insert(
        0,
        names.iter().map(|(name, _)| (*name).to_owned()).collect(),
    );
    let aligned: Vec<Align> = names.iter().map(|(_, align)| *align).collect();
    text.push_str(&columns(&aligned, table));
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}
use Align::{Left, Right};

/// Lays rows out in columns as wide as their widest cell, each row indented; nothing is left at the end of a line.
fn columns(aligned: &[Align], rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..aligned.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::from(" ");
        for ((cell, align), width) in row.iter().zip(aligned).zip(&widths) {
            line.push(' ');
            line.push_str(&match align {
                Left => format!("{cell:<width$}"),
                Right => format!("{cell:>width$}"),
            });
            line.push(' ');
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const KEY_COLUMNS: [(&str, Align); 4] = [
    ("key", Left),
    ("type", Left),
    ("items", Right),
    ("value", Left),
];
const TENSOR_COLUMNS: [(&str, Align); 6] = [
    ("name", Left),
    ("type", Left),
    ("shape", Left),
    ("offset", Right),
    ("size", Right),
    ("shard", Right),
];
const REGION_COLUMNS: [(&str, Align); 5] = [
    ("offset", Right),
    ("length", Right),
    ("kind", Left),
    ("label", Left),
    ("shard", Right),
];
