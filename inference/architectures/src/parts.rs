//! The parts of a description.

/// A norm of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square; `attention.layer_norm_rms_epsilon`.
    Rms,
    /// Mean and variance; `attention.layer_norm_epsilon`.
    Layer,
    /// As [`Self::Layer`], and no tensor has weights for it.
    LayerWithoutWeight,
}

/// A factor of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factor {
    /// 1.
    One,
    /// The square root of the hidden size.
    RootOfHidden,
    /// A key, and what it is where the file has none; 0 means 1.
    Key(&'static str, Number),
    /// Always the same.
    Fixed(Number),
}

/// A number that may depend on the shape of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// This one.
    Is(f64),
    /// 1.4 divided by the square root of the number of layers.
    ByDepth,
    /// 256 divided by the hidden size.
    ByWidth,
}

/// What is done with `logit_scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LogitScale {
    /// It is not read.
    None,
    /// Logits are multiplied by it; 0 means 1.
    Multiply,
    /// Logits are divided by it; the default, where the key is not required.
    Divide(Option<Number>),
}

/// The output matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// `output.weight`, or the embedding where it is absent.
    OwnOrEmbedding,
    /// Always the embedding.
    Embedding,
    /// Always `output.weight`.
    Own,
}

/// Whether attention and feed-forward run beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    /// One after the other.
    No,
    /// Both read the layer's input through norms of their own, or the same one. The sum is (feed-forward + input) + attention.
    Yes,
    /// As `use_parallel_residual` says.
    Key,
    /// Where a layer has no norm before the feed-forward: then both read the attention's.
    WithoutNorm,
}

/// Rotary positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeKind {
    /// None.
    None,
    /// Pairs of neighbours.
    Norm,
    /// Pairs of halves.
    Neox,
    /// Pairs of halves in sections, one after the other (`rope.dimension_sections`).
    Sections,
    /// Pairs of halves in sections, in turn.
    InterleavedSections,
}

/// The layers that rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeLayers {
    /// All.
    All,
    /// Those with a window.
    Window,
    /// Those with a window, if any has one, else all.
    WindowIfAny,
    /// All but every n-th.
    AllButEvery(usize),
    /// None, where `rope.scaling.finetuned` is false.
    Finetuned,
}

/// The layers in which `rope_freqs` or `rope_factors_{long,short}` are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeFactors {
    /// None.
    None,
    /// All.
    All,
    /// Those without a window.
    WithoutWindow,
}

/// Further keys of YaRN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YarnKeys {
    /// None.
    Plain,
    /// `yarn_beta_fast`, `yarn_beta_slow` and `yarn_log_multiplier`.
    Betas,
    /// `yarn_log_multiplier`, which scales the scores as well.
    Deepseek,
}

/// The window of some layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Where it starts.
    pub kind: WindowKind,
    /// Its size.
    pub size: WindowSize,
    /// The default of `attention.sliding_window_pattern`: of n layers the last has none; 0 where all have one and the key is
    /// not read; `None` where the key is an array and required.
    pub pattern: Option<usize>,
    /// The number of layers of the only models that have it.
    pub only_with_layers: Option<usize>,
    /// The base of the angles of these layers.
    pub base: WindowBase,
    /// How their positions are stretched.
    pub scaling: WindowScaling,
}

/// How positions are stretched in layers with a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowScaling {
    /// As in the other layers.
    Same,
    /// As in the other layers, but the type `none` does not turn the factor off.
    OwnFactor,
    /// Not at all; what cosines and sines are multiplied by holds, without the part that grows with the factor.
    Unstretched,
    /// Not at all, whatever the keys say.
    None,
}

/// Where a window starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// A token sees n tokens, itself included.
    Sliding,
    /// A token sees those of its own n.
    Chunked,
}

/// The size of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSize {
    /// `attention.sliding_window`, with a default; 0 is none.
    Key(usize),
    /// Always this one, unless the key is 0.
    Fixed(usize),
}

/// The base of the angles in layers with a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WindowBase {
    /// That of the other layers.
    Same,
    /// `rope.freq_base_swa`, or that of the other layers.
    KeyOrSame,
    /// `rope.freq_base_swa`, with a default.
    KeyOr(f32),
}

/// The norms of query and key heads (`attn_q_norm`, `attn_k_norm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadNorm {
    /// What is a row, and which weights it has.
    pub of: HeadNormOf,
    /// Root mean square or mean and variance.
    pub kind: NormKind,
    /// Whether layers without the tensors have no norms.
    pub optional: bool,
    /// Whether it follows the rotation.
    pub after_rope: bool,
}

/// What a norm of heads takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadNormOf {
    /// Each head, with one weight for all: `[head_dim]`.
    Head,
    /// All heads as one row: `[heads * head_dim]`.
    Row,
    /// Each head, with a weight of its own: `[head_dim, heads]`.
    OwnHead,
    /// Each head, without weights, in layers that rotate and unless there are 128 experts (llama4).
    Unit,
}

