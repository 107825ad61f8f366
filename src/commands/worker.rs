//! `aprove worker`: does the jobs of a queue that another process fills.

use clap::Args;

use crate::commands::serve::Settings;
use crate::exit::Outcome;

/// Does the jobs of a queue that `aprove serve` fills, on this machine or another one.
///
/// Takes the configuration of the server, whose database and data folder it shares, with `jobs = 1` or more. SIGTERM stops:
/// running jobs get 30 seconds (`grace_seconds`), then go back to the queue.
///
/// Exit code: 0 stopped by a signal, 2 it could not run.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove worker --config aprove.toml")]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let service = arguments.settings.open()?;
    service::log();
    service.work()?;
    Ok(Outcome::Done)
}
