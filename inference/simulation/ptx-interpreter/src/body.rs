//! The body of a kernel: declarations, labels and statements. What an instruction says is read in `instructions`.

use std::collections::BTreeMap;

use crate::{
    error::Error,
    instruction::{Op, Slot},
    module::{Kernel, Parameter, float_bits},
    operands::{Declared, Names, SCRATCH},
    tokens::{self, Token, Tokens},
    variable::{Variable, bits, too_much},
};

/// A kernel while it is read.
pub(crate) struct Body<'a, 't> {
    pub(crate) tokens: &'t mut Tokens<'a>,
    pub(crate) names: Names<'a>,
    code: Vec<Op>,
    lines: Vec<u32>,
    labels: BTreeMap<&'a str, u32>,
    /// Jumps to labels, some of which come later: the operation, the label, the line.
    jumps: Vec<(usize, &'a str, u32)>,
    shared: u64,
    /// The instruction that is read.
    pub(crate) opcode: &'a str,
    pub(crate) line: u32,
}

impl<'a, 't> Body<'a, 't> {
    /// Starts a kernel; `shared` bytes of shared memory are taken already.
    pub(crate) const fn new(tokens: &'t mut Tokens<'a>, names: Names<'a>, shared: u64) -> Self {
        Self {
            tokens,
            names,
            code: Vec::new(),
            lines: Vec::new(),
            labels: BTreeMap::new(),
            jumps: Vec::new(),
            shared,
            opcode: "",
            line: 0,
        }
    }

    /// Reads everything between the braces.
    pub(crate) fn parse(
        mut self,
        parameters: Vec<Parameter>,
        most_threads: Option<u64>,
    ) -> Result<Kernel, Error> {
        self.tokens.expect('{')?;
        self.names.open();
        let mut depth = 1u32;
        while depth > 0 {
            self.line = self.tokens.line();
            if self.tokens.accept('{') {
                self.names.open();
                depth += 1;
            } else if self.tokens.accept('}') {
                self.names.close();
                depth = depth.saturating_sub(1);
            } else if !self.tokens.accept(';') {
                self.statement()?;
            }
        }
        self.emit(Op::Exit)?;
        for (index, label, line) in std::mem::take(&mut self.jumps) {
            let Some(target) = self.labels.get(label).copied() else {
                let name = label.to_owned();
                return Err(Error::Undeclared { line, name });
            };
            self.aim(index, target);
        }
        let dynamic_start = self.shared.next_multiple_of(DYNAMIC_ALIGNMENT);
        let mut constants: Vec<(Slot, u64)> = (self.names.constants.into_iter())
            .map(|(value, slot)| (slot, value))
            .collect();
        constants.extend(self.names.dynamic.map(|slot| (slot, dynamic_start)));
        Ok(Kernel {
            parameters,
            most_threads,
            code: self.code,
            lines: self.lines,
            slots: self.names.slots,
            constants,
            specials: (self.names.specials.into_iter())
                .map(|(special, slot)| (slot, special))
                .collect(),
            static_shared: self.shared,
            dynamic_start,
        })
    }

    /// Adds an operation.
    pub(crate) fn emit(&mut self, op: Op) -> Result<(), Error> {
        if self.code.len() >= MOST_OPERATIONS {
            let most = u64::try_from(MOST_OPERATIONS).unwrap_or(u64::MAX);
            return Err(too_much(self.line, "the number of instructions", most));
        }
        self.code.push(op);
        self.lines.push(self.line);
        Ok(())
    }

    /// Adds a jump to a label, of everyone or of those whose predicate is as given.
    pub(crate) fn jump(
        &mut self,
        label: &'a str,
        guard: Option<(Slot, bool)>,
    ) -> Result<(), Error> {
        self.jumps.push((self.code.len(), label, self.line));
        self.emit(match guard {
            None => Op::Jump { target: 0 },
            Some((predicate, when)) => Op::JumpIf {
                predicate,
                when,
                target: 0,
            },
        })
    }

    fn statement(&mut self) -> Result<(), Error> {
        if self.tokens.accept('@') {
            let guard = self.predicate()?;
            let opcode = self.tokens.word("an instruction")?;
            return self.guarded(opcode, guard);
        }
        match self.tokens.word("an instruction")? {
            ".reg" => self.registers(),
            ".shared" => self.variable(),
            ".pragma" => {
                if self.tokens.next() != Some(Token::Quoted) {
                    return Err(self.tokens.unexpected("a quoted text"));
                }
                self.tokens.expect(';')
            }
            label if self.tokens.accept(':') => self.label(label),
            opcode => {
                self.opcode = opcode;
                self.instruction(None)?;
                self.tokens.expect(';')
            }
        }
    }

    /// A jump takes its predicate along; anything else is jumped over by those that do not run it.
    fn guarded(&mut self, opcode: &'a str, (predicate, when): (Slot, bool)) -> Result<(), Error> {
        self.opcode = opcode;
        if matches!(opcode, "bra" | "bra.uni") {
            self.instruction(Some((predicate, when)))?;
            return self.tokens.expect(';');
        }
        let over = self.code.len();
        self.emit(Op::JumpIf {
            predicate,
            when: !when,
            target: 0,
        })?;
        self.instruction(None)?;
        self.aim(over, self.here());
        self.tokens.expect(';')
    }

    fn label(&mut self, label: &'a str) -> Result<(), Error> {
        if self.labels.insert(label, self.here()).is_some() {
            return Err(Error::Twice {
                line: self.line,
                name: label.to_owned(),
            });
        }
        Ok(())
    }