/// The factor of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionScale {
    /// 1 / sqrt(head size).
    HeadDim,
    /// `attention.scale`, unless it is absent or 0.
    Key,
    /// 1.
    One,
    /// 1 / sqrt(values that rotate).
    RopeDims,
    /// 1 / sqrt(head size), but 1 / sqrt(hidden / heads) in models with this number of layers.
    ByDepth(usize),
}

/// The factor of queries by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temperature {
    /// None.
    None,
    /// `attention.temperature_scale`, over the original context.
    Key,
    /// 0.1 over 8192 tokens, in layers that do not rotate (llama4).
    Unrotated,
}

/// The bias of scores by distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Alibi {
    /// None.
    None,
    /// The largest exponent.
    Fixed(f32),
    /// `attention.max_alibi_bias`.
    Key,
}

/// Biases of query, key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Biases {
    /// Where a layer has them, each on its own (`create_tensor_qkv` in src/llama-model.cpp of llama.cpp).
    Optional,
    /// Required.
    Required,
    /// Refused: llama.cpp loads none.
    Refused,
}

/// The function of a feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x / (1 + e^-x).
    Silu,
    /// x times the normal distribution, in its tanh form.
    Gelu,
    /// The square of what is positive.
    ReluSquared,
    /// min(gate, 7) / (1 + e^(-1.702 gate)) times (clamped up + 1).
    SwigluOai,
}

/// Experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// How the router's logits become weights.
    pub gate: Gate,
    /// Whether the weights of the chosen are divided by their sum.
    pub normalised: Switch,
    /// Whether `expert_used_count` may have a number for each layer.
    pub used_by_layer: bool,
    /// Whether `expert_weights_scale` is read.
    pub scaled: bool,
    /// Whether `exp_probs_b.bias` is added for the choice.
    pub choice_bias: bool,
    /// An expert that every token uses.
    pub shared: Shared,
    /// Whether `leading_dense_block_count` layers have none.
    pub dense_lead: bool,
    /// Whether `interleave_moe_layer_step` tells which layers have them.
    pub interleaved: bool,
    /// Whether the choice is by logits and the input is weighted, not the output (llama4).
    pub weight_first: bool,
    /// The key of the size of an expert.
    pub size: &'static str,
    /// Whether experts live in a smaller space (`ffn_latent_down`, `ffn_latent_up`).
    pub latent: bool,
    /// Whether a dense feed-forward stands beside them (gemma4).
    pub beside_dense: bool,
}

/// How logits become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Softmax over all.
    Softmax,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// Softmax over the chosen.
    SoftmaxOfChosen,
    /// As `expert_gating_func` says: 1, 2 or 3; 0 or absent is this one.
    Key(KeyedGate),
}

/// What `expert_gating_func` is where it is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyedGate {
    /// Required.
    Required,
    /// [`Gate::Softmax`].
    Softmax,
    /// [`Gate::Softmax`], but [`Gate::Sigmoid`] in GLM 4.7 flash, which is known by its numbers of layers and tokens.
    SoftmaxButFlash,
    /// [`Gate::Sigmoid`].
    Sigmoid,
}

/// Something that is done, not done, or done as a key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Done.
    On,
    /// Not done.
    Off,
    /// As `expert_weights_norm` says.
    Key,
}

/// An expert that every token uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// None.
    None,
    /// Added, where the tensors are there.
    Plain,
    /// Added after it was multiplied by the sigmoid of one number.
    Gated,
}

/// What some layers have in place of the attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurrent {
    /// A gated delta rule, in all layers but every `full_attention_interval`-th (4).
    Delta {
        /// How value heads share key heads.
        sharing: Sharing,
        /// Whether `ssm_ba` holds beta and alpha in one matrix, by key head.
        fused: bool,
    },
    /// A short convolution, in layers without key/value heads.
    ShortConvolution,
    /// A state space with one decay for each head (Mamba 2), in layers without key/value heads.
    Mamba2,
}

/// Which key head a value head uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Value head h uses key head h mod the number of key heads.
    Modulo,
    /// Value head h uses key head h div the value heads of each.
    Divided,
}

impl HeadNorm {
    /// Root mean square of each head before the rotation, with one weight for all.
    pub const HEADS: Self = Self {
        of: HeadNormOf::Head,
        kind: NormKind::Rms,
        optional: false,
        after_rope: false,
    };
}

impl Window {
    /// A sliding window as the key says, in all but every n-th layer, with the base of the others.
    pub const fn every(pattern: usize) -> Self {
        Self {
            kind: WindowKind::Sliding,
            size: WindowSize::Key(0),
            pattern: Some(pattern),
            only_with_layers: None,
            base: WindowBase::Same,
            scaling: WindowScaling::Same,
        }
    }
}

impl Experts {
    /// Softmax over all, the weights of the chosen divided by their sum, nothing else.
    pub const SOFTMAX: Self = Self {
        gate: Gate::Softmax,
        normalised: Switch::On,
        used_by_layer: false,
        scaled: false,
        choice_bias: false,
        shared: Shared::None,
        dense_lead: false,
        interleaved: false,
        weight_first: false,
        size: "expert_feed_forward_length",
        latent: false,
        beside_dense: false,
    };
}
