//! Memory of the GPU, and memory of the host that the GPU copies from by itself.
#![expect(unsafe_code, reason = "the driver is foreign code")]

use std::{ffi::c_void, ptr::NonNull, rc::Rc, slice};

use cudarc::driver::{result, sys};

use crate::cuda::{
    driver::{
        context::Context,
        stream::{Event, Stream},
    },
    error::Error,
};

/// An allocation on the GPU. Its content is whatever was there until something is written.
pub(crate) struct Buffer {
    address: sys::CUdeviceptr,
    bytes: usize,
    context: Rc<Context>,
}

/// Memory of the host that no page fault can hit, so that copies from it need no help of a thread.
pub(crate) struct Pinned {
    pointer: NonNull<u8>,
    bytes: usize,
    /// The end of the last copy from it.
    copied: Event,
    context: Rc<Context>,
}

impl Buffer {
    /// Allocates bytes, at least one.
    pub(crate) fn new(context: &Rc<Context>, bytes: usize) -> Result<Self, Error> {
        let counted = bytes as u64;
        context.take(counted)?;
        // SAFETY: the address is used through this buffer only, and nothing is read before it is written.
        let address = unsafe { result::malloc_sync(bytes.max(1)) };
        let address = address.map_err(|error| {
            context.give_back(counted);
            Error::call(format_args!("cuMemAlloc of {bytes} bytes"), error)
        })?;
        Ok(Self {
            address,
            bytes,
            context: Rc::clone(context),
        })
    }

    /// The address of the first byte.
    pub(crate) const fn address(&self) -> u64 {
        self.address
    }

    /// The number of bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies values to the start of the buffer, behind all work of the stream.
    ///
    /// The driver takes ordinary memory to itself before it returns, so the values are free again.
    pub(crate) fn write<T: Plain>(&self, stream: &Stream, values: &[T]) -> Result<(), Error> {
        self.check(size_of_val(values))?;
        // SAFETY: the buffer has room for the values.
        unsafe { result::memcpy_htod_async(self.address, values, stream.handle) }
            .map_err(|error| Error::call("cuMemcpyHtoDAsync", error))
    }

    /// Copies values from `offset` bytes on, when all work of the stream is done.
    pub(crate) fn read<T: Plain>(
        &self,
        stream: &Stream,
        offset: usize,
        values: &mut [T],
    ) -> Result<(), Error> {
        self.check(offset + size_of_val(values))?;
        let from = self.address + offset as u64;
        // SAFETY: the buffer has as many bytes, every pattern of bits is a value, and the values are not touched before
        // the stream has done the copy.
        unsafe { result::memcpy_dtoh_async(values, from, stream.handle) }
            .map_err(|error| Error::call("cuMemcpyDtoHAsync", error))?;
        stream.synchronize()
    }

    /// Copies pinned bytes to the start of the buffer, behind all work of the stream; does not wait for it.
    ///
    /// # Safety
    /// The bytes must neither be written to nor be freed before the copy is done.
    pub(crate) unsafe fn write_pinned(&self, stream: &Stream, bytes: &[u8]) -> Result<(), Error> {
        self.check(bytes.len())?;
        // SAFETY: the buffer has room for them, and the caller leaves them as they are.
        unsafe { result::memcpy_htod_async(self.address, bytes, stream.handle) }
            .map_err(|error| Error::call("cuMemcpyHtoDAsync", error))
    }

    /// Copies the first bytes of a buffer, behind all work of the stream; does not wait for it.
    pub(crate) fn copy_from(
        &self,
        stream: &Stream,
        other: &Self,
        bytes: usize,
    ) -> Result<(), Error> {
        self.check(bytes)?;
        other.check(bytes)?;
        // SAFETY: both buffers have as many bytes, and are freed only when no work uses them.
        unsafe { result::memcpy_dtod_async(self.address, other.address, bytes, stream.handle) }
            .map_err(|error| Error::call("cuMemcpyDtoDAsync", error))
    }

    /// An access outside of a buffer is an error and nothing else.
    fn check(&self, bytes: usize) -> Result<(), Error> {
        if bytes > self.bytes {
            return Err(Error::Outside {
                needed: bytes,
                there: self.bytes,
            });
        }
        Ok(())
    }
}

impl Pinned {
    /// Allocates bytes, at least one.
    pub(crate) fn new(context: &Rc<Context>, bytes: usize) -> Result<Self, Error> {
        let copied = Event::new(context)?;
        let named = |error| Error::call(format_args!("cuMemHostAlloc of {bytes} bytes"), error);
        // No flags: memory that is combined for writing would be slow to read, and its bytes are hashed.
        // SAFETY: the memory is used through this value only.
        let pointer = unsafe { result::malloc_host(bytes.max(1), 0) }.map_err(named)?;
        let pointer = NonNull::new(pointer.cast::<u8>()).ok_or(Error::Outside {
            needed: bytes,
            there: 0,
        })?;
        // SAFETY: the allocation has as many bytes, which the driver leaves as they were.
        unsafe { pointer.write_bytes(0, bytes) };
        Ok(Self {
            pointer,
            bytes,
            copied,
            context: Rc::clone(context),
        })
    }

    /// The number of bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies values through the memory to the start of a buffer, behind all work of the stream and once the last copy from
    /// the memory is done. It does not wait for the copy, as [`Buffer::write`] may for all work of the stream.
    pub(crate) fn write(
        &mut self,
        stream: &Stream,
        buffer: &Buffer,
        values: &[f32],
    ) -> Result<(), Error> {
        self.copied.synchronize()?;
        let outside = Error::Outside {
            needed: size_of_val(values),
            there: self.bytes,
        };
        let (bytes, copied) = self.lend();
        let bytes = bytes.get_mut(..size_of_val(values)).ok_or(outside)?;
        for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
            *bytes = value.to_ne_bytes();
        }
        // SAFETY: the bytes are not written to before the event that is recorded next, and freeing them waits for it.
        unsafe { buffer.write_pinned(stream, bytes) }?;
        copied.record_or_wait(stream)
    }

    /// The memory, to write to and to copy from, and the event to record behind each copy.
    ///
    /// While a copy is on its way the memory must not be written to; freeing it waits for the last one.
    pub(crate) fn lend(&mut self) -> (&mut [u8], &Event) {
        // SAFETY: the allocation has as many bytes, all written, and `self` is borrowed alone.
        let bytes = unsafe { slice::from_raw_parts_mut(self.pointer.as_ptr(), self.bytes) };
        (bytes, &self.copied)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = self.bytes as u64;
        self.context.give_back(bytes);
        // SAFETY: the address is not used any longer; the driver waits for work that uses it.
        let freed = unsafe { result::free_sync(self.address) };
        self.context.keep("cuMemFree", freed);
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let Err(error) = self.copied.synchronize() else {
            let pointer = self.pointer.as_ptr().cast::<c_void>();
            // SAFETY: the memory is not used any longer.
            let freed = unsafe { result::free_host(pointer) };
            self.context.keep("cuMemFreeHost", freed);
            return;
        };
        // A copy may still read the memory: it is lost rather than freed under the GPU.
        self.context.keep_error(error);
    }
}

/// Values whose every pattern of bits is one.
pub(crate) trait Plain: Copy {}

impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for f32 {}
