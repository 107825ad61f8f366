//! GLM.

use super::{deepseek::OF_GLM, llama::PLAIN};
use crate::*;

/// GLM 4.
pub(super) const GLM4: Architecture = Architecture {
    name: "glm4",
    attention_post_norm: Some("post_attention_norm"),
    feed_forward_post_norm: Some("post_ffw_norm"),
    fused_gate: true,
    ..PLAIN
};

/// GLM 4.5 with experts.
pub(super) const GLM4MOE: Architecture = Architecture {
    name: "glm4moe",
    rope: RopeKind::Neox,
    feed_forward_norm: &["post_attention_norm"],
    head_norm: Some(HeadNorm {
        optional: true,
        ..HeadNorm::HEADS
    }),
    experts: Some(OF_GLM),
    ..PLAIN
};

/// ChatGLM 2 to 4.
pub(super) const CHATGLM: Architecture = Architecture {
    name: "chatglm",
    fused_gate: true,
    ..PLAIN
};
