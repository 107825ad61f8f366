//! The process between a worker and the program: it takes limits on itself, and becomes the program.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};

/// What a job may use.
#[derive(Clone, Copy, Debug)]
pub struct Confinement {
    /// Bytes of address space.
    pub memory: u64,
    /// Seconds of CPU time, of all threads together.
    pub cpu_seconds: u64,
    /// The worker, with which the job dies.
    pub worker: u32,
}

/// Takes the limits and becomes the program; returns only if that fails.
#[must_use]
pub fn become_confined(confinement: Confinement, command: &mut Command) -> io::Error {
    match confine(confinement) {
        Ok(()) => command.exec(),
        Err(error) => error,
    }
}

fn confine(confinement: Confinement) -> io::Result<()> {
    // A job outlives its worker in no case: another worker would begin it beside the first.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map(|parent| parent.as_raw_nonzero().get());
    if parent != i32::try_from(confinement.worker).ok() {
        return Err(io::Error::other("the worker is gone"));
    }
    for (resource, limit) in [
        (Resource::As, confinement.memory),
        (Resource::Cpu, confinement.cpu_seconds),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}
