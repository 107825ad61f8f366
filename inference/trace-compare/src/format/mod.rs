//! Traces: what an engine recorded of a run, read from and written to files. One file per format.
//!
//! [`Trace::open`] tells the format by content. A record keeps the name that the engine gave it and says what it may be of
//! ours: its [`Capture`]s, several when the name does not say where the value was taken. Nothing is judged here: see
//! [`crate::judge`].
//!
//! Readers refuse what contradicts its format, check a limit before they allocate, and never panic. Writers give the same
//! bytes for the same values.

mod aprt;
mod capture;
mod digests;
mod error;
mod names;
mod nodes;
mod npy;
mod npz;
mod open;
mod payload;
mod payload_json;
mod payload_text;
mod record;
mod safetensors;
mod shapes;
mod sinks;

pub use aprt::AprtSink;
pub use capture::{Capture, Layout};
pub use digests::digest_lines;
pub use error::TraceError;
pub(crate) use nodes::not_compared;
pub use npy::{write as write_npy, write_f64 as write_npy_f64};
pub(crate) use payload_json::MODEL_FIELDS;
pub use record::{Printed, Record, Statistics, Trace, TraceFormat};
pub use safetensors::{SafetensorsSink, capture_point_schema};
pub use shapes::stage_widths;
pub use sinks::Sinks;
