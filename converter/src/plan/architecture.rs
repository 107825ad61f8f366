//! Which architectures APR has no words for: their descriptions say what they compute, and of those that are not described
//! the graphs of llama.cpp do, by the names that gguf-py has for them.

use architectures::{Factor, Kind, LogitScale, NormKind, Number, WindowSize, find, undescribed};

use crate::{
    error::Error,
    plan::{keys::Keys, rope},
};

/// What APR can say of an architecture.
pub(crate) struct Words {
    /// Which elements rotary positions pair.
    pub(crate) rope_type: Option<u32>,
    /// What no key says.
    pub(crate) unsaid: Option<&'static str>,
}

/// Why an architecture is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// No key of APR says what it computes: its models are kept on request, for their source.
    Unsaid(&'static str),
    /// It is no model that writes text, or nobody knows it.
    Never(&'static str),
}

impl Refusal {
    /// Refuses an architecture.
    pub(crate) fn of(self, architecture: &str) -> Error {
        let (Self::Unsaid(reason) | Self::Never(reason)) = self;
        Error::Architecture {
            architecture: architecture.escape_debug().to_string(),
            reason,
            can_be_kept: matches!(self, Self::Unsaid(_)),
        }
    }
}

/// Refuses an architecture that computes something which the keys of APR cannot say, unless the caller wants such models
/// for their source alone.
///
/// # Errors
/// Fails with the reason; no key can be added to the GGUF that would help.
pub(crate) fn check(keys: &Keys<'_>, record_only: bool) -> Result<Words, Error> {
    let architecture = keys.architecture();
    let rope_type = rope::rope_type(architecture);
    let refusal = refusal(architecture).or(rope_type.err());
    let unsaid = match refusal {
        // Refused with the keys that its file does have.
        None => has_defaults(keys).then_some(DEFAULTS),
        Some(Refusal::Unsaid(reason)) if record_only => Some(reason),
        Some(refusal) => return Err(refusal.of(architecture)),
    };
    Ok(Words {
        rope_type: rope_type.ok(),
        unsaid,
    })
}

fn refusal(architecture: &str) -> Option<Refusal> {
    let described = find(architecture);
    let is_layer_norm = described.map_or_else(
        || LAYER_NORM.contains(&architecture),
        |described| described.norm != NormKind::Rms,
    );
    let kind = undescribed(architecture).map(|known| known.kind);
    // The vocoder is no language model, and in no table of them.
    let is_recurrent = kind == Some(Kind::Recurrent)
        || architecture == "wavtokenizer-dec"
        || described.is_some_and(|described| described.recurrent.is_some());
    if is_layer_norm {
        Some(Refusal::Unsaid(
            "it normalises with LayerNorm, and APR can say RMSNorm only (rms_norm_eps): loaders would subtract no mean and \
             give wrong tokens without an error. No key that is added to the GGUF helps",
        ))
    } else if kind == Some(Kind::Encoder) {
        Some(Refusal::Never(
            "it is an encoder: its result is an embedding of the whole text, which no key of APR can say",
        ))
    } else if kind == Some(Kind::Diffusion) {
        Some(Refusal::Unsaid(
            "its attention looks ahead (a diffusion model), and loaders of APR give every model a causal mask",
        ))
    } else if is_recurrent {
        Some(Refusal::Unsaid(
            "it has recurrent or convolutional layers, which no key of APR can say",
        ))
    } else {
        None
    }
}

/// Whether a key that is absent means a number of the architecture which APR could not say if it were there.
fn has_defaults(keys: &Keys<'_>) -> bool {
    let Some(described) = find(keys.architecture()) else {
        return false;
    };
    let is_absent = |ending| keys.get(&keys.name(ending)).is_none();
    let caps = [
        ("attn_logit_softcapping", described.score_cap),
        ("final_logit_softcapping", described.logit_cap),
    ];
    let mut caps = caps.into_iter();
    let is_capped =
        caps.any(|(ending, cap)| cap.is_some_and(|cap| cap != 0.0) && is_absent(ending));
    let scales = [described.embedding_scale, described.residual_scale];
    let is_scaled = scales.into_iter().any(|scale| match scale {
        Factor::Key(ending, default) => !is_neutral(default) && is_absent(ending),
        Factor::One | Factor::RootOfHidden | Factor::Fixed(_) => false,
    });
    let divides = match described.logit_scale {
        LogitScale::Divide(Some(default)) => !is_neutral(default) && is_absent("logit_scale"),
        LogitScale::Divide(None) | LogitScale::None | LogitScale::Multiply => false,
    };
    let layers = keys.count(&keys.name("block_count")).ok().flatten();
    let has_window = described.window.is_some_and(|window| {
        let has_layers = window
            .only_with_layers
            .is_none_or(|count| layers == Some(count as u64));
        let has_size = match window.size {
            WindowSize::Key(default) => default > 0 && is_absent("attention.sliding_window"),
            // Of the architecture, whatever its file says; other keys of it are refused.
            WindowSize::Fixed(_) => false,
        };
        has_layers && has_size
    });
    is_capped || is_scaled || divides || has_window
}

/// 1, and 0, which stands for it.
fn is_neutral(number: Number) -> bool {
    matches!(number, Number::Is(value) if value == 0.0 || value == 1.0)
}

const DEFAULTS: &str = "it has soft caps or windows or scales that its file leaves to the architecture, which no key of APR says";

/// Whether llama.cpp ignores a sliding window that a file of the architecture states.
pub(crate) fn ignores_window(architecture: &str) -> bool {
    find(architecture).is_some_and(|described| described.window.is_none())
}

/// Whether releases of `apr` run an .apr file of the architecture.
pub(crate) fn runs_from_apr(architecture: &str) -> bool {
    matches!(architecture, "llama" | "mistral" | "qwen2" | "qwen3")
}

/// Architectures with LayerNorm that are not described.
const LAYER_NORM: [&str; 4] = ["codeshell", "gptj", "jais", "jais2"];
