//! Models as they are given, and how they are to be verified.

use crate::code::Code;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::source::Source;

/// One model as the user named it: a file, or the files of a split set in order.
pub struct Input<'a> {
    /// What the user calls it.
    pub name: String,
    /// Base name and bytes of every file.
    pub shards: Vec<(String, &'a dyn Source)>,
}

impl<'a> Input<'a> {
    /// The bytes of every file.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'a dyn Source> {
        self.shards.iter().map(|(_, source)| *source)
    }
}

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of threads for the pass over the data.
    pub threads: usize,
    /// Which files get a SHA-256 beside their BLAKE3. It is one chain, which no cores can share.
    pub file_sha256: FileSha256,
    /// Whether every tensor gets a SHA-256 beside its BLAKE3.
    pub tensor_sha256: bool,
}

/// The files whose SHA-256 is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSha256 {
    /// None.
    None,
    /// The APR file.
    Apr,
    /// All of them.
    All,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 1,
            file_sha256: FileSha256::None,
            tensor_sha256: false,
        }
    }
}

/// What is no longer the file that was opened: the verdict is about the bytes that were read.
pub(crate) fn changed(side: Side, input: &Input<'_>) -> Vec<Finding> {
    let shards = input.shards.iter().enumerate();
    let changes = shards.filter_map(|(shard, (name, source))| {
        let change = source.check_unchanged().err()?;
        let name = escape(name.as_bytes());
        let (code, text, hint) = match source.ended() {
            Some(why) => (
                Code::Io,
                format!("{name} is unchanged, and was not read to its end: {why}"),
                "run again when its server answers, or with a copy of the file",
            ),
            None => (
                Code::InputChanged,
                format!("{name} changed while it was read: {change}"),
                "run again when nothing writes to the file",
            ),
        };
        let finding = Finding::new(code, Effect::Unreadable, text);
        Some(finding.at(Place::new(side, shard)).hint(hint))
    });
    changes.collect()
}
