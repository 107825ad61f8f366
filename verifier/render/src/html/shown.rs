//! How much of a report a page shows: it stays small for any model, and says what it leaves out.

/// The most that is shown of each kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Rows of the table of subjects.
    pub(super) subjects: usize,
    /// Files of a split set.
    pub(super) files: usize,
    /// Places below the picture of a file.
    pub(super) places: usize,
    /// Fields of the table of tensors.
    pub(super) cells: usize,
    /// Rows of each list of tensors.
    pub(super) tensors: usize,
    /// Stages in the picture.
    pub(super) stages: usize,
    /// Keys that differ, and keys that do not.
    pub(super) keys: usize,
    /// Findings.
    pub(super) findings: usize,
    /// Characters of a name or a value.
    pub(super) name: usize,
    /// Characters of a sentence.
    pub(super) sentence: usize,
}

impl Limits {
    /// What a page of one subject shows.
    pub(super) const FULL: Self = Self {
        subjects: 1024,
        files: 16,
        places: 12,
        cells: 8192,
        tensors: 64,
        stages: 2048,
        keys: 512,
        findings: 256,
        name: 160,
        sentence: 800,
    };

    /// A quarter of everything that is counted, and half of what is read.
    pub(super) const fn less(self) -> Self {
        Self {
            subjects: self.subjects.div_ceil(4),
            files: self.files.div_ceil(4),
            places: self.places.div_ceil(4),
            cells: self.cells.div_ceil(4),
            tensors: self.tensors.div_ceil(4),
            stages: self.stages.div_ceil(4),
            keys: self.keys.div_ceil(4),
            findings: self.findings.div_ceil(4),
            name: self.name.div_ceil(2),
            sentence: self.sentence.div_ceil(2),
        }
    }
}

/// The first of some rows, and how many are left out.
#[derive(Debug)]
pub(super) struct Shown<T> {
    pub(super) rows: Vec<T>,
    pub(super) more: usize,
}

impl<T> Shown<T> {
    pub(super) fn of<R>(
        mut rows: impl Iterator<Item = R>,
        most: usize,
        show: impl FnMut(R) -> T,
    ) -> Self {
        Self {
            rows: rows.by_ref().take(most).map(show).collect(),
            more: rows.count(),
        }
    }

    pub(super) const fn none() -> Self {
        Self {
            rows: Vec::new(),
            more: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.more == 0
    }

    pub(super) fn total(&self) -> usize {
        self.rows.len() + self.more
    }
}

/// A measured number, with as many digits as are of use.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        None => "not finite".to_owned(),
        Some(value) if value == 0.0 || (1e-3..1e4).contains(&value.abs()) => format!("{value:.4}"),
        Some(value) => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_exponents_only_where_they_are_far_from_one() {
        let shown = [Some(0.0), Some(-1.5), Some(4e-7), Some(2.5e6), None].map(number);
        assert_eq!(
            shown,
            ["0.0000", "-1.5000", "4.000e-7", "2.500e6", "not finite"]
        );
    }
}
