//! Launching a kernel: arguments, limits, the blocks of the grid.

use crate::{
    block::Block,
    fault::{Cause, Fault},
    lane::World,
    memory::Memory,
    module::{Kernel, Module, Parameter},
    race::GlobalRaces,
    shared::Shared,
};

/// Who runs first where the kernel leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// The thread and the block with the lowest number.
    LowestFirst,
    /// The thread and the block with the highest number.
    HighestFirst,
    /// Any thread, for a few steps, and any block: the same ones for the same seed.
    Random(u64),
}

/// How a kernel is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Who runs first.
    pub schedule: Schedule,
    /// Whether two threads at one byte of shared memory without a barrier in between are a fault when one of them
    /// writes; and in global memory a write after a write of another thread, or a read after one.
    pub races: bool,
    /// Whether reading unwritten shared memory is a fault; else it gives 0xCD bytes.
    pub uninitialised: bool,
    /// The most steps of a launch, over all threads.
    pub step_limit: u64,
}

impl Default for Options {
    /// Lowest first, no race mode, uninitialised reads are faults, 2^36 steps.
    fn default() -> Self {
        Self {
            schedule: Schedule::LowestFirst,
            races: false,
            uninitialised: true,
            step_limit: 1 << 36,
        }
    }
}

/// An argument of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// For a parameter of 32 bits that is not a float.
    U32(u32),
    /// For a parameter of 32 bits that is not a float.
    I32(i32),
    /// For a parameter of 64 bits that is not a float: a number or an address.
    U64(u64),
    /// For a parameter of type f32.
    F32(f32),
    /// For a parameter of any type with this many bytes.
    Bytes(Vec<u8>),
}

/// What a launch took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Steps over all threads: about one for each instruction.
    pub steps: u64,
    /// The lines of the text that a thread ran, ascending.
    pub lines: Vec<u32>,
}

impl Module {
    /// Runs a kernel over a grid of blocks.
    ///
    /// `shape` is the grid and the block, x first; `dynamic_shared` are bytes behind the shared memory of the kernel.
    ///
    /// # Errors
    /// Fails when the launch does not fit the kernel, and with the place and cause of what a thread does wrong. Memory
    /// then holds what was written until there.
    pub fn launch(
        &self,
        kernel: &str,
        (grid, block): ([u32; 3], [u32; 3]),
        dynamic_shared: u32,
        arguments: &[Argument],
        memory: &mut Memory,
        options: &Options,
    ) -> Result<Summary, Fault> {
        let refused = |cause| Fault {
            kernel: kernel.to_owned(),
            place: None,
            cause,
        };
        let Some((name, kernel)) = self.kernels.get_key_value(kernel) else {
            return Err(refused(Cause::NoKernel));
        };
        let blocks = kernel.blocks(grid, block).map_err(refused)?;
        let shared = kernel.shared_bytes(dynamic_shared).map_err(refused)?;
        let world = World {
            code: &kernel.code,
            lines: &kernel.lines,
            ran_to: vec![0; kernel.code.len()],
            variables: &self.variables,
            parameters: kernel.pack(arguments).map_err(refused)?,
            memory,
            shared: Shared::new(shared, options.races),
            global_races: options.races.then(GlobalRaces::default),
            only_written: options.uninitialised,
        };
        let mut lanes = Block::new(name, kernel, world, grid, block, options.step_limit);
        let mut order: Vec<u32> = (0..blocks).collect();
        let mut random = Random::new(options.schedule);
        match options.schedule {
            Schedule::LowestFirst => {}
            Schedule::HighestFirst => order.reverse(),
            Schedule::Random(_) => random.shuffle(&mut order),
        }
        for number in order {
            lanes.run(number, options.schedule, &mut random)?;
        }
        let ran = lanes.world.ran().zip(&kernel.lines);
        let mut lines: Vec<u32> = ran.filter_map(|(ran, line)| ran.then_some(*line)).collect();
        lines.dedup();
        Ok(Summary {
            steps: lanes.steps(),
            lines,
        })
    }
}

