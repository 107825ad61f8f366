//! Any bytes as a manifest of any form, and good manifests with edits: never a panic; and one that verifies the model that it
//! was made for refuses that model with one bit turned round.
#![no_main]

use std::sync::LazyLock;

use fuzz::{
    PAIR,
    edits::{Edit, edited},
    input,
};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use verifier::{
    Verdict,
    manifest::{CheckOptions, Form, WriteOptions, check, parse, write},
};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Any {
        bytes: &'a [u8],
    },
    Edited {
        form: u8,
        edits: Vec<Edit>,
        flip: u16,
        bit: u8,
    },
}

static GOOD: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let forms = [
        Form::Json {
            tensor_sha256: true,
        },
        Form::Sha256sum,
        Form::B3sum,
        Form::GgufHash { all: true },
    ];
    let written = forms.map(|form| {
        let options = WriteOptions {
            form,
            tool: "fuzz",
            as_path: None,
            threads: 1,
        };
        let written = write(&input("m.gguf", &PAIR.gguf), &options, &()).unwrap();
        written.text.into_bytes()
    });
    written.into()
});

fuzz_target!(|case: Case<'_>| {
    let (text, flip, bit) = match case {
        Case::Any { bytes } => (bytes.to_vec(), 0, 0),
        Case::Edited {
            form,
            edits,
            flip,
            bit,
        } => {
            let good = &GOOD[usize::from(form) % GOOD.len()];
            (edited(good, &edits), usize::from(flip), bit)
        }
    };
    if verdict(&text, &PAIR.gguf) == Some(Verdict::Verified) {
        let mut damaged = PAIR.gguf.clone();
        let place = flip % damaged.len();
        damaged[place] ^= 1 << (bit % 8);
        let found = verdict(&text, &damaged);
        assert_ne!(found, Some(Verdict::Verified), "{}", text.escape_ascii());
    }
});

fn verdict(manifest: &[u8], model: &Vec<u8>) -> Option<Verdict> {
    let manifest = parse("manifest", manifest)?;
    let options = CheckOptions {
        folders: &[],
        threads: 1,
        allow_unbound_metadata: false,
        file_digests: false,
    };
    Some(check(&manifest, &input("m.gguf", model), &options, &()).verdict)
}
