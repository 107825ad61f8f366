//! Records of two traces that look alike and mean something else in each.

use super::{
    report::{Findings, Mismatch, TraceReport},
    statistics::{Candidate, Fit, StatisticsRow},
};

/// Finds, for every two traces of statistics, the records that both have and that ours reproduce at other capture points or
/// over other tokens. Records with the same two capture points are reported together, the worse first.
pub(crate) fn between(reports: &[TraceReport]) -> Vec<Mismatch> {
    let mut all = Vec::new();
    for (index, a) in reports.iter().enumerate() {
        for b in reports.iter().skip(index + 1) {
            let (Findings::Statistics(first), Findings::Statistics(second)) =
                (&a.findings, &b.findings)
            else {
                continue;
            };
            let mut found: Vec<Pair<'_>> = Vec::new();
            for row in &first.rows {
                let other = second.rows.iter().find(|other| other.name == row.name);
                let Some(pair) = other.and_then(|other| pair(row, other)) else {
                    continue;
                };
                match found.iter_mut().find(|known| known.is_like(&pair)) {
                    Some(known) => known.records.extend(pair.records),
                    None => found.push(pair),
                }
            }
            found.sort_by_key(|pair| !pair.capture_point());
            let several = found.len() > 1;
            all.extend(found.into_iter().map(|pair| pair.tell(a, b, several)));
        }
    }
    all
}

/// Records of both traces, and what they are in each.
struct Pair<'a> {
    records: Vec<&'a str>,
    first: &'a Candidate,
    second: &'a Candidate,
}

fn pair<'a>(row: &'a StatisticsRow, other: &'a StatisticsRow) -> Option<Pair<'a>> {
    let (first, second) = (row.best()?, other.best()?);
    let reproduced = first.fit != Fit::Off && second.fit != Fit::Off;
    let differ = first.capture != second.capture || first.set != second.set;
    (reproduced && differ).then(|| Pair {
        records: vec![&row.name],
        first,
        second,
    })
}

impl Pair<'_> {
    fn capture_point(&self) -> bool {
        self.first.capture != self.second.capture
    }

    fn token_set(&self) -> bool {
        self.first.set != self.second.set
    }

    /// What it is in a trace, in words.
    fn places(&self) -> [String; 2] {
        [self.first, self.second].map(|candidate| {
            let set = candidate.set.name();
            match candidate.capture.point().filter(|_| self.capture_point()) {
                Some(point) => format!("our {point}, {set}"),
                None => set.to_owned(),
            }
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        self.capture_point() == other.capture_point() && self.places() == other.places()
    }

    fn tell(&self, a: &TraceReport, b: &TraceReport, several: bool) -> Mismatch {
        let kind = match (self.capture_point(), self.token_set()) {
            (true, true) => "a capture-point mismatch and a token-set mismatch",
            (true, false) => "a capture-point mismatch",
            (false, _) => "a token-set mismatch",
        };
        let mut names: Vec<_> = self
            .records
            .iter()
            .map(|record| record.rsplit_once(' ').map_or(*record, |(_, name)| name))
            .collect();
        names.dedup();
        let (subject, verb) = match names.as_slice() {
            [name] => ((*name).to_owned(), "is"),
            _ => (
                format!(
                    "{} {}values",
                    self.records.len(),
                    if several { "other " } else { "" }
                ),
                "are",
            ),
        };
        let [first, second] = self.places();
        let tokens = if a.tokens == b.tokens {
            ""
        } else {
            " (and the prompts differ)"
        };
        Mismatch {
            records: self
                .records
                .iter()
                .map(|record| (*record).to_owned())
                .collect(),
            capture_point: self.capture_point(),
            token_set: self.token_set(),
            sentence: format!(
                "{subject} of {} {verb} {first}; of {}, {second}: {kind}, not a divergence{tokens}",
                a.name, b.name
            ),
        }
    }
}
