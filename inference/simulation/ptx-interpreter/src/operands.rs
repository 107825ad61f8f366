//! Names of a kernel and their slots.

use std::collections::BTreeMap;

use crate::{
    error::Error,
    instruction::{Slot, Special},
    variable::too_much,
};

/// The meaning of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Register {
        slot: Slot,
        bits: u32,
    },
    /// Registers whose names end in a number from 0 to `count` - 1.
    Bank {
        first: Slot,
        count: u64,
        bits: u32,
    },
    /// A variable.
    Address(u64),
    /// Dynamic shared memory.
    Dynamic,
}

/// The names that are in sight, and the slots of a kernel.
#[derive(Debug, Clone)]
pub(crate) struct Names<'a> {
    /// The outermost first.
    scopes: Vec<BTreeMap<&'a str, Declared>>,
    pub(crate) constants: BTreeMap<u64, Slot>,
    pub(crate) specials: BTreeMap<Special, Slot>,
    /// The slot that holds the address of dynamic shared memory.
    pub(crate) dynamic: Option<Slot>,
    /// The first free slot; slot 0 takes unused results.
    pub(crate) slots: usize,
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self {
            scopes: vec![BTreeMap::new()],
            constants: BTreeMap::new(),
            specials: BTreeMap::new(),
            dynamic: None,
            slots: 1,
        }
    }
}

impl<'a> Names<'a> {
    /// Opens a pair of braces.
    pub(crate) fn open(&mut self) {
        self.scopes.push(BTreeMap::new());
    }

    /// Closes a pair of braces.
    pub(crate) fn close(&mut self) {
        self.scopes.pop();
    }

    /// Declares a name between the innermost braces.
    pub(crate) fn declare(
        &mut self,
        name: &'a str,
        declared: Declared,
        line: u32,
    ) -> Result<(), Error> {
        let scope = self.scopes.last_mut();
        if scope.is_some_and(|scope| scope.insert(name, declared).is_some()) {
            return Err(Error::Twice {
                line,
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    /// Takes free slots in a row.
    pub(crate) fn take(&mut self, count: u64, line: u32) -> Result<Slot, Error> {
        let first = self.slots;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let end = first.saturating_add(count);
        if let (Ok(slot), Ok(_)) = (Slot::try_from(first), Slot::try_from(end)) {
            self.slots = end;
            return Ok(slot);
        }
        Err(too_much(
            line,
            "the number of registers and constants",
            Slot::MAX.into(),
        ))
    }

    /// The slot of a constant.
    pub(crate) fn constant(&mut self, value: u64, line: u32) -> Result<Slot, Error> {
        if let Some(slot) = self.constants.get(&value) {
            return Ok(*slot);
        }
        let slot = self.take(1, line)?;
        self.constants.insert(value, slot);
        Ok(slot)
    }

    /// The slot of a name, and its bits; none for the address of a variable, which has no size of its own.
    pub(crate) fn slot(&mut self, name: &str, line: u32) -> Result<(Slot, Option<u32>), Error> {
        match self.find(name) {
            Some(Declared::Register { slot, bits }) => return Ok((slot, Some(bits))),
            Some(Declared::Address(address)) => {
                return Ok((self.constant(address, line)?, None));
            }
            Some(Declared::Dynamic) => {
                let slot = match self.dynamic {
                    Some(slot) => slot,
                    None => self.take(1, line)?,
                };
                self.dynamic = Some(slot);
                return Ok((slot, None));
            }
            Some(Declared::Bank { .. }) | None => {}
        }
        let Some(special) = special(name) else {
            return Err(Error::Undeclared {
                line,
                name: name.chars().take(80).collect(),
            });
        };
        let slot = match self.specials.get(&special) {
            Some(slot) => *slot,
            None => self.take(1, line)?,
        };
        self.specials.insert(special, slot);
        Ok((slot, Some(32)))
    }

    fn find(&self, name: &str) -> Option<Declared> {
        let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let (_, digits) = name.split_at(prefix.len());
        let number = digits
            .parse::<u64>()
            .ok()
            .filter(|_| digits == "0" || !digits.starts_with('0'));
        self.scopes.iter().rev().find_map(|scope| {
            if let Some(declared) = scope.get(name)
                && !matches!(declared, Declared::Bank { .. })
            {
                return Some(*declared);
            }
            match (scope.get(prefix)?, number?) {
                (Declared::Bank { first, count, bits }, number) if number < *count => {
                    let number = Slot::try_from(number).ok()?;
                    Some(Declared::Register {
                        slot: first.saturating_add(number),
                        bits: *bits,
                    })
                }
                _ => None,
            }
        })
    }
}

/// Slot 0: unused results.
pub(crate) const SCRATCH: Slot = 0;

fn special(name: &str) -> Option<Special> {
    match name {
        "%laneid" => return Some(Special::Lane),
        "%warpid" => return Some(Special::Warp),
        _ => {}
    }
    let (register, axis) = name.rsplit_once('.')?;
    let axis = match axis {
        "x" => 0,
        "y" => 1,
        "z" => 2,
        _ => return None,
    };
    Some(match register {
        "%tid" => Special::Thread(axis),
        "%ntid" => Special::ThreadCount(axis),
        "%ctaid" => Special::Block(axis),
        "%nctaid" => Special::BlockCount(axis),
        _ => return None,
    })
}
