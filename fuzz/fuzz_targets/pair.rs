//! Edits of one file of a good pair, with the checksums left or made right again: never verified unless nothing was changed.
#![no_main]

use fixtures::apr::reseal;
use fuzz::{
    PAIR,
    edits::{Edit, edited},
    judged,
};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use verifier::Verdict;

#[derive(Arbitrary, Debug)]
enum Side {
    Apr { is_sealed: bool },
    Gguf,
}

fuzz_target!(|case: (Side, Vec<Edit>)| {
    let (side, edits) = case;
    let pair = &*PAIR;
    let (changed, intact, verdict) = match side {
        Side::Apr { is_sealed } => {
            let mut changed = edited(&pair.apr, &edits);
            if is_sealed && changed.len() >= 68 {
                reseal(&mut changed);
            }
            let verdict = judged(&changed, &pair.gguf).verdict;
            (changed, &pair.apr, verdict)
        }
        Side::Gguf => {
            let changed = edited(&pair.gguf, &edits);
            let verdict = judged(&pair.apr, &changed).verdict;
            (changed, &pair.gguf, verdict)
        }
    };
    // A file without our record is one of another producer: what nothing explains in its metadata is a warning.
    let is_ours = |bytes: &[u8]| bytes.windows(8).any(|found| found == b"\"aprove\"");
    if is_ours(&changed) == is_ours(intact) && !says_other_tool(&changed, intact) {
        assert_eq!(verdict == Verdict::Verified, changed == *intact);
    }
});

/// Whether nothing but the name of the tool differs, and the checksums: nobody can compute it again, so it is shown and not
/// trusted.
fn says_other_tool(changed: &[u8], intact: &[u8]) -> bool {
    const KEY: &[u8] = b"\"tool\":\"";
    let Some(place) = intact.windows(KEY.len()).position(|found| found == KEY) else {
        return false;
    };
    let start = place + KEY.len();
    let length = intact[start..]
        .iter()
        .position(|byte| *byte == b'"')
        .unwrap();
    let is_free = |at: usize| at >= intact.len() - 4 || (start..start + length).contains(&at);
    changed != intact
        && changed.len() == intact.len()
        && (0..intact.len()).all(|at| is_free(at) || changed[at] == intact[at])
}
