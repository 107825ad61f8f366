//! Tensor names: what every producer of APR files calls the tensors of a GGUF.
//!
//! Three namings occur: the GGUF's own, the one of Hugging Face (`model.layers.N.self_attn.q_proj.weight`), and the
//! latter without its `model.` prefix.

/// Returns the GGUF name that an APR name stands for.
#[must_use]
pub(crate) fn gguf_name(apr_name: &[u8]) -> Vec<u8> {
    let Ok(name) = std::str::from_utf8(apr_name) else {
        return apr_name.to_vec();
    };
    translated(name)
        .unwrap_or_else(|| name.to_owned())
        .into_bytes()
}

/// Returns the name of Hugging Face that a GGUF name has in an index; what is not in the table keeps its name in the layer.
#[must_use]
pub(crate) fn hf_name(gguf_name: &[u8]) -> Vec<u8> {
    let renamed = std::str::from_utf8(gguf_name).ok().and_then(renamed);
    renamed.map_or_else(|| gguf_name.to_vec(), String::into_bytes)
}

/// How the tensors of an APR file are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Gguf,
    HuggingFace,
    /// As on Hugging Face, without `model.`.
    Bare,
}

/// Which of the namings a name is of; none for one that stands in several, or in none.
#[must_use]
pub(crate) fn naming(apr_name: &[u8]) -> Option<Naming> {
    let starts = |start: &str| apr_name.starts_with(start.as_bytes());
    let is_global = |of: fn(&(&'static str, &'static str)) -> &'static str| {
        let mut names = GLOBALS.iter().map(of);
        names.any(|name| name.as_bytes() == apr_name && name != "lm_head.weight")
    };
    if starts("blk.") || is_global(|(_, gguf)| gguf) {
        Some(Naming::Gguf)
    } else if starts("model.") {
        Some(Naming::HuggingFace)
    } else if starts("layers.") || is_global(|(hf, _)| hf) {
        Some(Naming::Bare)
    } else {
        None
    }
}

fn renamed(name: &str) -> Option<String> {
    let global = GLOBALS
        .iter()
        .find(|(hf, gguf)| *gguf == name && (hf.starts_with("model.") || *hf == "lm_head.weight"));
    if let Some((hf, _)) = global {
        return Some((*hf).to_owned());
    }
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    if layer.is_empty() || !layer.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hf = rest.rsplit_once('.').and_then(|(module, kind)| {
        let (hf, _) = LAYERS.iter().find(|(_, gguf)| *gguf == module)?;
        // Only the matrices of the attention have biases under their own names.
        let matrix = matches!(module, "attn_q" | "attn_k" | "attn_v" | "attn_output");
        (kind == "weight" || kind == "bias" && matrix).then(|| format!("{hf}.{kind}"))
    });
    Some(format!(
        "model.layers.{layer}.{}",
        hf.as_deref().unwrap_or(rest)
    ))
}

fn translated(name: &str) -> Option<String> {
    if let Some((_, gguf)) = GLOBALS.iter().find(|(hf, _)| *hf == name) {
        return Some((*gguf).to_owned());
    }
    let name = name.strip_prefix("model.").unwrap_or(name);
    let (layer, rest) = name.strip_prefix("layers.")?.split_once('.')?;
    if layer.is_empty() || !layer.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let gguf = LAYERS
        .iter()
        .find_map(|(hf, gguf)| Some((rest.strip_prefix(hf)?, gguf)))
        .filter(|(suffix, _)| matches!(*suffix, ".weight" | ".bias"));
    // What is not in the table keeps its name within the layer, experts among them.
    Some(match gguf {
        Some((suffix, gguf)) => format!("blk.{layer}.{gguf}{suffix}"),
        None => format!("blk.{layer}.{rest}"),
    })
}

/// The GGUF name of the embedding, and of the output matrix that may be tied to it.
pub(crate) const EMBEDDING: &[u8] = b"token_embd.weight";
pub(crate) const OUTPUT: &[u8] = b"output.weight";

const GLOBALS: [(&str, &str); 5] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("embed_tokens.weight", "token_embd.weight"),
    ("lm_head.weight", "output.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("norm.weight", "output_norm.weight"),
];

const LAYERS: [(&str, &str); 11] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_namings_lead_to_the_gguf_name() {
        for (apr, gguf) in [
            ("blk.0.attn_q.weight", "blk.0.attn_q.weight"),
            (
                "model.layers.12.self_attn.q_proj.bias",
                "blk.12.attn_q.bias",
            ),
            ("layers.3.mlp.down_proj.weight", "blk.3.ffn_down.weight"),
            (
                "model.layers.0.ffn_gate_exps.weight",
                "blk.0.ffn_gate_exps.weight",
            ),
            (
                "model.layers.0.self_attn.q_norm.weight",
                "blk.0.attn_q_norm.weight",
            ),
            ("lm_head.weight", "output.weight"),
            ("rope_freqs.weight", "rope_freqs.weight"),
            (
                "model.layers.x.mlp.up_proj.weight",
                "model.layers.x.mlp.up_proj.weight",
            ),
        ] {
            assert_eq!(gguf_name(apr.as_bytes()), gguf.as_bytes(), "{apr}");
        }
    }
}
