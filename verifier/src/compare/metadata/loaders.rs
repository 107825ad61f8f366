//! Tensors of an APR file that loaders refuse, or take for others, as they find and read them.
//!
//! Source: the loaders of `apr` 0.72.3, as `apr-format.md` tells (names in section 3, types in section 4.3).

use crate::code::Code;
use crate::compare::names::{EMBEDDING, gguf_name};
use crate::compare::pairing::place;
use crate::decode::container::Tensor;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Side, escape};

pub(super) fn check(tensors: &[Tensor], findings: &mut Findings) {
    let mut say = |tensor: &Tensor, what: &str| {
        let message = format!("{} {what}", escape(&tensor.name));
        let finding = Finding::new(Code::TensorLoader, Effect::Different, message);
        findings.push(finding.at(place(Side::Apr, tensor)));
    };
    for tensor in tensors {
        let name = gguf_name(&tensor.name);
        let holds = |part: &&[u8]| tensor.name.windows(part.len()).any(|found| found == *part);
        if name != EMBEDDING && EMBEDDINGS.iter().any(holds) {
            say(
                tensor,
                "may be taken for the embedding, which loaders find by a part of its name",
            );
        }
        let is_vector = name.ends_with(b"norm.weight") || name.ends_with(b".bias");
        if is_vector && !PLAIN.contains(&tensor.type_id) {
            say(
                tensor,
                "is quantised: loaders take norms and biases as F32, F16 or BF16 only",
            );
        }
    }
}

const EMBEDDINGS: [&[u8]; 3] = [b"embed_tokens", b"tok_embeddings", b"token_embd"];
/// F32, F16 and BF16.
const PLAIN: [u32; 3] = [0, 1, 30];
