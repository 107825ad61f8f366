//! Instructions that the lanes of a warp execute together.

use crate::{
    block::Block,
    fault::{Cause, Fault},
    instruction::{Op, Shuffle, Slot, Vote, WarpOp},
    lane::State,
    race::WARP,
};

impl Block<'_, '_> {
    /// Lets every group of lanes go on that is complete; whether there was one.
    pub(crate) fn release_warps(&mut self) -> Result<bool, Fault> {
        let mut released = false;
        for lane in 0..self.lanes() {
            if self.state(lane) == State::Warp {
                released |= self.release_group(lane)?;
            }
        }
        Ok(released)
    }

    /// The fault of a lane that waits for lanes which do not come, if there is one.
    pub(crate) fn stuck_warp(&self) -> Option<Fault> {
        let lane = (0..self.lanes()).find(|lane| self.state(*lane) == State::Warp)?;
        let (_, mask) = self.warp_op(lane)?;
        let missing = self
            .members(lane, mask)
            .find(|member| !self.waits_with(*member, lane, mask))
            .unwrap_or(lane);
        let cause = Cause::Mask {
            mask,
            lane: number(missing),
        };
        Some(self.fault(lane, cause))
    }

    fn release_group(&mut self, lane: usize) -> Result<bool, Fault> {
        let Some((op, mask)) = self.warp_op(lane) else {
            return Ok(false);
        };
        let members: Vec<usize> = self.members(lane, mask).collect();
        let gone = members
            .iter()
            .find(|member| self.state(**member) == State::Gone);
        let outside = (!members.contains(&lane)).then_some(&lane);
        if let Some(missing) = gone.or(outside) {
            let cause = Cause::Mask {
                mask,
                lane: number(*missing),
            };
            return Err(self.fault(lane, cause));
        }
        if !members
            .iter()
            .all(|member| self.waits_with(*member, lane, mask))
        {
            return Ok(false);
        }
        match op {
            WarpOp::Synchronise => self.order_warp(lane, members.len()),
            WarpOp::Shuffle { .. } => self.shuffle(op, &members)?,
            WarpOp::Vote { .. } => self.vote(op, &members),
        }
        for member in members {
            self.step_over(member);
        }
        Ok(true)
    }

    fn shuffle(&mut self, op: WarpOp, members: &[usize]) -> Result<(), Fault> {
        let WarpOp::Shuffle {
            mode,
            d,
            in_range,
            a,
            b,
            c,
        } = op
        else {
            return Ok(());
        };
        let mut results = Vec::with_capacity(members.len());
        for member in members {
            let lane = number(*member);
            let (b, c) = (self.word(*member, b), self.word(*member, c));
            let (source, valid) = source(mode, lane, b, c);
            let from = member
                .wrapping_sub(lane as usize)
                .wrapping_add(source as usize);
            if !members.contains(&from) {
                return Err(self.fault(*member, Cause::ShuffleSource { lane: source }));
            }
            results.push((*member, self.word(from, a), valid));
        }
        for (member, value, valid) in results {
            self.set(member, d, value.into());
            self.set(member, in_range, valid.into());
        }
        Ok(())
    }

    fn vote(&mut self, op: WarpOp, members: &[usize]) {
        let WarpOp::Vote {
            mode,
            d,
            predicate,
            when,
        } = op
        else {
            return;
        };
        let yes = |member: &&usize| (self.word(**member, predicate) & 1 == 1) == when;
        let count = members.iter().filter(yes).count();
        let result = match mode {
            Vote::All => u32::from(count == members.len()),
            Vote::Any => u32::from(count > 0),
            Vote::Uniform => u32::from(count == 0 || count == members.len()),
            Vote::Ballot => members
                .iter()
                .filter(yes)
                .fold(0, |mask, member| mask | bit(*member)),
        };
        for member in members {
            self.set(*member, d, result.into());
        }
    }

    /// What a lane waits for, and who takes part.
    fn warp_op(&self, lane: usize) -> Option<(WarpOp, u32)> {
        let Some(Op::Warp { warp, mask }) = self.op(lane) else {
            return None;
        };
        Some((*warp, self.word(lane, *mask)))
    }

    /// The lanes that a mask names: those of the warp that the block has.
    fn members(&self, lane: usize, mask: u32) -> impl Iterator<Item = usize> + use<> {
        let first = lane.wrapping_sub(number(lane) as usize);
        let end = first.saturating_add(WARP as usize).min(self.lanes());
        (first..end).filter(move |lane| bit(*lane) & mask != 0)
    }

    fn waits_with(&self, member: usize, lane: usize, mask: u32) -> bool {
        self.state(member) == State::Warp
            && self.pc(member) == self.pc(lane)
            && self.warp_op(member).is_some_and(|(_, other)| other == mask)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a word is the lower half")]
    fn word(&self, lane: usize, slot: Slot) -> u32 {
        self.get(lane, slot) as u32
    }
}

/// The lane that a shuffle reads, and whether the one asked for lay in range.
fn source(mode: Shuffle, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let lowest = lane & segment;
    let limit = lowest | clamp & !segment;
    let (source, valid) = match mode {
        // Below lane 0 nothing is in range.
        Shuffle::Up => (
            lane.wrapping_sub(b),
            lane >= b && lane.wrapping_sub(b) >= limit,
        ),
        Shuffle::Down => (lane.wrapping_add(b), lane.wrapping_add(b) <= limit),
        Shuffle::Butterfly => (lane ^ b, lane ^ b <= limit),
        Shuffle::Index => {
            let source = lowest | b & !segment;
            (source, source <= limit)
        }
    };
    (if valid { source } else { lane }, valid)
}

/// The number of a lane in its warp.
fn number(lane: usize) -> u32 {
    u32::try_from(lane).unwrap_or_default() % WARP
}

/// The bit of a lane in a mask.
fn bit(lane: usize) -> u32 {
    1u32.wrapping_shl(number(lane))
}
