//! Prompts: those that the user gives, or the default ones.

use clap::Args;
use inference::Assumption;

use crate::model::Loaded;

/// The prompt to run.
#[derive(Args, Default)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Token ids, separated by commas [default: ids derived from the vocabulary size]
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    tokens: Option<Vec<u32>>,
    /// Text to tokenise with the tokenizer of each file; special tokens in it are recognised
    #[arg(long, value_name = "TEXT", conflicts_with = "tokens")]
    prompt: Option<String>,
}

/// A prompt of token ids with its name.
pub(crate) struct Prompt {
    /// The name of a default prompt, or what it was made from.
    pub(crate) name: String,
    /// The token ids.
    pub(crate) tokens: Vec<u32>,
    /// Assumptions of the tokenizer.
    pub(crate) assumptions: Vec<Assumption>,
}

impl Arguments {
    /// Whether the user gave a prompt.
    pub(crate) const fn is_given(&self) -> bool {
        self.tokens.is_some() || self.prompt.is_some()
    }

    /// The prompt that the user gave, if any, as token ids of a model.
    pub(crate) fn of(&self, model: &Loaded<'_>) -> anyhow::Result<Option<Prompt>> {
        if let Some(tokens) = &self.tokens {
            return Ok(Some(Prompt::new("tokens", tokens.clone())));
        }
        let Some(text) = &self.prompt else {
            return Ok(None);
        };
        let tokenizer = model.tokenizer()?;
        Ok(Some(Prompt {
            assumptions: tokenizer.assumptions.clone(),
            ..Prompt::new("text", tokenizer.encode(text)?)
        }))
    }
}

impl Prompt {
    /// The default prompts of a vocabulary, cut to the longest that a model accepts.
    pub(crate) fn defaults(vocabulary: usize, longest: usize) -> Vec<Self> {
        let vocabulary = u32::try_from(vocabulary).unwrap_or(u32::MAX);
        inference::default_prompts(vocabulary)
            .into_iter()
            .map(|prompt| {
                let tokens = prompt.tokens.into_iter().take(longest);
                Self::new(prompt.name, tokens.collect())
            })
            .collect()
    }

    fn new(name: &str, tokens: Vec<u32>) -> Self {
        Self {
            name: name.to_owned(),
            tokens,
            assumptions: Vec::new(),
        }
    }
}
