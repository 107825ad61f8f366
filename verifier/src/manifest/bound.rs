//! What the rows that hold prove, and what they leave open. One meaning for all forms: a file is bound when a
//! cryptographic digest over all of its bytes agrees.

use super::check::{Held, ManifestCheck};
use super::target::Subject;
use crate::code::Code;
use crate::finding::{Effect, Finding, escape};

/// What was bound and what was not, in words.
#[derive(Default)]
pub(super) struct Bound {
    pub(super) bound: Vec<String>,
    pub(super) unbound: Vec<String>,
}

impl ManifestCheck<'_> {
    /// Says what is bound, and what it means, and what to do, where no row binds header and metadata.
    pub(super) fn bind(&mut self, effect: Effect, hint: &str) -> Bound {
        let mut bound = Bound::default();
        if self.outcomes.is_empty() {
            return bound;
        }
        for (shard, name) in self.target.names.iter().enumerate() {
            let name = escape(name.as_bytes());
            match self.outcomes.get(&Subject::File(shard)) {
                Some(outcome) if outcome.is_bound() => {
                    bound
                        .bound
                        .push(format!("every byte of {name}, by {}", outcome.kinds_held()));
                }
                // The digest of the whole file is wrong; a finding says so.
                Some(_) => {}
                None => {
                    bound
                        .unbound
                        .push(format!("header, metadata and padding of {name}"));
                }
            }
        }
        self.bind_tensors(&mut bound);
        let words = |list: &[String]| list.join("; ");
        if !bound.bound.is_empty() {
            let text = format!("bound: {}", words(&bound.bound));
            self.findings
                .push(Finding::new(Code::ManifestBound, Effect::Note, text));
        }
        if !bound.unbound.is_empty() {
            let text = format!("bound by no row of the manifest: {}", words(&bound.unbound));
            self.findings.push(
                Finding::new(Code::ManifestCoverage, effect, text)
                    .at(self.target.file_place(0))
                    .hint(hint),
            );
        }
        bound
    }

    /// The tensors: each by its own row, or by a row over all of them.
    fn bind_tensors(&mut self, bound: &mut Bound) {
        let is_bound = |subject| self.outcomes.get(&subject).is_some_and(Held::is_bound);
        let set = is_bound(Subject::Set);
        let shards = 0..self.target.names.len();
        let (files, models): (Vec<bool>, Vec<bool>) = shards
            .map(|shard| {
                (
                    is_bound(Subject::File(shard)),
                    is_bound(Subject::Model(shard)),
                )
            })
            .unzip();
        let (mut strong, mut weak): (usize, usize) = (0, 0);
        for (index, tensor) in self.target.decoded.tensors().iter().enumerate() {
            let of = |list: &[bool]| list.get(tensor.shard).copied() == Some(true);
            if of(&files) {
                continue;
            }
            let own = self.outcomes.get(&Subject::Tensor(index));
            let whole = [Subject::Model(tensor.shard), Subject::Set]
                .into_iter()
                .find_map(|subject| self.outcomes.get(&subject));
            if set || of(&models) || own.is_some_and(Held::is_bound) {
                strong += 1;
            } else if own.or(whole).is_some_and(|outcome| outcome.equal) {
                weak += 1;
            }
        }
        if strong > 0 {
            bound.bound.push(format!("the bytes of {strong} tensors"));
        }
        if weak > 0 {
            self.findings.push(Finding::new(
                Code::ManifestWeak,
                Effect::Warning,
                format!(
                    "{weak} tensors are bound by xxh64, xxh3, sha1 or uuid only, which show accidents but not intent"
                ),
            ));
        }
    }
}

impl Held {
    /// Whether all claims hold and one of them is of a digest that nobody can forge.
    fn is_bound(&self) -> bool {
        self.equal && self.held.iter().any(|kind| kind.is_strong())
    }

    fn kinds_held(&self) -> String {
        let kinds: Vec<&str> = self.held.iter().map(|kind| kind.name()).collect();
        kinds.join(" and ")
    }
}
