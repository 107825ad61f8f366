//! A description in words: what an architecture does that a llama does not.

use crate::{
    Activation, Alibi, Architecture, AttentionScale, Experts, Factor, Gate, HeadNormOf, LogitScale,
    NormKind, Output, Parallel, Recurrent, RopeFactors, RopeKind, RopeLayers, Shared, Switch,
    Temperature, Window, WindowKind,
};

impl Architecture {
    /// Returns what differs from llama, in the order of computation.
    pub fn in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut say = |words_of: &str| words.push(words_of.to_owned());
        match self.norm {
            NormKind::Rms => {}
            NormKind::Layer => say("LayerNorm"),
            NormKind::LayerWithoutWeight => say("LayerNorm without weights"),
        }
        if self.norm == NormKind::Rms && self.further_biases.contains(&"attn_norm") {
            say("biases of norms");
        }
        if self.embedding_scale != Factor::One {
            say("embedding scaled");
        }
        if self.learned_positions {
            say("learned positions");
        }
        if self.embedding_norm {
            say("norm of the embedding");
        }
        if self.attention_norm.is_empty() {
            say("no norms before");
        }
        if self.attention_post_norm.is_some() {
            say("norms behind");
        }
        if self.attention_sub_norm.is_some() {
            say("norms before the output and down matrices");
        }
        match self.parallel {
            Parallel::No => {}
            Parallel::Yes => say("attention and feed-forward beside each other"),
            Parallel::Key | Parallel::WithoutNorm => {
                say("attention and feed-forward beside each other, in some files");
            }
        }
        match self.rope {
            RopeKind::None => say("no rope"),
            RopeKind::Norm => {}
            RopeKind::Neox => say("rope NEOX"),
            RopeKind::Sections => say("rope in sections"),
            RopeKind::InterleavedSections => say("rope in sections, in turn"),
        }
        match self.rope_layers {
            RopeLayers::All => {}
            RopeLayers::Window => say("rope in layers with a window alone"),
            RopeLayers::WindowIfAny => say("rope in layers with a window alone, if there are any"),
            RopeLayers::AllButEvery(n) => say(&format!("no rope in one of {n} layers")),
            RopeLayers::Finetuned => say("rope as a key says"),
        }
        if self.rope_factors != RopeFactors::None && self.rope != RopeKind::Norm {
            say("factors of rope");
        }
        if self.rope_alpha {
            say("base raised by a key");
        }
        if let Some(window) = self.window {
            say(&window_in_words(window));
        }
        if let Some(norm) = self.head_norm {
            say(match norm.of {
                HeadNormOf::Head if norm.after_rope => "norms of heads after rope",
                HeadNormOf::Head => "norms of heads",
                HeadNormOf::Row => "norms of all heads as one row",
                HeadNormOf::OwnHead => "norms of heads, each its own",
                HeadNormOf::Unit => "norms of heads without weights",
            });
        }
        say_rest(self, &mut words);
        words
    }
}

fn say_rest(described: &Architecture, words: &mut Vec<String>) {
    let mut say = |words_of: &str| words.push(words_of.to_owned());
    match described.scale {
        AttentionScale::HeadDim | AttentionScale::RopeDims => {}
        AttentionScale::Key => say("attention scaled by a key"),
        AttentionScale::One => say("attention not scaled"),
        AttentionScale::ByDepth(layers) => {
            say(&format!("another attention scale with {layers} layers"));
        }
    }
    if described.score_cap.is_some() {
        say("scores capped");
    }
    if described.logit_cap.is_some() {
        say("logits capped");
    }
    if described.temperature != Temperature::None {
        say("queries scaled by position");
    }
    if described.sinks {
        say("sinks");
    }
    if described.alibi != Alibi::None {
        say("scores biased by distance");
    }
    if described.clamp {
        say("query, key and value clipped");
    }
    if described.query_gate {
        say("attention gated");
    }
    if described.latent {
        say("keys and values from a latent space");
    }
    match described.recurrent {
        None => {}
        Some(Recurrent::Delta { .. }) => say("most layers are gated delta rules"),
        Some(Recurrent::ShortConvolution) => say("some layers are short convolutions"),
        Some(Recurrent::Mamba2) => say("some layers are state spaces"),
    }
    if described.one_block {
        say("one block in a layer");
    }
    match described.activation {
        Activation::Silu => {}
        Activation::Gelu => say("GELU"),
        Activation::ReluSquared => say("squared ReLU"),
        Activation::SwigluOai => say("clipped SwiGLU"),
    }
    if !described.gated {
        say("no gate");
    }
    if let Some(experts) = described.experts {
        say(&experts_in_words(experts));
    }
    if described.shared_keys {
        say("keys of earlier layers");
    }
    if described.layer_inputs {
        say("an embedding for every layer");
    }
    if described.residual_scale != Factor::One {
        say("residuals scaled");
    }
    if described.logit_scale != LogitScale::None || described.final_scale != Factor::One {
        say("logits scaled");
    }
    match described.output {
        Output::OwnOrEmbedding => {}
        Output::Embedding => say("always tied"),
        Output::Own => say("never tied"),
    }
}

fn window_in_words(window: Window) -> String {
    let kind = match window.kind {
        WindowKind::Sliding => "window",
        WindowKind::Chunked => "chunks",
    };
    match window.pattern {
        Some(0) => format!("{kind} in all layers with attention, as a key says"),
        Some(pattern) => format!("{kind} in all but one of {pattern} layers"),
        None => format!("{kind} as a key says"),
    }
}

impl Gate {
    /// What the scores of the experts become.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
            Self::SoftmaxOfChosen => "softmax of the chosen",
            Self::Key(_) => "gate by a key",
        }
    }
}

fn experts_in_words(experts: Experts) -> String {
    let gate = experts.gate.in_words();
    let shared = match experts.shared {
        Shared::None => "",
        Shared::Plain => ", a shared one",
        Shared::Gated => ", a shared one behind a gate",
    };
    let weights = match experts.normalised {
        Switch::On => "",
        Switch::Off => ", not normalised",
        Switch::Key => ", normalised by a key",
    };
    format!("experts ({gate}{weights}{shared})")
}
