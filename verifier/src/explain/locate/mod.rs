//! The exact place of a damage, where two files cannot simply be laid side by side.
//!
//! An APR file carries a CRC-32 of all its bytes, so one damaged, inserted or deleted byte can be found by looking where
//! the sum would come right ([`crc`]). The head of a GGUF is built again from the record that our artifacts carry, and
//! compared byte for byte ([`head`]).

mod apr;
mod crc;
mod head;
mod patched;

pub(crate) use apr::locate as locate_in_apr;
pub(crate) use head::compare as compare_heads;
