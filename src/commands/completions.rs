//! `aprove completions`: prints the completions of a shell.

use clap::{Arg, Args, Command, ValueEnum};
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
    output::print(&script(arguments.shell, arguments.program)?)?;
    Ok(Outcome::Done)
}

fn script(shell: Shell, program: Program) -> anyhow::Result<String> {
    let (command, name) = match program {
        Program::Aprove => (command_line(), "aprove"),
        Program::Verify => (verify_line(), "verify"),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_words(command), name, &mut script);
    Ok(String::from_utf8(script)?)
}

/// Names the words of flags whose own parsers take others beside them, or say more about a wrong one than a list does.
fn with_words(command: Command) -> Command {
    let words = |flag: Arg| match flag.get_id().as_str() {
        "forward" if !flag.is_hide_set() => flag.value_parser(["on", "off"]),
        "device" => flag.value_parser(["auto", "cpu", "cuda"]),
        _ => flag,
    };
    command.mut_args(words).mut_subcommands(with_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_flag_are_offered() {
        for program in [Program::Aprove, Program::Verify] {
            let script = script(Shell::Fish, program).unwrap();
            for words in [
                "-r -f -a \"on\\t''\noff\\t''\"",
                "-r -f -a \"auto\\t''\ncpu\\t''",
            ] {
                assert!(script.contains(words), "{words}: {script}");
            }
        }
    }
}
