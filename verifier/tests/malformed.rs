//! Malformed files: each is refused under its own code, without a panic; legal oddities are accepted.

use fixtures::malformed::{self, Malformed};
use verifier::decode::container::Container;
use verifier::decode::{apr, gguf};
use verifier::finding::Finding;
use verifier::source::Source;

fn errors(findings: &[Finding]) -> Vec<&'static str> {
    findings
        .iter()
        .filter(|finding| finding.effect.decides())
        .map(|finding| finding.code.as_str())
        .collect()
}

fn partitions<M>(container: &Container<M>) -> bool {
    container.shards.iter().all(|shard| {
        let mut position = 0;
        for region in &shard.regions {
            if region.span.offset != position || region.span.length == 0 {
                return false;
            }
            position = region.span.end();
        }
        position == shard.length
    })
}

/// Codes that only the scan gives, because the decoder does not read the data.
const BY_THE_SCAN: [&str; 5] = [
    "gguf.padding",
    "apr.meta.padding",
    "apr.index.padding",
    "apr.data.padding",
    "apr.footer.crc",
];

fn check(file: &Malformed, codes: &[&str], partitions: bool, wrong: &mut Vec<String>) {
    if !partitions {
        wrong.push(format!(
            "{}: the regions do not partition the file",
            file.name
        ));
    }
    // An index that does not end before the data: the entry or the data offset is wrong, and the file does not say which.
    let same = file.code == "apr.header.offsets" && codes.contains(&"apr.index.short");
    if file.refused && !BY_THE_SCAN.contains(&file.code) && !codes.contains(&file.code) && !same {
        wrong.push(format!(
            "{}: {} expected, {codes:?} found",
            file.name, file.code
        ));
    }
    if !file.refused && !codes.is_empty() {
        wrong.push(format!("{}: legal, and refused with {codes:?}", file.name));
    }
}

#[test]
fn malformed_ggufs_are_refused_under_their_code() {
    let mut wrong = Vec::new();
    for file in malformed::gguf() {
        let decoded = gguf::decode(&[&file.bytes as &dyn Source]);
        check(
            &file,
            &errors(&decoded.findings),
            partitions(&decoded),
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn malformed_aprs_are_refused_under_their_code() {
    let mut wrong = Vec::new();
    for file in malformed::apr() {
        let decoded = apr::decode(&file.bytes);
        check(
            &file,
            &errors(&decoded.findings),
            partitions(&decoded),
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