impl Kernel {
    /// The number of blocks of a grid, if a GPU takes it.
    fn blocks(&self, grid: [u32; 3], block: [u32; 3]) -> Result<u32, Cause> {
        let limits = [
            ("the width of a block", block[0], 1024),
            ("the height of a block", block[1], 1024),
            ("the depth of a block", block[2], 64),
            ("the width of the grid", grid[0], 0x7FFF_FFFF),
            ("the height of the grid", grid[1], 0xFFFF),
            ("the depth of the grid", grid[2], 0xFFFF),
        ];
        for (what, found, most) in limits {
            size(what, found.into(), most)?;
        }
        let product = |axes: [u32; 3]| axes.into_iter().map(u64::from).fold(1, u64::saturating_mul);
        let most = self.most_threads.unwrap_or(MOST_THREADS).min(MOST_THREADS);
        size("the number of threads of a block", product(block), most)?;
        size("the number of blocks", product(grid), MOST_BLOCKS)?;
        Ok(u32::try_from(product(grid)).unwrap_or_default())
    }

    /// The bytes of shared memory of a block.
    fn shared_bytes(&self, dynamic: u32) -> Result<usize, Cause> {
        let bytes = match dynamic {
            0 => self.static_shared,
            _ => self.dynamic_start.saturating_add(dynamic.into()),
        };
        if bytes > 0 {
            size("shared memory", bytes, MOST_SHARED)?;
        }
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The bytes of all parameters.
    fn pack(&self, arguments: &[Argument]) -> Result<Vec<u8>, Cause> {
        if arguments.len() != self.parameters.len() {
            return Err(Cause::ArgumentCount {
                expected: self.parameters.len(),
                found: arguments.len(),
            });
        }
        let mut packed = Vec::new();
        for (index, (argument, parameter)) in arguments.iter().zip(&self.parameters).enumerate() {
            let bytes = argument
                .bytes_for(parameter)
                .ok_or_else(|| Cause::Argument {
                    index,
                    expected: format!("{} ({} bytes)", parameter.kind, parameter.size),
                    found: format!("{argument:?}").chars().take(80).collect(),
                })?;
            packed.resize(parameter.offset, 0);
            packed.extend(bytes);
        }
        Ok(packed)
    }
}

impl Argument {
    /// The bytes, if they are what the parameter declares.
    fn bytes_for(&self, parameter: &Parameter) -> Option<Vec<u8>> {
        let (bytes, kinds): (Vec<u8>, &[&str]) = match self {
            Self::U32(value) => (value.to_le_bytes().into(), &["u32", "s32", "b32"]),
            Self::I32(value) => (value.to_le_bytes().into(), &["u32", "s32", "b32"]),
            Self::U64(value) => (value.to_le_bytes().into(), &["u64", "s64", "b64"]),
            Self::F32(value) => (value.to_bits().to_le_bytes().into(), &["f32", "b32"]),
            Self::Bytes(bytes) => (bytes.clone(), &[]),
        };
        let fits = bytes.len() == parameter.size;
        let agrees = kinds.is_empty() || kinds.contains(&parameter.kind.as_str());
        (fits && agrees).then_some(bytes)
    }
}

/// SplitMix64: the same numbers for the same seed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    const fn new(schedule: Schedule) -> Self {
        Self(match schedule {
            Schedule::Random(seed) => seed,
            Schedule::LowestFirst | Schedule::HighestFirst => 0,
        })
    }

    /// A number below a bound that is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)).checked_rem(bound).unwrap_or_default()
    }

    /// Puts a list in any order.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let bound = u64::try_from(last).unwrap_or_default().saturating_add(1);
            list.swap(last, usize::try_from(self.below(bound)).unwrap_or_default());
        }
    }
}

fn size(what: &'static str, found: u64, most: u64) -> Result<(), Cause> {
    if (1..=most).contains(&found) {
        return Ok(());
    }
    Err(Cause::Size { what, found, most })
}

const MOST_THREADS: u64 = 1024;
/// Blocks run one after the other: more would never end.
const MOST_BLOCKS: u64 = 1 << 24;
/// What a block can have on any GPU so far.
const MOST_SHARED: u64 = 227 * 1024;
