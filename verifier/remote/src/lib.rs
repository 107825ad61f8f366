//! Where models live: files, addresses on a network, and the store of Ollama; all are read by position.

mod location;
mod ollama;
mod opened;

pub use location::{Address, Location};
pub use opened::Opened;
