//! Records of two traces that look alike and mean something else in each.

use super::{
    report::{Findings, Mismatch, TraceReport},
    statistics::{Fit, StatisticsRow},
};

/// Finds, for every two traces of statistics, the records that both have and that ours reproduce at other capture points or
/// over other tokens. Records that are found at the same two places are told together.
pub(crate) fn between(reports: &[TraceReport]) -> Vec<Mismatch> {
    let mut found: Vec<Mismatch> = Vec::new();
    for (index, a) in reports.iter().enumerate() {
        for b in reports.iter().skip(index.saturating_add(1)) {
            let (Findings::Statistics(ours), Findings::Statistics(theirs)) =
                (&a.findings, &b.findings)
            else {
                continue;
            };
            for row in &ours.rows {
                let other = theirs.rows.iter().find(|other| other.name == row.name);
                if let Some(mismatch) = other.and_then(|other| mismatch(a, row, b, other)) {
                    let same = found
                        .iter_mut()
                        .find(|known| known.sentence == mismatch.sentence);
                    match same {
                        Some(known) => known.records.extend(mismatch.records),
                        None => found.push(mismatch),
                    }
                }
            }
        }
    }
    // The graver first.
    found.sort_by_key(|mismatch| !mismatch.capture_point);
    found
}

fn mismatch(
    a: &TraceReport,
    row: &StatisticsRow,
    b: &TraceReport,
    other: &StatisticsRow,
) -> Option<Mismatch> {
    let (first, second) = (row.best()?, other.best()?);
    if first.fit == Fit::Off || second.fit == Fit::Off {
        return None;
    }
    let capture_point = first.capture != second.capture;
    let token_set = first.set != second.set;
    let kind = match (capture_point, token_set) {
        (true, true) => "a capture-point mismatch and a token-set mismatch",
        (true, false) => "a capture-point mismatch",
        (false, true) => "a token-set mismatch",
        (false, false) => return None,
    };
    let (_, value) = row.name.rsplit_once(' ').unwrap_or(("", &row.name));
    let (subject, place) = if capture_point {
        let place = |candidate: &super::statistics::Candidate| {
            let point = candidate.capture.point();
            format!("our {}, {}", point.unwrap_or("stage"), candidate.set.name())
        };
        (value, [place(first), place(second)])
    } else {
        let place = |candidate: &super::statistics::Candidate| candidate.set.name().to_owned();
        ("every other value", [place(first), place(second)])
    };
    let [first, second] = place;
    let tokens = if a.tokens == b.tokens {
        ""
    } else {
        " (and the prompts are other tokens)"
    };
    Some(Mismatch {
        records: vec![row.name.clone()],
        capture_point,
        token_set,
        sentence: format!(
            "{subject} of {} is {first}; {subject} of {} is {second}: {kind}, not a divergence{tokens}",
            a.name, b.name
        ),
    })
}
