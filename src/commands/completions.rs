//! `aprove completions`: prints the completions of a shell.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::exit::Outcome;
use crate::{command_line, output, verify_line};

/// Prints the completions of a program for a shell.
#[derive(Args)]
#[command(
    after_help = "Example:\n  aprove completions bash > ~/.local/share/bash-completion/completions/aprove"
)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,

    /// The program
    #[arg(value_enum, default_value_t = Program::Aprove)]
    program: Program,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    Aprove,
    Verify,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (mut command, name) = match arguments.program {
        Program::Aprove => (command_line(), "aprove"),
        Program::Verify => (verify_line(), "verify"),
    };
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
