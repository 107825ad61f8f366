//! `aprove serve`: converter and verifier for a team.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use service::Service;
use service::config::Config;

use crate::exit::Outcome;
use crate::next_command::shown;
use crate::output;

/// Makes the converter and the verifier available to a team: over HTTP, and on a page.
///
/// Listens on 127.0.0.1:8212 and needs no set-up. Beyond this machine every request needs a token (`aprove token`). Jobs are
/// kept in SQLite in the data folder, or in PostgreSQL for several machines. Each runs as a child process with limits, so that
/// a bad file costs one job. SIGTERM stops: running jobs get 30 seconds (`grace_seconds`), then go back to the queue.
///
/// Exit code: 0 stopped by a signal, 2 it could not run.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove serve\n  aprove serve --root models=/srv/models --data /var/lib/aprove\n  aprove serve --config aprove.toml --listen 0.0.0.0:8212"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Where to listen [default: 127.0.0.1:8212]; port 0 is any that is free
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Where a service has its configuration from.
#[derive(Args)]
pub(crate) struct Settings {
    /// The configuration, in TOML (docs/service.md has every key) [default: every key has a default]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of jobs, uploads and reports, which is made if need be [default: aprove-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A folder whose files jobs may read, under a name. Repeatable
    #[arg(long, value_name = "NAME=DIR", value_parser = name_and_folder)]
    root: Vec<(String, PathBuf)>,
}

fn name_and_folder(text: &str) -> Result<(String, PathBuf), String> {
    let (name, folder) = text.split_once('=').ok_or("expected NAME=DIR")?;
    Ok((name.to_owned(), folder.into()))
}

impl Settings {
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        config.roots.extend(self.root.iter().cloned());
        Ok(config)
    }

    /// What leads another command to the same database.
    fn flags(&self) -> String {
        let flags = [("--config", &self.config), ("--data", &self.data)];
        let given = flags
            .into_iter()
            .filter_map(|(flag, path)| Some(format!(" {flag} {}", shown(path.as_ref()?))));
        given.collect()
    }

    /// The folder of data, where it has no database yet and needs one.
    pub(crate) fn new_data(&self) -> anyhow::Result<Option<PathBuf>> {
        let config = self.config()?;
        let is_new = config.database.is_none() && !config.data.join("aprove.sqlite").exists();
        Ok(is_new.then_some(config.data))
    }

    /// Opens the service; each job will run this program.
    pub(crate) fn open(&self) -> anyhow::Result<Service> {
        open(self.config()?)
    }
}

fn open(config: Config) -> anyhow::Result<Service> {
    let program = std::env::current_exe().context("this program cannot be found")?;
    Ok(Service::open(config, program)?)
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut config = arguments.settings.config()?;
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    let needs_tokens = config.needs_tokens();
    let service = open(config)?;
    if needs_tokens && service.tokens()?.is_empty() {
        output::note(&format!(
            "warning: every request needs a token, and there is none: aprove token{} new --name NAME --scope read --scope submit",
            arguments.settings.flags()
        ));
    }
    service::log();
    let mut printed = Ok(());
    service
        .serve(|address| printed = output::print(&format!("listening on http://{address}\n")))?;
    printed?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn the_command_that_makes_a_token_leads_to_the_same_database() {
        let settings = Settings {
            config: Some("a b.toml".into()),
            data: Some("d".into()),
            root: Vec::new(),
        };
        assert_eq!(settings.flags(), " --config 'a b.toml' --data d");
    }
}
