//! Which tensors a file of an architecture has to have. Names are those of GGUF, without `blk.N.`.

use crate::*;

/// Tensors that a layer needs: all those of one of the alternatives.
pub type Need = Vec<Vec<String>>;

impl Architecture {
    /// Returns the tensors outside of the layers, without an output matrix that the embedding may stand for.
    pub fn global_needs(&self) -> Vec<String> {
        let mut needs = vec![weight("token_embd")];
        let norms = [
            (true, self.final_norm),
            (self.embedding_norm, "token_embd_norm"),
        ];
        let norms = norms.into_iter().filter(|(is_there, _)| *is_there);
        if self.norm != NormKind::LayerWithoutWeight {
            needs.extend(norms.map(|(_, name)| weight(name)));
        }
        if self.learned_positions {
            needs.push(weight("position_embd"));
        }
        if self.output == Output::Own {
            needs.push(weight("output"));
        }
        let biases = self.needed_biases.iter();
        needs.extend(
            biases
                .filter(|part| self.is_global(part))
                .map(|part| bias(part)),
        );
        needs
    }

    /// Returns what each layer needs, in a file that states experts or none.
    pub fn layer_needs(&self, has_experts: bool) -> Vec<Need> {
        let norm =
            |names: &[&str]| -> Need { names.iter().map(|name| vec![weight(name)]).collect() };
        let mut needs = vec![norm(self.attention_norm), norm(self.feed_forward_norm)];
        let single = [
            self.attention_post_norm,
            self.attention_sub_norm,
            self.feed_forward_post_norm,
            self.feed_forward_sub_norm,
        ];
        needs.extend(single.map(|name| norm(name.as_slice())));
        if self.norm == NormKind::LayerWithoutWeight {
            needs.clear();
        }
        let mut mixer = self.attention_needs();
        if let Some(recurrent) = self.recurrent {
            mixer.extend(recurrent.needs());
        }
        let feed_forward = self.feed_forward_needs(has_experts);
        if self.one_block {
            mixer.extend(feed_forward);
            needs.push(mixer);
        } else {
            needs.extend([mixer, feed_forward]);
        }
        if let Some(Experts {
            shared: Shared::Gated,
            ..
        }) = self.experts.filter(|_| has_experts)
        {
            let shared = [
                "ffn_gate_inp_shexp",
                "ffn_gate_shexp",
                "ffn_up_shexp",
                "ffn_down_shexp",
            ];
            needs.push(one(&shared));
        }
        let biases = self.needed_biases.iter();
        let of_layers = biases.filter(|part| !self.is_global(part));
        needs.push(vec![of_layers.map(|part| bias(part)).collect()]);
        needs.retain(|need| need.iter().any(|parts| !parts.is_empty()));
        needs
    }

    /// Whether each layer has what any other one has, in a file that states experts or none.
    pub fn has_like_layers(&self, has_experts: bool) -> bool {
        let alike = |experts: Experts| !experts.dense_lead && !experts.interleaved;
        let experts = self.experts.filter(|_| has_experts);
        self.recurrent.is_none() && !self.shared_keys && experts.is_none_or(alike)
    }

    fn is_global(&self, part: &str) -> bool {
        [self.final_norm, "token_embd_norm", "output"].contains(&part)
    }

    fn attention_needs(&self) -> Need {
        let mut rest = vec!["attn_output"];
        let head_norm = self.head_norm;
        if head_norm.is_some_and(|norm| !norm.optional && norm.of != HeadNormOf::Unit) {
            rest.push("attn_q_norm");
            rest.extend((!self.shared_keys).then_some("attn_k_norm"));
        }
        let (queries, keys): (&[&[&str]], &[&[&str]]) = match self.latent {
            true => (
                &[&["attn_q"], &["attn_q_a", "attn_q_a_norm", "attn_q_b"]],
                &[
                    &["attn_kv_a_mqa", "attn_kv_a_norm", "attn_kv_b"],
                    &["attn_kv_a_mqa", "attn_kv_a_norm", "attn_k_b", "attn_v_b"],
                ],
            ),
            // Layers that read the keys of others have none.
            false if self.shared_keys => (&[&["attn_q"]], &[&[]]),
            false => (&[&["attn_q", "attn_k", "attn_v"], &["attn_qkv"]], &[&[]]),
        };
        let pairs = queries
            .iter()
            .flat_map(|query| keys.iter().map(move |key| [*query, *key]));
        let is_biased = self.biases == Biases::Required;
        let all = pairs.map(|[query, key]| {
            let mut parts = weights(&[query, key, &rest].concat());
            let biased = query.iter().filter(|_| is_biased);
            parts.extend(biased.map(|part| bias(part)));
            parts
        });
        all.collect()
    }

    fn feed_forward_needs(&self, has_experts: bool) -> Need {
        let dense = match self.gated && !self.fused_gate {
            true => one(&["ffn_gate", "ffn_up", "ffn_down"]),
            false => one(&["ffn_up", "ffn_down"]),
        };
        let Some(experts) = self.experts.filter(|_| has_experts) else {
            return dense;
        };
        if experts.beside_dense {
            return dense;
        }
        let up: &[&[&str]] = match self.gated {
            true => &[&["ffn_gate_exps", "ffn_up_exps"], &["ffn_gate_up_exps"]],
            false => &[&["ffn_up_exps"]],
        };
        let of_experts = up
            .iter()
            .map(|up| weights(&[&["ffn_gate_inp"], *up, &["ffn_down_exps"]].concat()));
        let is_dense = experts.dense_lead || experts.interleaved;
        of_experts
            .chain(dense.into_iter().filter(|_| is_dense))
            .collect()
    }
}

impl Recurrent {
    fn needs(self) -> Need {
        let delta = |inputs: &[&str]| {
            let parts = [
                &["attn_qkv", "attn_gate", "ssm_conv1d", "ssm_norm", "ssm_out"],
                inputs,
            ]
            .concat();
            let mut parts = weights(&parts);
            parts.extend(["ssm_dt.bias", "ssm_a"].map(str::to_owned));
            vec![parts]
        };
        match self {
            Self::Delta { fused: true, .. } => delta(&["ssm_ba"]),
            Self::Delta { fused: false, .. } => delta(&["ssm_beta", "ssm_alpha"]),
            Self::ShortConvolution => {
                one(&["shortconv.in_proj", "shortconv.conv", "shortconv.out_proj"])
            }
            Self::Mamba2 => {
                let mut parts = weights(&["ssm_in", "ssm_conv1d", "ssm_out"]);
                parts.extend(["ssm_dt.bias", "ssm_a", "ssm_d"].map(str::to_owned));
                vec![parts]
            }
        }
    }
}

fn one(parts: &[&str]) -> Need {
    vec![weights(parts)]
}

fn weights(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| weight(part)).collect()
}

fn bias(part: &str) -> String {
    format!("{part}.bias")
}

fn weight(part: &str) -> String {
    format!("{part}.weight")
}
