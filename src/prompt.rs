//! Prompts: what the user asks to run, or the default ones.

use clap::Args;

/// What to run through a model.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Token ids, separated by commas [default: ids derived from the size of the vocabulary]
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    tokens: Option<Vec<u32>>,
}

/// A prompt of token ids with its name.
pub(crate) struct Prompt {
    /// The name of a default prompt, or what it was made from.
    pub(crate) name: String,
    /// The token ids.
    pub(crate) tokens: Vec<u32>,
}

impl Arguments {
    /// The prompt that was asked for.
    pub(crate) fn asked(&self) -> Option<Prompt> {
        self.tokens.as_ref().map(|tokens| Prompt {
            name: "tokens".to_owned(),
            tokens: tokens.clone(),
        })
    }
}

impl Prompt {
    /// The default prompts of a vocabulary, cut to the longest that a model takes.
    pub(crate) fn defaults(vocabulary: usize, longest: usize) -> Vec<Self> {
        let vocabulary = u32::try_from(vocabulary).unwrap_or(u32::MAX);
        inference::default_prompts(vocabulary)
            .into_iter()
            .map(|prompt| Self {
                name: prompt.name.to_owned(),
                tokens: prompt.tokens.into_iter().take(longest).collect(),
            })
            .collect()
    }
}
