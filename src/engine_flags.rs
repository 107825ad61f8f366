//! How the engine runs: what never changes a bit of a result.

use std::thread::available_parallelism;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use inference::Options;

/// How to read and with how many threads.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// How the forward reads the weights
    #[arg(long, value_enum, default_value_t = Io::Reads)]
    pub(crate) io: Io,
    /// Number of threads [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// How weights are read.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    /// Positioned reads: a file that shrinks meanwhile is an error
    Reads,
    /// Mapped into memory, for files that are known not to change: when one shrinks meanwhile, the process dies (SIGBUS)
    /// and there is no verdict
    Mmap,
}

impl Arguments {
    /// The number of threads, and panels of the usual size.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            threads: threads(self.threads)?,
            ..Options::default()
        })
    }
}

/// The number of threads asked for, or one for each processor.
pub(crate) fn threads(asked: Option<u16>) -> anyhow::Result<usize> {
    match asked {
        Some(threads) => Ok(usize::from(threads)),
        None => Ok(available_parallelism()
            .context("the number of processors is not known: use --threads")?
            .get()),
    }
}
