//! A block of threads: who runs when, and barriers.
#![expect(
    clippy::indexing_slicing,
    reason = "lanes are counted by the block itself, and each has as many slots as the kernel"
)]

use crate::{
    fault::{Cause, Fault, Place},
    instruction::{Op, Slot, Special},
    lane::{State, World},
    launch::{Random, Schedule},
    module::Kernel,
    race::{Stamp, WARP},
};

/// The lanes of the block that runs.
#[derive(Debug)]
pub(crate) struct Block<'a, 'w> {
    name: &'a str,
    kernel: &'a Kernel,
    pub(crate) world: World<'w>,
    grid: [u32; 3],
    size: [u32; 3],
    /// The slots of all lanes, lane after lane.
    registers: Vec<u64>,
    pcs: Vec<usize>,
    states: Vec<State>,
    /// The lanes of each warp that have not left, as a mask.
    active: Vec<u32>,
    /// Barriers of each warp so far.
    warp_epochs: Vec<u32>,
    /// Barriers of the block so far.
    epoch: u32,
    number: u32,
    index: [u32; 3],
    /// Steps that the launch may still take, and those that it may take.
    left: u64,
    limit: u64,
}

impl<'a, 'w> Block<'a, 'w> {
    pub(crate) fn new(
        name: &'a str,
        kernel: &'a Kernel,
        world: World<'w>,
        grid: [u32; 3],
        size: [u32; 3],
        limit: u64,
    ) -> Self {
        let lanes = size.into_iter().map(|axis| axis as usize).product();
        Self {
            name,
            kernel,
            world,
            grid,
            size,
            registers: vec![0; kernel.slots * lanes],
            pcs: vec![0; lanes],
            states: vec![State::Gone; lanes],
            active: vec![0; lanes.div_ceil(WARP as usize)],
            warp_epochs: vec![0; lanes.div_ceil(WARP as usize)],
            epoch: 0,
            number: 0,
            index: [0; 3],
            left: limit,
            limit,
        }
    }

    /// Steps taken so far.
    pub(crate) const fn steps(&self) -> u64 {
        self.limit - self.left
    }

    /// Runs the block with this number, x fastest, to its end.
    pub(crate) fn run(
        &mut self,
        number: u32,
        schedule: Schedule,
        random: &mut Random,
    ) -> Result<(), Fault> {
        self.start(number);
        let mut order: Vec<usize> = (0..self.lanes()).collect();
        if schedule == Schedule::HighestFirst {
            order.reverse();
        }
        let is_random = matches!(schedule, Schedule::Random(_));
        loop {
            if is_random {
                random.shuffle(&mut order);
            }
            let mut ran = false;
            for lane in &order {
                if self.states[*lane] == State::Ready {
                    let slice = if is_random {
                        1 + random.below(MOST_AT_ONCE)
                    } else {
                        u64::MAX
                    };
                    self.run_lane(*lane, slice)?;
                    ran = true;
                }
            }
            if ran || self.release_warps()? {
                continue;
            }
            if self.states.iter().all(|state| *state == State::Gone) {
                return Ok(());
            }
            if let Some(fault) = self.stuck_warp() {
                return Err(fault);
            }
            self.release_barrier()?;
        }
    }

    /// Puts every lane at the start.
    fn start(&mut self, number: u32) {
        let [width, height, _] = self.grid;
        self.number = number;
        self.index = [
            number % width,
            number / width % height,
            number / width / height,
        ];
        let mut image = vec![UNDEFINED; self.kernel.slots];
        for (slot, value) in &self.kernel.constants {
            image[usize::from(*slot)] = *value;
        }
        for lane in 0..self.lanes() {
            let start = lane * self.kernel.slots;
            let registers = &mut self.registers[start..start + self.kernel.slots];
            registers.copy_from_slice(&image);
            for (slot, special) in &self.kernel.specials {
                self.registers[start + usize::from(*slot)] = self.special(lane, *special).into();
            }
        }
        self.pcs.fill(0);
        self.states.fill(State::Ready);
        for (mask, lanes) in self
            .active
            .iter_mut()
            .zip(self.states.chunks(WARP as usize))
        {
            *mask = u32::MAX >> (WARP as usize - lanes.len());
        }
        self.warp_epochs.fill(0);
        self.epoch = 0;
        self.world.shared.poison();
    }

