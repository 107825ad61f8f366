//! From an instruction to operations.

use crate::{
    address::SHARED_WINDOW,
    body::Body,
    error::Error,
    functions::{self, Function},
    instruction::{Op, Shuffle, Slot, Vote, WarpOp},
    operands::SCRATCH,
    variable::bits,
};

impl Body<'_, '_> {
    /// Reads the operands of `self.opcode` and adds what it does; only a jump can have a guard here.
    pub(crate) fn instruction(&mut self, guard: Option<(Slot, bool)>) -> Result<(), Error> {
        if let Some(operation) = functions::operation(self.opcode) {
            return self.operation(operation);
        }
        let (name, rest) = self.opcode.split_once('.').unwrap_or((self.opcode, ""));
        match name {
            "ld" => self.load(rest),
            "st" => self.store(rest),
            "mov" => self.move_value(rest),
            "cvta" => self.change_space(rest),
            "cvt" => self.convert(rest),
            "setp" => self.set_predicate(rest),
            "set" => self.set(rest),
            "selp" => self.select(rest),
            "bra" if matches!(rest, "" | "uni") => {
                let label = self.tokens.word("a label")?;
                self.jump(label, guard)
            }
            "ret" | "exit" if matches!(rest, "" | "uni") => self.emit(Op::Exit),
            "bar" | "barrier" => self.barrier(rest),
            "shfl" => self.shuffle(rest),
            "vote" => self.vote(rest),
            "activemask" if rest == "b32" => {
                let (d, _) = self.target(32, false)?;
                self.emit(Op::ActiveMask { d })
            }
            // The memory of this machine has one order.
            "membar" if matches!(rest, "cta" | "gl" | "sys") => Ok(()),
            "fence" if rest.starts_with("sc.") || rest.starts_with("acq_rel.") => Ok(()),
            _ => Err(self.not_covered()),
        }
    }

    fn operation(&mut self, operation: functions::Operation) -> Result<(), Error> {
        let (d, _) = self.target(operation.result, false)?;
        let mut operands = [SCRATCH; 4];
        for (slot, bits) in operands.iter_mut().zip(operation.operands) {
            if bits > 0 {
                self.comma()?;
                *slot = self.value(bits, false, operation.floats)?;
            }
        }
        let [a, b, c, _] = operands;
        self.emit(match (self.opcode, operation.function) {
            ("add.s32" | "add.u32", _) => Op::Add32 { d, a, b },
            ("add.s64" | "add.u64", _) => Op::Add64 { d, a, b },
            ("add.rn.f32", _) => Op::AddF32 { d, a, b },
            ("mul.rn.f32", _) => Op::MulF32 { d, a, b },
            ("fma.rn.f32", _) => Op::FmaF32 { d, a, b, c },
            (_, Function::One(f)) => Op::One { f, d, a },
            (_, Function::Two(f)) => Op::Two { f, d, a, b },
            (_, Function::Three(f)) => Op::Three { f, d, a, b, c },
            (_, Function::Four(f)) => Op::Four { f, d, operands },
            (_, Function::Divide(f)) => Op::Divide { f, d, a, b },
        })
    }

    fn move_value(&mut self, kind: &str) -> Result<(), Error> {
        let bits = match kind {
            "pred" => 1,
            _ => bits(kind)
                .filter(|bits| *bits > 8)
                .ok_or_else(|| self.not_covered())?,
        };
        if self.tokens.accept('{') {
            return self.take_apart(bits);
        }
        let (d, _) = self.target(bits, false)?;
        self.comma()?;
        if self.tokens.accept('{') {
            return self.put_together(d, bits);
        }
        let a = self.value(bits, false, kind.starts_with('f'))?;
        self.emit(Op::Move { d, a })
    }

    /// `mov.b64 {%r1, %r2}, %rd1`, and the same for halves.
    fn take_apart(&mut self, bits: u32) -> Result<(), Error> {
        let half = bits / 2;
        if half < 16 {
            return Err(self.not_covered());
        }
        let (low, _) = self.target(half, false)?;
        self.comma()?;
        let (high, _) = self.target(half, false)?;
        self.tokens.expect('}')?;
        self.comma()?;
        let a = self.value(bits, false, false)?;
        let take_low: fn(u64) -> u64 = match half {
            16 => |a| a & 0xFFFF,
            _ => |a| a & 0xFFFF_FFFF,
        };
        let take_high: fn(u64) -> u64 = match half {
            16 => |a| a >> 16 & 0xFFFF,
            _ => |a| a >> 32,
        };
        self.emit(Op::One {
            f: take_low,
            d: low,
            a,
        })?;
        self.emit(Op::One {
            f: take_high,
            d: high,
            a,
        })
    }

