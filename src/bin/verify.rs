//! The `verify` program: `aprove verify` under a name of its own, so that `verify a.apr b.gguf` works.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    aprove::run_verify(std::env::args_os())
}
