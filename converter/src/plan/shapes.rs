//! The shapes that the keys of a model give its tensors, as llama.cpp and loaders of APR take them from the keys.
//!
//! Source: the dims of `create_tensor` in llama.cpp (src/models/*.cpp), which refuses any other ones.

use architectures::{Architecture, HeadNormOf, RopeFactors};

use crate::plan::{keys::Keys, names::EMBEDDING};

/// A size, none where the keys do not say one number for all layers, and what says it.
pub(super) type Size = (Option<u64>, &'static str);

/// The sizes that the tensors of a model have by its keys.
pub(super) struct Shapes {
    described: &'static Architecture,
    hidden: Size,
    rows: Size,
    context: Size,
    /// Values of a head that rotate, and pairs of them.
    turned: Size,
    pairs: Size,
    heads: Size,
    key_heads: Size,
    key: Size,
    value: Size,
    queries: Size,
    keys: Size,
    values: Size,
    outputs: Size,
    feed_forward: Size,
    experts: Size,
    of_expert: Size,
    of_shared: Size,
    /// What latent queries and keys have, and the state of recurrent layers.
    query_rank: Size,
    key_rank: Size,
    state: Size,
    groups: Size,
    steps: Size,
    inner: Size,
}

impl Shapes {
    /// Reads the sizes; `rows` is how many rows the embedding has.
    pub(super) fn of(described: &'static Architecture, keys: &Keys<'_>, rows: u64) -> Self {
        // What is no number is said where the key is read.
        let count = |ending: &str| keys.count(&keys.name(ending)).ok().flatten();
        let size = |ending: &'static str| (count(ending), ending);
        // Of these 0 says nothing.
        let some = |ending: &'static str| (count(ending).filter(|size| *size > 0), ending);
        let (hidden, heads) = (size("embedding_length"), size("attention.head_count"));
        let divided = || {
            hidden
                .0?
                .is_multiple_of(heads.0?)
                .then(|| hidden.0?.checked_div(heads.0?))?
        };
        let groups = match keys.get(&keys.name("attention.head_count_kv")) {
            None => heads,
            Some(_) => size("attention.head_count_kv"),
        };
        // Layers of gemma4 have heads of two sizes, and the keys of deepseek2 are told by other keys.
        let of_head = |length, latent| match described.latent {
            true => some(latent).0.or(size(length).0),
            false if described.shared_keys => None,
            false => size(length).0.or_else(divided),
        };
        let key = of_head("attention.key_length", "attention.key_length_mla");
        let value = of_head("attention.value_length", "attention.value_length_mla");
        let turned = size("rope.dimension_count").0.or(key);
        let turned = turned.filter(|_| !described.shared_keys);
        let product = |a, b, what| (times(a, (b, "")).0, what);
        let of_expert = described.experts.map_or("", |experts| experts.size);
        let of_shared = match some("expert_shared_feed_forward_length") {
            (None, _) => product(
                some("expert_shared_count"),
                some("expert_feed_forward_length").0,
                "expert_shared_count times expert_feed_forward_length",
            ),
            size => size,
        };
        Self {
            described,
            hidden,
            rows: (Some(rows), EMBEDDING),
            context: size("context_length"),
            turned: (turned, "rope.dimension_count"),
            pairs: (
                turned.map(|turned| turned / 2),
                "half of rope.dimension_count",
            ),
            heads,
            key_heads: groups,
            key: (key, "key_length"),
            value: (value, "value_length"),
            queries: product(heads, key, "head_count times key_length"),
            keys: product(groups, key, "head_count_kv times key_length"),
            values: product(groups, value, "head_count_kv times value_length"),
            outputs: product(heads, value, "head_count times value_length"),
            feed_forward: size("feed_forward_length"),
            experts: some("expert_count"),
            of_expert: some(of_expert),
            of_shared,
            query_rank: some("attention.q_lora_rank"),
            key_rank: some("attention.kv_lora_rank"),
            state: some("ssm.state_size"),
            groups: some("ssm.group_count"),
            steps: some("ssm.time_step_rank"),
            inner: some("ssm.inner_size"),
        }
    }

    /// Returns the sizes of a tensor in the order of GGUF; `is_fused` says that its layer has no gate of its own.
    pub(super) fn of_tensor(&self, name: &str, is_fused: bool) -> Option<Vec<Size>> {
        let part = match name.strip_prefix("blk.") {
            Some(in_layer) => in_layer.split_once('.')?.1,
            None => name,
        };
        let (matrix, kind) = part.rsplit_once('.')?;
        let dims = self.of_matrix(matrix, is_fused)?;
        match (kind, dims.as_slice()) {
            // It multiplies what the router reads.
            ("scale", _) if matrix == "ffn_gate_inp" => None,
            ("weight", _) => Some(dims),
            ("bias", [_, rows @ ..]) if !rows.is_empty() => Some(rows.to_vec()),
            ("bias", _) => Some(dims),
            ("scale", [_, _, experts]) => Some(vec![*experts]),
            ("scale", _) => Some(vec![(Some(1), "one factor")]),
            _ => None,
        }
    }

    fn of_matrix(&self, matrix: &str, is_fused: bool) -> Option<Vec<Size>> {
        let Self {
            hidden,
            queries,
            keys,
            values,
            feed_forward,
            experts,
            of_expert,
            of_shared,
            ..
        } = *self;
        let all = sum(
            [queries, keys, values],
            "the sum of queries, keys and values",
        );
        let described = self.described;
        Some(match matrix {
            "token_embd" | "output" => vec![hidden, self.rows],
            "position_embd" => vec![hidden, self.context],
            _ if matrix.starts_with("rope_") && described.rope_factors == RopeFactors::None => {
                return None;
            }
            "rope_freqs" | "rope_factors_long" | "rope_factors_short" => vec![self.pairs],
            "attn_q" if described.query_gate => vec![hidden, twice(queries)],
            "attn_q" => vec![hidden, queries],
            "attn_k" => vec![hidden, keys],
            "attn_v" => vec![hidden, values],
            "attn_qkv" if described.recurrent.is_some() => vec![hidden, self.channels()],
            "attn_qkv" => vec![hidden, all],
            "attn_output" => vec![self.outputs, hidden],
            "attn_sinks" => vec![self.heads],
            "attn_q_norm" => self.of_head_norm(queries, self.heads)?,
            "attn_k_norm" => self.of_head_norm(keys, self.key_heads)?,
            "ffn_up" if is_fused && described.gated => vec![hidden, twice(feed_forward)],
            "ffn_gate" | "ffn_up" => vec![hidden, feed_forward],
            "ffn_down" => vec![feed_forward, hidden],
            "ffn_gate_shexp" | "ffn_up_shexp" => vec![hidden, of_shared],
            "ffn_down_shexp" => vec![of_shared, hidden],
            "ffn_gate_inp" => vec![hidden, experts],
            "ffn_gate_inp_shexp" => vec![hidden],
            "exp_probs_b" => vec![experts],
            // Some experts live in a smaller space.
            _ if described.experts.is_some_and(|experts| experts.latent) => return None,
            "ffn_gate_exps" | "ffn_up_exps" => vec![hidden, of_expert, experts],
            "ffn_gate_up_exps" => vec![hidden, twice(of_expert), experts],
            "ffn_down_exps" => vec![of_expert, hidden, experts],
            _ if described.attention_sub_norm == Some(matrix) => vec![self.outputs],
            _ if described.feed_forward_sub_norm == Some(matrix) => vec![feed_forward],
            _ if self.is_row_norm(matrix) => vec![hidden],
            _ => return self.of_other_mixer(matrix),
        })
    }

    /// The same of latent attention and of recurrent layers.
    fn of_other_mixer(&self, matrix: &str) -> Option<Vec<Size>> {
        let Self {
            hidden,
            queries,
            key_rank,
            query_rank,
            turned,
            heads,
            value,
            inner,
            steps,
            ..
        } = *self;
        let any = (None, "");
        let plain = self.key.0.zip(turned.0);
        let plain = plain.and_then(|(key, turned)| key.checked_sub(turned));
        let plain = (plain, "key_length without rope.dimension_count");
        let (channels, what) = (self.channels(), "ssm.inner_size");
        Some(match matrix {
            "attn_q_a" => vec![hidden, query_rank],
            "attn_q_a_norm" => vec![query_rank],
            "attn_q_b" => vec![query_rank, queries],
            "attn_kv_a_mqa" => vec![
                hidden,
                sum([key_rank, turned], "kv_lora_rank and rope.dimension_count"),
            ],
            "attn_kv_a_norm" => vec![key_rank],
            "attn_kv_b" => vec![
                key_rank,
                times(heads, sum([plain, value], "keys and values of a head")),
            ],
            "attn_k_b" => vec![plain, key_rank, heads],
            "attn_v_b" => vec![key_rank, value, heads],
            "attn_gate" => vec![hidden, inner],
            "ssm_in" => vec![hidden, sum([inner, channels, steps], what)],
            "ssm_ba" => vec![hidden, twice(steps)],
            "ssm_beta" | "ssm_alpha" => vec![hidden, steps],
            "ssm_conv1d" => vec![any, channels],
            "ssm_dt" => vec![steps],
            "ssm_out" => vec![inner, hidden],
            "shortconv.in_proj" => vec![hidden, sum([hidden; 3], "three times embedding_length")],
            "shortconv.conv" => vec![any, hidden],
            "shortconv.out_proj" => vec![hidden, hidden],
            _ => return None,
        })
    }

    /// What the convolution of a recurrent layer takes.
    fn channels(&self) -> Size {
        sum(
            [twice(times(self.groups, self.state)), self.inner],
            "channels of the convolution",
        )
    }

    fn of_head_norm(&self, row: Size, heads: Size) -> Option<Vec<Size>> {
        Some(match self.described.head_norm?.of {
            HeadNormOf::Head => vec![self.key],
            HeadNormOf::Row => vec![row],
            HeadNormOf::OwnHead => vec![self.key, heads],
            HeadNormOf::Unit => return None,
        })
    }

    /// Whether a norm takes what stands between the layers or is added to it.
    fn is_row_norm(&self, name: &str) -> bool {
        let described = self.described;
        let before = [described.attention_norm, described.feed_forward_norm];
        let after = [
            described.attention_post_norm,
            described.feed_forward_post_norm,
            Some(described.final_norm),
            Some("token_embd_norm"),
        ];
        before.iter().any(|names| names.contains(&name)) || after.contains(&Some(name))
    }
}

fn sum<const N: usize>(sizes: [Size; N], what: &'static str) -> Size {
    let mut sizes = sizes.into_iter();
    let sum = sizes.try_fold(0_u64, |sum, (size, _)| sum.checked_add(size?));
    (sum, what)
}

fn times((a, what): Size, (b, _): Size) -> Size {
    (a.zip(b).and_then(|(a, b)| a.checked_mul(b)), what)
}

fn twice(size: Size) -> Size {
    times(size, (Some(2), ""))
}
