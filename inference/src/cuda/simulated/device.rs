//! A device that is an interpreter: memory, and kernels by name.

use std::collections::BTreeSet;

use ptx_interpreter::{Argument, Memory, Module, Options};

use crate::cuda::kernel;

/// Device memory and the text whose kernels run over it.
pub(super) struct Device<'m> {
    module: &'m Module,
    /// A kernel that comes from another text.
    mutant: Option<(&'m str, &'m Module)>,
    memory: Memory,
    options: Options,
    /// Steps of all launches so far.
    pub(super) steps: u64,
    /// The kernels of all launches so far.
    pub(super) launched: Vec<&'static str>,
    /// The lines of the text that a thread ran.
    pub(super) lines: BTreeSet<u32>,
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
            mutant: None,
            memory: Memory::new(),
            options,
            steps: 0,
            launched: Vec::new(),
            lines: BTreeSet::new(),
        }
    }

    /// Takes a kernel from another text.
    pub(super) const fn replace(&mut self, name: &'m str, module: &'m Module) {
        self.mutant = Some((name, module));
    }

    /// Copies bytes to the device.
    pub(super) fn upload(&mut self, bytes: &[u8]) -> Buffer {
        Buffer {
            address: self.memory.allocate(bytes),
            words: bytes.len() / 4,
        }
    }

    /// Copies bytes to the device, readable up to a whole word.
    pub(super) fn upload_padded(&mut self, mut bytes: Vec<u8>) -> Buffer {
        bytes.resize(bytes.len().next_multiple_of(4), 0xFF);
        self.upload(&bytes)
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
        let words = self.download_words(buffer)?;
        Ok(words.into_iter().map(f32::from_bits).collect())
    }

    /// Copies words from the device; an error where one was never written.
    pub(super) fn download_words(&self, buffer: Buffer) -> Result<Vec<u32>, String> {
        let length = buffer.words.checked_mul(4).unwrap();
        let bytes = self.memory.read(buffer.address, length);
        let bytes = bytes.map_err(|cause| cause.to_string())?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
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
        let module = match self.mutant {
            Some((mutant, module)) if mutant == name => module,
            _ => self.module,
        };
        let (memory, options) = (&mut self.memory, &self.options);
        let launched = module.launch(name, shape, 0, arguments, memory, options);
        let summary = launched.map_err(|fault| fault.to_string())?;
        self.steps = self.steps.checked_add(summary.steps).unwrap();
        self.launched.push(kernel.name);
        self.lines.extend(summary.lines);
        Ok(())
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

/// Values as they lie in memory.
pub(super) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The bits, one for all NaN.
pub(super) fn bits(values: &[f32]) -> Vec<u32> {
    let canonical = |value: &f32| {
        if value.is_nan() {
            0x7FC0_0000
        } else {
            value.to_bits()
        }
    };
    values.iter().map(canonical).collect()
}
