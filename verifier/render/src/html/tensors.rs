//! The tensors by layer and role, and what differs in which of them.

use std::collections::{BTreeMap, HashMap};

use verifier::report::text::grouped;
use verifier::report::{Report, TensorResult, TensorRow};

use super::escape::clip;
use super::shown::{Limits, Shown, number};

/// All tensors of a report.
pub(super) struct Tensors {
    /// What the columns of the table are for.
    pub(super) roles: Vec<String>,
    pub(super) layers: Shown<Layer>,
    /// Roles that have no column.
    pub(super) more_roles: usize,
    /// Those of no layer.
    pub(super) apart: Shown<(String, Cell)>,
    /// Those that differ.
    pub(super) different: Shown<Different>,
    /// Those that were not compared.
    pub(super) not_compared: Shown<String>,
    /// How many came out how.
    pub(super) counts: Vec<(Cell, String)>,
}

impl Tensors {
    pub(super) const fn is_any(&self) -> bool {
        !self.counts.is_empty()
    }
}

/// The tensors of one layer.
pub(super) struct Layer {
    pub(super) number: u64,
    pub(super) cells: Vec<Cell>,
}

/// How a tensor came out; of several in one place, the worst.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Absent,
    BytesEqual,
    ValuesEqual,
    NotCompared,
    /// With how much of it differs.
    Different(String),
}

impl Cell {
    fn of(row: &TensorRow) -> Self {
        match row.result {
            TensorResult::BytesEqual => Self::BytesEqual,
            TensorResult::ValuesEqual => Self::ValuesEqual,
            TensorResult::NotCompared => Self::NotCompared,
            TensorResult::Different => Self::Different(share(row)),
        }
    }

    /// The class of the style sheet.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Absent => "a",
            Self::BytesEqual => "e",
            Self::ValuesEqual => "v",
            Self::NotCompared => "o",
            Self::Different(_) => "d",
        }
    }

    /// What tells it without colour.
    pub(super) const fn symbol(&self) -> &'static str {
        match self {
            Self::Absent => "·",
            Self::BytesEqual => "=",
            Self::ValuesEqual => "v",
            Self::NotCompared => "?",
            Self::Different(_) => "≠",
        }
    }

    pub(super) const fn words(&self) -> &'static str {
        match self {
            Self::Absent => "no such tensor",
            Self::BytesEqual => "equal, byte for byte",
            Self::ValuesEqual => "equal in its values",
            Self::NotCompared => "not compared",
            Self::Different(_) => "different",
        }
    }

    pub(super) fn share(&self) -> &str {
        match self {
            Self::Different(share) => share,
            _ => "",
        }
    }
}

/// A tensor that differs.
pub(super) struct Different {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) blocks: String,
    pub(super) bytes: String,
    pub(super) largest: String,
    pub(super) root_mean_square: String,
}

