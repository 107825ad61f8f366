//! The subcommands, one file each.

pub(crate) mod batch;
pub(crate) mod bisect;
pub(crate) mod check;
pub(crate) mod compare_trace;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod forward;
pub(crate) mod inspect;
#[cfg(feature = "service")]
pub(crate) mod job;
pub(crate) mod man;
pub(crate) mod manifest;
#[cfg(feature = "service")]
pub(crate) mod publish;
pub(crate) mod restore;
pub(crate) mod schema;
pub(crate) mod self_test;
#[cfg(feature = "service")]
pub(crate) mod serve;
#[cfg(feature = "service")]
pub(crate) mod token;
pub(crate) mod verify;
#[cfg(feature = "service")]
pub(crate) mod worker;
