//! Work that waits in streams, and when it is done.
#![expect(unsafe_code, reason = "copies from and to memory of the program")]

use std::{
    collections::{BTreeMap, VecDeque},
    slice,
    time::Instant,
};

use ptx_interpreter::{Argument, Memory, Options, Schedule};

use crate::{
    driver::{ILLEGAL_ADDRESS, INVALID_HANDLE, Kernel, LAUNCH_FAILED, NOT_READY, note},
    settings::Order,
};

/// All streams and events of the process, by number.
#[derive(Default)]
pub(crate) struct Streams {
    streams: BTreeMap<usize, VecDeque<Work>>,
    events: BTreeMap<usize, Event>,
    last: usize,
}

/// A piece of work.
pub(crate) enum Work {
    /// `flip` damages one bit on the way, here and below.
    Upload {
        to: u64,
        from: Host,
        flip: bool,
    },
    Download {
        from: u64,
        to: usize,
        length: usize,
        flip: bool,
    },
    Move {
        from: u64,
        to: u64,
        length: usize,
    },
    Fill {
        to: u64,
        byte: u8,
        length: usize,
    },
    Launch(Box<Launch>),
    Record {
        event: usize,
        number: usize,
    },
    Wait {
        event: usize,
        number: usize,
    },
    /// Waits until a word of pinned memory has at least this value.
    WaitValue {
        address: usize,
        value: u32,
    },
}

/// Memory of the program.
pub(crate) enum Host {
    /// Ordinary memory, which the driver takes to itself at once.
    Taken(Vec<u8>),
    /// Pinned memory, by address and length: it is read when the copy is done.
    Pinned(usize, usize),
}

/// A kernel with all that it runs on.
pub(crate) struct Launch {
    pub(crate) kernel: Kernel,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared: u32,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) seed: Option<u64>,
}

/// The streams that an event was recorded in, one after the other, how many of these records were reached, and when the
/// last of them was.
#[derive(Default)]
struct Event {
    records: Vec<usize>,
    reached: usize,
    at: Option<Instant>,
    /// Whether it may be asked for its time.
    timed: bool,
}

impl Streams {
    /// How many streams and events there are.
    pub(crate) fn len(&self) -> usize {
        self.streams.len().saturating_add(self.events.len())
    }

    /// Makes a stream; returns its number.
    pub(crate) fn new_stream(&mut self) -> usize {
        self.last += 1;
        self.streams.insert(self.last, VecDeque::new());
        self.last
    }

    /// Makes an event, with or without a time; returns its number.
    pub(crate) fn new_event(&mut self, timed: bool) -> usize {
        self.last += 1;
        let event = Event {
            timed,
            ..Event::default()
        };
        self.events.insert(self.last, event);
        self.last
    }

    /// Ends a stream with all its work.
    pub(crate) fn end_stream(&mut self, stream: usize, memory: &mut Memory) -> Result<(), u32> {
        self.finish(stream, memory)?;
        self.streams.remove(&stream).map(drop).ok_or(INVALID_HANDLE)
    }

    /// Ends an event; streams that wait for it still do, as they have its work.
    pub(crate) fn end_event(&mut self, event: usize, memory: &mut Memory) -> Result<(), u32> {
        self.finish_all(memory)?;
        self.events.remove(&event).map(drop).ok_or(INVALID_HANDLE)
    }

    /// Adds work to a stream, and does what the order wants to be done.
    pub(crate) fn add(
        &mut self,
        stream: usize,
        work: Work,
        order: Order,
        memory: &mut Memory,
    ) -> Result<(), u32> {
        let list = self.streams.get_mut(&stream).ok_or(INVALID_HANDLE)?;
        list.push_back(work);
        match order {
            Order::Late => Ok(()),
            Order::Early => self.finish_all(memory),
            Order::CopiesFirst => self.run_copies(memory),
        }
    }

    /// Adds a record of an event to a stream.
    pub(crate) fn record(
        &mut self,
        stream: usize,
        event: usize,
        order: Order,
        memory: &mut Memory,
    ) -> Result<(), u32> {
        let entry = self.events.get_mut(&event).ok_or(INVALID_HANDLE)?;
        entry.records.push(stream);
        let number = entry.records.len();
        self.add(stream, Work::Record { event, number }, order, memory)
    }

    /// Lets a stream wait for an event as it was recorded last.
    pub(crate) fn wait(
        &mut self,
        stream: usize,
        event: usize,
        order: Order,
        memory: &mut Memory,
    ) -> Result<(), u32> {
        let number = self.events.get(&event).ok_or(INVALID_HANDLE)?.records.len();
        self.add(stream, Work::Wait { event, number }, order, memory)
    }

    /// Does all work of a stream, and what it waits for.
    pub(crate) fn finish(&mut self, stream: usize, memory: &mut Memory) -> Result<(), u32> {
        loop {
            let list = self.streams.get_mut(&stream).ok_or(INVALID_HANDLE)?;
            match list.pop_front() {
                None => return Ok(()),
                Some(work) => self.run(work, memory)?,
            }
        }
    }

    /// Does the work until an event is reached as it was recorded last.
    pub(crate) fn reach_last(&mut self, event: usize, memory: &mut Memory) -> Result<(), u32> {
        let number = self.events.get(&event).ok_or(INVALID_HANDLE)?.records.len();
        self.reach(event, number, memory)
    }

