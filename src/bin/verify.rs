//! The `verify` program: exactly `aprove verify`, so that `verify a.apr b.gguf` works.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    aprove::run(
        program
            .into_iter()
            .chain([OsString::from("verify")])
            .chain(arguments),
    )
}
