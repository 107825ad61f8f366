//! The verifier as a library: compares two files, and prints the verdict and what was found.
//!
//! `cargo run --release --example verify_pair -- model.apr model.gguf`
#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::{env, path::Path, process::ExitCode};

use verifier::{Input, Options, Verdict, source::FileSource, verify};

fn main() -> anyhow::Result<ExitCode> {
    let paths: Vec<String> = env::args().skip(1).collect();
    let [first, second] = paths.as_slice() else {
        anyhow::bail!("usage: verify_pair FILE FILE, one of them GGUF and the other APR");
    };
    // Either order: the formats are told by content. A split set would have more than one shard.
    let a = FileSource::open(Path::new(first))?;
    let b = FileSource::open(Path::new(second))?;
    let input = |name: &str, source| Input {
        name: name.to_owned(),
        shards: vec![(name.to_owned(), source)],
    };
    let options = Options {
        threads: std::thread::available_parallelism()?.get(),
        ..Options::default()
    };
    let report = verify(&input(first, &a), &input(second, &b), &options, &());
    println!("{:?}", report.verdict);
    for finding in &report.findings {
        println!("  {}: {}", finding.code, finding.message);
        if let Some(hint) = &finding.hint {
            println!("    {hint}");
        }
    }
    Ok(match report.verdict {
        Verdict::Verified => ExitCode::SUCCESS,
        Verdict::Different => ExitCode::from(1),
        Verdict::Undecided => ExitCode::from(2),
    })
}
