//! The thread that reads weights ahead of the GPU, into pinned memory, from both files of a pair in lock step.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::Scope,
};

use crate::cuda::{
    driver::memory::Buffer,
    run_error::RunError,
    upload::{
        panel::{FileRange, Panel},
        ring::{Leaving, Lent, Slots},
    },
};
use crate::{arithmetic::thread_pool, error::Error};

/// The panels of all products, in order, as they arrive on the GPU.
pub(crate) struct Upload<'a> {
    slots: Slots<'a>,
    filled: Receiver<Result<Filled<'a>, Error>>,
    free: Sender<Lent<'a>>,
    /// The next panel, on its way while the kernels of the last one run.
    ahead: Option<Arriving<'a>>,
}

/// A panel that was read.
struct Filled<'a> {
    /// The memory and the number of bytes of each side that takes the panel; the bytes of the second side are left out
    /// where they are those of the first.
    slots: [Option<(Lent<'a>, usize)>; 2],
    same: bool,
}

/// A panel on its way to the GPU.
struct Arriving<'a> {
    panel: Arrived<'a>,
    slots: Vec<Leaving<'a>>,
}

/// A panel on the GPU.
pub(crate) struct Arrived<'a> {
    /// The bytes of each side that takes the panel.
    pub(crate) buffers: [Option<&'a Buffer>; 2],
    /// Whether both sides have the same bytes, which are there once.
    pub(crate) same: bool,
}

impl<'a> Upload<'a> {
    /// Starts to read panels, in order, into the slots of a ring.
    ///
    /// `threads` read at a time: one alone may be slower than the disk. It ends with the last panel, with the first
    /// failure, or when the upload is dropped.
    pub(crate) fn start<'scope, 'b: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        panels: impl Iterator<Item = &'b Panel<'b>> + Send + 'scope,
        (lent, slots): (Vec<Lent<'a>>, Slots<'a>),
        threads: usize,
    ) -> Self
    where
        'a: 'scope,
    {
        let (free, to_fill) = channel();
        let (done, filled) = channel();
        let mut reader = Reader {
            spare: lent,
            free: to_fill,
            threads,
        };
        scope.spawn(move || {
            for panel in panels {
                // Without memory to fill, no one waits for panels any longer.
                let Some(filled) = reader.fill(panel) else {
                    return;
                };
                let failed = filled.is_err();
                if done.send(filled).is_err() || failed {
                    return;
                }
            }
        });
        Self {
            slots,
            filled,
            free,
            ahead: None,
        }
    }

    /// Lets `with` launch on the compute stream what reads the next panel, starts to copy the one after it, and waits until
    /// the first one has been copied, but not for the kernels.
    ///
    /// # Errors
    /// Fails when a panel could not be read, and when `with` or a call of the driver fails.
    pub(crate) fn take(
        &mut self,
        with: impl FnOnce(&Arrived<'a>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        if self.ahead.is_none() {
            self.ahead = self.start_next()?;
        }
        let ahead = self.ahead.take();
        let Arriving { panel, slots } =
            ahead.unwrap_or_else(|| unreachable!("more panels are taken than the plan has"));
        for slot in &slots {
            self.slots.arrives(slot)?;
        }
        with(&panel)?;
        for slot in &slots {
            self.slots.used(slot)?;
        }
        self.ahead = self.start_next()?;
        for slot in slots {
            // The receiver is gone when everything has been read.
            drop(self.free.send(self.slots.wait(slot)?));
        }
        Ok(())
    }

    /// Starts to copy the next panel, once it has been read; `None` after the last one.
    fn start_next(&self) -> Result<Option<Arriving<'a>>, RunError> {
        let Ok(filled) = self.filled.recv() else {
            return Ok(None);
        };
        let Filled { slots, same } = filled?;
        let mut buffers = [None; 2];
        let mut leaving = Vec::new();
        for (slot, buffer) in slots.into_iter().zip(&mut buffers) {
            if let Some((lent, length)) = slot {
                let (copied, there) = self.slots.copy(lent, length)?;
                leaving.push(copied);
                *buffer = Some(there);
            }
        }
        if let ([first, second], true) = (&mut buffers, same) {
            *second = *first;
        }
        Ok(Some(Arriving {
            panel: Arrived { buffers, same },
            slots: leaving,
        }))
    }
}

struct Reader<'a> {
    spare: Vec<Lent<'a>>,
    free: Receiver<Lent<'a>>,
    threads: usize,
}

impl<'a> Reader<'a> {
    /// Reads a panel; `None` when no memory comes back any more.
    fn fill(&mut self, panel: &Panel<'_>) -> Option<Result<Filled<'a>, Error>> {
        let mut slots = [None, None];
        for (slot, range) in slots.iter_mut().zip(&panel.ranges) {
            if let Some(range) = range {
                *slot = Some((self.memory()?, range.length));
            }
        }
        let mut jobs = Vec::new();
        let [a, b] = &mut slots;
        let [of_a, of_b] = panel.ranges;
        let mut stripes = [(a, of_a), (b, of_b)].map(|(slot, range)| {
            let memory = slot.as_mut().zip(range);
            memory.map(|((lent, length), range)| stripes(lent.bytes_mut(*length), range))
        });
        loop {
            let stripe = stripes.each_mut().map(|side| side.as_mut()?.next());
            if stripe.iter().all(Option::is_none) {
                break;
            }
            jobs.push(stripe);
        }
        drop(stripes);
        let same = AtomicBool::new(panel.ranges.iter().all(Option::is_some));
        let read = thread_pool::for_each(self.threads, jobs, |mut stripe| {
            stripe.iter_mut().flatten().try_for_each(Stripe::read)?;
            if let [Some(a), Some(b)] = &stripe
                && a.bytes != b.bytes
            {
                same.store(false, Relaxed);
            }
            Ok(())
        });
        if let Err(error) = read {
            return Some(Err(error));
        }
        let same = same.into_inner();
        if same {
            let second = slots.last_mut().and_then(Option::take);
            self.spare.extend(second.map(|(lent, _)| lent));
        }
        Some(Ok(Filled { slots, same }))
    }

    fn memory(&mut self) -> Option<Lent<'a>> {
        self.spare.pop().or_else(|| self.free.recv().ok())
    }
}

/// A part of a panel that one thread reads.
struct Stripe<'a, 'b> {
    bytes: &'a mut [u8],
    range: FileRange<'b>,
}

impl Stripe<'_, '_> {
    fn read(&mut self) -> Result<(), Error> {
        let FileRange { source, offset, .. } = self.range;
        source
            .read_exact_at(offset, self.bytes)
            .map_err(|error| Error::io(offset, self.bytes.len(), &error))
    }
}

fn stripes<'a, 'b>(
    bytes: &'a mut [u8],
    range: FileRange<'b>,
) -> impl Iterator<Item = Stripe<'a, 'b>> {
    let mut offset = range.offset;
    bytes.chunks_mut(STRIPE).map(move |bytes| {
        let length = bytes.len();
        let part = FileRange {
            offset,
            length,
            ..range
        };
        offset += length as u64;
        Stripe { bytes, range: part }
    })
}

/// Small enough for the threads of a large machine to share a panel, large enough for a read.
const STRIPE: usize = 512 << 10;
