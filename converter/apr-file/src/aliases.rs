//! Other names that loaders of APR take for a canonical key.

/// Returns the canonical key of an alias.
pub(crate) fn canonical(alias: &str) -> Option<&'static str> {
    ALIASES
        .iter()
        .find(|(_, aliases)| aliases.contains(&alias))
        .map(|(canonical, _)| *canonical)
}

/// Canonical key and aliases, as the metadata type of the `aprender` 0.72 loader declares them, and as files
/// with each of them show when the loader is run.
const ALIASES: [(&str, &[&str]); 8] = [
    ("hidden_size", &["hidden_dim", "d_model", "n_embd"]),
    ("num_layers", &["n_layers", "num_hidden_layers", "n_layer"]),
    ("num_heads", &["n_heads", "num_attention_heads", "n_head"]),
    ("num_kv_heads", &["n_kv_heads", "num_key_value_heads"]),
    ("vocab_size", &["n_vocab"]),
    (
        "intermediate_size",
        &["ffn_dim", "intermediate_dim", "n_inner"],
    ),
    (
        "max_position_embeddings",
        &["max_seq_len", "context_length", "n_ctx"],
    ),
    ("rms_norm_eps", &["layer_norm_eps", "norm_eps"]),
];
