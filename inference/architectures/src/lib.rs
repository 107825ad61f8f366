//! What each model architecture computes, as data: one description for each, over that of llama.
//!
//! A description says which keys and tensors an architecture reads and what they do. The forward builds its steps from it,
//! whatever the format of the file; `convert` takes from it which tensors have to be there and what APR has no words for.
//! Adding one that has nothing new is a constant in a file of `src/families/` and a line in [`ALL`].
//!
//! Source of the facts: llama.cpp at commit 0c1e57098 (`src/models/*.cpp`, `src/llama-arch.cpp`), each held against what
//! llama.cpp computes for a small model of the architecture and against an independent forward in float64.

mod description;
mod families;
mod needs;
mod parts;
mod reads;
mod undescribed;
mod words;

pub use description::*;
pub use families::ALL;
pub use needs::Need;
pub use parts::*;
pub use undescribed::{Undescribed, undescribed};

/// Returns the description of an architecture, by the name that files state.
pub fn find(name: &str) -> Option<&'static Architecture> {
    ALL.iter().copied().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let names: BTreeSet<&str> = ALL.iter().map(|known| known.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|known| find(known.name) == Some(known)));
        assert_eq!(find("bert"), None);
    }
}
