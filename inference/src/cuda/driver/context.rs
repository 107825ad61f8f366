//! The context of one GPU, which owns everything else on it.
#![expect(unsafe_code, reason = "the driver is foreign code")]

use std::{
    cell::{Cell, RefCell},
    ffi::{CString, c_void},
    rc::Rc,
};

use cudarc::driver::{DriverError, result, sys};

use crate::cuda::{device::Device, error::Error, kernel::Kernel};

/// The context of a GPU, current on the thread that made it, which is the only one that can use it.
#[derive(Debug)]
pub struct Context {
    device: sys::CUdevice,
    /// The most bytes that may be allocated on the GPU, and those that are.
    limit: u64,
    used: Cell<u64>,
    released: Cell<bool>,
    /// The first failure of a destructor, which could not return it.
    failure: RefCell<Option<Error>>,
}

/// The kernels, compiled for a GPU.
pub(crate) struct Module {
    handle: sys::CUmodule,
    context: Rc<Context>,
}

/// A kernel that can be launched.
pub(crate) struct Function {
    pub(crate) kernel: &'static Kernel,
    pub(crate) handle: sys::CUfunction,
    _module: Rc<Module>,
}

impl Context {
    /// Makes the context of a GPU, of whose memory at most `limit` bytes are used.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn new(device: &Device, limit: u64) -> Result<Rc<Self>, Error> {
        let of = |what: &str| {
            let what = format!("{what} of GPU {} ({})", device.ordinal, device.name);
            move |error| Error::call(what, error)
        };
        let ordinal = i32::try_from(device.ordinal).unwrap_or(i32::MAX);
        let device = result::device::get(ordinal).map_err(of("cuDeviceGet"))?;
        // SAFETY: the device was returned by cuDeviceGet.
        let handle = unsafe { result::primary_ctx::retain(device) }
            .map_err(of("cuDevicePrimaryCtxRetain"))?;
        let context = Rc::new(Self {
            device,
            limit,
            used: Cell::new(0),
            released: Cell::new(false),
            failure: RefCell::new(None),
        });
        // SAFETY: the context is retained until the last owner is gone.
        unsafe { result::ctx::set_current(handle) }.map_err(of("cuCtxSetCurrent"))?;
        Ok(context)
    }

    /// The bytes of its memory that are free.
    pub(crate) fn free_memory(&self) -> Result<u64, Error> {
        let (free, _) =
            result::mem_get_info().map_err(|error| Error::call("cuMemGetInfo", error))?;
        Ok(free as u64)
    }

    /// Keeps a failure that could not be returned, for [`Context::check`].
    pub(crate) fn keep(&self, what: &str, result: Result<(), DriverError>) {
        if let Err(error) = result {
            self.keep_error(Error::call(what, error));
        }
    }

    /// The same for an error that is one already.
    pub(crate) fn keep_error(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }

    /// Fails when something that was given back failed. A GPU reports late, so this may be about any work before.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Releases the context, the last call that can fail.
    pub(crate) fn close(self: Rc<Self>) -> Result<(), Error> {
        self.release();
        self.check()
    }

    fn release(&self) {
        if !self.released.replace(true) {
            // SAFETY: what belongs to the context holds it, so all of that is gone or never used again.
            let released = unsafe { result::primary_ctx::release(self.device) };
            self.keep("cuDevicePrimaryCtxRelease", released);
        }
    }

    /// Counts bytes as allocated, if the limit allows them.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), Error> {
        let used = self.used.get() + bytes;
        if used > self.limit {
            return Err(Error::Memory {
                needed: used,
                limit: self.limit,
            });
        }
        self.used.set(used);
        Ok(())
    }

    /// Counts bytes as free again.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.set(self.used.get() - bytes);
    }
}

impl Module {
    /// Compiles a PTX text; the driver caches the result.
    pub(crate) fn new(context: &Rc<Context>, text: &str) -> Result<Rc<Self>, Error> {
        let text = c_string(text);
        // SAFETY: the text ends in a zero byte and outlives the call.
        let handle = unsafe { result::module::load_data(text.as_ptr().cast::<c_void>()) }
            .map_err(|error| Error::call("cuModuleLoadData of the kernels", error))?;
        Ok(Rc::new(Self {
            handle,
            context: Rc::clone(context),
        }))
    }

    /// Finds a kernel.
    pub(crate) fn function(self: &Rc<Self>, kernel: &'static Kernel) -> Result<Function, Error> {
        // SAFETY: the module is loaded as long as the function has it.
        let handle = unsafe { result::module::get_function(self.handle, c_string(kernel.name)) };
        let named = |error| {
            Error::call(
                format_args!("cuModuleGetFunction of {}", kernel.name),
                error,
            )
        };
        Ok(Function {
            kernel,
            handle: handle.map_err(named)?,
            _module: Rc::clone(self),
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.release();
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: the functions hold the module, so all of them are gone.
        let unloaded = unsafe { result::module::unload(self.handle) };
        self.context.keep("cuModuleUnload", unloaded);
    }
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| unreachable!("our texts have no zero bytes"))
}
