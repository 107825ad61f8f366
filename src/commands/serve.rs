//! `aprove serve`: converter and verifier for a team.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use service::Service;
use service::config::Config;

/// Where a service has its configuration from.
#[derive(Args)]
pub(crate) struct Settings {
    /// The configuration, in TOML (docs/service.md has every key) [default: all keys have defaults]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Opens the service that the settings describe; each job will run this program.
pub(crate) fn started(settings: &Settings) -> anyhow::Result<Service> {
    let config = match &settings.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let program = std::env::current_exe().context("this program cannot be found")?;
    Ok(Service::open(config, program)?)
}