    fn put_together(&mut self, d: Slot, bits: u32) -> Result<(), Error> {
        let half = bits / 2;
        if half < 16 {
            return Err(self.not_covered());
        }
        let a = self.value(half, false, false)?;
        self.comma()?;
        let b = self.value(half, false, false)?;
        self.tokens.expect('}')?;
        let f: fn(u64, u64) -> u64 = match half {
            16 => |a, b| (b & 0xFFFF) << 16 | a & 0xFFFF,
            _ => |a, b| b << 32 | a & 0xFFFF_FFFF,
        };
        self.emit(Op::Two { f, d, a, b })
    }

    /// Between generic addresses and those of a space: only shared memory has a window.
    fn change_space(&mut self, rest: &str) -> Result<(), Error> {
        let shift = match rest {
            "to.global.u64" | "global.u64" | "to.const.u64" | "const.u64" => 0,
            "to.shared.u64" => SHARED_WINDOW.wrapping_neg(),
            "shared.u64" => SHARED_WINDOW,
            _ => return Err(self.not_covered()),
        };
        let (d, _) = self.target(64, false)?;
        self.comma()?;
        let a = self.value(64, false, false)?;
        let b = self.names.constant(shift, self.line)?;
        self.emit(Op::Add64 { d, a, b })
    }

    fn convert(&mut self, rest: &str) -> Result<(), Error> {
        let conversion = functions::conversion(rest).ok_or_else(|| self.not_covered())?;
        let (d, _) = self.target(conversion.result, true)?;
        self.comma()?;
        let a = self.value(conversion.source, true, false)?;
        self.emit(Op::One {
            f: conversion.f,
            d,
            a,
        })
    }

    /// `setp.lt.f32 p|q, a, b` and `setp.lt.and.f32 p|q, a, b, c`.
    fn set_predicate(&mut self, rest: &str) -> Result<(), Error> {
        let (form, kind) = rest.rsplit_once('.').unwrap_or((rest, ""));
        let (name, joined_by) = match form.split_once('.') {
            Some((name, joined_by)) => (name, Some(joined_by)),
            None => (form, None),
        };
        let comparison = functions::comparison(name, kind).ok_or_else(|| self.not_covered())?;
        let (holds, _) = self.target(1, false)?;
        let fails = match self.tokens.accept('|') {
            true => self.target(1, false)?.0,
            false => SCRATCH,
        };
        self.comma()?;
        let a = self.value(comparison.bits, false, comparison.floats)?;
        self.comma()?;
        let b = self.value(comparison.bits, false, comparison.floats)?;
        let f = comparison.holds;
        let not: fn(u64) -> u64 = |a| !a & 1;
        let Some(joined_by) = joined_by else {
            self.emit(Op::Two { f, d: holds, a, b })?;
            if fails != SCRATCH {
                let (d, a) = (fails, holds);
                self.emit(Op::One { f: not, d, a })?;
            }
            return Ok(());
        };
        let join: fn(u64, u64) -> u64 = match joined_by {
            "and" => |a, b| a & b & 1,
            "or" => |a, b| (a | b) & 1,
            "xor" => |a, b| (a ^ b) & 1,
            _ => return Err(self.not_covered()),
        };
        self.comma()?;
        let (other, when) = self.predicate()?;
        let compared = self.names.take(1, self.line)?;
        let second = self.names.take(1, self.line)?;
        self.emit(Op::Two {
            f,
            d: compared,
            a,
            b,
        })?;
        match when {
            true => self.emit(Op::Move {
                d: second,
                a: other,
            })?,
            false => self.emit(Op::One {
                f: not,
                d: second,
                a: other,
            })?,
        }
        let (a, b) = (compared, second);
        self.emit(Op::Two {
            f: join,
            d: holds,
            a,
            b,
        })?;
        if fails != SCRATCH {
            self.emit(Op::One {
                f: not,
                d: compared,
                a: compared,
            })?;
            self.emit(Op::Two {
                f: join,
                d: fails,
                a,
                b,
            })?;
        }
        Ok(())
    }

