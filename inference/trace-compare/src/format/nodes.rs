//! Nodes of llama.cpp under a model: what each may be, told by the weight that it reads, by its name, or by its values.

use inference::{Instruction, Model, Op};

use super::{
    capture::{Capture, Layout},
    names::{self, Node},
    record::{Record, Trace, TraceFormat},
};

impl Trace {
    /// The trace as one of this model.
    pub(crate) fn of_model(&self, model: &Model) -> Self {
        let mut trace = self.clone();
        if trace.format == TraceFormat::LlamaCpp {
            resolve(&mut trace.records, model);
        }
        trace
    }
}

/// Why a node that is no stage of ours is compared with nothing; `None` for one that a stage should be.
pub(crate) fn not_compared(key: &str) -> Option<&'static str> {
    let node = Node::of(key)?;
    let is_it = |(operations, names, _): &&NotCompared| {
        let names_it = |start| node.name.starts_with(start);
        operations.split(' ').any(|one| one == node.operation) && names.split(' ').any(names_it)
    };
    NOT_COMPARED.iter().find(is_it).map(|(_, _, why)| *why)
}

/// Operations, how the names of their nodes start (none: any), each with a space between two, and why they are compared
/// with nothing.
type NotCompared = (&'static str, &'static str, &'static str);

/// As found in the traces of `llama-cpp.tsv`; the numbers of nodes without a name come from the graph.
const NOT_COMPARED: [NotCompared; 7] = [
    (
        "VIEW RESHAPE PERMUTE TRANSPOSE CONT CPY DUP SET_ROWS GET_ROWS CONCAT REPEAT PAD FILL",
        "",
        "values in another place: what reads them is judged",
    ),
    (
        "SCALE",
        "cache_",
        "the state before the prompt, which is zero",
    ),
    (
        "RMS_NORM NORM",
        "norm node_ Vcur_normed",
        "a norm before its weight: both are judged as one",
    ),
    (
        "MUL",
        "norm_w",
        "a norm before its bias: both are judged as one",
    ),
    (
        "SUM_ROWS CLAMP SIGMOID RELU SOFTPLUS TANH SILU DIV",
        "",
        "a part of an activation, a softmax or the weights of experts: the whole is judged",
    ),
    (
        "SSM_CONV SSM_SCAN MUL ADD SCALE",
        "ffn_moe_weighted ffn_moe_probs_biased ffn_inp gate- node_ kq_scaled q_conv_predelta k_conv_predelta",
        "a part of a sum of experts, of a recurrence or of scores: the whole is judged",
    ),
    (
        "SCALE ROPE",
        "Qcur q_pe",
        "queries before another factor: the scores are judged",
    ),
];

fn resolve(records: &mut [Record], model: &Model) {
    let layer = |record: &Record| Node::of(&record.name)?.layer();
    let layers: Vec<_> = records.iter().map(layer).collect();
    let mut before = None;
    for (index, record) in records.iter_mut().enumerate() {
        let own = layers.get(index).copied().flatten();
        let behind = layers.iter().skip(index).copied().flatten().next();
        before = own.or(before);
        let Some(node) = Node::of(&record.name) else {
            continue;
        };
        let by_weight = by_weight(node, model);
        let exists = |capture: &Capture| {
            let mut steps = capture.steps.iter();
            steps.all(|step| model.instruction(*step).is_some())
        };
        if !by_weight.is_empty() {
            record.captures = by_weight;
        } else if node.name.starts_with("kqv-") {
            // It has a name of its own: what weighs values, and nothing else.
            let found = performing(node.operation, model);
            let found = found
                .filter(|taken| matches!(taken.op, Op::Weighted { .. }) && taken.step.layer == own);
            record.captures = found.flat_map(captures).collect();
        } else if !record.captures.iter().any(exists) {
            let near: &[Option<usize>] = match own {
                Some(_) => &[own],
                None => &[before, behind, None],
            };
            let found = performing(node.operation, model);
            let found = found.filter(|taken| near.contains(&taken.step.layer));
            let found = found.flat_map(captures).map(Capture::by_value);
            record.captures = found.collect();
        }
    }
}

/// The instructions that read the weight of a node as it does: each alone, and those that read its rows in turn joined.
fn by_weight(node: Node<'_>, model: &Model) -> Vec<Capture> {
    let Some(weight) = node.weight else {
        return Vec::new();
    };
    let found = performing(node.operation, model);
    let reads = |taken: &&Instruction| {
        // The small tensors of a recurrence are read on the way there.
        if matches!(taken.op, Op::StateSpace(_)) {
            return false;
        }
        let tensors = taken.op.tensors();
        tensors.iter().any(|tensor| tensor.name == weight)
    };
    let found: Vec<_> = found.filter(reads).collect();
    let mut all: Vec<_> = found.iter().copied().flat_map(captures).collect();
    let joins =
        |taken: &&Instruction| matches!(taken.op, Op::Product { .. } | Op::AddVector { .. });
    let rows: Vec<_> = found.into_iter().filter(joins).collect();
    if let [first, _, ..] = rows.as_slice()
        && let Some(layer) = first.step.layer
    {
        let stages: Vec<_> = rows.iter().map(|taken| taken.step.stage).collect();
        all.push(Capture::joined(layer, &stages));
    }
    all
}

fn captures(taken: &Instruction) -> Vec<Capture> {
    let one = Capture::one(taken.step);
    match taken.op {
        Op::Scores { .. } => names::scores(taken.step),
        _ if taken.step.stage.is_per_position() => vec![one.laid_out(Layout::Heads)],
        Op::Delta(_) => vec![one.laid_out(Layout::Leading)],
        Op::Weighted { .. } | Op::HeadProduct { .. } => {
            vec![one.clone().laid_out(Layout::HeadRows), one]
        }
        _ => vec![one],
    }
}

/// The instructions that an operation of ggml may take, or the last part of.
fn performing<'a>(operation: &'a str, model: &'a Model) -> impl Iterator<Item = &'a Instruction> {
    let performs = move |op: &Op| match operation {
        "GET_ROWS" => matches!(op, Op::Lookup { .. } | Op::ExpertWeights(_)),
        "ADD" => match op {
            Op::Norm { norm, .. } => norm.bias.is_some(),
            Op::Convolve { bias, .. } => bias.is_some(),
            _ => matches!(
                op,
                Op::Add { .. }
                    | Op::AddVector { .. }
                    | Op::AddPositions { .. }
                    | Op::ExpertSum { .. }
                    // Its last part is what skips the state.
                    | Op::StateSpace(_)
            ),
        },
        "ADD_ID" => matches!(op, Op::ExpertBias { .. }),
        "SCALE" => matches!(op, Op::Scale { .. } | Op::Cap { .. } | Op::ExpertWeights(_)),
        "DIV" => matches!(op, Op::ExpertWeights(_)),
        "MUL" => match op {
            Op::Norm { norm, .. } => norm.weight.is_some() && norm.bias.is_none(),
            _ => matches!(
                op,
                Op::MultiplyVector { .. }
                    | Op::Multiply { .. }
                    | Op::Gate { .. }
                    | Op::Temper { .. }
                    | Op::Spread { .. }
                    | Op::Scale { .. }
            ),
        },
        "MUL_MAT" => matches!(
            op,
            Op::Product { .. } | Op::HeadProduct { .. } | Op::Scores { .. } | Op::Weighted { .. }
        ),
        "MUL_MAT_ID" => matches!(op, Op::ExpertProduct { .. }),
        "RMS_NORM" | "NORM" | "L2_NORM" => {
            matches!(op, Op::Norm { norm, .. } if norm.weight.is_none())
        }
        "ROPE" => matches!(op, Op::Rotate(_)),
        "SOFT_MAX" => matches!(
            op,
            Op::Softmax { .. } | Op::RouterProbabilities { .. } | Op::ExpertWeights(_)
        ),
        "SWIGLU" | "GEGLU" | "REGLU" => matches!(op, Op::Multiply { .. }),
        "SWIGLU_OAI" => matches!(op, Op::MultiplyClipped { .. }),
        "SILU" | "GELU" | "SQR" => matches!(op, Op::Activate { .. }),
        "SIGMOID" => matches!(op, Op::RouterProbabilities { .. }),
        "CLAMP" => matches!(op, Op::Clamp { .. }),
        "CONCAT" => matches!(op, Op::Join { .. }),
        "CONT" => matches!(
            op,
            Op::Pick { .. } | Op::Join { .. } | Op::Copy { .. } | Op::Weighted { .. }
        ),
        "SSM_CONV" => matches!(op, Op::Convolve { bias: None, .. }),
        "GATED_DELTA_NET" => matches!(op, Op::Delta(_)),
        _ => false,
    };
    let program = model.program.iter();
    program.filter(move |taken| performs(&taken.op))
}

#[cfg(test)]
mod tests {
    use fixtures::models;

    use super::*;
    use crate::format::record::{Content, Element};

    /// What each record of a trace may be of a model with biases.
    fn meanings(keys: &[&str]) -> Vec<String> {
        let model = inference::load(&[&models::qwen2().to_bytes()]).unwrap();
        let record = |key: &&str| Record {
            name: (*key).to_owned(),
            captures: names::llama_cpp(key),
            content: Content::Held([].into(), Element::F32),
        };
        let mut records: Vec<_> = keys.iter().map(record).collect();
        resolve(&mut records, &model);
        let words = |capture: &Capture| capture.to_string();
        let all = records.iter();
        all.map(|record| {
            let captures = record.captures.iter().map(words);
            captures.collect::<Vec<_>>().join(", ")
        })
        .collect()
    }

    #[test]
    fn the_weight_that_a_node_reads_tells_what_it_is() {
        let found = meanings(&[
            "x|MUL_MAT|blk.1.attn_output.weight",
            "y|ADD|blk.0.attn_k.bias#2",
            "z|MUL|blk.0.ffn_norm.weight",
        ]);
        assert_eq!(found, ["1.attn_out", "0.k_post_bias", "0.ffn_norm"]);
    }

    #[test]
    fn a_node_without_a_name_may_be_what_its_layer_computes_so() {
        let found = meanings(&["ffn_norm-1|MUL", "node_9|ADD", "kqv_out-1|CONT"]);
        let sums = "1.q_post_bias, 1.k_post_bias, 1.v_post_bias, 1.ffn_inp, 1.layer_out";
        assert_eq!(found, ["1.ffn_norm", sums, "1.attention"]);
    }
}