/// The tensors of a report, in the order of the second file.
pub(super) fn tensors(report: &Report, limits: Limits) -> Tensors {
    let mut roles: Vec<&str> = Vec::new();
    let mut columns: HashMap<&str, usize> = HashMap::new();
    let mut layers: BTreeMap<u64, Vec<(usize, Cell)>> = BTreeMap::new();
    let mut apart = Vec::new();
    for row in &report.tensors {
        let name = name(row);
        let Some((number, role)) = layer_and_role(name) else {
            apart.push((name, Cell::of(row)));
            continue;
        };
        let column = *columns.entry(role).or_insert_with(|| {
            roles.push(role);
            roles.len().saturating_sub(1)
        });
        layers
            .entry(number)
            .or_default()
            .push((column, Cell::of(row)));
    }
    let width = roles.len().min(MOST_ROLES);
    let rows = layers.into_iter().map(|(number, found)| {
        let mut cells = vec![Cell::Absent; width];
        for (column, cell) in found {
            if let Some(slot) = cells.get_mut(column) {
                *slot = slot.clone().max(cell);
            }
        }
        Layer { number, cells }
    });
    let most_layers = limits.cells.checked_div(width).unwrap_or_default();
    let tensors = || report.tensors.iter();
    let differ = tensors().filter(|row| row.result == TensorResult::Different);
    let open = tensors().filter(|row| row.result == TensorResult::NotCompared);
    let counts = &report.counts;
    let counts = [
        (Cell::BytesEqual, counts.bytes_equal),
        (Cell::ValuesEqual, counts.values_equal),
        (Cell::Different(String::new()), counts.tensors_different),
        (Cell::NotCompared, counts.tensors_not_compared),
    ];
    Tensors {
        layers: Shown::of(rows, most_layers, |layer| layer),
        more_roles: roles.len().saturating_sub(width),
        roles: roles
            .iter()
            .take(width)
            .map(|role| clip(role, LONGEST_ROLE))
            .collect(),
        // What is not equal must not be among those that are left out.
        apart: {
            apart.sort_by_key(|(_, cell)| *cell <= Cell::ValuesEqual);
            Shown::of(apart.into_iter(), limits.tensors, |(name, cell)| {
                (clip(name, limits.name), cell)
            })
        },
        different: Shown::of(differ, limits.tensors, |row| different(row, limits)),
        not_compared: Shown::of(open, limits.tensors, |row| clip(name(row), limits.name)),
        counts: counts
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(cell, count)| (cell, grouped(count as u64)))
            .collect(),
    }
}

fn name(row: &TensorRow) -> &str {
    let side = row.sides.second().or(row.sides.first());
    side.map_or("", |side| &side.name)
}

/// The number of the layer, and what comes after it: `3` and `attn_q` of `blk.3.attn_q.weight`.
fn layer_and_role(name: &str) -> Option<(u64, &str)> {
    let mut rest = name;
    while let Some((part, after)) = rest.split_once('.') {
        if let Ok(number) = part.parse() {
            return Some((number, after.strip_suffix(".weight").unwrap_or(after)));
        }
        rest = after;
    }
    None
}

/// How much of a tensor differs, in a few characters.
fn share(row: &TensorRow) -> String {
    let blocks = row.difference.as_ref();
    let blocks = blocks.map(|found| (found.blocks, found.blocks_total));
    let values = row.values.as_ref();
    let values = values.map(|found| (found.different, found.elements));
    let Some((different, total)) = blocks.or(values).filter(|(_, total)| *total > 0) else {
        return String::new();
    };
    match (different * 100).checked_div(total) {
        Some(0) | None => "<1%".to_owned(),
        Some(percent) => format!("{percent}%"),
    }
}

fn different(row: &TensorRow, limits: Limits) -> Different {
    let none = || "–".to_owned();
    let found = row.difference.as_ref();
    let values = row.values.as_ref();
    let side = row.sides.second().or(row.sides.first());
    Different {
        name: clip(name(row), limits.name),
        r#type: side.map_or_else(none, |side| clip(&side.r#type, limits.name)),
        blocks: found.map_or_else(none, |found| {
            format!(
                "{} of {}",
                grouped(found.blocks),
                grouped(found.blocks_total)
            )
        }),
        bytes: found.map_or_else(none, |found| grouped(found.bytes)),
        largest: values.map_or_else(none, |values| number(values.maximum_difference)),
        root_mean_square: values.map_or_else(none, |values| number(values.rms_difference)),
    }
}

/// Columns of the table.
const MOST_ROLES: usize = 32;
/// Characters of the head of a column.
const LONGEST_ROLE: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_at_its_first_number() {
        let of = layer_and_role;
        assert_eq!(of("blk.12.attn_q.weight"), Some((12, "attn_q")));
        assert_eq!(of("blk.0.attn_q.bias"), Some((0, "attn_q.bias")));
        assert_eq!(
            of("model.layers.3.self_attn.q_proj.weight"),
            Some((3, "self_attn.q_proj"))
        );
        assert_eq!(of("token_embd.weight"), None);
        assert_eq!(of(""), None);
    }
}
