//! The state behind the entry points, and what every call has in common.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use ptx_interpreter::{Memory, Module};

use crate::{
    settings::Settings,
    streams::{Streams, Work},
};

/// All that the process has on its GPUs.
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    pub(crate) ready: bool,
    /// How often the context is retained; all GPUs share one memory, since a program uses one.
    pub(crate) contexts: usize,
    pub(crate) memory: Memory,
    /// The bytes of each allocation, by address.
    pub(crate) allocations: BTreeMap<u64, usize>,
    /// Pinned memory of the host, by address.
    pub(crate) pinned: BTreeMap<usize, Box<[u8]>>,
    pub(crate) streams: Streams,
    pub(crate) modules: BTreeMap<usize, Arc<Module>>,
    pub(crate) kernels: Vec<Kernel>,
    calls: BTreeMap<&'static str, u64>,
    /// The code that ended the context: every later call returns it.
    lost: Option<u32>,
}

/// A kernel of a module.
#[derive(Clone)]
pub(crate) struct Kernel {
    pub(crate) module: Arc<Module>,
    pub(crate) name: String,
}

/// Counts a call, fails it where a test wants that, and does it otherwise.
pub(crate) fn call(
    name: &'static str,
    kind: Kind,
    body: impl FnOnce(&mut Driver) -> Result<(), u32>,
) -> u32 {
    let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(code) = driver.count(name) {
        note(&format!("{name} fails with {code}, as it was told to"));
        return driver.end(code);
    }
    let missing = match kind {
        Kind::Always => None,
        Kind::Ready if !driver.ready => Some(NOT_INITIALIZED),
        Kind::Ready => None,
        Kind::Context if CURRENT.get() => driver.lost,
        Kind::Context => Some(INVALID_CONTEXT),
    };
    if let Some(code) = missing {
        return code;
    }
    let done = catch_unwind(AssertUnwindSafe(|| body(&mut driver)));
    match done {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => driver.end(code),
        Err(_) => UNKNOWN,
    }
}

/// What a call needs.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Nothing.
    Always,
    /// That `cuInit` was called.
    Ready,
    /// A context that is current on the thread and not lost.
    Context,
}

impl Driver {
    /// Adds work to a stream.
    pub(crate) fn add(&mut self, stream: usize, work: Work) -> Result<(), u32> {
        let order = self.settings.order;
        self.streams.add(stream, work, order, &mut self.memory)
    }

    /// Whether an address is in pinned memory.
    pub(crate) fn is_pinned(&self, address: usize, length: usize) -> bool {
        let before = self.pinned.range(..=address).next_back();
        before.is_some_and(|(start, bytes)| {
            address.saturating_add(length) <= start.saturating_add(bytes.len())
        })
    }

    /// The bytes that are allocated on the GPU.
    pub(crate) fn used(&self) -> usize {
        self.allocations.values().sum()
    }

    /// Says what a program has left when it gives the context back.
    pub(crate) fn note_what_is_left(&self) {
        let left = [
            ("allocations", self.allocations.len()),
            ("pinned allocations", self.pinned.len()),
            ("modules", self.modules.len()),
            ("streams and events", self.streams.len()),
        ];
        for (what, count) in left.into_iter().filter(|(_, count)| *count > 0) {
            note(&format!("{count} {what} are left"));
        }
    }

    /// Counts a call; returns the code that it shall fail with.
    fn count(&mut self, name: &'static str) -> Option<u32> {
        if let Some(path) = &self.settings.log {
            let log = OpenOptions::new().append(true).create(true).open(path);
            drop(log.and_then(|mut log| writeln!(log, "{name}")));
        }
        let calls = self.calls.entry(name).or_default();
        *calls = calls.saturating_add(1);
        let failure = self.settings.failure.as_ref()?;
        (failure.function == name && failure.call == *calls).then_some(failure.code)
    }

    /// Whether the call that was counted last brings a wrong bit.
    pub(crate) fn flips(&self, name: &str) -> bool {
        let call = self.calls.get(name).copied();
        let flip = self.settings.flip.as_ref();
        let flips = flip.is_some_and(|(function, flip)| function == name && Some(*flip) == call);
        if flips {
            note(&format!("{name} brings a wrong bit, as it was told to"));
        }
        flips
    }

    /// Remembers a code that ends the context.
    const fn end(&mut self, code: u32) -> u32 {
        if matches!(code, 214 | 700..=702 | 714..=719) {
            self.lost = Some(code);
        }
        code
    }
}

/// Makes the context current on this thread, or none.
pub(crate) fn set_current(current: bool) {
    CURRENT.set(current);
}

/// Says something to the person at the test.
#[expect(clippy::print_stderr, reason = "a driver has no other way to tell")]
pub(crate) fn note(text: &str) {
    eprintln!("stand-in driver: {text}");
}

thread_local! {
    static CURRENT: Cell<bool> = const { Cell::new(false) };
}

static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(|| {
    Mutex::new(Driver {
        settings: Settings::new(),
        ready: false,
        contexts: 0,
        memory: Memory::new(),
        allocations: BTreeMap::new(),
        pinned: BTreeMap::new(),
        streams: Streams::default(),
        modules: BTreeMap::new(),
        kernels: Vec::new(),
        calls: BTreeMap::new(),
        lost: None,
    })
});

pub(crate) const INVALID_VALUE: u32 = 1;
pub(crate) const OUT_OF_MEMORY: u32 = 2;
pub(crate) const NOT_INITIALIZED: u32 = 3;
pub(crate) const NO_DEVICE: u32 = 100;
pub(crate) const INVALID_DEVICE: u32 = 101;
pub(crate) const INVALID_CONTEXT: u32 = 201;
pub(crate) const INVALID_PTX: u32 = 218;
pub(crate) const INVALID_HANDLE: u32 = 400;
pub(crate) const NOT_FOUND: u32 = 500;
pub(crate) const NOT_READY: u32 = 600;
pub(crate) const ILLEGAL_ADDRESS: u32 = 700;
pub(crate) const LAUNCH_FAILED: u32 = 719;
pub(crate) const UNKNOWN: u32 = 999;
