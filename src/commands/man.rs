//! `aprove man`: prints the manual page of the program or of a subcommand.

use anyhow::Context as _;
use clap::{Args, Command};

use crate::exit::Outcome;
use crate::{command_line, output};

/// Prints the manual page of the program, or of a subcommand.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove man verify | man -l -")]
pub(crate) struct Arguments {
    /// A subcommand, such as `verify` or `token-new`
    subcommand: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    // Each page says what `help` would.
    let mut command = without_help(command_line());
    command.build();
    if let Some(name) = &arguments.subcommand {
        let found = find(&command, name);
        let found = found.with_context(|| format!("no subcommand is called {name:?}"))?;
        command = found.clone();
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output::print(&String::from_utf8(page)?)?;
    Ok(Outcome::Done)
}

/// A subcommand, by the name of its page: its own, behind those of the commands above it.
fn find<'c>(command: &'c Command, page: &str) -> Option<&'c Command> {
    command.get_subcommands().find_map(|one| {
        let rest = page.strip_prefix(one.get_name())?;
        match rest.strip_prefix('-') {
            Some(below) => find(one, below),
            None => rest.is_empty().then_some(one),
        }
    })
}

fn without_help(command: Command) -> Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_that_a_page_refers_to_is_there() {
        let mut command = without_help(command_line());
        command.build();
        for page in ["verify", "compare-trace", "token-new"] {
            assert!(find(&command, page).is_some(), "{page}");
        }
        let mut pages = vec![&command];
        while let Some(page) = pages.pop() {
            assert_ne!(page.get_name(), "help");
            pages.extend(page.get_subcommands());
        }
    }
}
