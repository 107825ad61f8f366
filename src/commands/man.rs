//! `aprove man`: prints the manual page of the program or of a subcommand.

use anyhow::Context as _;
use clap::Args;

use crate::exit::Outcome;
use crate::{command_line, output};

/// Prints the manual page of the program, or of a subcommand.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove man verify | man -l -")]
pub(crate) struct Arguments {
    /// A subcommand, such as `verify`
    subcommand: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut command = command_line();
    command.build();
    if let Some(name) = &arguments.subcommand {
        let found = command.find_subcommand(name);
        let found = found.with_context(|| format!("no subcommand is called {name:?}"))?;
        command = found.clone();
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output::print(&String::from_utf8(page)?)?;
    Ok(Outcome::Done)
}
