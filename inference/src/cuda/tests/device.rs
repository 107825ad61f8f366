//! A device that is an interpreter: values to its memory and back, kernels by name, and what they are compared by.

use std::{collections::BTreeSet, sync::LazyLock};

use ptx_interpreter::{Argument, Memory, Module, Options, Schedule};

use crate::cuda::kernel::{PTX, kernel};

/// The shipped text.
static MODULE: LazyLock<Module> = LazyLock::new(|| Module::parse(PTX).unwrap());

/// Runs launches in every order of threads, the first time with the search for races; an error is what is wrong.
pub(super) fn in_every_order(launches: impl Fn(&mut Device<'_>) -> Result<(), String>) {
    for (schedule, races) in [
        (Schedule::LowestFirst, true),
        (Schedule::HighestFirst, false),
        (Schedule::Random(7), false),
    ] {
        let mut device = Device::new(Options {
            schedule,
            races,
            ..Options::default()
        });
        launches(&mut device).unwrap_or_else(|wrong| panic!("{schedule:?}: {wrong}"));
    }
}

/// Device memory and the kernels of the shipped text.
pub(super) struct Device<'m> {
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
    pub(super) const fn new(options: Options) -> Self {
        Self {
            mutant: None,
            memory: Memory::new(),
            options,
            steps: 0,
            launched: Vec::new(),
            lines: BTreeSet::new(),
        }
    }

    /// A device whose threads run in an order that follows from the seed.
    pub(super) fn of_seed(seed: u64) -> Self {
        let schedules = [
            Schedule::LowestFirst,
            Schedule::HighestFirst,
            Schedule::Random(seed),
        ];
        Self::new(Options {
            schedule: schedules[seed as usize % 3],
            races: seed.is_multiple_of(2),
            ..Options::default()
        })
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

    /// Copies words to the device.
    pub(super) fn put<W: Word>(&mut self, words: &[W]) -> Buffer {
        let bytes = words.iter().flat_map(|word| word.bits().to_le_bytes());
        self.upload(&bytes.collect::<Vec<u8>>())
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

    /// Makes place for words of which some are not to be written.
    pub(super) fn untouched(&mut self, words: usize) -> Buffer {
        self.put(&vec![UNTOUCHED; words])
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

    /// Holds values on the device against those expected: the first that differs, a NaN being a NaN.
    pub(super) fn holds(&self, buffer: Buffer, expected: &[f32]) -> Result<(), String> {
        let (found, expected) = (bits(&self.download(buffer)?), bits(expected));
        if found == expected {
            return Ok(());
        }
        let mut pairs = found.iter().zip(&expected).enumerate();
        Err(
            match pairs.find(|(_, (found, expected))| found != expected) {
                Some((at, (found, expected))) => {
                    format!("word {at} is {found:#010x} and not {expected:#010x}")
                }
                None => format!("{} words and not {}", found.len(), expected.len()),
            },
        )
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
            _ => &MODULE,
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

/// What lies where nothing is written: no result of a test.
pub(super) const UNTOUCHED: f32 = f32::from_bits(0x5EED_5EED);

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

/// What lies in a word of memory.
pub(super) trait Word: Copy {
    fn bits(self) -> u32;
}

impl Word for f32 {
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Word for u32 {
    fn bits(self) -> u32 {
        self
    }
}
