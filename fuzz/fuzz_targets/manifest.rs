//! Any bytes as a manifest of any form, checked against a file that it can hardly describe: never a panic, never verified.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verifier::{
    Input, Verdict,
    manifest::{CheckOptions, check, parse},
    source::Source,
};

fuzz_target!(|bytes: &[u8]| {
    let Some(manifest) = parse("manifest", bytes) else {
        return;
    };
    // No manifest names the digests of these bytes but one that was made for them.
    let model = b"GGUF, and then nothing that a decoder would take".to_vec();
    let source: &dyn Source = &model;
    let input = Input {
        name: "model.gguf".to_owned(),
        shards: vec![("model.gguf".to_owned(), source)],
    };
    let options = CheckOptions {
        threads: 1,
        allow_unbound_metadata: false,
        file_digests: false,
    };
    let report = check(&manifest, &input, &options, &());
    assert_ne!(report.verdict, Verdict::Verified);
});
