//! Tensor names: from those of the GGUF to those of Hugging Face.

use crate::request::Naming;

/// The naming of the tensors in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Gguf,
    Hf,
}

impl Names {
    /// Picks the naming for an architecture: automatically the one that `apr import` uses for it.
    pub(crate) fn pick(naming: Naming, architecture: &str) -> Self {
        match naming {
            Naming::Gguf => Self::Gguf,
            Naming::Hf => Self::Hf,
            Naming::Auto if matches!(architecture, "qwen2" | "qwen3") => Self::Hf,
            Naming::Auto => Self::Gguf,
        }
    }

    /// Returns the word for this naming in the artifact's record.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Gguf => "gguf",
            Self::Hf => "hf",
        }
    }

    /// Returns the naming that has this word in a record.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Gguf, Self::Hf]
            .into_iter()
            .find(|names| names.word() == word)
    }

    /// Returns the name in the index of a tensor of the GGUF.
    pub(crate) fn apply(self, gguf_name: &str) -> String {
        match self {
            Self::Gguf => gguf_name.to_owned(),
            Self::Hf => hugging_face(gguf_name),
        }
    }
}

fn hugging_face(gguf_name: &str) -> String {
    match GLOBALS.iter().find(|(from, _)| *from == gguf_name) {
        Some((_, to)) => (*to).to_owned(),
        None => in_layer(gguf_name).unwrap_or_else(|| gguf_name.to_owned()),
    }
}

/// Renames `blk.N.REST`; what is not in the table keeps `REST`.
fn in_layer(gguf_name: &str) -> Option<String> {
    let (layer, rest) = gguf_name.strip_prefix("blk.")?.split_once('.')?;
    if layer.is_empty() || !layer.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let renamed = rest.rsplit_once('.').and_then(|(module, kind)| {
        let (_, module, kinds) = MODULES.iter().find(|(from, ..)| *from == module)?;
        kinds.contains(&kind).then(|| format!("{module}.{kind}"))
    });
    Some(format!(
        "model.layers.{layer}.{}",
        renamed.as_deref().unwrap_or(rest)
    ))
}

/// Returns the name in a GGUF of a tensor of an index, whichever naming it has.
pub(crate) fn to_gguf(name: &str) -> String {
    if let Some((from, _)) = GLOBALS.iter().find(|(_, to)| *to == name) {
        return (*from).to_owned();
    }
    let in_layer = name.strip_prefix("model.layers.");
    let Some((layer, rest)) = in_layer.and_then(|rest| rest.split_once('.')) else {
        return name.to_owned();
    };
    let renamed = rest.rsplit_once('.').and_then(|(module, kind)| {
        let mut modules = MODULES.iter();
        let (module, _, kinds) = modules.find(|(_, to, _)| *to == module)?;
        kinds.contains(&kind).then(|| format!("{module}.{kind}"))
    });
    format!("blk.{layer}.{}", renamed.as_deref().unwrap_or(rest))
}

/// The input embedding in a GGUF.
pub(crate) const EMBEDDING: &str = "token_embd.weight";

/// The output matrix in a GGUF.
pub(crate) const OUTPUT: &str = "output.weight";

const WEIGHT: &[&str] = &["weight"];
const WEIGHT_AND_BIAS: &[&str] = &["weight", "bias"];

/// Tensors of no layer, in the GGUF and on Hugging Face.
const GLOBALS: [(&str, &str); 3] = [
    (EMBEDDING, "model.embed_tokens.weight"),
    (OUTPUT, "lm_head.weight"),
    ("output_norm.weight", "model.norm.weight"),
];

/// Module in the GGUF, module on Hugging Face, and the tensors of the module that are renamed.
const MODULES: [(&str, &str, &[&str]); 11] = [
    ("attn_q", "self_attn.q_proj", WEIGHT_AND_BIAS),
    ("attn_k", "self_attn.k_proj", WEIGHT_AND_BIAS),
    ("attn_v", "self_attn.v_proj", WEIGHT_AND_BIAS),
    ("attn_output", "self_attn.o_proj", WEIGHT_AND_BIAS),
    ("attn_norm", "input_layernorm", WEIGHT),
    ("ffn_norm", "post_attention_layernorm", WEIGHT),
    ("attn_q_norm", "self_attn.q_norm", WEIGHT),
    ("attn_k_norm", "self_attn.k_norm", WEIGHT),
    ("ffn_gate", "mlp.gate_proj", WEIGHT),
    ("ffn_up", "mlp.up_proj", WEIGHT),
    ("ffn_down", "mlp.down_proj", WEIGHT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_renamed() {
        let pairs = [
            ("token_embd.weight", "model.embed_tokens.weight"),
            ("output.weight", "lm_head.weight"),
            ("output_norm.weight", "model.norm.weight"),
            (
                "blk.0.attn_q.weight",
                "model.layers.0.self_attn.q_proj.weight",
            ),
            ("blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias"),
            (
                "blk.17.attn_v.weight",
                "model.layers.17.self_attn.v_proj.weight",
            ),
            (
                "blk.1.attn_output.bias",
                "model.layers.1.self_attn.o_proj.bias",
            ),
            (
                "blk.1.attn_norm.weight",
                "model.layers.1.input_layernorm.weight",
            ),
            (
                "blk.1.ffn_norm.weight",
                "model.layers.1.post_attention_layernorm.weight",
            ),
            (
                "blk.1.attn_q_norm.weight",
                "model.layers.1.self_attn.q_norm.weight",
            ),
            (
                "blk.1.attn_k_norm.weight",
                "model.layers.1.self_attn.k_norm.weight",
            ),
            (
                "blk.1.ffn_gate.weight",
                "model.layers.1.mlp.gate_proj.weight",
            ),
            ("blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight"),
            (
                "blk.1.ffn_down.weight",
                "model.layers.1.mlp.down_proj.weight",
            ),
        ];
        for (gguf, expected) in pairs {
            assert_eq!(Names::Hf.apply(gguf), expected);
            assert_eq!(Names::Gguf.apply(gguf), gguf);
            assert_eq!([to_gguf(expected), to_gguf(gguf)], [gguf, gguf]);
        }
    }

    #[test]
    fn names_outside_the_table_keep_their_ending() {
        let pairs = [
            (
                "blk.3.ffn_gate_exps.weight",
                "model.layers.3.ffn_gate_exps.weight",
            ),
            ("blk.3.attn_norm.bias", "model.layers.3.attn_norm.bias"),
            ("rope_freqs.weight", "rope_freqs.weight"),
            ("blk.x.attn_q.weight", "blk.x.attn_q.weight"),
            ("blk..attn_q.weight", "blk..attn_q.weight"),
            ("blk.3", "blk.3"),
        ];
        for (gguf, expected) in pairs {
            assert_eq!(Names::Hf.apply(gguf), expected);
        }
    }

    #[test]
    fn automatic_naming_follows_the_architecture() {
        for (architecture, expected) in [
            ("qwen2", Names::Hf),
            ("qwen3", Names::Hf),
            ("llama", Names::Gguf),
            ("qwen2moe", Names::Gguf),
        ] {
            assert_eq!(Names::pick(Naming::Auto, architecture), expected);
            assert_eq!(Names::pick(Naming::Gguf, architecture), Names::Gguf);
            assert_eq!(Names::pick(Naming::Hf, architecture), Names::Hf);
        }
    }
}
