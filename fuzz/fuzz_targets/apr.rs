//! Any bytes as an APR file: three readers, none of which panics, and regions that partition the file.
#![no_main]

use apr_file::Head;
use libfuzzer_sys::fuzz_target;
use verifier::{Input, decode::apr::decode, inspect::inspect, source::Source};

fuzz_target!(|bytes: &[u8]| {
    let bytes = bytes.to_vec();
    let length = bytes.len() as u64;
    let container = decode(&bytes);
    for shard in &container.shards {
        let mut end = 0;
        for region in &shard.regions {
            assert_eq!(region.span.offset, end, "regions touch");
            end = region.span.end();
        }
        assert_eq!(end, length, "regions reach the end");
    }
    let source: &dyn Source = &bytes;
    drop(inspect(&Input {
        name: "model.apr".to_owned(),
        shards: vec![("model.apr".to_owned(), source)],
    }));
    drop(Head::parse(&bytes, length));
    drop(inference::load(&[&bytes]));
});
