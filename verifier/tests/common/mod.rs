//! What the tests share: verify two sources.

use verifier::report::Report;
use verifier::source::Source;
use verifier::{Input, Options, verify};

/// Verifies two files, given in this order, on this number of threads.
pub(crate) fn report(a: &dyn Source, b: &dyn Source, threads: usize) -> Report {
    let input = |source| Input {
        name: "file".to_owned(),
        shards: vec![("file".to_owned(), source)],
    };
    let options = Options {
        threads,
        ..Options::default()
    };
    verify(&input(a), &input(b), &options, &())
}
