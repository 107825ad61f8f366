//! Any text as PTX: read or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ptx_interpreter::Module;

fuzz_target!(|text: &str| drop(Module::parse(text)));
