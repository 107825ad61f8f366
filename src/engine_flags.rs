//! Flags of the engine that never change a bit of a result: how weights are read, and threads.

use std::thread::available_parallelism;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use inference::Options;

/// How weights are read, and with how many threads.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// How the forward reads weights
    #[arg(long, value_enum, default_value_t = Io::Reads)]
    pub(crate) io: Io,
    /// Number of threads [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The most memory that the values of a model may take in the forward, in GiB; what takes more is not covered
    #[arg(long, value_name = "GIB", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    memory: u16,
}

/// How weights are read.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    /// Positioned reads: a file that shrinks during the run is an error
    Reads,
    /// Memory mapping, for files that are known not to change: if one shrinks during the run, the process dies (SIGBUS)
    /// without a verdict
    Mmap,
}

impl Arguments {
    /// The options of the forward: the number of threads, and panels of the default size.
    pub(crate) fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            threads: threads(self.threads)?,
            memory: u64::from(self.memory) << 30,
            ..Options::default()
        })
    }
}

/// The requested number of threads, or one per CPU.
pub(crate) fn threads(asked: Option<u16>) -> anyhow::Result<usize> {
    match asked {
        Some(threads) => Ok(usize::from(threads)),
        None => Ok(available_parallelism()
            .context("cannot determine the number of CPUs: use --threads")?
            .get()),
    }
}
