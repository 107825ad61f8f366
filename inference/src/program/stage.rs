//! Stages: what a forward computes, in which order, and where each value is taken.

use std::fmt;

/// A stage: one value of every token, taken at one capture point.
///
/// The order of the variants is the order in which a layer computes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The rows looked up.
    Embedding,
    /// The embedding times its factor.
    EmbeddingScaled,
    /// The embedding plus learned positions.
    EmbeddingPositions,
    /// The embedding after its norm.
    EmbeddingNorm,
    /// The rows looked up for every layer (gemma4).
    LayerInputsRows,
    /// These rows times their factor.
    LayerInputsScaled,
    /// What the embedding gives every layer.
    LayerInputsProduct,
    /// That times its factor.
    LayerInputsProductScaled,
    /// That after its norm.
    LayerInputsNorm,
    /// Both added.
    LayerInputsSum,
    /// What every layer gets: the sum times 1/sqrt(2).
    LayerInputs,
    /// Norm before the attention.
    AttnNorm,
    /// Product that a recurrent layer starts with.
    SsmIn,
    /// Gate of a state space: a part of the product.
    SsmGatePart,
    /// What a state space convolves: a part of the product.
    SsmMixed,
    /// Gate of a recurrent layer.
    SsmGate,
    /// Write share and step of the delta rule, in one matrix.
    SsmBetaAlpha,
    /// Write share of the delta rule.
    SsmBeta,
    /// Step of a recurrent layer.
    SsmAlpha,
    /// First third of what a short convolution starts with.
    SsmB,
    /// Second third of what a short convolution starts with.
    SsmC,
    /// What is convolved.
    SsmX,
    /// The first third times the last.
    SsmGatedIn,
    /// The convolution over positions.
    SsmConv,
    /// silu of the convolution.
    SsmSilu,
    /// What a recurrent layer reads from its state.
    SsmScan,
    /// That after its norm.
    SsmNorm,
    /// silu of the gate of a recurrent layer.
    SsmGateSilu,
    /// What was read, times its gate.
    SsmGated,
    /// The gated values after their norm.
    SsmGatedNorm,
    /// Query in its latent space.
    QLatent,
    /// That after its norm.
    QLatentNorm,
    /// Query product from its latent space, or without one.
    QLatentProduct,
    /// Keys and values in their latent space, and the part of the key that rotates.
    KvLatentProduct,
    /// The part of the key that rotates.
    KRotated,
    /// The latent part.
    KvLatent,
    /// That after its norm.
    KvLatentNorm,
    /// Keys without rotation, and values.
    KvProduct,
    /// Query product.
    QPreBias,
    /// Key product.
    KPreBias,
    /// Value product.
    VPreBias,
    /// Query after its bias.
    QPostBias,
    /// Key after its bias.
    KPostBias,
    /// Value after its bias.
    VPostBias,
    /// Query after it was clipped.
    QClamped,
    /// Key after it was clipped.
    KClamped,
    /// Value after it was clipped.
    VClamped,
    /// Gate of the attention: a part of the query product.
    AttnGate,
    /// Query: the other part.
    QPart,
    /// Value after the norm of each head.
    VNorm,
    /// Query after the norm of each head.
    QNorm,
    /// Key after the norm of each head.
    KNorm,
    /// Query after rope.
    QRope,
    /// Key after rope.
    KRope,
    /// Query after a norm that follows rope.
    QRopeNorm,
    /// Key after a norm that follows rope.
    KRopeNorm,
    /// Query times the factor of its position.
    QTempered,
    /// The part of the query that does not rotate.
    QPlain,
    /// The part of the query that rotates.
    QTurned,
    /// That part in the latent space of keys.
    QAbsorbed,
    /// Query, both parts.
    QJoined,
    /// The part of the key that does not rotate.
    KPlain,
    /// Key, both parts.
    KJoined,
    /// Value: a part of a product.
    VPart,
    /// Key that later layers read.
    KKept,
    /// Value that later layers read.
    VKept,
    /// Attention scores after the scale.
    AttnScores,
    /// Attention scores after their cap.
    AttnCapped,
    /// Attention scores after the bias by distance.
    AttnSloped,
    /// Attention probabilities.
    AttnSoftmax,
    /// Weighted values in the latent space.
    AttentionLatent,
    /// Weighted values, before the output matrix.
    Attention,
    /// Weighted values times their gate.
    AttentionGated,
    /// Product of the output matrix.
    AttnOut,
    /// That after its bias.
    AttnOutBias,
    /// What the attention gives, after its norm.
    AttnPostNorm,
    /// What the attention gives, times its factor.
    AttnScaled,
    /// Residual after the attention.
    FfnInp,
    /// Norm before the feed-forward.
    FfnNorm,
    /// Gate product.
    FfnGate,
    /// Up product.
    FfnUp,
    /// Gate after its bias.
    FfnGateBias,
    /// Up after its bias.
    FfnUpBias,
    /// silu of the gate.
    FfnSilu,
    /// Another activation of the gate, or of up.
    FfnAct,
    /// silu of the gate, times up.
    FfnSwiglu,
    /// Another activation of the gate, times up.
    FfnGated,
    /// Down product.
    FfnDown,
    /// That after its bias.
    FfnDownBias,
    /// The dense feed-forward beside experts, after its norm.
    DensePostNorm,
    /// What the router reads.
    MoeRouterNorm,
    /// That times 1/sqrt(hidden).
    MoeRouterFactor,
    /// That times its factors.
    MoeRouterScaled,
    /// What the experts read, after its own norm.
    MoeNorm,
    /// Logits of the router.
    MoeLogits,
    /// These after their bias.
    MoeLogitsBias,
    /// Probabilities of the experts.
    MoeProbs,
    /// The numbers of the chosen experts, the best first.
    MoeIndices,
    /// The weights of the chosen experts.
    MoeWeights,
    /// What the experts read, in their smaller space.
    MoeLatent,
    /// What each expert reads, times its weight.
    MoeSpread,
    /// Gate product of each chosen expert.
    MoeGate,
    /// Up product of each chosen expert.
    MoeUp,
    /// Gate after its bias.
    MoeGateBias,
    /// Up after its bias.
    MoeUpBias,
    /// Activation of the gate, or of up.
    MoeAct,
    /// Activation of the gate, times up.
    MoeGated,
    /// Down product of each chosen expert.
    MoeDown,
    /// That after its bias.
    MoeDownBias,
    /// The sum of the experts.
    MoeOut,
    /// The sum back from the smaller space.
    MoeLatentOut,
    /// The sum after its own norm.
    MoePostNorm,
    /// Gate product of the shared expert.
    SharedGate,
    /// Up product of the shared expert.
    SharedUp,
    /// Activation of its gate, or of up.
    SharedAct,
    /// Activation of its gate, times up.
    SharedGated,
    /// Down product of the shared expert.
    SharedDown,
    /// The weight of the shared expert.
    SharedWeight,
    /// The shared expert times the sigmoid of its weight.
    SharedOut,
    /// Experts and what stands beside them.
    FfnOut,
    /// What the feed-forward gives, after its norm.
    FfnPostNorm,
    /// What the feed-forward gives, times its factor.
    FfnScaled,
    /// What the feed-forward gives plus the layer's input, where attention and feed-forward run beside each other.
    FfnInput,
    /// Residual after the feed-forward, where more follows.
    FfnResidual,
    /// Gate of what the layer gets besides.
    InputGate,
    /// Its activation.
    InputAct,
    /// What the layer gets besides.
    InputRows,
    /// That times what the layer gets besides.
    InputGated,
    /// That back in the hidden size.
    InputProduct,
    /// That after its norm.
    InputNorm,
    /// Residual after what the layer gets besides.
    InputResidual,
    /// Residual after the feed-forward.
    LayerOut,
    /// Norm after the last layer.
    FinalNorm,
    /// That times its factor.
    FinalScaled,
    /// Product of the output matrix, where more follows.
    Output,
    /// That after its bias, where more follows.
    OutputBias,
    /// That times its factor, where more follows.
    OutputScaled,
    /// Logits of every position.
    Logits,
}

