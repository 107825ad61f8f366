//! Which model a file is, in the few words by which a person knows it.

use crate::decode::apr::Document;
use crate::decode::decoded::Decoded;
use crate::decode::gguf::Metadata;
use crate::finding::escape;

/// Name, architecture and size of a model, as far as its file says them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    name: Option<String>,
    pub(crate) architecture: Option<String>,
    pub(crate) layers: Option<u64>,
    tokens: Option<u64>,
}

impl Identity {
    /// That of a file on its own; none where nothing says it.
    pub(crate) fn of(decoded: &Decoded) -> Option<Self> {
        match decoded {
            Decoded::Apr(apr) => apr.metadata.document.as_ref().map(Self::of_apr),
            Decoded::Gguf(gguf) => Some(Self::of_gguf(&gguf.metadata)),
            Decoded::Unknown(_) => None,
        }
    }

    pub(crate) fn of_gguf(metadata: &Metadata) -> Self {
        let text = |key: &[u8]| metadata.get(key)?.as_string().map(escape);
        Self {
            name: text(b"general.name"),
            architecture: text(b"general.architecture"),
            layers: metadata
                .of_architecture("block_count")
                .and_then(|value| value.as_u64()),
            tokens: metadata
                .get(b"tokenizer.ggml.tokens")
                .and_then(|value| value.as_array())
                .map(|items| items.count),
        }
    }

    pub(crate) fn of_apr(document: &Document) -> Self {
        let text = |key: &str| {
            let json = document.get(key)?;
            Some(escape(document.string(json)?.as_bytes()))
        };
        let number = |key: &str| document.u64(document.get(key)?);
        Self {
            name: text("name").or_else(|| text("model_name")),
            architecture: text("architecture"),
            layers: number("num_layers").or_else(|| number("num_hidden_layers")),
            tokens: number("vocab_size").or_else(|| number("tokenizer.vocab_size")),
        }
    }

    /// Whether something that both say is not the same. A name alone makes no other model.
    pub(crate) fn is_unlike(&self, other: &Self) -> bool {
        fn unlike<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            a.zip(b).is_some_and(|(a, b)| a != b)
        }
        unlike(self.architecture.as_ref(), other.architecture.as_ref())
            || unlike(self.layers.as_ref(), other.layers.as_ref())
            || unlike(self.tokens.as_ref(), other.tokens.as_ref())
    }

    /// `"Qwen2.5 7B" (qwen2, 28 layers, 152,064 tokens, blake3 …)`.
    pub(crate) fn text(&self, digest: Option<String>) -> String {
        let parts = [
            self.architecture.clone(),
            self.layers.map(|count| format!("{count} layers")),
            self.tokens.map(|count| format!("{count} tokens")),
            digest,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let name = match &self.name {
            Some(name) => format!("\"{name}\""),
            None => "a model without a name".to_owned(),
        };
        if parts.is_empty() {
            name
        } else {
            format!("{name} ({})", parts.join(", "))
        }
    }
}
