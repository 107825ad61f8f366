//! `aprove completions`: prints the completions of a shell.

use clap::Args;
use clap_complete::Shell;

use crate::exit::Outcome;
use crate::{command_line, output};

/// Prints the completions for a shell.
#[derive(Args)]
#[command(
    after_help = "Example:\n  aprove completions bash > ~/.local/share/bash-completion/completions/aprove"
)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command_line(), "aprove", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