/// A stage of a layer, or of the whole model; shown as its key, `3.ffn_gate` or `logits`.
///
/// The order is that of execution, but for the stages of the whole model: see [`Step::order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// The layer; `None` for a stage of the whole model.
    pub layer: Option<usize>,
    /// The stage.
    pub stage: Stage,
}

impl Stage {
    /// Every stage, in the order of execution.
    pub const ALL: [Self; 138] = [
        Self::Embedding,
        Self::EmbeddingScaled,
        Self::EmbeddingPositions,
        Self::EmbeddingNorm,
        Self::LayerInputsRows,
        Self::LayerInputsScaled,
        Self::LayerInputsProduct,
        Self::LayerInputsProductScaled,
        Self::LayerInputsNorm,
        Self::LayerInputsSum,
        Self::LayerInputs,
        Self::AttnNorm,
        Self::SsmIn,
        Self::SsmGatePart,
        Self::SsmMixed,
        Self::SsmGate,
        Self::SsmBetaAlpha,
        Self::SsmBeta,
        Self::SsmAlpha,
        Self::SsmB,
        Self::SsmC,
        Self::SsmX,
        Self::SsmGatedIn,
        Self::SsmConv,
        Self::SsmSilu,
        Self::SsmScan,
        Self::SsmNorm,
        Self::SsmGateSilu,
        Self::SsmGated,
        Self::SsmGatedNorm,
        Self::QLatent,
        Self::QLatentNorm,
        Self::QLatentProduct,
        Self::KvLatentProduct,
        Self::KRotated,
        Self::KvLatent,
        Self::KvLatentNorm,
        Self::KvProduct,
        Self::QPreBias,
        Self::KPreBias,
        Self::VPreBias,
        Self::QPostBias,
        Self::KPostBias,
        Self::VPostBias,
        Self::QClamped,
        Self::KClamped,
        Self::VClamped,
        Self::AttnGate,
        Self::QPart,
        Self::VNorm,
        Self::QNorm,
        Self::KNorm,
        Self::QRope,
        Self::KRope,
        Self::QRopeNorm,
        Self::KRopeNorm,
        Self::QTempered,
        Self::QPlain,
        Self::QTurned,
        Self::QAbsorbed,
        Self::QJoined,
        Self::KPlain,
        Self::KJoined,
        Self::VPart,
        Self::KKept,
        Self::VKept,
        Self::AttnScores,
        Self::AttnCapped,
        Self::AttnSloped,
        Self::AttnSoftmax,
        Self::AttentionLatent,
        Self::Attention,
        Self::AttentionGated,
        Self::AttnOut,
        Self::AttnOutBias,
        Self::AttnPostNorm,
        Self::AttnScaled,
        Self::FfnInp,
        Self::FfnNorm,
        Self::FfnGate,
        Self::FfnUp,
        Self::FfnGateBias,
        Self::FfnUpBias,
        Self::FfnSilu,
        Self::FfnAct,
        Self::FfnSwiglu,
        Self::FfnGated,
        Self::FfnDown,
        Self::FfnDownBias,
        Self::DensePostNorm,
        Self::MoeRouterNorm,
        Self::MoeRouterFactor,
        Self::MoeRouterScaled,
        Self::MoeNorm,
        Self::MoeLogits,
        Self::MoeLogitsBias,
        Self::MoeProbs,
        Self::MoeIndices,
        Self::MoeWeights,
        Self::MoeLatent,
        Self::MoeSpread,
        Self::MoeGate,
        Self::MoeUp,
        Self::MoeGateBias,
        Self::MoeUpBias,
        Self::MoeAct,
        Self::MoeGated,
        Self::MoeDown,
        Self::MoeDownBias,
        Self::MoeOut,
        Self::MoeLatentOut,
        Self::MoePostNorm,
        Self::SharedGate,
        Self::SharedUp,
        Self::SharedAct,
        Self::SharedGated,
        Self::SharedDown,
        Self::SharedWeight,
        Self::SharedOut,
        Self::FfnOut,
        Self::FfnPostNorm,
        Self::FfnScaled,
        Self::FfnInput,
        Self::FfnResidual,
        Self::InputGate,
        Self::InputAct,
        Self::InputRows,
        Self::InputGated,
        Self::InputProduct,
        Self::InputNorm,
        Self::InputResidual,
        Self::LayerOut,
        Self::FinalNorm,
        Self::FinalScaled,
        Self::Output,
        Self::OutputBias,
        Self::OutputScaled,
        Self::Logits,
    ];

