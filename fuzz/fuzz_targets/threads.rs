//! A damaged pair on one thread and on several: the same report, to the byte; and a model, converted so: the same artifact.
#![no_main]

use std::fs;

use fixtures::models::tiny;
use fuzz::{
    Bench, PAIR,
    edits::{Edit, edited},
    judged_with,
    models::{ModelEdit, edit},
};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use verifier::report::to_json;

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    Verify {
        apr: Vec<Edit>,
        gguf: Vec<Edit>,
        threads: u8,
    },
    Convert {
        edits: Vec<ModelEdit<'a>>,
        threads: u8,
    },
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Verify { apr, gguf, threads } => {
        let (apr, gguf) = (edited(&PAIR.apr, &apr), edited(&PAIR.gguf, &gguf));
        let report = |threads| to_json(&judged_with(&apr, &gguf, threads));
        assert_eq!(report(1), report(several(threads)));
    }
    Case::Convert { edits, threads } => {
        let mut model = tiny();
        edit(&mut model, &edits);
        let bench = Bench::new(&model.to_bytes());
        let made = |threads| {
            let made = bench.convert(threads).map(|path| fs::read(path).unwrap());
            made.map_err(|error| error.to_string())
        };
        assert!(made(1) == made(several(threads)));
    }
});

fn several(threads: u8) -> usize {
    2 + usize::from(threads % 7)
}
