//! The model that a manifest is checked against or written of, and the stretches of it that digests are over.

use std::collections::HashMap;

use super::kind::Kinds;
use super::stream::Job;
use crate::decode::container::Tensor;
use crate::decode::decoded::Decoded;
use crate::finding::Place;
use crate::input::Input;
use crate::region::{RegionKind, Span};
use crate::source::Source;

/// What one digest is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subject {
    /// A whole file, by shard.
    File(usize),
    /// The tensors of one file, one after another, by shard.
    Model(usize),
    /// The tensors of all files of a split set, one after another.
    Set,
    /// One tensor, by its place in the list.
    Tensor(usize),
}

/// An opened and decoded model.
pub(super) struct Target<'a> {
    pub(super) decoded: &'a Decoded,
    /// Base name of every shard.
    pub(super) names: Vec<&'a str>,
    pub(super) sources: Vec<&'a dyn Source>,
    /// The folder of the files, by each path to it that is known.
    pub(super) folders: &'a [String],
    shards: HashMap<&'a [u8], usize>,
    tensors: HashMap<&'a [u8], usize>,
}

impl<'a> Target<'a> {
    pub(super) fn new(input: &'a Input<'a>, decoded: &'a Decoded) -> Self {
        let mut tensors = HashMap::new();
        for (index, tensor) in decoded.tensors().iter().enumerate() {
            tensors.entry(tensor.name.as_slice()).or_insert(index);
        }
        let mut shards = HashMap::new();
        for (shard, (name, _)) in input.shards.iter().enumerate() {
            shards.entry(name.as_bytes()).or_insert(shard);
        }
        Self {
            decoded,
            names: input.shards.iter().map(|(name, _)| name.as_str()).collect(),
            sources: input.shards.iter().map(|(_, source)| *source).collect(),
            folders: &[],
            shards,
            tensors,
        }
    }

    /// The same, where the folder of the files is known.
    pub(super) const fn in_folders(mut self, folders: &'a [String]) -> Self {
        self.folders = folders;
        self
    }

    /// The first tensor of this name.
    pub(super) fn tensor_named(&self, name: &[u8]) -> Option<usize> {
        self.tensors.get(name).copied()
    }

    /// The shard of this base name.
    pub(super) fn shard_named(&self, name: &[u8]) -> Option<usize> {
        self.shards.get(name).copied()
    }

    /// The pieces that a digest over `subject` reads, in order; none when not all of them are there to be read.
    fn pieces(&self, subject: Subject) -> Option<Vec<(usize, Span)>> {
        let length = |shard: usize| self.sources.get(shard).map(|source| source.length());
        match subject {
            Subject::File(shard) => Some(vec![(shard, Span::new(0, length(shard)?))]),
            Subject::Tensor(index) => Some(vec![self.data(self.decoded.tensors().get(index)?)?]),
            Subject::Model(shard) => self.all_tensors(|tensor| tensor.shard == shard),
            Subject::Set => self.all_tensors(|_| true),
        }
    }

    /// The jobs for these digests.
    pub(super) fn job(&self, subject: Subject, kinds: &Kinds) -> Option<Job> {
        Some(Job {
            pieces: self.pieces(subject)?,
            kinds: kinds.clone(),
        })
    }

    /// A place that names a file.
    pub(super) const fn file_place(&self, shard: usize) -> Place {
        Place::new(self.decoded.side(), shard)
    }

    /// A place that names the data of a tensor.
    pub(super) fn tensor_place(&self, tensor: &Tensor) -> Place {
        self.file_place(tensor.shard)
            .region(RegionKind::Tensor)
            .span(tensor.span)
            .name(tensor.name.clone())
    }

    fn all_tensors(&self, wanted: impl Fn(&Tensor) -> bool) -> Option<Vec<(usize, Span)>> {
        if !self.decoded.is_complete() {
            return None;
        }
        let tensors = self
            .decoded
            .tensors()
            .iter()
            .filter(|tensor| wanted(tensor));
        tensors.map(|tensor| self.data(tensor)).collect()
    }

    /// The data of a tensor, when its size is known and all of it lies inside its file.
    fn data(&self, tensor: &Tensor) -> Option<(usize, Span)> {
        let length = self.sources.get(tensor.shard)?.length();
        (tensor.sound && tensor.span.end() <= length).then_some((tensor.shard, tensor.span))
    }
}
