//! The way of the weights to the GPU: pinned memory that is read into, and its copies that kernels run on, in turn.
#![expect(
    unsafe_code,
    reason = "copies that the GPU does while the program goes on"
)]

use crate::cuda::driver::{
    error::Error,
    gpu::Gpu,
    memory::{Buffer, Pinned},
    stream::Event,
};

/// A few places of one size, each with memory of the host and of the GPU.
pub(crate) struct Ring {
    pinned: Vec<Pinned>,
    copies: Vec<Copy>,
    bytes: usize,
}

/// The part of a place that is on the GPU.
struct Copy {
    buffer: Buffer,
    /// The end of the last kernel that reads it.
    used: Event,
}

/// The pinned memory of a place. Who has it may fill it, on any thread.
pub(crate) struct Lent<'a> {
    index: usize,
    bytes: &'a mut [u8],
}

/// The pinned memory of a place on its way to the GPU: nobody can fill it before [`Places::wait`] has given it back.
pub(crate) struct Leaving<'a>(Lent<'a>);

/// The places of a ring while their memory is lent.
pub(crate) struct Places<'a> {
    gpu: &'a Gpu,
    copies: &'a [Copy],
    /// The end of the last copy of each place.
    copied: Vec<&'a Event>,
}

impl Ring {
    /// Allocates `count` places of this many bytes, rounded up to a multiple of 16.
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

    /// Lends the pinned memory of all places.
    pub(crate) fn lend<'a>(&'a mut self, gpu: &'a Gpu) -> (Vec<Lent<'a>>, Places<'a>) {
        let (mut lent, mut copied) = (Vec::new(), Vec::new());
        for (index, pinned) in self.pinned.iter_mut().enumerate() {
            let (bytes, event) = pinned.lend();
            lent.push(Lent { index, bytes });
            copied.push(event);
        }
        let places = Places {
            gpu,
            copies: &self.copies,
            copied,
        };
        (lent, places)
    }
}

impl Lent<'_> {
    /// The bytes to fill: `length` of them, or all if there are fewer.
    pub(crate) fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        let length = length.min(self.bytes.len());
        self.bytes.get_mut(..length).unwrap_or_default()
    }
}

impl<'a> Places<'a> {
    /// Copies the first `length` bytes of a place to the GPU, behind the kernels that use what was there; waits for none of
    /// that itself.
    ///
    /// Up to the next multiple of 16, what lies behind the bytes is copied as well, so that a kernel may read whole words.
    ///
    /// # Errors
    /// Fails when there are fewer bytes, and when a call of the driver fails.
    pub(crate) fn copy(
        &self,
        lent: Lent<'a>,
        length: usize,
    ) -> Result<(Leaving<'a>, &'a Buffer), Error> {
        let (copy, copied) = self.place(&lent)?;
        let outside = Error::Outside {
            needed: length,
            there: lent.bytes.len(),
        };
        let bytes = lent.bytes.get(..length.next_multiple_of(16));
        let stream = &self.gpu.copy;
        stream.wait(&copy.used)?;
        // SAFETY: nobody can write to the bytes before `wait` has given them back, and the memory is freed only when the
        // event that is recorded next is reached.
        unsafe { copy.buffer.write_pinned(stream, bytes.ok_or(outside)?) }?;
        copied.record_or_wait(stream)?;
        Ok((Leaving(lent), &copy.buffer))
    }

    /// Lets the kernels that are launched from now on wait for the copy of a place.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub(crate) fn arrives(&self, leaving: &Leaving<'a>) -> Result<(), Error> {
        let (_, copied) = self.place(&leaving.0)?;
        self.gpu.compute.wait(copied)
    }

    /// Says that the kernels that were launched until now are the last ones to read the copy of a place.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub(crate) fn used(&self, leaving: &Leaving<'a>) -> Result<(), Error> {
        let (copy, _) = self.place(&leaving.0)?;
        copy.used.record(&self.gpu.compute)
    }

    /// Lets the thread wait until a place is copied, and gives its memory back.
    ///
    /// # Errors
    /// Fails when the call of the driver or the copy fails.
    pub(crate) fn wait(&self, leaving: Leaving<'a>) -> Result<Lent<'a>, Error> {
        let (_, copied) = self.place(&leaving.0)?;
        copied.synchronize()?;
        Ok(leaving.0)
    }

    fn place(&self, lent: &Lent<'a>) -> Result<(&'a Copy, &'a Event), Error> {
        let place = self.copies.get(lent.index).zip(self.copied.get(lent.index));
        let (copy, copied) = place.ok_or(Error::Outside {
            needed: lent.index.saturating_add(1),
            there: self.copies.len(),
        })?;
        Ok((copy, *copied))
    }
}
