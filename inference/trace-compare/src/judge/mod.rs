//! Comparison of another engine's trace with our run.
//!
//! [`compare`] runs the model, finds what every record is of ours, and judges it:
//!
//! - Values are compared plainly, our run beside theirs, and sharply: each operation is computed in f64 from the inputs that
//!   the other engine recorded. An engine that rounds its activations to 8 bits is far off in the first comparison, and
//!   within 1e-6 in the second once its rounding is applied. Only the second is a gate for such an engine.
//! - Statistics are matched against every capture point and token set that their name allows; the report says which one
//!   reproduces them. A capture point is never assumed where a name leaves it open.
//! - Where an operation differs, a short list of hypotheses is tried, and the one that reproduces the other engine's values
//!   says what it does differently.

mod difference;
mod emulate;
mod error;
mod forced;
mod free;
mod gelu;
mod json;
mod mismatch;
mod moments;
mod product;
mod prompt;
mod reference;
mod report;
mod rounding;
mod run;
mod search;
mod statistics;
mod table;
mod text;
mod text_statistics;
mod values;
mod variant;
mod view;

pub use difference::{Difference, Element};
pub use error::CompareError;
pub use forced::{
    ELEMENT_GATE, GATE, OperationRow, Outcome, Product, ROPE_GATE_PER_POSITION, STORED,
};
pub use free::Plain;
pub use json::ComparedTraces;
pub use moments::{Moments, WhichTokens};
pub use prompt::TokensFrom;
pub use report::{Comparison, Findings, Mismatch, TraceReport, Verdict};
pub use rounding::Rounding;
pub use run::compare;
pub use statistics::{Candidate, Estimator, Fit, StatisticsReport, StatisticsRow};
pub use values::{Explanation, PLAIN_GATE, RecordRow, RoundingEffect, Status, ValuesReport};
