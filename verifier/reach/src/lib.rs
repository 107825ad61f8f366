//! What may be asked over a network: what a list names, at addresses of the internet.
//!
//! One rule for whoever asks on behalf of others: the service, which sends webhooks, and the program as its child, which reads
//! models. Whether an address is public is decided where the connection is made, for the very address that is connected to.

#![forbid(unsafe_code)]

mod address;
#[cfg(feature = "network")]
mod client;
#[cfg(feature = "network")]
mod list;
#[cfg(feature = "network")]
mod public;

pub use address::Address;
#[cfg(feature = "network")]
pub use client::Reach;
#[cfg(feature = "network")]
pub use list::{Sources, is_bucket, is_origin, names, needs, parse};

#[cfg(feature = "network")]
use std::net::IpAddr;

/// Why something is not asked.
#[cfg(feature = "network")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read as an address.
    #[error("it is no address: {0}")]
    NoAddress(String),
    /// Whoever gives an address gives no access.
    #[error("it has a name or a password in it")]
    User,
    /// The list does not have it.
    #[error("{0} is not on the list of what may be asked")]
    NotNamed(String),
    /// It is not of the internet.
    #[error(
        "`{0}` is {1}, an address of this machine or a private network, which may not be asked"
    )]
    Private(String, IpAddr),
}
