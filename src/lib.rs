//! The command line of aprove: one file for each subcommand.
//!
//! This is the only place that joins the converter and the verifier, and the only one that touches the terminal.

// Not `forbid`: the macro that makes the constructor in `output` allows itself what it needs.
#![deny(unsafe_code)]

mod answers;
mod behaviour;
mod clock;
mod color;
mod commands;
mod device;
mod diagnosis;
mod engine_flags;
mod exit;
mod forward_output;
mod in_order;
mod input;
mod model;
mod models;
mod next_command;
mod not_opened;
mod numbers;
mod output;
mod policy;
mod progress;
mod prompt;
mod remake;
mod reports;
mod run;
mod sidecar;
mod signals;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    bisect, check, compare_trace, completions, convert, doctor, explain, forward, inspect, man,
    manifest, restore, schema, self_test, verify,
};
#[cfg(feature = "service")]
use crate::commands::{job, publish, serve, token, worker};
use crate::exit::{NOT_DONE, Outcome};
use crate::output::{ErrorRow, FormatFlag};

/// Runs the command line of `aprove` and returns its exit code; the first argument is the name of the program.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_as(arguments, |line: CommandLine| line.command.run())
}

/// Runs the command line of `verify`, which is `aprove verify` as a program of its own.
#[must_use]
pub fn run_verify(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_as(arguments, |line: VerifyLine| verify::run(&line.arguments))
}

fn run_as<L: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
    run: impl FnOnce(L) -> anyhow::Result<Outcome>,
) -> ExitCode {
    if let Err(error) = signals::survive_limits() {
        output::note(&format!("error: signals cannot be handled: {error}"));
        return ExitCode::from(NOT_DONE);
    }
    if output::is_closed() {
        output::note(
            "error: standard output is closed: no answer could be given, and nothing was done",
        );
        return ExitCode::from(NOT_DONE);
    }
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    color::choose(&arguments);
    panic::set_hook(Box::new(|info| output::note(&said_of_panic(info))));
    let parsed = L::command().try_get_matches_from(arguments);
    let parsed = parsed.and_then(|found| Ok((is_json(&found), L::from_arg_matches(&found)?)));
    let (is_json, line) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.render().to_string();
            // An argument may hold escapes; what holds none is printed as it is, with its colours.
            let printed = if output::plain(&text) == text {
                error.print()
            } else {
                output::note(text.trim_end());
                Ok(())
            };
            return match (error.use_stderr(), printed) {
                (false, Ok(())) => ExitCode::SUCCESS,
                _ => ExitCode::from(NOT_DONE),
            };
        }
    };
    // A panic is a bug of ours; the hook has printed it. It must never look like a verdict.
    let outcome = catch_unwind(AssertUnwindSafe(|| run(line)));
    match outcome {
        Ok(Ok(outcome)) => outcome.into(),
        Ok(Err(error)) => {
            output::error(&error);
            if is_json {
                output::print_instead(&output::document_of(ErrorRow::of(&error)));
            }
            ExitCode::from(NOT_DONE)
        }
        Err(_) => {
            if is_json {
                output::print_instead(&output::document_of(ErrorRow::stopped()));
            }
            ExitCode::from(NOT_DONE)
        }
    }
}

/// Whether a program reads what the command prints.
fn is_json(found: &ArgMatches) -> bool {
    let found = found.subcommand().map_or(found, |(_, found)| found);
    matches!(found.try_get_one("format"), Ok(Some(FormatFlag::Json)))
}

/// What a person is told when the program ends in the middle.
fn said_of_panic(info: &PanicHookInfo<'_>) -> String {
    let why = info.payload_as_str().unwrap_or("no reason given");
    let place = info.location().map(ToString::to_string);
    let place = place.unwrap_or_else(|| "an unknown place".to_owned());
    if why.contains("failed to spawn thread") {
        return format!(
            "error: the system starts no more threads ({why}); raise the limit and run again"
        );
    }
    format!(
        "error: {STOPPED} {place}: {why}; nothing follows about the files, and this is a bug of aprove"
    )
}

/// The service knows by it that a job was ended by a bug.
const STOPPED: &str = "aprove stopped at";

/// Converts GGUF models to APR v2 and proves the result byte for byte.
#[derive(Parser)]
#[command(name = "aprove", version, max_term_width = 100, arg(color::flag()))]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

// The command line of the program `verify`; its help is that of the subcommand.
#[derive(Parser)]
#[command(name = "verify", version, max_term_width = 100, arg(color::flag()))]
struct VerifyLine {
    #[command(flatten)]
    arguments: verify::Arguments,
}

#[derive(Subcommand)]
enum Command {
    Convert(convert::Arguments),
    Verify(verify::Arguments),
    Check(check::Arguments),
    Restore(restore::Arguments),
    Forward(forward::Arguments),
    Bisect(bisect::Arguments),
    CompareTrace(compare_trace::Arguments),
    Inspect(inspect::Arguments),
    Manifest(manifest::Arguments),
    Doctor(doctor::Arguments),
    SelfTest(self_test::Arguments),
    Explain(explain::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    #[cfg(feature = "service")]
    Serve(serve::Arguments),
    #[cfg(feature = "service")]
    Worker(worker::Arguments),
    #[cfg(feature = "service")]
    Token(token::Arguments),
    #[cfg(feature = "service")]
    Job(job::Arguments),
    #[cfg(feature = "service")]
    Publish(publish::Arguments),
}

impl Command {
    fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Convert(arguments) => convert::run(&arguments),
            Self::Verify(arguments) => verify::run(&arguments),
            Self::Check(arguments) => check::run(&arguments),
            Self::Restore(arguments) => restore::run(&arguments),
            Self::Forward(arguments) => forward::run(&arguments),
            Self::Bisect(arguments) => bisect::run(&arguments),
            Self::CompareTrace(arguments) => compare_trace::run(&arguments),
            Self::Inspect(arguments) => inspect::run(&arguments),
            Self::Manifest(arguments) => manifest::run(&arguments),
            Self::Doctor(arguments) => doctor::run(&arguments),
            Self::SelfTest(arguments) => self_test::run(&arguments),
            Self::Explain(arguments) => explain::run(&arguments),
            Self::Schema(arguments) => schema::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments),
            Self::Man(arguments) => man::run(&arguments),
            #[cfg(feature = "service")]
            Self::Serve(arguments) => serve::run(&arguments),
            #[cfg(feature = "service")]
            Self::Token(arguments) => token::run(&arguments),
            #[cfg(feature = "service")]
            Self::Worker(arguments) => worker::run(&arguments),
            #[cfg(feature = "service")]
            Self::Job(arguments) => job::run(&arguments),
            #[cfg(feature = "service")]
            Self::Publish(arguments) => publish::run(&arguments),
        }
    }
}

/// The command line as data, for completions and man pages.
fn command_line() -> clap::Command {
    CommandLine::command()
}

/// The same of the `verify` program.
fn verify_line() -> clap::Command {
    VerifyLine::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
        VerifyLine::command().debug_assert();
    }

    #[cfg(feature = "service")]
    #[test]
    fn the_service_tells_a_bug_by_its_words() {
        assert_eq!(STOPPED, service::STOPPED);
    }

    #[test]
    fn a_usage_error_is_not_done() {
        let code = run(["aprove", "verify", "only-one.apr"].map(OsString::from));
        assert_eq!(code, ExitCode::from(NOT_DONE));
    }
}
