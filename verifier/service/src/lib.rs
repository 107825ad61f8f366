//! Verification for a team: a queue, an HTTP interface and a page; each job is a child process.
//!
//! This crate decodes no model. What it says of one is what the program said that it ran: verdicts are never made here, but
//! for `undecided`.

#![forbid(unsafe_code)]

mod child;
pub mod config;
pub mod confined;
mod http;
pub mod identity;
pub mod job;
mod listen;
mod outgoing;
mod retention;
mod roots;
mod service;
mod sources;
pub mod store;
pub mod webhooks;
mod worker;

pub use child::STOPPED;
pub use service::{Service, ServiceError, log};
