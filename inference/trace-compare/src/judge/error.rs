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
    /// Nothing says which tokens a trace was made with.
    #[error("{trace}: it does not say its tokens, and {why}; give them with --tokens")]
    NoTokens {
        /// The name of the trace.
        trace: String,
        /// Why they could not be found otherwise.
        why: String,
    },
    /// The tokens that were given are not those of the trace.
    #[error("{trace}: it was made with the tokens {found}, and --tokens says {given}")]
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
        "{trace}: its records hold {found} tokens, and {given} are given; give those that it was made with"
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
        /// What the trace says.
        found: String,
        /// What this program says.
        ours: String,
    },
}