    /// The milliseconds between two events as they were recorded last: those of the CPU that did the work.
    pub(crate) fn elapsed(&self, start: usize, end: usize) -> Result<f32, u32> {
        let time = |event| {
            let entry = self.events.get(&event).filter(|event| event.timed);
            let entry = entry.ok_or(INVALID_HANDLE)?;
            let at = entry.at.ok_or(INVALID_HANDLE)?;
            let done = entry.reached >= entry.records.len();
            done.then_some(at).ok_or(NOT_READY)
        };
        let (start, end) = (time(start)?, time(end)?);
        // An end before the start is a negative time, as in the library.
        let forward = end.saturating_duration_since(start).as_secs_f32();
        let back = start.saturating_duration_since(end).as_secs_f32();
        Ok((forward - back) * 1e3)
    }

    /// Does all work.
    pub(crate) fn finish_all(&mut self, memory: &mut Memory) -> Result<(), u32> {
        let all: Vec<usize> = self.streams.keys().copied().collect();
        all.into_iter()
            .try_for_each(|stream| self.finish(stream, memory))
    }

    fn reach(&mut self, event: usize, number: usize, memory: &mut Memory) -> Result<(), u32> {
        loop {
            let entry = self.events.get(&event).ok_or(INVALID_HANDLE)?;
            if entry.reached >= number {
                return Ok(());
            }
            let stream = entry.records.get(number.saturating_sub(1));
            let stream = *stream.ok_or(INVALID_HANDLE)?;
            let list = self.streams.get_mut(&stream).ok_or(INVALID_HANDLE)?;
            // A record that is neither reached nor in its stream was taken by a run that waits for this one.
            let work = list.pop_front().ok_or(LAUNCH_FAILED)?;
            self.run(work, memory)?;
        }
    }

    /// Does what stands at the front of each stream, up to a kernel or a wait for what has not been reached.
    fn run_copies(&mut self, memory: &mut Memory) -> Result<(), u32> {
        // What one stream does may let another go on.
        while let Some(work) = self.next_copy() {
            self.run(work, memory)?;
        }
        Ok(())
    }

    fn next_copy(&mut self) -> Option<Work> {
        let events = &self.events;
        self.streams.values_mut().find_map(|list| {
            let goes = match list.front()? {
                Work::Launch(_) | Work::WaitValue { .. } => false,
                Work::Wait { event, number } => events.get(event)?.reached >= *number,
                _ => true,
            };
            goes.then(|| list.pop_front()).flatten()
        })
    }

    fn run(&mut self, work: Work, memory: &mut Memory) -> Result<(), u32> {
        let done = match work {
            Work::Upload { to, from, flip } => {
                let mut bytes = match from {
                    Host::Taken(bytes) => bytes,
                    Host::Pinned(from, length) => {
                        // SAFETY: the program keeps pinned memory until it frees it, which ends all work first.
                        unsafe { slice::from_raw_parts(from as *const u8, length) }.to_vec()
                    }
                };
                damage(&mut bytes, flip);
                memory.write(to, &bytes)
            }
            Work::Download {
                from,
                to,
                length,
                flip,
            } => memory.read(from, length).map(|bytes| {
                // SAFETY: the program said that it has room for as many bytes there.
                let place = unsafe { slice::from_raw_parts_mut(to as *mut u8, length) };
                place.copy_from_slice(bytes);
                damage(place, flip);
            }),
            Work::Move { from, to, length } => {
                let bytes = memory.read(from, length).map(<[u8]>::to_vec);
                bytes.and_then(|bytes| memory.write(to, &bytes))
            }
            Work::Fill { to, byte, length } => memory.write(to, &vec![byte; length]),
            Work::Launch(launch) => return launch.run(memory),
            Work::Wait { event, number } => return self.reach(event, number, memory),
            Work::WaitValue { address, value } => {
                // SAFETY: it was pinned when the work was added, and to free it ends all work first.
                let word = unsafe { (address as *const u32).read_volatile() };
                if word.wrapping_sub(value).cast_signed() >= 0 {
                    return Ok(());
                }
                // Work is done when the program waits for it: no other thread writes the word.
                note("a stream waits for a word that nobody will write");
                return Err(LAUNCH_FAILED);
            }
            Work::Record { event, number } => {
                let entry = self.events.get_mut(&event).ok_or(INVALID_HANDLE)?;
                entry.reached = entry.reached.max(number);
                entry.at = Some(Instant::now());
                return Ok(());
            }
        };
        done.map_err(|cause| {
            note(&format!("a copy failed: {cause}"));
            ILLEGAL_ADDRESS
        })
    }
}

fn damage(bytes: &mut [u8], flip: bool) {
    if let Some(first) = bytes.first_mut().filter(|_| flip) {
        *first ^= 1;
    }
}

impl Launch {
    fn run(&self, memory: &mut Memory) -> Result<(), u32> {
        let options = Options {
            schedule: self.seed.map_or(Schedule::LowestFirst, Schedule::Random),
            ..Options::default()
        };
        let Kernel { module, name } = &self.kernel;
        let shape = (self.grid, self.block);
        let ran = module.launch(name, shape, self.shared, &self.arguments, memory, &options);
        ran.map(drop).map_err(|fault| {
            note(&fault.to_string());
            LAUNCH_FAILED
        })
    }
}
