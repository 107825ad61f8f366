//! Verifies two models, and writes the page that shows what came of it.
//!
//! `cargo run --release --example page -- model.apr model.gguf > page.html`

use std::io::{self, Write};
use std::{env, path::Path};

use render::{Answer, Subject, html};
use verifier::{Input, Options, report::to_json, source::FileSource, verify};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [first, second] = arguments.as_slice() else {
        return Err(io::Error::other("usage: page FILE FILE > PAGE"));
    };
    let a = FileSource::open(Path::new(first))?;
    let b = FileSource::open(Path::new(second))?;
    let input = |name: &str, source| Input {
        name: name.to_owned(),
        shards: vec![(base_name(name), source)],
    };
    let report = verify(
        &input(first, &a),
        &input(second, &b),
        &Options::default(),
        &(),
    );
    let subject = Subject {
        paths: vec![first.clone(), second.clone()],
        report,
    };
    let answer = Answer {
        version: env!("CARGO_PKG_VERSION"),
        document: &to_json(&subject.report),
        policy: None,
        time: "",
        command: &format!("verify {first} {second}"),
        subjects: &[subject],
    };
    io::stdout().write_all(html::page(&answer).as_bytes())
}

fn base_name(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
