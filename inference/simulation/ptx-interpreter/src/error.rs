//! Errors in a PTX text.

/// Why a text was not accepted: it is malformed, or says something that the interpreter does not cover.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something else was expected here.
    #[error("line {line}: expected {expected}, found {found}")]
    Syntax {
        /// Counted from 1.
        line: u32,
        /// What the grammar wants.
        expected: String,
        /// The text found.
        found: String,
    },
    /// An instruction that the interpreter does not execute.
    #[error("line {line}: the opcode {opcode} is not covered")]
    Opcode {
        /// Counted from 1.
        line: u32,
        /// As spelled in the text.
        opcode: String,
    },
    /// A register, variable or label that is not declared where it is used.
    #[error("line {line}: {name} is not declared")]
    Undeclared {
        /// Counted from 1.
        line: u32,
        /// As spelled in the text.
        name: String,
    },
    /// A name that is declared a second time.
    #[error("line {line}: {name} is declared twice")]
    Twice {
        /// Counted from 1.
        line: u32,
        /// As spelled in the text.
        name: String,
    },
    /// A register whose size is not that of the operand.
    #[error("line {line}: {name} has {found} bits, {opcode} takes {expected}")]
    Width {
        /// Counted from 1.
        line: u32,
        /// The instruction.
        opcode: String,
        /// The register.
        name: String,
        /// Bits that the instruction takes.
        expected: u32,
        /// Bits of the register.
        found: u32,
    },
    /// A count or size that is more than the interpreter takes.
    #[error("line {line}: {what} is more than {most}")]
    TooMuch {
        /// Counted from 1.
        line: u32,
        /// What there is too much of.
        what: String,
        /// The most that there may be.
        most: u64,
    },
}