    fn special(&self, lane: usize, special: Special) -> u32 {
        let thread = u32::try_from(lane).unwrap_or_default();
        match special {
            Special::Thread(axis) => self.thread(lane)[usize::from(axis)],
            Special::ThreadCount(axis) => self.size[usize::from(axis)],
            Special::Block(axis) => self.index[usize::from(axis)],
            Special::BlockCount(axis) => self.grid[usize::from(axis)],
            Special::Lane => thread % WARP,
            Special::Warp => thread / WARP,
        }
    }

    fn run_lane(&mut self, lane: usize, slice: u64) -> Result<(), Fault> {
        let warp = lane / WARP as usize;
        let active = self.active[warp];
        let stamp = Stamp {
            block: self.number,
            thread: u32::try_from(lane).unwrap_or_default(),
            epoch: self.epoch,
            warp_epoch: self.warp_epochs[warp],
            line: 0,
        };
        let start = lane * self.kernel.slots;
        let registers = &mut self.registers[start..start + self.kernel.slots];
        let allowed = slice.min(self.left);
        let mut steps = allowed;
        let pc = &mut self.pcs[lane];
        let outcome = self.world.run(registers, pc, &mut steps, active, stamp);
        self.left -= allowed - steps;
        self.states[lane] = outcome.map_err(|cause| self.fault(lane, cause))?;
        if self.states[lane] == State::Gone {
            self.active[warp] &= !(1 << (lane % WARP as usize));
        }
        if self.left == 0 {
            return Err(self.fault(lane, Cause::Steps { limit: self.limit }));
        }
        Ok(())
    }

    /// Lets all lanes go on that have not left, when all of them wait at the same barrier.
    fn release_barrier(&mut self) -> Result<(), Fault> {
        let live = || (0..self.lanes()).filter(|lane| self.states[*lane] != State::Gone);
        let Some(first) = live().next() else {
            return Ok(());
        };
        let is_here = |lane: &usize| self.pcs[*lane] == self.pcs[first];
        if let Some(other) = live().find(|lane| !is_here(lane)) {
            let cause = Cause::Barrier {
                waiting: live().filter(is_here).count(),
                live: live().count(),
                other: self.thread(other),
                other_line: self.line(other),
            };
            return Err(self.fault(first, cause));
        }
        for lane in 0..self.lanes() {
            if self.states[lane] == State::Barrier {
                self.step_over(lane);
            }
        }
        self.epoch += 1;
        Ok(())
    }

    fn thread(&self, lane: usize) -> [u32; 3] {
        let lane = u32::try_from(lane).unwrap_or_default();
        let [width, height, _] = self.size;
        [lane % width, lane / width % height, lane / width / height]
    }

    fn line(&self, lane: usize) -> u32 {
        let line = self.kernel.lines.get(self.pcs[lane]);
        line.copied().unwrap_or_default()
    }
}

/// What the operations of a warp need.
impl Block<'_, '_> {
    pub(crate) fn lanes(&self) -> usize {
        self.states.len()
    }

    pub(crate) fn state(&self, lane: usize) -> State {
        self.states[lane]
    }

    pub(crate) fn pc(&self, lane: usize) -> usize {
        self.pcs[lane]
    }

    pub(crate) fn op(&self, lane: usize) -> Option<&Op> {
        self.kernel.code.get(self.pcs[lane])
    }

    pub(crate) fn get(&self, lane: usize, slot: Slot) -> u64 {
        self.registers[lane * self.kernel.slots + usize::from(slot)]
    }

    pub(crate) fn set(&mut self, lane: usize, slot: Slot, value: u64) {
        self.registers[lane * self.kernel.slots + usize::from(slot)] = value;
    }

    /// Lets a lane go on behind what it waited for.
    pub(crate) fn step_over(&mut self, lane: usize) {
        self.pcs[lane] += 1;
        self.states[lane] = State::Ready;
    }

    /// A barrier of a warp orders its accesses when all lanes that there are take part.
    pub(crate) fn order_warp(&mut self, lane: usize, members: usize) {
        let warp = lane / WARP as usize;
        let lanes = (self.lanes() - warp * WARP as usize).min(WARP as usize);
        if members == lanes {
            self.warp_epochs[warp] += 1;
        }
    }

    /// A fault of a lane where it is.
    pub(crate) fn fault(&self, lane: usize, cause: Cause) -> Fault {
        Fault {
            kernel: self.name.to_owned(),
            place: Some(Place {
                line: self.line(lane),
                block: self.index,
                thread: self.thread(lane),
            }),
            cause,
        }
    }
}

/// What a register holds before it is written.
const UNDEFINED: u64 = 0xCDCD_CDCD_CDCD_CDCD;
/// The most steps that a random schedule lets a lane take before another one may run.
const MOST_AT_ONCE: u64 = 64;
