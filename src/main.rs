//! The `aprove` program.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    aprove::run(std::env::args_os())
}
