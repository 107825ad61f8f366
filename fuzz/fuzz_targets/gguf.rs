//! Any bytes as a GGUF file: three readers, none of which panics, and regions that partition the file.
#![no_main]

use fuzz::input;
use gguf_file::{Content, Limits};
use libfuzzer_sys::fuzz_target;
use verifier::{decode::gguf::decode, inspect::inspect};

fuzz_target!(|bytes: &[u8]| {
    let bytes = bytes.to_vec();
    let length = bytes.len() as u64;
    let container = decode(&[&bytes]);
    for shard in &container.shards {
        let mut end = 0;
        for region in &shard.regions {
            assert_eq!(region.span.offset, end, "regions touch");
            end = region.span.end();
        }
        assert_eq!(end, length, "regions reach the end");
    }
    drop(inspect(&input("model.gguf", &bytes)));
    drop(Content::parse(&bytes, length, &Limits::default()));
    drop(inference::load(&[&bytes]));
});
