//! Reads that fail while a GPU runs.

use std::io;

use crate::support::{again, gpu};
use fixtures::models;
use inference::{Error, Mode, Options, ReadAt, Side, Source, Stage, Step, cuda, load};

/// Whichever panel cannot be read, of whichever file, the run ends with that error: it neither hangs nor goes on.
#[test]
fn a_panel_that_cannot_be_read_ends_the_run() {
    let Some(gpu) = gpu() else {
        let test = "reads::a_panel_that_cannot_be_read_ends_the_run";
        for order in ["late", "early"] {
            again(test, &[("ORDER", order)]);
        }
        return;
    };
    let bytes = models::qwen2().to_bytes();
    let whole = bytes.clone();
    let sources: [&dyn Source; 1] = [&whole];
    let model = load(&sources).unwrap();
    let side = Side {
        model: &model,
        sources: &sources,
    };
    let options = Options {
        threads: 2,
        panel_bytes: 20_000,
        ..Options::default()
    };
    let matrix = |step: Step| model.instruction(step).unwrap().op.tensors()[0].clone();
    let [query, down] =
        [Stage::QPreBias, Stage::FfnDown].map(|stage| matrix(Step::in_layer(0, stage)));
    let last = matrix(Step::of_model(Stage::Logits));
    for broken in [
        query.offset,
        down.offset,
        last.offset,
        last.offset + last.size - 1,
    ] {
        let file = Broken {
            bytes: bytes.clone(),
            at: broken,
        };
        let sources: [&dyn Source; 1] = [&file];
        let bad = Side {
            model: &model,
            sources: &sources,
        };
        let alone = cuda::digests(&gpu, bad, &[&[1, 2]], &options, &mut |_| {});
        assert!(is_of_the_read(alone.map(drop)), "{broken}");
        for (a, b) in [(bad, side), (side, bad), (bad, bad)] {
            let ran = cuda::forward_pair(&gpu, a, b, &[&[1, 2]], &options, Mode::Free, &mut |_| {});
            assert!(is_of_the_read(ran.map(drop)), "{broken}");
        }
    }
    // The GPU is as good as before.
    cuda::digests(&gpu, side, &[&[1, 2]], &options, &mut |_| {}).unwrap();
}

fn is_of_the_read(ran: Result<(), cuda::RunError>) -> bool {
    matches!(
        ran,
        Err(cuda::RunError::Model(Error::Io {
            kind: io::ErrorKind::Other,
            ..
        }))
    )
}

/// A file with one byte that cannot be read.
struct Broken {
    bytes: Vec<u8>,
    at: u64,
}

impl ReadAt for Broken {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if (offset..end).contains(&self.at) {
            return Err(io::Error::other("a bad sector"));
        }
        self.bytes.read_exact_at(offset, buffer)
    }
}
