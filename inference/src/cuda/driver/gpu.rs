//! A GPU that is ready: its context, the compiled kernels, and the streams.
#![expect(unsafe_code, reason = "the driver is foreign code")]

use std::{ffi::c_void, rc::Rc};

use cudarc::driver::result;

use crate::cuda::{
    device::Device,
    driver::{
        context::{Context, Function, Module},
        memory::Buffer,
        stream::Stream,
    },
    error::Error,
    kernel::{KERNELS, PTX, Parameter},
};

/// A GPU with compiled kernels.
///
/// Only the thread that opened it can use it.
pub struct Gpu {
    device: Device,
    functions: Vec<Function>,
    /// Where kernels run.
    pub(crate) compute: Stream,
    /// Where weights are copied.
    pub(crate) copy: Stream,
}

/// An argument of a kernel.
#[derive(Clone, Copy)]
pub(crate) enum Argument<'a> {
    /// The start of a buffer.
    Buffer(&'a Buffer),
    /// A position in a buffer of floats, in values from its start.
    At(&'a Buffer, usize),
    /// A count.
    Count(usize),
    /// A float.
    Float(f32),
}

impl Gpu {
    /// Opens a GPU and compiles the kernels, which takes the driver a while the first time.
    ///
    /// Of its memory at most `limit` bytes are used.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn open(device: &Device, limit: u64) -> Result<Self, Error> {
        Self::load(device, &Context::new(device, limit)?)
    }

    /// Compiles the kernels in the context of a GPU, which is the part of [`Gpu::open`] that takes long the first time.
    ///
    /// # Errors
    /// Fails when a call of the driver fails.
    pub fn load(device: &Device, context: &Rc<Context>) -> Result<Self, Error> {
        let module = Module::new(context, PTX)?;
        let functions = KERNELS.iter().map(|kernel| module.function(kernel));
        Ok(Self {
            device: device.clone(),
            functions: functions.collect::<Result<_, _>>()?,
            compute: Stream::new(context)?,
            copy: Stream::new(context)?,
        })
    }

    /// Gives the GPU back. A GPU reports late: what it is asked for last may fail for what it did before.
    ///
    /// # Errors
    /// Fails when anything failed that no call before could return. Then no result of this GPU counts.
    pub fn close(self) -> Result<(), Error> {
        let context = Rc::clone(self.context());
        drop(self);
        context.close()
    }

    /// The GPU that it is.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The bytes of its memory that are free.
    ///
    /// # Errors
    /// Fails when the call of the driver fails.
    pub fn free_memory(&self) -> Result<u64, Error> {
        self.context().free_memory()
    }

    /// Ensures that a buffer holds so many values: keeps one that is large enough, and else replaces it.
    pub(crate) fn ensure_capacity<'a, T>(
        &self,
        slot: &'a mut Option<Buffer>,
        count: usize,
    ) -> Result<&'a Buffer, Error> {
        let bytes = count * size_of::<T>();
        if slot.as_ref().is_none_or(|buffer| buffer.bytes() < bytes) {
            // The old one is freed first, when no kernel uses it any longer: there may not be memory for both.
            if slot.is_some() {
                self.compute.synchronize()?;
            }
            *slot = None;
            *slot = Some(Buffer::new(self.context(), bytes)?);
        }
        slot.as_ref().ok_or(Error::Outside {
            needed: bytes,
            there: 0,
        })
    }

    /// Allocates a buffer for values.
    pub(crate) fn allocate<T>(&self, count: usize) -> Result<Buffer, Error> {
        Buffer::new(self.context(), count * size_of::<T>())
    }

    /// Allocates words and sets them to 0, for results that are read as a whole though not all of them are written.
    pub(crate) fn zeros(&self, words: usize) -> Result<Buffer, Error> {
        let buffer = self.allocate::<u32>(words)?;
        buffer.write(&self.compute, &vec![0u32; words])?;
        Ok(buffer)
    }

    /// Runs a kernel behind all work of the compute stream; does not wait for it.
    ///
    /// `blocks` is the grid, x first. The arguments must be those of the kernel's list; what a kernel writes must not be
    /// used before it has run.
    pub(crate) fn launch(
        &self,
        name: &'static str,
        blocks: [usize; 3],
        arguments: &[Argument<'_>],
    ) -> Result<(), Error> {
        let mut functions = self.functions.iter();
        let function = functions.find(|function| function.kernel.name == name);
        let refused = || Error::Launch { kernel: name };
        let function = function.ok_or_else(refused)?;
        let parameters = function.kernel.parameters;
        if parameters.len() != arguments.len() {
            return Err(refused());
        }
        // Each argument in a word of its own, little-endian: a parameter of 32 bits takes the lower half.
        let words = arguments.iter().zip(parameters);
        let words = words.map(|(argument, parameter)| argument.word(*parameter));
        let mut words: Vec<u64> = words.collect::<Option<_>>().ok_or_else(refused)?;
        let mut pointers: Vec<*mut c_void> = words
            .iter_mut()
            .map(|word| (&raw mut *word).cast())
            .collect();
        let mut grid = [0u32; 3];
        for (side, blocks) in grid.iter_mut().zip(blocks) {
            *side = u32::try_from(blocks).map_err(|_| refused())?;
        }
        let [x, y, z] = grid;
        // SAFETY: kinds and number of the arguments are those of the kernel, which a test holds against the text; the
        // driver copies them before it returns.
        unsafe {
            result::launch_kernel(
                function.handle,
                (x, y, z),
                (function.kernel.threads, 1, 1),
                0,
                self.compute.handle,
                &mut pointers,
            )
        }
        .map_err(|error| Error::call(format_args!("cuLaunchKernel of {name}"), error))
    }

    /// The context.
    pub(crate) const fn context(&self) -> &Rc<Context> {
        self.compute.context()
    }
}

impl Argument<'_> {
    /// The bits of the argument, if it is what the parameter takes.
    fn word(self, parameter: Parameter) -> Option<u64> {
        use Parameter::{F32, InPlace, Input, Output, U32};
        match (self, parameter) {
            (Self::Buffer(buffer), Input(_) | Output(_) | InPlace(_)) => Some(buffer.address()),
            (Self::At(buffer, values), Input(_) | Output(_) | InPlace(_)) => {
                let bytes = u64::try_from(values).ok()?.checked_mul(4)?;
                buffer.address().checked_add(bytes)
            }
            (Self::Count(count), U32(_)) => u32::try_from(count).ok().map(u64::from),
            (Self::Float(value), F32(_)) => Some(value.to_bits().into()),
            _ => None,
        }
    }
}
