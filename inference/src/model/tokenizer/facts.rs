//! Tokenizer facts of a file, the same for both formats except for the key names.

use crate::error::Error;

/// What a file says about its tokenizer.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) names: &'static Names,
    pub(super) model: String,
    pub(super) pre: Option<String>,
    pub(super) tokens: Vec<String>,
    pub(super) types: Option<Vec<i64>>,
    pub(super) scores: Option<Vec<f32>>,
    pub(super) merges: Option<Vec<String>>,
    pub(super) bos: Option<u64>,
    pub(super) eos: Option<u64>,
    pub(super) unknown: Option<u64>,
    pub(super) separator: Option<u64>,
    pub(super) add_bos: Option<bool>,
    pub(super) add_eos: Option<bool>,
    pub(super) add_space_prefix: Option<bool>,
    /// Whether several spaces become one.
    pub(super) merge_spaces: Option<bool>,
    /// The table of normalisation of SentencePiece.
    pub(super) charsmap: Option<Vec<u8>>,
    pub(super) lowercase: Option<bool>,
    pub(super) strip_accents: Option<bool>,
    pub(super) architecture: Option<String>,
    /// The name of the model: llama.cpp recognises phi-3 by it.
    pub(super) title: Option<String>,
}

/// The names of the keys in a format.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) model: &'static str,
    pub(super) pre: &'static str,
    pub(super) tokens: &'static str,
    pub(super) types: &'static str,
    pub(super) scores: &'static str,
    pub(super) merges: &'static str,
    pub(super) bos: &'static str,
    pub(super) eos: &'static str,
    pub(super) unknown: &'static str,
    pub(super) separator: &'static str,
    pub(super) add_bos: &'static str,
    pub(super) add_eos: &'static str,
    pub(super) add_space_prefix: &'static str,
    pub(super) merge_spaces: &'static str,
    pub(super) charsmap: &'static str,
    pub(super) lowercase: &'static str,
    pub(super) strip_accents: &'static str,
    pub(super) architecture: &'static str,
    pub(super) title: &'static str,
}

/// Access to the keys of a file: `None` for a key that is absent, an error for a value of another type.
pub(super) trait Keys {
    fn text(&self, key: &'static str) -> Result<Option<String>, Error>;
    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error>;
    fn id(&self, key: &'static str) -> Result<Option<u64>, Error>;
    fn texts(&self, key: &'static str) -> Result<Option<Vec<String>>, Error>;
    fn integers(&self, key: &'static str) -> Result<Option<Vec<i64>>, Error>;
    fn floats(&self, key: &'static str) -> Result<Option<Vec<f32>>, Error>;
    fn bytes(&self, key: &'static str) -> Result<Option<Vec<u8>>, Error>;
}

impl Facts {
    pub(super) fn read(keys: &impl Keys, names: &'static Names) -> Result<Self, Error> {
        let missing = |key| Error::model(key, "a value", "none");
        Ok(Self {
            names,
            model: keys
                .text(names.model)?
                .ok_or_else(|| missing(names.model))?,
            pre: keys.text(names.pre)?,
            tokens: keys
                .texts(names.tokens)?
                .ok_or_else(|| missing(names.tokens))?,
            types: keys.integers(names.types)?,
            scores: keys.floats(names.scores)?,
            merges: keys.texts(names.merges)?,
            bos: keys.id(names.bos)?,
            eos: keys.id(names.eos)?,
            unknown: keys.id(names.unknown)?,
            separator: keys.id(names.separator)?,
            add_bos: keys.flag(names.add_bos)?,
            add_eos: keys.flag(names.add_eos)?,
            add_space_prefix: keys.flag(names.add_space_prefix)?,
            merge_spaces: keys.flag(names.merge_spaces)?,
            charsmap: keys.bytes(names.charsmap)?,
            lowercase: keys.flag(names.lowercase)?,
            strip_accents: keys.flag(names.strip_accents)?,
            architecture: keys.text(names.architecture)?,
            title: keys.text(names.title)?,
        })
    }

    pub(super) fn is_phi_3(&self) -> bool {
        self.title_has("phi-3") || self.title_has("phi3")
    }

    /// The token in front of which llama.cpp drops white space, by the names of models that are not covered.
    pub(super) fn stripping_mask(&self) -> Option<&'static str> {
        let architecture = self.architecture.as_deref().unwrap_or_default();
        let strips = |name| architecture.contains(name);
        if strips("nomic-bert-moe") || strips("jina-bert-v3") {
            return Some("<mask>");
        }
        self.title_has("modern-bert").then_some("[MASK]")
    }

    fn title_has(&self, name: &str) -> bool {
        let title = self.title.as_deref().unwrap_or_default();
        title.to_ascii_lowercase().contains(name)
    }
}
