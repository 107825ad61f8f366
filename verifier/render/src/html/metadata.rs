//! The keys of both files with what each says.

use verifier::report::{KeyRow, KeyStatus, Report};

use super::escape::clip;
use super::shown::{Limits, Shown};

/// All keys of a report.
pub(super) struct Metadata {
    /// Those that are not the same in both files.
    pub(super) unlike: Shown<Key>,
    /// Those that are.
    pub(super) equal: Shown<Key>,
    pub(super) labels: [String; 2],
}

/// One key.
pub(super) struct Key {
    pub(super) key: String,
    pub(super) values: [Option<String>; 2],
    pub(super) status: &'static str,
}

/// The keys of a report.
pub(super) fn metadata(report: &Report, labels: [String; 2], limits: Limits) -> Metadata {
    let keys = |equal: bool| {
        let rows = report.metadata.iter();
        let rows = rows.filter(move |row| (row.result == KeyStatus::Equal) == equal);
        Shown::of(rows, limits.keys, |row| key(row, limits))
    };
    Metadata {
        unlike: keys(false),
        equal: keys(true),
        labels,
    }
}

fn key(row: &KeyRow, limits: Limits) -> Key {
    let shown = |value: &Option<String>| value.as_ref().map(|value| clip(value, limits.name));
    Key {
        key: clip(&row.key, limits.name),
        values: row.values.each_ref().map(shown),
        status: row.result.as_str(),
    }
}
