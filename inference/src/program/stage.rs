//! Stages: what a forward computes, in which order, and where each value is taken.

use std::fmt;

/// Makes the stages of a table: the variant, the name in keys, and where the value is taken.
macro_rules! stages {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $point:literal)+) => {
        /// A stage: one value of every token, taken at one capture point.
        ///
        /// The order of the variants is the order in which a layer computes them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Stage {
            /// Every stage, in the order of execution.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// Returns the name, as in keys and in `CONTRACT.md`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns where the value is taken, in a few words: part of what makes two records comparable.
            pub const fn capture_point(self) -> &'static str {
                match self {
                    $(Self::$variant => $point,)+
                }
            }
        }
    };
}

#[rustfmt::skip]
stages! {
    /// The rows looked up.
    Embedding "embedding" "row looked up"
    /// The embedding times its factor.
    EmbeddingScaled "embd_scaled" "after the factor"
    /// The embedding plus learned positions.
    EmbeddingPositions "embd_positions" "after the addition"
    /// The embedding after its norm.
    EmbeddingNorm "embd_norm" "after the norm weight"
    /// The rows looked up for every layer (gemma4).
    LayerInputsRows "layer_inputs_rows" "row looked up"
    /// These rows times their factor.
    LayerInputsScaled "layer_inputs_scaled" "after the factor"
    /// What the embedding gives every layer.
    LayerInputsProduct "layer_inputs_proj" "after the matmul"
    /// That times its factor.
    LayerInputsProductScaled "layer_inputs_proj_scaled" "after the factor"
    /// That after its norm.
    LayerInputsNorm "layer_inputs_norm" "after the norm weight"
    /// Both added.
    LayerInputsSum "layer_inputs_sum" "after the addition"
    /// What every layer gets: the sum times 1/sqrt(2).
    LayerInputs "layer_inputs" "after the factor"
    /// Norm before the attention.
    AttnNorm "attn_norm" "after the norm weight"
    /// Product that a recurrent layer starts with.
    SsmIn "ssm_in" "after the matmul"
    /// Gate of a state space: a part of the product.
    SsmGatePart "ssm_z" "as it is"
    /// What a state space convolves: a part of the product.
    SsmMixed "ssm_xbc" "as it is"
    /// Gate of a recurrent layer.
    SsmGate "ssm_gate" "after the matmul"
    /// Write share and step of the delta rule, in one matrix.
    SsmBetaAlpha "ssm_ba" "after the matmul"
    /// Write share of the delta rule.
    SsmBeta "ssm_beta" "before the sigmoid"
    /// Step of a recurrent layer.
    SsmAlpha "ssm_alpha" "before bias and softplus"
    /// First third of what a short convolution starts with.
    SsmB "ssm_b" "as it is"
    /// Second third of what a short convolution starts with.
    SsmC "ssm_c" "as it is"
    /// What is convolved.
    SsmX "ssm_x" "as it is"
    /// The first third times the last.
    SsmGatedIn "ssm_bx" "after the multiplication"
    /// The convolution over positions.
    SsmConv "ssm_conv" "after the convolution"
    /// silu of the convolution.
    SsmSilu "ssm_silu" "after the activation"
    /// What a recurrent layer reads from its state.
    SsmScan "ssm_scan" "after the state"
    /// That after its norm.
    SsmNorm "ssm_norm" "after the norm weight"
    /// silu of the gate of a recurrent layer.
    SsmGateSilu "ssm_gate_silu" "after the activation"
    /// What was read, times its gate.
    SsmGated "ssm_gated" "before the output matrix"
    /// The gated values after their norm.
    SsmGatedNorm "ssm_gated_norm" "after the norm weight"
    /// Query in its latent space.
    QLatent "q_a" "after the matmul"
    /// That after its norm.
    QLatentNorm "q_a_norm" "after the norm weight"
    /// Query product from its latent space, or without one.
    QLatentProduct "q_b" "after the matmul"
    /// Keys and values in their latent space, and the part of the key that rotates.
    KvLatentProduct "kv_a" "after the matmul"
    /// The part of the key that rotates.
    KRotated "k_pe" "as it is"
    /// The latent part.
    KvLatent "kv_latent" "as it is"
    /// That after its norm.
    KvLatentNorm "kv_a_norm" "after the norm weight"
    /// Keys without rotation, and values.
    KvProduct "kv_b" "after the matmul"
    /// Query product.
    QPreBias "q_pre_bias" "after the matmul, before bias"
    /// Key product.
    KPreBias "k_pre_bias" "after the matmul, before bias"
    /// Value product.
    VPreBias "v_pre_bias" "after the matmul, before bias"
    /// Query product times its factor.
    QFactor "q_factor" "after the factor, before bias"
    /// Key product times its factor.
    KFactor "k_factor" "after the factor, before bias"
    /// Value product times its factor.
    VFactor "v_factor" "after the factor, before bias"
    /// Query after its bias.
    QPostBias "q_post_bias" "after bias, before rope"
    /// Key after its bias.
    KPostBias "k_post_bias" "after bias, before rope"
    /// Value after its bias.
    VPostBias "v_post_bias" "after bias, before rope"
    /// Query after it was clipped.
    QClamped "q_clamped" "after clipping, before rope"
    /// Key after it was clipped.
    KClamped "k_clamped" "after clipping, before rope"
    /// Value after it was clipped.
    VClamped "v_clamped" "after clipping"
    /// Gate of the attention: a part of the query product.
    AttnGate "attn_gate" "as it is"
    /// Query: the other part.
    QPart "q_part" "as it is"
    /// Value after the norm of each head.
    VNorm "v_norm" "after the head norm"
    /// Query after the norm of each head.
    QNorm "q_norm" "after the head norm, before rope"
    /// Key after the norm of each head.
    KNorm "k_norm" "after the head norm, before rope"
    /// Query after rope.
    QRope "q_rope" "after rope"
    /// Key after rope.
    KRope "k_rope" "after rope"
    /// Query after a norm that follows rope.
    QRopeNorm "q_rope_norm" "after the head norm, after rope"
    /// Key after a norm that follows rope.
    KRopeNorm "k_rope_norm" "after the head norm, after rope"
    /// Query times the factor of its position.
    QTempered "q_tempered" "after the factor"
    /// The part of the query that does not rotate.
    QPlain "q_nope" "as it is"
    /// The part of the query that rotates.
    QTurned "q_pe" "as it is"
    /// That part in the latent space of keys.
    QAbsorbed "q_absorbed" "after the matmul"
    /// Query, both parts.
    QJoined "q_joined" "before the scores"
    /// The part of the key that does not rotate.
    KPlain "k_nope" "as it is"
    /// Key, both parts.
    KJoined "k_joined" "before the scores"
    /// Value: a part of a product.
    VPart "v_part" "as it is"
    /// Key that later layers read.
    KKept "k_kept" "as it is"
    /// Value that later layers read.
    VKept "v_kept" "as it is"
    /// Attention scores after the scale.
    AttnScores "attn_scores" "after the scale, before softmax"
    /// Attention scores after their cap.
    AttnCapped "attn_capped" "after the cap, before softmax"
    /// Attention scores after the bias by distance.
    AttnSloped "attn_sloped" "after the bias, before softmax"
    /// Attention probabilities.
    AttnSoftmax "attn_softmax" "after softmax"
    /// Weighted values in the latent space.
    AttentionLatent "attention_latent" "before the value matrix"
    /// Weighted values, before the output matrix.
    Attention "attention" "before the output matrix"
    /// Weighted values times their gate.
    AttentionGated "attention_gated" "before the output matrix"
    /// Weighted values after their norm.
    AttnSubNorm "attn_sub_norm" "after the norm weight, before the output matrix"
    /// Product of the output matrix.
    AttnOut "attn_out" "after the matmul"
    /// That times its factor.
    AttnOutFactor "attn_out_factor" "after the factor, before bias"
    /// That after its bias.
    AttnOutBias "attn_out_bias" "after the bias"
    /// What the attention gives, after its norm.
    AttnPostNorm "attn_post_norm" "after the norm weight"
    /// What the attention gives, times its factor.
    AttnScaled "attn_scaled" "after the factor"
    /// Residual after the attention.
    FfnInp "ffn_inp" "residual after the attention"
    /// Norm before the feed-forward.
    FfnNorm "ffn_norm" "after the norm weight"
    /// Gate product.
    FfnGate "ffn_gate" "after the matmul"
    /// Up product.
    FfnUp "ffn_up" "after the matmul"
    /// Gate after its bias.
    FfnGateBias "ffn_gate_bias" "after the bias"
    /// Up after its bias.
    FfnUpBias "ffn_up_bias" "after the bias"
    /// Gate times its factor.
    FfnGateFactor "ffn_gate_factor" "after the factor"
    /// Up times its factor.
    FfnUpFactor "ffn_up_factor" "after the factor"
    /// silu of the gate.
    FfnSilu "ffn_silu" "after the activation"
    /// Another activation of the gate, or of up.
    FfnAct "ffn_act" "after the activation"
    /// silu of the gate, times up.
    FfnSwiglu "ffn_swiglu" "after the activation times up"
    /// Another activation of the gate, times up.
    FfnGated "ffn_gated" "after the activation times up"
    /// What the down matrix reads, after its norm.
    FfnSubNorm "ffn_sub_norm" "after the norm weight, before the down matrix"
    /// Down product.
    FfnDown "ffn_down" "after the matmul"
    /// That after its bias.
    FfnDownBias "ffn_down_bias" "after the bias"
    /// Down product times its factor.
    FfnDownFactor "ffn_down_factor" "after the factor"
    /// The dense feed-forward beside experts, after its norm.
    DensePostNorm "ffn_dense_norm" "after the norm weight"
    /// What the router reads.
    MoeRouterNorm "moe_router_norm" "after the norm weight"
    /// That times 1/sqrt(hidden).
    MoeRouterFactor "moe_router_factor" "after the factor"
    /// That times its factors.
    MoeRouterScaled "moe_router_scaled" "after the factor"
    /// What the experts read, after its own norm.
    MoeNorm "moe_norm" "after the norm weight"
    /// Logits of the router.
    MoeLogits "moe_logits" "after the matmul"
    /// These after their bias.
    MoeLogitsBias "moe_logits_bias" "after the bias"
    /// Probabilities of the experts.
    MoeProbs "moe_probs" "after softmax or sigmoid"
    /// The numbers of the chosen experts, the best first.
    MoeIndices "moe_indices" "numbers of experts"
    /// The weights of the chosen experts.
    MoeWeights "moe_weights" "before the sum"
    /// What the experts read, in their smaller space.
    MoeLatent "moe_latent" "after the matmul"
    /// What each expert reads, times its weight.
    MoeSpread "moe_spread" "after the factor"
    /// Gate product of each chosen expert.
    MoeGate "moe_gate" "after the matmul"
    /// Up product of each chosen expert.
    MoeUp "moe_up" "after the matmul"
    /// Gate after its bias.
    MoeGateBias "moe_gate_bias" "after the bias"
    /// Up after its bias.
    MoeUpBias "moe_up_bias" "after the bias"
    /// Activation of the gate, or of up.
    MoeAct "moe_act" "after the activation"
    /// Activation of the gate, times up.
    MoeGated "moe_gated" "after the activation times up"
    /// Down product of each chosen expert.
    MoeDown "moe_down" "after the matmul"
    /// That after its bias.
    MoeDownBias "moe_down_bias" "after the bias"
    /// The sum of the experts.
    MoeOut "moe_out" "after the sum"
    /// The sum back from the smaller space.
    MoeLatentOut "moe_latent_out" "after the matmul"
    /// The sum after its own norm.
    MoePostNorm "moe_post_norm" "after the norm weight"
    /// Gate product of the shared expert.
    SharedGate "shexp_gate" "after the matmul"
    /// Up product of the shared expert.
    SharedUp "shexp_up" "after the matmul"
    /// Activation of its gate, or of up.
    SharedAct "shexp_act" "after the activation"
    /// Activation of its gate, times up.
    SharedGated "shexp_gated" "after the activation times up"
    /// Down product of the shared expert.
    SharedDown "shexp_down" "after the matmul"
    /// The weight of the shared expert.
    SharedWeight "shexp_weight" "before the sigmoid"
    /// The shared expert times the sigmoid of its weight.
    SharedOut "shexp_out" "after the factor"
    /// Experts and what stands beside them.
    FfnOut "ffn_out" "after the sum"
    /// What the feed-forward gives, after its norm.
    FfnPostNorm "ffn_post_norm" "after the norm weight"
    /// What the feed-forward gives, times its factor.
    FfnScaled "ffn_scaled" "after the factor"
    /// What the feed-forward gives plus the layer's input, where attention and feed-forward run beside each other.
    FfnInput "ffn_input" "after the addition"
    /// Residual after the feed-forward, where more follows.
    FfnResidual "ffn_residual" "residual after the feed-forward"
    /// Gate of what the layer gets besides.
    InputGate "inp_gate" "after the matmul"
    /// Its activation.
    InputAct "inp_act" "after the activation"
    /// What the layer gets besides.
    InputRows "inp_rows" "as it is"
    /// That times what the layer gets besides.
    InputGated "inp_gated" "after the multiplication"
    /// That back in the hidden size.
    InputProduct "inp_proj" "after the matmul"
    /// That after its norm.
    InputNorm "inp_norm" "after the norm weight"
    /// Residual after what the layer gets besides.
    InputResidual "inp_residual" "residual"
    /// Residual after the feed-forward.
    LayerOut "layer_out" "residual after the feed-forward"
    /// Norm after the last layer.
    FinalNorm "final_norm" "after the norm weight"
    /// That times its factor.
    FinalScaled "final_scaled" "after the factor"
    /// Product of the output matrix, where more follows.
    Output "output" "after the matmul"
    /// That after its bias, where more follows.
    OutputBias "output_bias" "after the bias"
    /// That times its factor, where more follows.
    OutputScaled "output_scaled" "after the factor"
    /// Logits of every position.
    Logits "logits" "logits of a position"
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
