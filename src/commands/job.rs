//! `aprove job`: what a worker starts: it takes limits on itself and becomes the program.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use service::confined::{Confinement, become_confined};

use crate::exit::Outcome;

/// Runs a command of this program under the limits of a job.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct Arguments {
    /// Bytes of address space
    #[arg(long)]
    memory: u64,
    /// Seconds of CPU time
    #[arg(long)]
    cpu_seconds: u64,
    /// The process of the worker, with which the job dies
    #[arg(long)]
    worker: u32,
    /// The arguments of the command
    #[arg(last = true, required = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let program = std::env::current_exe().context("this program cannot be found")?;
    let confinement = Confinement {
        memory: arguments.memory,
        cpu_seconds: arguments.cpu_seconds,
        worker: arguments.worker,
    };
    let error = become_confined(
        confinement,
        Command::new(program).args(&arguments.arguments),
    );
    Err(error).context("the job cannot be confined")
}