    /// `set.lt.u32.f32 d, a, b`: all ones, or 1.0 for a float.
    fn set(&mut self, rest: &str) -> Result<(), Error> {
        let mut parts = rest.split('.');
        let (Some(name), Some(result), Some(kind), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(self.not_covered());
        };
        let comparison = functions::comparison(name, kind).ok_or_else(|| self.not_covered())?;
        let f: fn(u64) -> u64 = match result {
            "u32" | "s32" => |holds| holds.wrapping_neg() & 0xFFFF_FFFF,
            "f32" => |holds| holds.wrapping_neg() & 0x3F80_0000,
            _ => return Err(self.not_covered()),
        };
        let (d, _) = self.target(32, false)?;
        self.comma()?;
        let a = self.value(comparison.bits, false, comparison.floats)?;
        self.comma()?;
        let b = self.value(comparison.bits, false, comparison.floats)?;
        self.emit(Op::Two {
            f: comparison.holds,
            d,
            a,
            b,
        })?;
        self.emit(Op::One { f, d, a: d })
    }

    fn select(&mut self, kind: &str) -> Result<(), Error> {
        let bits = bits(kind)
            .filter(|bits| *bits > 8)
            .ok_or_else(|| self.not_covered())?;
        let floats = kind.starts_with('f');
        let (d, _) = self.target(bits, false)?;
        self.comma()?;
        let a = self.value(bits, false, floats)?;
        self.comma()?;
        let b = self.value(bits, false, floats)?;
        self.comma()?;
        let predicate = self.value(1, false, false)?;
        self.emit(Op::Select { d, a, b, predicate })
    }

    /// A barrier of the whole block; barriers of some of its threads are not covered.
    fn barrier(&mut self, rest: &str) -> Result<(), Error> {
        match rest {
            "warp.sync" => {
                let mask = self.value(32, false, false)?;
                let warp = WarpOp::Synchronise;
                return self.emit(Op::Warp { warp, mask });
            }
            "sync" | "sync.aligned" | "cta.sync" | "cta.sync.aligned" => {}
            _ => return Err(self.not_covered()),
        }
        if self.tokens.integer()? > 15 || self.tokens.accept(',') {
            return Err(self.not_covered());
        }
        self.emit(Op::Barrier)
    }

    fn shuffle(&mut self, rest: &str) -> Result<(), Error> {
        let mode = match rest {
            "sync.up.b32" => Shuffle::Up,
            "sync.down.b32" => Shuffle::Down,
            "sync.bfly.b32" => Shuffle::Butterfly,
            "sync.idx.b32" => Shuffle::Index,
            _ => return Err(self.not_covered()),
        };
        let (d, _) = self.target(32, false)?;
        let in_range = match self.tokens.accept('|') {
            true => self.target(1, false)?.0,
            false => SCRATCH,
        };
        let mut operands = [SCRATCH; 4];
        for slot in &mut operands {
            self.comma()?;
            *slot = self.value(32, false, false)?;
        }
        let [a, b, c, mask] = operands;
        let warp = WarpOp::Shuffle {
            mode,
            d,
            in_range,
            a,
            b,
            c,
        };
        self.emit(Op::Warp { warp, mask })
    }

    fn vote(&mut self, rest: &str) -> Result<(), Error> {
        let (mode, bits) = match rest {
            "sync.all.pred" => (Vote::All, 1),
            "sync.any.pred" => (Vote::Any, 1),
            "sync.uni.pred" => (Vote::Uniform, 1),
            "sync.ballot.b32" => (Vote::Ballot, 32),
            _ => return Err(self.not_covered()),
        };
        let (d, _) = self.target(bits, false)?;
        self.comma()?;
        let (predicate, when) = self.predicate()?;
        self.comma()?;
        let mask = self.value(32, false, false)?;
        let warp = WarpOp::Vote {
            mode,
            d,
            predicate,
            when,
        };
        self.emit(Op::Warp { warp, mask })
    }
}
