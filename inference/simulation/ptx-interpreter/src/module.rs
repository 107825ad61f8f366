//! The text of a module: kernels and variables.

use std::collections::BTreeMap;

use crate::{
    address,
    body::Body,
    error::Error,
    instruction::{Op, Slot, Special},
    operands::{Declared, Names},
    tokens::{Token, Tokens},
    variable::{Variable, too_much},
};

/// A parsed PTX text.
#[derive(Debug, Clone)]
pub struct Module {
    pub(crate) kernels: BTreeMap<String, Kernel>,
    /// The bytes of each variable in global and constant memory.
    pub(crate) variables: Vec<Vec<u8>>,
}

/// A parameter of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As declared.
    pub name: String,
    /// The type, as `u64` or `b8[24]`.
    pub kind: String,
    /// Bytes.
    pub size: usize,
    /// Where it lies among the bytes of all parameters.
    pub offset: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) parameters: Vec<Parameter>,
    /// The most threads of a block, where the text says so.
    pub(crate) most_threads: Option<u64>,
    pub(crate) code: Vec<Op>,
    /// The line of each operation.
    pub(crate) lines: Vec<u32>,
    pub(crate) slots: usize,
    pub(crate) constants: Vec<(Slot, u64)>,
    pub(crate) specials: Vec<(Slot, Special)>,
    /// Bytes of shared memory that the text declares.
    pub(crate) static_shared: u64,
    /// Where dynamic shared memory starts.
    pub(crate) dynamic_start: u64,
}

impl Module {
    /// Reads a PTX text.
    ///
    /// # Errors
    /// Fails with the line of what is malformed or not covered.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parser = Parser {
            tokens: Tokens::new(text),
            names: Names::default(),
            shared: 0,
            module: Self {
                kernels: BTreeMap::new(),
                variables: Vec::new(),
            },
        };
        parser.head()?;
        while parser.tokens.peek().is_some() {
            parser.item()?;
        }
        Ok(parser.module)
    }

    /// The names of the kernels, in order of the alphabet.
    pub fn kernels(&self) -> impl Iterator<Item = &str> {
        self.kernels.keys().map(String::as_str)
    }

    /// The parameters of a kernel.
    pub fn parameters(&self, kernel: &str) -> Option<&[Parameter]> {
        Some(&self.kernels.get(kernel)?.parameters)
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// What every kernel sees.
    names: Names<'a>,
    /// Bytes of shared variables outside of kernels.
    shared: u64,
    module: Module,
}

impl<'a> Parser<'a> {
    fn head(&mut self) -> Result<(), Error> {
        for directive in [".version", ".target", ".address_size"] {
            if !self.tokens.accept_word(directive) {
                return Err(self.tokens.unexpected(directive));
            }
            if directive == ".address_size" && self.tokens.peek() != Some(Token::Word("64")) {
                return Err(self.tokens.unexpected("64"));
            }
            self.tokens.word("a value")?;
        }
        Ok(())
    }

    fn item(&mut self) -> Result<(), Error> {
        let mut external = false;
        loop {
            let line = self.tokens.line();
            match self.tokens.word("a directive")? {
                ".visible" | ".weak" => {}
                ".extern" => external = true,
                ".entry" if !external => return self.kernel(),
                ".const" | ".global" if !external => return self.variable(),
                ".shared" => return self.shared(),
                other => {
                    return Err(Error::Opcode {
                        line,
                        opcode: other.chars().take(80).collect(),
                    });
                }
            }
        }
    }

    fn variable(&mut self) -> Result<(), Error> {
        let line = self.tokens.line();
        let variable = Variable::parse(&mut self.tokens)?;
        let mut bytes = Vec::new();
        if self.tokens.accept('=') {
            let is_list = self.tokens.accept('{');
            loop {
                let value = self.initial(&variable)?;
                bytes.extend(
                    value
                        .to_le_bytes()
                        .into_iter()
                        .take(byte_count(variable.element)),
                );
                if !is_list || !self.tokens.accept(',') {
                    break;
                }
            }
            if is_list {
                self.tokens.expect('}')?;
            }
        }
        self.tokens.expect(';')?;
        let length = match variable.count {
            Some(_) => byte_count(variable.size()),
            None => bytes.len(),
        };
        let most = usize::try_from(address::LARGEST_VARIABLE).unwrap_or(usize::MAX);
        if length > most || bytes.len() > length {
            let most = address::LARGEST_VARIABLE.min(variable.size());
            return Err(too_much(line, "the size of a variable", most));
        }
        // What has no value is zero.
        bytes.resize(length, 0);
        let index = self.module.variables.len();
        if index >= address::MOST_VARIABLES {
            let most = u64::try_from(address::MOST_VARIABLES).unwrap_or(u64::MAX);
            return Err(too_much(line, "the number of variables", most));
        }
        self.module.variables.push(bytes);
        let address = Declared::Address(address::of_variable(index));
        self.names.declare(variable.name, address, line)
    }

