//! Streams, whose work is done in order, and events, which order the work of streams among each other.
#![expect(unsafe_code, reason = "the driver is foreign code")]

use std::rc::Rc;

use cudarc::driver::{result, sys};

use crate::cuda::{driver::context::Context, error::Error};

/// Work that the GPU does in order.
pub(crate) struct Stream {
    pub(crate) handle: sys::CUstream,
    context: Rc<Context>,
}

/// A point in the work of a stream; one that was never recorded has been reached.
pub(crate) struct Event {
    handle: sys::CUevent,
    context: Rc<Context>,
}

impl Stream {
    /// Makes a stream that waits for no other.
    pub(crate) fn new(context: &Rc<Context>) -> Result<Self, Error> {
        let handle = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(|error| Error::call("cuStreamCreate", error))?;
        Ok(Self {
            handle,
            context: Rc::clone(context),
        })
    }

    /// The context that it belongs to.
    pub(crate) const fn context(&self) -> &Rc<Context> {
        &self.context
    }

    /// Lets the thread wait until all work is done. What went wrong in it is an error here.
    pub(crate) fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the handle is valid as long as `self`.
        unsafe { result::stream::synchronize(self.handle) }
            .map_err(|error| Error::call("cuStreamSynchronize", error))
    }

    /// Lets all later work of the stream wait for an event as it was recorded last.
    pub(crate) fn wait(&self, event: &Event) -> Result<(), Error> {
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both handles are valid; the driver keeps what it still needs of an event.
        unsafe { result::stream::wait_event(self.handle, event.handle, flags) }
            .map_err(|error| Error::call("cuStreamWaitEvent", error))
    }
}

impl Event {
    /// Makes an event without a time.
    pub(crate) fn new(context: &Rc<Context>) -> Result<Self, Error> {
        let handle = result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
            .map_err(|error| Error::call("cuEventCreate", error))?;
        Ok(Self {
            handle,
            context: Rc::clone(context),
        })
    }

    /// Records the work that the stream has so far.
    pub(crate) fn record(&self, stream: &Stream) -> Result<(), Error> {
        // SAFETY: both handles are valid and of one context.
        unsafe { result::event::record(self.handle, stream.handle) }
            .map_err(|error| Error::call("cuEventRecord", error))
    }

    /// Records the work that the stream has so far. When that fails the work is waited for: nothing else says when it is
    /// done, and memory that it uses may be freed next.
    pub(crate) fn record_or_wait(&self, stream: &Stream) -> Result<(), Error> {
        self.record(stream)
            .inspect_err(|_| drop(stream.synchronize()))
    }

    /// Lets the thread wait until the recorded work is done.
    pub(crate) fn synchronize(&self) -> Result<(), Error> {
        // SAFETY: the handle is valid as long as `self`.
        unsafe { result::event::synchronize(self.handle) }
            .map_err(|error| Error::call("cuEventSynchronize", error))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the handle is not used any longer; the driver finishes the remaining work.
        let destroyed = unsafe { result::stream::destroy(self.handle) };
        self.context.keep("cuStreamDestroy", destroyed);
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the handle is not used any longer.
        let destroyed = unsafe { result::event::destroy(self.handle) };
        self.context.keep("cuEventDestroy", destroyed);
    }
}
