//! Any bytes as an APR file, as they are and with the checksums made right: three readers, none of which panics, and regions that
//! partition the file.
#![no_main]

use apr_file::Head;
use fixtures::apr::reseal;
use fuzz::input;
use libfuzzer_sys::fuzz_target;
use verifier::{decode::apr::decode, inspect::inspect};

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    read(&bytes);
    if bytes.len() >= 68 {
        reseal(&mut bytes);
        read(&bytes);
    }
});

fn read(bytes: &Vec<u8>) {
    let length = bytes.len() as u64;
    let container = decode(bytes);
    for shard in &container.shards {
        let mut end = 0;
        for region in &shard.regions {
            assert_eq!(region.span.offset, end, "regions touch");
            end = region.span.end();
        }
        assert_eq!(end, length, "regions reach the end");
    }
    drop(inspect(&input("model.apr", bytes)));
    drop(Head::parse(bytes, length));
    drop(inference::load(&[bytes]));
}
