//! Edits of one file of a good pair, with the checksums left or made right again: never verified unless nothing was changed.
//!
//! The first byte says which file and whether to seal it; then come edits of four bytes of place and one of bits to flip.
#![no_main]

use std::sync::{LazyLock, atomic::AtomicBool};

use converter::{Naming, Request, Tie, Unsupported, Verification, convert};
use fixtures::{apr::reseal, models};
use libfuzzer_sys::fuzz_target;
use verifier::{
    Input, Verdict,
    source::Source,
    verify::{Options, verify},
};

static PAIR: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let gguf = models::tiny().to_bytes();
    let folder = tempfile::tempdir().unwrap();
    let [source, output] = ["m.gguf", "m.apr"].map(|name| folder.path().join(name));
    std::fs::write(&source, &gguf).unwrap();
    let request = Request {
        sources: vec![source],
        output: output.clone(),
        naming: Naming::Auto,
        tie: Tie::Shared,
        unsupported: Unsupported::Refuse,
        set: Vec::new(),
        overwrite: false,
        tensor_sha256: false,
        threads: 1,
        tool: "fuzz".to_owned(),
    };
    let pending = convert(&request, &(), &AtomicBool::new(false)).unwrap();
    pending.publish(Verification::Skipped).unwrap();
    let apr = std::fs::read(output).unwrap();
    assert_eq!(judged(&apr, &gguf), Verdict::Verified);
    [apr, gguf]
});

fuzz_target!(|edits: &[u8]| {
    let Some((choice, edits)) = edits.split_first() else {
        return;
    };
    let [apr, gguf] = &*PAIR;
    let (intact, is_apr) = if choice & 1 == 0 {
        (apr, true)
    } else {
        (gguf, false)
    };
    let mut changed = intact.clone();
    for edit in edits.as_chunks::<5>().0 {
        let [a, b, c, d, bits] = *edit;
        let place = u32::from_le_bytes([a, b, c, d]) as usize % changed.len();
        changed[place] ^= bits;
    }
    if is_apr && choice & 2 == 2 {
        reseal(&mut changed);
    }
    let verdict = if is_apr {
        judged(&changed, gguf)
    } else {
        judged(apr, &changed)
    };
    assert_eq!(verdict == Verdict::Verified, changed == *intact);
});

fn judged(apr: &Vec<u8>, gguf: &Vec<u8>) -> Verdict {
    let input = |name: &str, source| Input {
        name: name.to_owned(),
        shards: vec![(name.to_owned(), source)],
    };
    let (apr, gguf): (&dyn Source, &dyn Source) = (apr, gguf);
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    verify(&input("m.apr", apr), &input("m.gguf", gguf), &options, &()).verdict
}
