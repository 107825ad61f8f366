//! A device that is an interpreter: memory, and kernels by name.

use ptx_interpreter::{Argument, Memory, Module, Options};

use crate::cuda::kernel;

/// Device memory and the text whose kernels run over it.
pub(super) struct Device<'m> {
    module: &'m Module,
    memory: Memory,
    options: Options,
}

/// Values in device memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Buffer {
    pub(super) address: u64,
    /// The number of words.
    pub(super) words: usize,
}

impl<'m> Device<'m> {
    pub(super) const fn new(module: &'m Module, options: Options) -> Self {
        Self {
            module,
            memory: Memory::new(),
            options,
        }
    }

    /// Copies bytes to the device.
    pub(super) fn upload(&mut self, bytes: &[u8]) -> Buffer {
        Buffer {
            address: self.memory.allocate(bytes),
            words: bytes.len() / 4,
        }
    }

    /// Makes place for words that a kernel has to write.
    pub(super) fn reserve(&mut self, words: usize) -> Buffer {
        Buffer {
            address: self.memory.reserve(words.checked_mul(4).unwrap()),
            words,
        }
    }

    /// Copies values from the device; an error where one was never written.
    pub(super) fn download(&self, buffer: Buffer) -> Result<Vec<f32>, String> {
        let length = buffer.words.checked_mul(4).unwrap();
        let bytes = self.memory.read(buffer.address, length);
        let bytes = bytes.map_err(|cause| cause.to_string())?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// Frees values that nobody reads any more.
    pub(super) fn free(&mut self, buffer: Buffer) {
        self.memory.free(buffer.address).unwrap();
    }

    /// Runs a kernel over a grid, with the threads that it is made for.
    pub(super) fn launch(
        &mut self,
        name: &str,
        grid: [usize; 3],
        arguments: &[Argument],
    ) -> Result<(), String> {
        let kernel = kernel(name).ok_or_else(|| format!("no kernel {name}"))?;
        let grid = grid.map(|axis| u32::try_from(axis).unwrap());
        let shape = (grid, [kernel.threads, 1, 1]);
        let (memory, options) = (&mut self.memory, &self.options);
        let launched = self
            .module
            .launch(name, shape, 0, arguments, memory, options);
        launched.map(drop).map_err(|fault| fault.to_string())
    }
}

impl From<Buffer> for Argument {
    fn from(buffer: Buffer) -> Self {
        Self::U64(buffer.address)
    }
}

/// A count as an argument.
pub(super) fn count(value: usize) -> Argument {
    Argument::U32(u32::try_from(value).unwrap())
}
