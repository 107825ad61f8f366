//! Where models live: files, addresses on a network, and the store of Ollama; all are read by position.

mod location;
#[cfg(feature = "network")]
mod network;
mod ollama;
mod opened;

pub use location::{Address, Location};
pub use opened::Opened;
