//! Stages: what a forward computes, in which order, and where each value is taken.

use std::fmt;

/// Makes the stages of a table: the variant, the name in keys, where the value is taken, and what it is.
macro_rules! stages {
    ($($variant:ident $name:literal $point:literal $doc:literal)+) => {
        /// A stage: one value of every token, taken at one capture point.
        ///
        /// The order of the variants is the order in which a layer computes them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Stage {
            $(#[doc = $doc] $variant,)+
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
    Embedding "embedding" "row looked up" "The rows looked up."
    EmbeddingScaled "embd_scaled" "after the factor" "The embedding times its factor."
    EmbeddingPositions "embd_positions" "after the addition" "The embedding plus learned positions."
    EmbeddingNorm "embd_norm" "after the norm weight" "The embedding after its norm."
    LayerInputsRows "layer_inputs_rows" "row looked up" "The rows looked up for every layer (gemma4)."
    LayerInputsScaled "layer_inputs_scaled" "after the factor" "These rows times their factor."
    LayerInputsProduct "layer_inputs_proj" "after the matmul" "What the embedding gives every layer."
    LayerInputsProductScaled "layer_inputs_proj_scaled" "after the factor" "That times its factor."
    LayerInputsNorm "layer_inputs_norm" "after the norm weight" "That after its norm."
    LayerInputsSum "layer_inputs_sum" "after the addition" "Both added."
    LayerInputs "layer_inputs" "after the factor" "What every layer gets: the sum times 1/sqrt(2)."
    AttnNorm "attn_norm" "after the norm weight" "Norm before the attention."
    SsmIn "ssm_in" "after the matmul" "Product that a recurrent layer starts with."
    SsmGatePart "ssm_z" "as it is" "Gate of a state space: a part of the product."
    SsmMixed "ssm_xbc" "as it is" "What a state space convolves: a part of the product."
    SsmGate "ssm_gate" "after the matmul" "Gate of a recurrent layer."
    SsmBetaAlpha "ssm_ba" "after the matmul" "Write share and step of the delta rule, in one matrix."
    SsmBeta "ssm_beta" "before the sigmoid" "Write share of the delta rule."
    SsmAlpha "ssm_alpha" "before bias and softplus" "Step of a recurrent layer."
    SsmB "ssm_b" "as it is" "First third of what a short convolution starts with."
    SsmC "ssm_c" "as it is" "Second third of what a short convolution starts with."
    SsmX "ssm_x" "as it is" "What is convolved."
    SsmGatedIn "ssm_bx" "after the multiplication" "The first third times the last."
    SsmConv "ssm_conv" "after the convolution" "The convolution over positions."
    SsmSilu "ssm_silu" "after the activation" "silu of the convolution."
    SsmScan "ssm_scan" "after the state" "What a recurrent layer reads from its state."
    SsmNorm "ssm_norm" "after the norm weight" "That after its norm."
    SsmGateSilu "ssm_gate_silu" "after the activation" "silu of the gate of a recurrent layer."
    SsmGated "ssm_gated" "before the output matrix" "What was read, times its gate."
    SsmGatedNorm "ssm_gated_norm" "after the norm weight" "The gated values after their norm."
    QLatent "q_a" "after the matmul" "Query in its latent space."
    QLatentNorm "q_a_norm" "after the norm weight" "That after its norm."
    QLatentProduct "q_b" "after the matmul" "Query product from its latent space, or without one."
    KvLatentProduct "kv_a" "after the matmul" "Keys and values in their latent space, and the part of the key that rotates."
    KRotated "k_pe" "as it is" "The part of the key that rotates."
    KvLatent "kv_latent" "as it is" "The latent part."
    KvLatentNorm "kv_a_norm" "after the norm weight" "That after its norm."
    KvProduct "kv_b" "after the matmul" "Keys without rotation, and values."
    QPreBias "q_pre_bias" "after the matmul, before bias" "Query product."
    KPreBias "k_pre_bias" "after the matmul, before bias" "Key product."
    VPreBias "v_pre_bias" "after the matmul, before bias" "Value product."
    QFactor "q_factor" "after the factor, before bias" "Query product times its factor."
    KFactor "k_factor" "after the factor, before bias" "Key product times its factor."
    VFactor "v_factor" "after the factor, before bias" "Value product times its factor."
    QPostBias "q_post_bias" "after bias, before rope" "Query after its bias."
    KPostBias "k_post_bias" "after bias, before rope" "Key after its bias."
    VPostBias "v_post_bias" "after bias, before rope" "Value after its bias."
    QClamped "q_clamped" "after clipping, before rope" "Query after it was clipped."
    KClamped "k_clamped" "after clipping, before rope" "Key after it was clipped."
    VClamped "v_clamped" "after clipping" "Value after it was clipped."
    AttnGate "attn_gate" "as it is" "Gate of the attention: a part of the query product."
    QPart "q_part" "as it is" "Query: the other part."
    VNorm "v_norm" "after the head norm" "Value after the norm of each head."
    QNorm "q_norm" "after the head norm, before rope" "Query after the norm of each head."
    KNorm "k_norm" "after the head norm, before rope" "Key after the norm of each head."
    QRope "q_rope" "after rope" "Query after rope."
    KRope "k_rope" "after rope" "Key after rope."
    QRopeNorm "q_rope_norm" "after the head norm, after rope" "Query after a norm that follows rope."
    KRopeNorm "k_rope_norm" "after the head norm, after rope" "Key after a norm that follows rope."
    QTempered "q_tempered" "after the factor" "Query times the factor of its position."
    QPlain "q_nope" "as it is" "The part of the query that does not rotate."
    QTurned "q_pe" "as it is" "The part of the query that rotates."
    QAbsorbed "q_absorbed" "after the matmul" "That part in the latent space of keys."
    QJoined "q_joined" "before the scores" "Query, both parts."
    KPlain "k_nope" "as it is" "The part of the key that does not rotate."
    KJoined "k_joined" "before the scores" "Key, both parts."
    VPart "v_part" "as it is" "Value: a part of a product."
    KKept "k_kept" "as it is" "Key that later layers read."
    VKept "v_kept" "as it is" "Value that later layers read."
    AttnScores "attn_scores" "after the scale, before softmax" "Attention scores after the scale."
    AttnCapped "attn_capped" "after the cap, before softmax" "Attention scores after their cap."
    AttnSloped "attn_sloped" "after the bias, before softmax" "Attention scores after the bias by distance."
    AttnSoftmax "attn_softmax" "after softmax" "Attention probabilities."
    AttentionLatent "attention_latent" "before the value matrix" "Weighted values in the latent space."
    Attention "attention" "before the output matrix" "Weighted values, before the output matrix."
    AttentionGated "attention_gated" "before the output matrix" "Weighted values times their gate."
    AttnSubNorm "attn_sub_norm" "after the norm weight, before the output matrix" "Weighted values after their norm."
    AttnOut "attn_out" "after the matmul" "Product of the output matrix."
    AttnOutFactor "attn_out_factor" "after the factor, before bias" "That times its factor."
    AttnOutBias "attn_out_bias" "after the bias" "That after its bias."
    AttnPostNorm "attn_post_norm" "after the norm weight" "What the attention gives, after its norm."
    AttnScaled "attn_scaled" "after the factor" "What the attention gives, times its factor."
    FfnInp "ffn_inp" "residual after the attention" "Residual after the attention."
    FfnNorm "ffn_norm" "after the norm weight" "Norm before the feed-forward."
    FfnGate "ffn_gate" "after the matmul" "Gate product."
    FfnUp "ffn_up" "after the matmul" "Up product."
    FfnGateBias "ffn_gate_bias" "after the bias" "Gate after its bias."
    FfnUpBias "ffn_up_bias" "after the bias" "Up after its bias."
    FfnGateFactor "ffn_gate_factor" "after the factor" "Gate times its factor."
    FfnUpFactor "ffn_up_factor" "after the factor" "Up times its factor."
    FfnSilu "ffn_silu" "after the activation" "silu of the gate."
    FfnAct "ffn_act" "after the activation" "Another activation of the gate, or of up."
    FfnSwiglu "ffn_swiglu" "after the activation times up" "silu of the gate, times up."
    FfnGated "ffn_gated" "after the activation times up" "Another activation of the gate, times up."
    FfnSubNorm "ffn_sub_norm" "after the norm weight, before the down matrix" "What the down matrix reads, after its norm."
    FfnDown "ffn_down" "after the matmul" "Down product."
    FfnDownBias "ffn_down_bias" "after the bias" "That after its bias."
    FfnDownFactor "ffn_down_factor" "after the factor" "Down product times its factor."
    DensePostNorm "ffn_dense_norm" "after the norm weight" "The dense feed-forward beside experts, after its norm."
    MoeRouterNorm "moe_router_norm" "after the norm weight" "What the router reads."
    MoeRouterFactor "moe_router_factor" "after the factor" "That times 1/sqrt(hidden)."
    MoeRouterScaled "moe_router_scaled" "after the factor" "That times its factors."
    MoeNorm "moe_norm" "after the norm weight" "What the experts read, after its own norm."
    MoeLogits "moe_logits" "after the matmul" "Logits of the router."
    MoeLogitsBias "moe_logits_bias" "after the bias" "These after their bias."
    MoeProbs "moe_probs" "after softmax or sigmoid" "Probabilities of the experts."
    MoeIndices "moe_indices" "numbers of experts" "The numbers of the chosen experts, the best first."
    MoeWeights "moe_weights" "before the sum" "The weights of the chosen experts."
    MoeLatent "moe_latent" "after the matmul" "What the experts read, in their smaller space."
    MoeSpread "moe_spread" "after the factor" "What each expert reads, times its weight."
    MoeGate "moe_gate" "after the matmul" "Gate product of each chosen expert."
    MoeUp "moe_up" "after the matmul" "Up product of each chosen expert."
    MoeGateBias "moe_gate_bias" "after the bias" "Gate after its bias."
    MoeUpBias "moe_up_bias" "after the bias" "Up after its bias."
    MoeAct "moe_act" "after the activation" "Activation of the gate, or of up."
    MoeGated "moe_gated" "after the activation times up" "Activation of the gate, times up."
    MoeDown "moe_down" "after the matmul" "Down product of each chosen expert."
    MoeDownBias "moe_down_bias" "after the bias" "That after its bias."
    MoeOut "moe_out" "after the sum" "The sum of the experts."
    MoeLatentOut "moe_latent_out" "after the matmul" "The sum back from the smaller space."
    MoePostNorm "moe_post_norm" "after the norm weight" "The sum after its own norm."
    SharedGate "shexp_gate" "after the matmul" "Gate product of the shared expert."
    SharedUp "shexp_up" "after the matmul" "Up product of the shared expert."
    SharedAct "shexp_act" "after the activation" "Activation of its gate, or of up."
    SharedGated "shexp_gated" "after the activation times up" "Activation of its gate, times up."
    SharedDown "shexp_down" "after the matmul" "Down product of the shared expert."
    SharedWeight "shexp_weight" "before the sigmoid" "The weight of the shared expert."
    SharedOut "shexp_out" "after the factor" "The shared expert times the sigmoid of its weight."
    FfnOut "ffn_out" "after the sum" "Experts and what stands beside them."
    FfnPostNorm "ffn_post_norm" "after the norm weight" "What the feed-forward gives, after its norm."
    FfnScaled "ffn_scaled" "after the factor" "What the feed-forward gives, times its factor."
    FfnInput "ffn_input" "after the addition"
        "What the feed-forward gives plus the layer's input, where attention and feed-forward run beside each other."
    FfnResidual "ffn_residual" "residual after the feed-forward" "Residual after the feed-forward, where more follows."
    InputGate "inp_gate" "after the matmul" "Gate of what the layer gets besides."
    InputAct "inp_act" "after the activation" "Its activation."
    InputRows "inp_rows" "as it is" "What the layer gets besides."
    InputGated "inp_gated" "after the multiplication" "That times what the layer gets besides."
    InputProduct "inp_proj" "after the matmul" "That back in the hidden size."
    InputNorm "inp_norm" "after the norm weight" "That after its norm."
    InputResidual "inp_residual" "residual" "Residual after what the layer gets besides."
    LayerOut "layer_out" "residual after the feed-forward" "Residual after the feed-forward."
    FinalNorm "final_norm" "after the norm weight" "Norm after the last layer."
    FinalScaled "final_scaled" "after the factor" "That times its factor."
    Output "output" "after the matmul" "Product of the output matrix, where more follows."
    OutputBias "output_bias" "after the bias" "That after its bias, where more follows."
    OutputScaled "output_scaled" "after the factor" "That times its factor, where more follows."
    Logits "logits" "logits of a position" "Logits of every position."
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
