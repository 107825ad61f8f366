//! Runs a kernel of the shipped text in the interpreter, with every thread order and with the search for races.

use std::sync::LazyLock;

use ptx_interpreter::{Argument as Value, Memory, Module, Options, Schedule};

use super::super::{PTX, kernel};

/// What a kernel is given, and what it must have written.
pub(crate) enum Argument {
    Input(Vec<u8>),
    /// The expected words; `None` where nothing may be written.
    Output(Vec<Option<u32>>),
    /// The bytes before and after.
    InPlace(Vec<u8>, Vec<u8>),
    U32(u32),
    F32(f32),
}

/// Runs a kernel and holds what it writes against what is expected.
pub(crate) fn check(name: &str, grid: [u32; 3], arguments: &[Argument]) {
    if let Err(wrong) = outcome(&MODULE, name, grid, arguments) {
        panic!("{name} {grid:?}: {wrong}");
    }
}

/// What is wrong with a kernel of a text, if anything: a fault, or the first word that differs, a NaN being a NaN.
pub(crate) fn outcome(
    module: &Module,
    name: &str,
    grid: [u32; 3],
    arguments: &[Argument],
) -> Result<(), String> {
    for (schedule, races) in [
        (Schedule::LowestFirst, true),
        (Schedule::HighestFirst, false),
        (Schedule::Random(7), false),
    ] {
        let mut memory = Memory::new();
        let values: Vec<Value> = arguments
            .iter()
            .map(|argument| argument.value(&mut memory))
            .collect();
        let options = Options {
            schedule,
            races,
            ..Options::default()
        };
        let shape = (grid, [kernel(name).unwrap().threads, 1, 1]);
        let launched = module.launch(name, shape, 0, &values, &mut memory, &options);
        launched.map_err(|fault| format!("{schedule:?}: {fault}"))?;
        for (argument, value) in arguments.iter().zip(&values) {
            let expected = argument.expected();
            let Value::U64(address) = value else { continue };
            let found = words(memory.read(*address, expected.len() * 4).unwrap());
            let mut pairs = found.iter().zip(&expected).enumerate();
            let differs = |(_, (found, expected)): &(usize, (&u32, &u32))| {
                canonical(**found) != canonical(**expected)
            };
            if let Some((index, (found, expected))) = pairs.find(differs) {
                return Err(format!(
                    "{schedule:?}: word {index} is {found:#010x} and not {expected:#010x}"
                ));
            }
        }
    }
    Ok(())
}

impl Argument {
    fn value(&self, memory: &mut Memory) -> Value {
        match self {
            Self::Input(bytes) | Self::InPlace(bytes, _) => Value::U64(memory.allocate(bytes)),
            Self::Output(words) => {
                let untouched = UNTOUCHED.to_le_bytes().repeat(words.len());
                Value::U64(memory.allocate(&untouched))
            }
            Self::U32(value) => Value::U32(*value),
            Self::F32(value) => Value::F32(*value),
        }
    }

    /// The words that a buffer must hold afterwards; nothing for others.
    fn expected(&self) -> Vec<u32> {
        match self {
            Self::Output(words) => words.iter().map(|word| word.unwrap_or(UNTOUCHED)).collect(),
            Self::InPlace(_, after) => words(after),
            Self::Input(_) | Self::U32(_) | Self::F32(_) => Vec::new(),
        }
    }
}

/// Bytes that are read.
pub(crate) fn input(bytes: &[u8]) -> Argument {
    Argument::Input(bytes.to_vec())
}

/// Words that must have been written.
pub(crate) fn output<W: Word>(words: &[W]) -> Argument {
    Argument::Output(words.iter().map(|word| word.bits()).collect())
}

/// The bytes of words.
pub(crate) fn bytes<W: Word>(words: &[W]) -> Vec<u8> {
    let bits = words.iter().filter_map(|word| word.bits());
    bits.flat_map(u32::to_le_bytes).collect()
}

/// What a buffer may hold.
pub(crate) trait Word: Copy {
    fn bits(self) -> Option<u32>;
}

impl Word for f32 {
    fn bits(self) -> Option<u32> {
        Some(self.to_bits())
    }
}

impl Word for u32 {
    fn bits(self) -> Option<u32> {
        Some(self)
    }
}

impl Word for Option<f32> {
    fn bits(self) -> Option<u32> {
        self.map(f32::to_bits)
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks().0.iter();
    words.map(|word| u32::from_le_bytes(*word)).collect()
}

fn canonical(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() {
        0x7FC0_0000
    } else {
        bits
    }
}

/// What outputs hold before: no result of a test.
const UNTOUCHED: u32 = 0x5EED_5EED;

static MODULE: LazyLock<Module> = LazyLock::new(|| Module::parse(PTX).unwrap());