    fn initial(&mut self, variable: &Variable<'a>) -> Result<u64, Error> {
        if let Some(Token::Word(word)) = self.tokens.peek()
            && let Some(bits) = float_bits(word)
            && variable.kind.starts_with(['f', 'b'])
        {
            self.tokens.next();
            return Ok(bits);
        }
        self.tokens.integer()
    }

    fn shared(&mut self) -> Result<(), Error> {
        let line = self.tokens.line();
        let variable = Variable::parse(&mut self.tokens)?;
        self.tokens.expect(';')?;
        let declared = if variable.count.is_none() {
            Declared::Dynamic
        } else {
            let (start, end) = variable.place(self.shared, line)?;
            self.shared = end;
            Declared::Address(start)
        };
        self.names.declare(variable.name, declared, line)
    }

    fn kernel(&mut self) -> Result<(), Error> {
        let line = self.tokens.line();
        let name = self.tokens.word("the name of a kernel")?;
        let mut names = self.names.clone();
        let parameters = self.parameters(&mut names)?;
        let mut most_threads = None;
        while let Some(Token::Word(directive)) = self.tokens.peek() {
            if !matches!(
                directive,
                ".maxntid" | ".reqntid" | ".minnctapersm" | ".maxnreg"
            ) {
                return Err(self.tokens.unexpected("the body of a kernel"));
            }
            self.tokens.next();
            let mut product = self.tokens.integer()?;
            while self.tokens.accept(',') {
                product = product.saturating_mul(self.tokens.integer()?);
            }
            if matches!(directive, ".maxntid" | ".reqntid") {
                most_threads = Some(product);
            }
        }
        let body = Body::new(&mut self.tokens, names, self.shared);
        let kernel = body.parse(parameters, most_threads)?;
        if self
            .module
            .kernels
            .insert(name.to_owned(), kernel)
            .is_some()
        {
            return Err(Error::Twice {
                line,
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    fn parameters(&mut self, names: &mut Names<'a>) -> Result<Vec<Parameter>, Error> {
        let mut parameters = Vec::new();
        let mut end = 0;
        if !self.tokens.accept('(') || self.tokens.accept(')') {
            return Ok(parameters);
        }
        loop {
            let line = self.tokens.line();
            if !self.tokens.accept_word(".param") {
                return Err(self.tokens.unexpected(".param"));
            }
            let variable = Variable::parse(&mut self.tokens)?;
            let start;
            (start, end) = variable.place(end, line)?;
            if end > MOST_PARAMETER_BYTES {
                return Err(too_much(
                    line,
                    "the size of all parameters",
                    MOST_PARAMETER_BYTES,
                ));
            }
            names.declare(variable.name, Declared::Address(start), line)?;
            let kind = match variable.is_array {
                true => format!("{}[{}]", variable.kind, variable.count.unwrap_or_default()),
                false => variable.kind.to_owned(),
            };
            parameters.push(Parameter {
                name: variable.name.to_owned(),
                kind,
                size: byte_count(variable.size()),
                offset: byte_count(start),
            });
            if !self.tokens.accept(',') {
                break;
            }
        }
        self.tokens.expect(')')?;
        Ok(parameters)
    }
}

/// The bits of a float as PTX writes it: 0f and 8 digits, or 0d and 16.
pub(crate) fn float_bits(word: &str) -> Option<u64> {
    let (digits, length) = match word.get(..2)? {
        "0f" | "0F" => (word.get(2..)?, 8),
        "0d" | "0D" => (word.get(2..)?, 16),
        _ => return None,
    };
    let is_hexadecimal = digits.len() == length && !digits.starts_with('+');
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|_| is_hexadecimal)
}

fn byte_count(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

const MOST_PARAMETER_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_bits() {
        assert_eq!(float_bits("0f3F800000"), Some(0x3F80_0000));
        assert_eq!(
            float_bits("0d3FF0000000000000"),
            Some(0x3FF0_0000_0000_0000)
        );
        assert_eq!(float_bits("0f3F80000"), None);
        assert_eq!(float_bits("0f+F800000"), None);
        assert_eq!(crate::tokens::integer("0f3F800000"), None);
    }
}
