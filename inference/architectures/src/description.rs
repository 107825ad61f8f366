//! The words in which an architecture is described. Keys are those of GGUF without `NAME.`; tensors are named without
//! `blk.N.` and `.weight`.

use crate::*;

/// What an architecture computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Architecture {
    /// The name in `general.architecture`.
    pub name: &'static str,
    /// What the norms of whole rows are.
    pub norm: NormKind,
    /// The epsilon that most published models have, for files that state none.
    pub usual_epsilon: f32,
    /// The factor of the rows that are looked up.
    pub embedding_scale: Factor,
    /// Whether learned positions (`position_embd`) are added to the embedding.
    pub learned_positions: bool,
    /// Whether `token_embd_norm` follows the embedding.
    pub embedding_norm: bool,
    /// Which matrix makes the logits.
    pub output: Output,
    /// The norm before the attention: the first of these that a layer has; none when there are none.
    pub attention_norm: &'static [&'static str],
    /// The norm of what the attention gives, before it is added.
    pub attention_post_norm: Option<&'static str>,
    /// The norm of what the attention read, before the output matrix.
    pub attention_sub_norm: Option<&'static str>,
    /// The norm before the feed-forward, as [`Self::attention_norm`].
    pub feed_forward_norm: &'static [&'static str],
    /// The norm of what the feed-forward gives, before it is added.
    pub feed_forward_post_norm: Option<&'static str>,
    /// The norm of what the down matrix of a dense feed-forward reads.
    pub feed_forward_sub_norm: Option<&'static str>,
    /// Whether the feed-forward reads what the attention reads.
    pub parallel: Parallel,
    /// Which values of a head rotate together.
    pub rope: RopeKind,
    /// The layers that rotate.
    pub rope_layers: RopeLayers,
    /// The layers in which tensors of factors divide the angles.
    pub rope_factors: RopeFactors,
    /// Whether long and short factors are read only where `rope.scaling.type` is `longrope`.
    pub factors_by_type: bool,
    /// The YaRN keys that are read besides factor, original context and `attn_factor`.
    pub yarn: YarnKeys,
    /// Whether `rope.scaling.alpha` raises the base.
    pub rope_alpha: bool,
    /// The window of the attention.
    pub window: Option<Window>,
    /// Whether `attention.sliding_window` is known to be ignored; else a longer prompt is not covered where it is stated
    /// and no window is described, since engines disagree about it.
    pub ignores_window: bool,
    /// The norms of query and key heads.
    pub head_norm: Option<HeadNorm>,
    /// The factor of attention scores.
    pub scale: AttentionScale,
    /// The default of `attn_logit_softcapping`, where it is read.
    pub score_cap: Option<f32>,
    /// The default of `final_logit_softcapping`, where it is read; 0 is none.
    pub logit_cap: Option<f32>,
    /// What queries are multiplied by, besides.
    pub temperature: Temperature,
    /// Whether heads have a sink (`attn_sinks`).
    pub sinks: bool,
    /// The bias of scores by distance.
    pub alibi: Alibi,
    /// Whether `attention.clamp_kqv` clips query, key and value.
    pub clamp: bool,
    /// Whether the rows of the query matrix are, for each head, query and gate.
    pub query_gate: bool,
    /// Whether value heads are normalised, without a weight.
    pub value_norm: bool,
    /// Biases of query, key and value.
    pub biases: Biases,
    /// The other matrices and the norms that may have biases. llama.cpp refuses a file with another
    /// one, and of ernie4_5 (`attn_output`) and qwen2vl (`output`) it loads one that it does not add.
    pub further_biases: &'static [&'static str],
    /// Those of them without which llama.cpp does not load a model (`create_tensor` with 0 in src/models/*.cpp).
    pub needed_biases: &'static [&'static str],
    /// The function of the feed-forward.
    pub activation: Activation,
    /// Whether the feed-forward has a gate beside up.
    pub gated: bool,
    /// Whether the gate is always the first half of the rows of `ffn_up`.
    pub fused_gate: bool,
    /// Whether one number beside a matrix of the dense feed-forward (`ffn_up.scale`) multiplies its product. llama.cpp loads
    /// such a tensor for every architecture and computes with it in these alone (`build_ffn` in src/models/*.cpp).
    pub dense_factors: bool,
    /// The experts, where a file states some.
    pub experts: Option<Experts>,
    /// The factor of what a layer adds.
    pub residual_scale: Factor,
    /// The factor of the final norm.
    pub final_scale: Factor,
    /// The factor of logits.
    pub logit_scale: LogitScale,
    /// Keys and values through a latent space.
    pub latent: bool,
    /// What some layers have in place of the attention.
    pub recurrent: Option<Recurrent>,
    /// Whether a layer is either one thing or the other, behind one norm: recurrent, attention or feed-forward.
    pub one_block: bool,
    /// Whether the last layers read keys and values of earlier ones (`attention.shared_kv_layers`).
    pub shared_keys: bool,
    /// Whether a second embedding feeds every layer (`embedding_length_per_layer_input`).
    pub layer_inputs: bool,
    /// Whether `layer_output_scale` multiplies what leaves a layer.
    pub layer_scale: bool,
    /// The keys without which llama.cpp does not load a model and that nothing else here needs (`get_key` without `false` in
    /// src/models/*.cpp).
    pub required: &'static [&'static str],
    /// The norm after the last layer.
    pub final_norm: &'static str,
}
