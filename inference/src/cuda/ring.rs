//! The way of the weights to the GPU: read into pinned memory, copied while the kernels of the last panels run.

use super::{
    error::Error as Reason,
    gpu::Gpu,
    memory::{Buffer, Pinned},
    stream::Event,
};
use crate::error::Error;

/// A few places that are filled, copied and used in turn.
pub(crate) struct Ring {
    places: Vec<Place>,
    next: usize,
    bytes: usize,
}

struct Place {
    pinned: Pinned,
    buffer: Buffer,
    /// The end of the last copy to the buffer.
    copied: Event,
    /// The end of the last kernel that reads it.
    used: Event,
}

impl Ring {
    /// Allocates places of this many bytes, rounded up to a multiple of 16.
    pub(crate) fn new(gpu: &Gpu, bytes: usize) -> Result<Self, Reason> {
        let bytes = bytes.next_multiple_of(16);
        let place = || {
            Ok(Place {
                pinned: Pinned::new(gpu.context(), bytes)?,
                buffer: gpu.allocate::<u8>(bytes)?,
                copied: Event::new(gpu.context())?,
                used: Event::new(gpu.context())?,
            })
        };
        Ok(Self {
            places: (0..DEPTH).map(|_| place()).collect::<Result<_, Reason>>()?,
            next: 0,
            bytes,
        })
    }

    /// The most bytes of a panel.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fills the next place, copies it and lets kernels run on it; waits for none of that to end.
    ///
    /// `fill` gets `length` bytes; up to the next multiple of 16, what lies behind them is copied as well, so that a
    /// kernel may read whole words. `with` launches on the compute stream what reads the buffer.
    ///
    /// # Errors
    /// Fails when the panel is longer than a place, and when `fill`, `with` or a call of the driver fails.
    pub(crate) fn take(
        &mut self,
        gpu: &Gpu,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
        with: impl FnOnce(&Buffer) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let too_long = Reason::Outside {
            needed: length,
            there: self.bytes,
        };
        let index = self.next;
        self.next = index
            .saturating_add(1)
            .checked_rem(DEPTH)
            .unwrap_or_default();
        let place = self.places.get_mut(index).ok_or(too_long.clone())?;
        fill(
            place
                .pinned
                .bytes_mut()?
                .get_mut(..length)
                .ok_or(too_long)?,
        )?;
        gpu.copy.wait(&place.used)?;
        let whole = length.next_multiple_of(16);
        place.pinned.copy_to(&gpu.copy, &place.buffer, whole)?;
        place.copied.record(&gpu.copy)?;
        gpu.compute.wait(&place.copied)?;
        with(&place.buffer)?;
        place.used.record(&gpu.compute)?;
        Ok(())
    }
}

/// Three places: one is read into, one copied, one used.
const DEPTH: usize = 3;
