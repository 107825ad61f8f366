//! The `aprove` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    aprove::run(std::env::args_os())
}