    fn registers(&mut self) -> Result<(), Error> {
        let kind = self.tokens.word("a type")?.trim_start_matches('.');
        let bits = match kind {
            "pred" => 1,
            "f16" => 16,
            _ => bits(kind)
                .filter(|bits| *bits > 8)
                .ok_or_else(|| self.tokens.unexpected("a type of registers before this"))?,
        };
        loop {
            let name = self.tokens.word("a register")?;
            let declared = if self.tokens.accept('<') {
                let count = self.tokens.integer()?;
                self.tokens.expect('>')?;
                let first = self.names.take(count, self.line)?;
                Declared::Bank { first, count, bits }
            } else {
                let slot = self.names.take(1, self.line)?;
                Declared::Register { slot, bits }
            };
            self.names.declare(name, declared, self.line)?;
            if !self.tokens.accept(',') {
                return self.tokens.expect(';');
            }
        }
    }

    fn variable(&mut self) -> Result<(), Error> {
        let variable = Variable::parse(self.tokens)?;
        self.tokens.expect(';')?;
        let (start, end) = variable.place(self.shared, self.line)?;
        self.shared = end;
        self.names
            .declare(variable.name, Declared::Address(start), self.line)
    }

    fn here(&self) -> u32 {
        u32::try_from(self.code.len()).unwrap_or(u32::MAX)
    }

    fn aim(&mut self, jump: usize, to: u32) {
        if let Some(Op::Jump { target } | Op::JumpIf { target, .. }) = self.code.get_mut(jump) {
            *target = to;
        }
    }
}

/// Operands.
impl Body<'_, '_> {
    /// A register that is written: `bits` wide, or wider where that is allowed.
    pub(crate) fn target(&mut self, bits: u32, wider: bool) -> Result<(Slot, u32), Error> {
        if self.tokens.accept_word("_") {
            return Ok((SCRATCH, bits));
        }
        let name = self.tokens.word("a register")?;
        match self.names.slot(name, self.line)? {
            (slot, Some(found)) if !is_special(name) => {
                self.check(name, bits, found, wider)?;
                Ok((slot, found))
            }
            _ => Err(Error::Undeclared {
                line: self.line,
                name: format!("a register {name}"),
            }),
        }
    }

    /// A value that is read: a register, a constant, or the address of a variable.
    pub(crate) fn value(&mut self, bits: u32, wider: bool, floats: bool) -> Result<Slot, Error> {
        if let Some(value) = self.number(bits, floats)? {
            return self.names.constant(value, self.line);
        }
        let name = self.tokens.word("a register or a number")?;
        let (slot, found) = self.names.slot(name, self.line)?;
        if let Some(found) = found {
            self.check(name, bits, found, wider)?;
        } else if bits < 32 {
            self.check(name, bits, 64, false)?;
        }
        Ok(slot)
    }

    /// A predicate and what it has to be.
    pub(crate) fn predicate(&mut self) -> Result<(Slot, bool), Error> {
        let when = !self.tokens.accept('!');
        let name = self.tokens.word("a predicate")?;
        let (slot, found) = self.names.slot(name, self.line)?;
        self.check(name, 1, found.unwrap_or(64), false)?;
        Ok((slot, when))
    }

    /// An address: a register or a variable, and a constant offset.
    pub(crate) fn address(&mut self) -> Result<(Slot, i32), Error> {
        self.tokens.expect('[')?;
        let name = self.tokens.word("an address")?;
        let (slot, found) = self.names.slot(name, self.line)?;
        if let Some(found) = found.filter(|found| *found < 32) {
            self.check(name, 64, found, false)?;
        }
        let has_offset = self.tokens.accept('+') || self.tokens.peek() == Some(Token::Mark('-'));
        let offset = if has_offset {
            self.tokens.integer()?
        } else {
            0
        };
        let offset = i32::try_from(offset.cast_signed())
            .map_err(|_| too_much(self.line, "an offset", i32::MAX.unsigned_abs().into()))?;
        self.tokens.expect(']')?;
        Ok((slot, offset))
    }

    pub(crate) fn comma(&mut self) -> Result<(), Error> {
        self.tokens.expect(',')
    }

    /// The error that this opcode is not covered.
    pub(crate) fn not_covered(&self) -> Error {
        Error::Opcode {
            line: self.line,
            opcode: self.opcode.chars().take(80).collect(),
        }
    }

    fn number(&mut self, bits: u32, floats: bool) -> Result<Option<u64>, Error> {
        match self.tokens.peek() {
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                let is_float = float_bits(word).filter(|_| word.len() == float_length(bits));
                let value = match is_float {
                    None if !floats => tokens::integer(word),
                    other => other,
                };
                let Some(value) = value else {
                    return Err(self.tokens.unexpected("a number of this type"));
                };
                self.tokens.next();
                Ok(Some(value))
            }
            Some(Token::Mark('-')) if !floats => self.tokens.integer().map(Some),
            _ => Ok(None),
        }
    }

    fn check(&self, name: &str, expected: u32, found: u32, wider: bool) -> Result<(), Error> {
        if expected == found || wider && found > expected {
            return Ok(());
        }
        Err(Error::Width {
            line: self.line,
            opcode: self.opcode.chars().take(80).collect(),
            name: name.chars().take(80).collect(),
            expected,
            found,
        })
    }
}

/// The length of a float of these bits as PTX writes it.
const fn float_length(bits: u32) -> usize {
    match bits {
        32 => 10,
        64 => 18,
        _ => 0,
    }
}

fn is_special(name: &str) -> bool {
    name.starts_with('%') && name.contains('.') || matches!(name, "%laneid" | "%warpid")
}

const DYNAMIC_ALIGNMENT: u64 = 16;
const MOST_OPERATIONS: usize = 1 << 22;