    /// Returns the name, as in keys and in `CONTRACT.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::EmbeddingScaled => "embd_scaled",
            Self::EmbeddingPositions => "embd_positions",
            Self::EmbeddingNorm => "embd_norm",
            Self::LayerInputsRows => "layer_inputs_rows",
            Self::LayerInputsScaled => "layer_inputs_scaled",
            Self::LayerInputsProduct => "layer_inputs_proj",
            Self::LayerInputsProductScaled => "layer_inputs_proj_scaled",
            Self::LayerInputsNorm => "layer_inputs_norm",
            Self::LayerInputsSum => "layer_inputs_sum",
            Self::LayerInputs => "layer_inputs",
            Self::AttnNorm => "attn_norm",
            Self::SsmIn => "ssm_in",
            Self::SsmGatePart => "ssm_z",
            Self::SsmMixed => "ssm_xbc",
            Self::SsmGate => "ssm_gate",
            Self::SsmBetaAlpha => "ssm_ba",
            Self::SsmBeta => "ssm_beta",
            Self::SsmAlpha => "ssm_alpha",
            Self::SsmB => "ssm_b",
            Self::SsmC => "ssm_c",
            Self::SsmX => "ssm_x",
            Self::SsmGatedIn => "ssm_bx",
            Self::SsmConv => "ssm_conv",
            Self::SsmSilu => "ssm_silu",
            Self::SsmScan => "ssm_scan",
            Self::SsmNorm => "ssm_norm",
            Self::SsmGateSilu => "ssm_gate_silu",
            Self::SsmGated => "ssm_gated",
            Self::SsmGatedNorm => "ssm_gated_norm",
            Self::QLatent => "q_a",
            Self::QLatentNorm => "q_a_norm",
            Self::QLatentProduct => "q_b",
            Self::KvLatentProduct => "kv_a",
            Self::KRotated => "k_pe",
            Self::KvLatent => "kv_latent",
            Self::KvLatentNorm => "kv_a_norm",
            Self::KvProduct => "kv_b",
            Self::QPreBias => "q_pre_bias",
            Self::KPreBias => "k_pre_bias",
            Self::VPreBias => "v_pre_bias",
            Self::QPostBias => "q_post_bias",
            Self::KPostBias => "k_post_bias",
            Self::VPostBias => "v_post_bias",
            Self::QClamped => "q_clamped",
            Self::KClamped => "k_clamped",
            Self::VClamped => "v_clamped",
            Self::AttnGate => "attn_gate",
            Self::QPart => "q_part",
            Self::VNorm => "v_norm",
            Self::QNorm => "q_norm",
            Self::KNorm => "k_norm",
            Self::QRope => "q_rope",
            Self::KRope => "k_rope",
            Self::QRopeNorm => "q_rope_norm",
            Self::KRopeNorm => "k_rope_norm",
            Self::QTempered => "q_tempered",
            Self::QPlain => "q_nope",
            Self::QTurned => "q_pe",
            Self::QAbsorbed => "q_absorbed",
            Self::QJoined => "q_joined",
            Self::KPlain => "k_nope",
            Self::KJoined => "k_joined",
            Self::VPart => "v_part",
            Self::KKept => "k_kept",
            Self::VKept => "v_kept",
            Self::AttnScores => "attn_scores",
            Self::AttnCapped => "attn_capped",
            Self::AttnSloped => "attn_sloped",
            Self::AttnSoftmax => "attn_softmax",
            Self::AttentionLatent => "attention_latent",
            Self::Attention => "attention",
            Self::AttentionGated => "attention_gated",
            Self::AttnOut => "attn_out",
            Self::AttnOutBias => "attn_out_bias",
            Self::AttnPostNorm => "attn_post_norm",
            Self::AttnScaled => "attn_scaled",
            Self::FfnInp => "ffn_inp",
            Self::FfnNorm => "ffn_norm",
            Self::FfnGate => "ffn_gate",
            Self::FfnUp => "ffn_up",
            Self::FfnGateBias => "ffn_gate_bias",
            Self::FfnUpBias => "ffn_up_bias",
            Self::FfnSilu => "ffn_silu",
            Self::FfnAct => "ffn_act",
            Self::FfnSwiglu => "ffn_swiglu",
            Self::FfnGated => "ffn_gated",
            Self::FfnDown => "ffn_down",
            Self::FfnDownBias => "ffn_down_bias",
            Self::DensePostNorm => "ffn_dense_norm",
            Self::MoeRouterNorm => "moe_router_norm",
            Self::MoeRouterFactor => "moe_router_factor",
            Self::MoeRouterScaled => "moe_router_scaled",
            Self::MoeNorm => "moe_norm",
            Self::MoeLogits => "moe_logits",
            Self::MoeLogitsBias => "moe_logits_bias",
            Self::MoeProbs => "moe_probs",
            Self::MoeIndices => "moe_indices",
            Self::MoeWeights => "moe_weights",
            Self::MoeLatent => "moe_latent",
            Self::MoeSpread => "moe_spread",
            Self::MoeGate => "moe_gate",
            Self::MoeUp => "moe_up",
            Self::MoeGateBias => "moe_gate_bias",
            Self::MoeUpBias => "moe_up_bias",
            Self::MoeAct => "moe_act",
            Self::MoeGated => "moe_gated",
            Self::MoeDown => "moe_down",
            Self::MoeDownBias => "moe_down_bias",
            Self::MoeOut => "moe_out",
            Self::MoeLatentOut => "moe_latent_out",
            Self::MoePostNorm => "moe_post_norm",
            Self::SharedGate => "shexp_gate",
            Self::SharedUp => "shexp_up",
            Self::SharedAct => "shexp_act",
            Self::SharedGated => "shexp_gated",
            Self::SharedDown => "shexp_down",
            Self::SharedWeight => "shexp_weight",
            Self::SharedOut => "shexp_out",
            Self::FfnOut => "ffn_out",
            Self::FfnPostNorm => "ffn_post_norm",
            Self::FfnScaled => "ffn_scaled",
            Self::FfnInput => "ffn_input",
            Self::FfnResidual => "ffn_residual",
            Self::InputGate => "inp_gate",
            Self::InputAct => "inp_act",
            Self::InputRows => "inp_rows",
            Self::InputGated => "inp_gated",
            Self::InputProduct => "inp_proj",
            Self::InputNorm => "inp_norm",
            Self::InputResidual => "inp_residual",
            Self::LayerOut => "layer_out",
            Self::FinalNorm => "final_norm",
            Self::FinalScaled => "final_scaled",
            Self::Output => "output",
            Self::OutputBias => "output_bias",
            Self::OutputScaled => "output_scaled",
            Self::Logits => "logits",
        }
    }

    /// Returns where the value is taken, in a few words: part of what makes two records comparable.
    pub const fn capture_point(self) -> &'static str {
        match self {
            Self::Logits => "logits of a position",
            Self::Embedding | Self::LayerInputsRows => "row looked up",
            Self::EmbeddingScaled
            | Self::LayerInputsScaled
            | Self::LayerInputsProductScaled
            | Self::LayerInputs
            | Self::QTempered
            | Self::AttnScaled
            | Self::MoeRouterScaled
            | Self::MoeSpread
            | Self::SharedOut
            | Self::FfnScaled
            | Self::FinalScaled
            | Self::OutputScaled
            | Self::MoeRouterFactor => "after the factor",
            Self::EmbeddingPositions | Self::LayerInputsSum | Self::FfnInput => {
                "after the addition"
            }
            Self::EmbeddingNorm
            | Self::LayerInputsNorm
            | Self::AttnNorm
            | Self::SsmNorm
            | Self::SsmGatedNorm
            | Self::QLatentNorm
            | Self::KvLatentNorm
            | Self::AttnPostNorm
            | Self::FfnNorm
            | Self::DensePostNorm
            | Self::MoeRouterNorm
            | Self::MoeNorm
            | Self::MoePostNorm
            | Self::FfnPostNorm
            | Self::InputNorm
            | Self::FinalNorm => "after the norm weight",
            Self::LayerInputsProduct
            | Self::SsmIn
            | Self::SsmGate
            | Self::SsmBetaAlpha
            | Self::QLatent
            | Self::KvLatentProduct
            | Self::KvProduct
            | Self::QAbsorbed
            | Self::AttnOut
            | Self::FfnGate
            | Self::FfnUp
            | Self::FfnDown
            | Self::MoeLogits
            | Self::MoeLatent
            | Self::MoeGate
            | Self::MoeUp
            | Self::MoeDown
            | Self::MoeLatentOut
            | Self::SharedGate
            | Self::SharedUp
            | Self::SharedDown
            | Self::InputGate
            | Self::InputProduct
            | Self::Output
            | Self::QLatentProduct => "after the matmul",
            Self::SsmBeta | Self::SharedWeight => "before the sigmoid",
            Self::SsmAlpha => "before bias and softplus",
            Self::SsmB
            | Self::SsmC
            | Self::SsmX
            | Self::KRotated
            | Self::KvLatent
            | Self::AttnGate
            | Self::QPart
            | Self::QPlain
            | Self::QTurned
            | Self::VPart
            | Self::KKept
            | Self::VKept
            | Self::KPlain
            | Self::InputRows
            | Self::SsmGatePart
            | Self::SsmMixed => "as it is",
            Self::SsmGatedIn | Self::InputGated => "after the multiplication",
            Self::SsmConv => "after the convolution",
            Self::SsmSilu
            | Self::SsmGateSilu
            | Self::FfnSilu
            | Self::FfnAct
            | Self::MoeAct
            | Self::SharedAct
            | Self::InputAct => "after the activation",
            Self::SsmScan => "after the state",
            Self::SsmGated | Self::Attention | Self::AttentionGated => "before the output matrix",
            Self::QPreBias | Self::KPreBias | Self::VPreBias => "after the matmul, before bias",
            Self::QPostBias | Self::KPostBias | Self::VPostBias => "after bias, before rope",
            Self::QClamped | Self::KClamped => "after clipping, before rope",
            Self::VClamped => "after clipping",
            Self::VNorm => "after the head norm",
            Self::QNorm | Self::KNorm => "after the head norm, before rope",
            Self::QRope | Self::KRope => "after rope",
            Self::QRopeNorm | Self::KRopeNorm => "after the head norm, after rope",
            Self::QJoined | Self::KJoined => "before the scores",
            Self::AttnScores => "after the scale, before softmax",
            Self::AttnCapped => "after the cap, before softmax",
            Self::AttnSloped => "after the bias, before softmax",
            Self::AttnSoftmax => "after softmax",
            Self::AttentionLatent => "before the value matrix",
            Self::AttnOutBias
            | Self::FfnGateBias
            | Self::FfnUpBias
            | Self::FfnDownBias
            | Self::MoeLogitsBias
            | Self::MoeGateBias
            | Self::MoeUpBias
            | Self::MoeDownBias
            | Self::OutputBias => "after the bias",
            Self::FfnInp => "residual after the attention",
            Self::FfnSwiglu | Self::FfnGated | Self::MoeGated | Self::SharedGated => {
                "after the activation times up"
            }
            Self::MoeProbs => "after softmax or sigmoid",
            Self::MoeIndices => "numbers of experts",
            Self::MoeWeights => "before the sum",
            Self::MoeOut | Self::FfnOut => "after the sum",
            Self::FfnResidual | Self::LayerOut => "residual after the feed-forward",
            Self::InputResidual => "residual",
        }
    }

    /// Returns whether a row of the stage is as long as the prompt: the scores and probabilities of an attention.
    pub const fn is_per_position(self) -> bool {
        matches!(
            self,
            Self::AttnScores | Self::AttnCapped | Self::AttnSloped | Self::AttnSoftmax
        )
    }

    /// Returns the stage of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl Step {
    /// Makes a step of a layer.
    pub const fn in_layer(layer: usize, stage: Stage) -> Self {
        Self {
            layer: Some(layer),
            stage,
        }
    }

    /// Makes a step of the whole model.
    pub const fn of_model(stage: Stage) -> Self {
        Self { layer: None, stage }
    }

    /// Returns the step of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        match key.split_once('.') {
            Some((layer, name)) => {
                Some(Self::in_layer(layer.parse().ok()?, Stage::from_name(name)?))
            }
            None => Stage::from_name(key).map(Self::of_model),
        }
    }

    /// Returns what to sort by to get the order of execution.
    pub const fn order(self) -> (usize, Stage) {
        match (self.layer, self.stage) {
            (Some(layer), stage) => (layer + 1, stage),
            (None, stage) if (stage as usize) < Stage::AttnNorm as usize => (0, stage),
            (None, stage) => (usize::MAX, stage),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(layer) => write!(formatter, "{layer}.{}", self.stage.name()),
            None => formatter.write_str(self.stage.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_their_steps_and_back() {
        for stage in Stage::ALL {
            for step in [Step::of_model(stage), Step::in_layer(12, stage)] {
                assert_eq!(Step::from_key(&step.to_string()), Some(step));
            }
        }
        for key in ["", "x", "1.", "x.ffn_gate", "ffn_gate.1"] {
            assert_eq!(Step::from_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_order_is_that_of_execution() {
        assert!(Stage::ALL.is_sorted());
        let steps = [
            "embedding",
            "0.attn_norm",
            "0.layer_out",
            "1.attn_norm",
            "10.q_rope",
            "final_norm",
            "logits",
        ]
        .map(|key| Step::from_key(key).unwrap().order());
        assert!(steps.is_sorted());
    }
}
