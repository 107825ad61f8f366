//! What a conversion makes of whole models, and what it refuses.
#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests stop the test as tests do"
)]

mod allowances;
mod artifact;
mod files;
mod inexpressible;
mod record;
mod reference;
mod refusals;
mod restore;
mod support;
