//! The ring of upload buffers: pinned memory that is read into, and its copies on the GPU that kernels read, in turn.
#![expect(
    unsafe_code,
    reason = "copies that the GPU does while the program goes on"
)]

use crate::cuda::{
    driver::{
        gpu::Gpu,
        memory::{Buffer, Pinned},
        stream::Event,
    },
    error::Error,
};

/// A few slots of one size, each with memory of the host and of the GPU.
pub(crate) struct Ring {
    pinned: Vec<Pinned>,
    copies: Vec<Copy>,
    bytes: usize,
}

/// The part of a slot that is on the GPU.
struct Copy {
    buffer: Buffer,
    /// The end of the last kernel that reads it.
    used: Event,
}

/// The pinned memory of a slot. Its owner may fill it, on any thread.
pub(crate) struct Lent<'a> {
    index: usize,
    bytes: &'a mut [u8],
}

/// The pinned memory of a slot on its way to the GPU: it cannot be filled before [`Slots::wait`] has given it back.
pub(crate) struct Leaving<'a>(Lent<'a>);

/// The slots of a ring while their memory is lent.
pub(crate) struct Slots<'a> {
    gpu: &'a Gpu,
    copies: &'a [Copy],
    /// The end of the last copy of each slot.
    copied: Vec<&'a Event>,
}

impl Ring {
    /// Allocates `count` slots of this many bytes, rounded up to a multiple of 16.
    ///
    /// # Errors
    /// Fails when a call of the driver fails, and when the limit of memory is too low.
    pub(crate) fn new(gpu: &Gpu, count: usize, bytes: usize) -> Result<Self, Error> {
        let bytes = bytes.next_multiple_of(16);
        let copy = || {
            Ok::<_, Error>(Copy {
                buffer: gpu.allocate::<u8>(bytes)?,
                used: Event::new(gpu.context())?,
            })
        };
        let pinned = (0..count).map(|_| Pinned::new(gpu.context(), bytes));
        Ok(Self {
            pinned: pinned.collect::<Result<_, _>>()?,
            copies: (0..count).map(|_| copy()).collect::<Result<_, _>>()?,
            bytes,
        })
    }

    /// The most bytes of a panel.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lends the pinned memory of all slots.
    pub(crate) fn lend<'a>(&'a mut self, gpu: &'a Gpu) -> (Vec<Lent<'a>>, Slots<'a>) {
        let (mut lent, mut copied) = (Vec::new(), Vec::new());
        for (index, pinned) in self.pinned.iter_mut().enumerate() {
            let (bytes, event) = pinned.lend();
            lent.push(Lent { index, bytes });
            copied.push(event);
        }
        let slots = Slots {
            gpu,
            copies: &self.copies,
            copied,
        };
        (lent, slots)
    }
}

impl Lent<'_> {
    /// The first `length` bytes, to fill.
    pub(crate) fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        let bytes = self.bytes.get_mut(..length);
        bytes.unwrap_or_else(|| unreachable!("slots have room for the largest panel"))
    }
}

impl<'a> Slots<'a> {
    /// Copies the first `length` bytes of a slot to the GPU, behind the kernels that use the last content; waits for
    /// none of that itself.
    ///
    /// Up to the next multiple of 16, the bytes behind them are copied as well, so that a kernel may read whole words.
    ///
    /// # Errors
    /// Fails when there are fewer bytes, and when a call of the driver fails.
    pub(crate) fn copy(
        &self,
        lent: Lent<'a>,
        length: usize,
    ) -> Result<(Leaving<'a>, &'a Buffer), Error> {
        let (copy, copied) = self.slot(&lent);
        let outside = Error::Outside {
            needed: length,
            there: lent.bytes.len(),
        };
        let bytes = lent.bytes.get(..length.next_multiple_of(16));
        let stream = &self.gpu.copy;
        stream.wait(&copy.used)?;
        // SAFETY: the bytes cannot be written to before `wait` has given them back, and the memory is freed only when the
        // event that is recorded next is reached.
        unsafe { copy.buffer.write_pinned(stream, bytes.ok_or(outside)?) }?;
        copied.record_or_wait(stream)?;
        Ok((Leaving(lent), &copy.buffer))
    }

    /// Lets the kernels that are launched from now on wait for the copy of a slot.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub(crate) fn arrives(&self, leaving: &Leaving<'a>) -> Result<(), Error> {
        let (_, copied) = self.slot(&leaving.0);
        self.gpu.compute.wait(copied)
    }

    /// Says that the kernels that were launched until now are the last ones to read the copy of a slot.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub(crate) fn used(&self, leaving: &Leaving<'a>) -> Result<(), Error> {
        let (copy, _) = self.slot(&leaving.0);
        copy.used.record(&self.gpu.compute)
    }

    /// Lets the thread wait until a slot is copied, and gives its memory back.
    ///
    /// # Errors
    /// Fails when the call of the driver or the copy fails.
    pub(crate) fn wait(&self, leaving: Leaving<'a>) -> Result<Lent<'a>, Error> {
        let (_, copied) = self.slot(&leaving.0);
        copied.synchronize()?;
        Ok(leaving.0)
    }

    fn slot(&self, lent: &Lent<'a>) -> (&'a Copy, &'a Event) {
        let slot = self.copies.get(lent.index).zip(self.copied.get(lent.index));
        let slot = slot.unwrap_or_else(|| unreachable!("memory is lent by the ring of its slot"));
        (slot.0, *slot.1)
    }
}
