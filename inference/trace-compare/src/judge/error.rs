//! Errors of a comparison.

use crate::format::TraceError;
use inference::Error;

/// Why traces were not compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A trace could not be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The model could not be run.
    #[error(transparent)]
    Model(#[from] Error),
    /// The tokens of a trace are unknown.
    #[error("{trace}: the tokens are not recorded, and {why}; pass them with --tokens")]
    NoTokens {
        /// The name of the trace.
        trace: String,
        /// Why they could not be found otherwise.
        why: String,
    },
    /// The tokens that were given are not those of the trace.
    #[error("{trace}: made with the tokens {found}, but --tokens says {given}")]
    OtherTokens {
        /// The name of the trace.
        trace: String,
        /// The tokens inside.
        found: String,
        /// The tokens that were given.
        given: String,
    },
    /// The sizes of its records are those of another number of tokens.
    #[error(
        "{trace}: the records hold {found} tokens, but {given} were given; pass those of the trace"
    )]
    TokenCount {
        /// The name of the trace.
        trace: String,
        /// The tokens that its records hold.
        found: usize,
        /// The tokens that are known.
        given: usize,
    },
    /// A field that makes records comparable differs.
    #[error("{trace}: not comparable: {field} is {found}, and ours is {ours}")]
    NotComparable {
        /// The name of the trace.
        trace: String,
        /// The field.
        field: &'static str,
        /// The value in the trace.
        found: String,
        /// The value of this program.
        ours: String,
    },
}
