//! Tensor data that end in zeros: what a download leaves that reserved the whole file and stopped on its way.

use crate::code::{CauseCode, Code};
use crate::compare::inputs::Inputs;
use crate::compare::pairing::place;
use crate::decode::container::Tensor;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{RegionKind, Span};

/// Where the last byte that is not zero lies, for each tensor that was read.
#[derive(Default)]
pub(super) struct Zeros<'a> {
    ends: Vec<End<'a>>,
}

struct End<'a> {
    side: Side,
    tensor: &'a Tensor,
    before_zeros: u64,
}

impl<'a> Zeros<'a> {
    pub(super) fn note(&mut self, side: Side, tensor: &'a Tensor, before_zeros: u64) {
        self.ends.push(End {
            side,
            tensor,
            before_zeros,
        });
    }

    /// One warning for the files whose tensor data end in zeros.
    pub(super) fn findings(mut self, inputs: &Inputs<'_>) -> Vec<Finding> {
        self.ends
            .sort_by_key(|end| (end.side, end.tensor.shard, end.tensor.span));
        let shards = self
            .ends
            .chunk_by(|a, b| (a.side, a.tensor.shard) == (b.side, b.tensor.shard));
        let tails = shards.filter_map(|ends| {
            let last = ends.last()?;
            let span = tail(ends)?;
            Some((last.side, last.tensor.shard, span))
        });
        tails
            .map(|(side, shard, span)| finding(inputs, side, shard, span))
            .collect()
    }
}

/// The zeros at the end of the tensors of one file, in the order of their bytes.
fn tail(ends: &[End<'_>]) -> Option<Span> {
    let end = ends.last()?.tensor.span.end();
    let from = |end: &End<'_>| end.tensor.span.offset.checked_add(end.before_zeros);
    // An empty tensor says nothing; one of zeros only hands on to the one before it.
    let last = ends.iter().rev().find(|end| end.before_zeros > 0);
    let start = match last {
        Some(last) => from(last)?,
        None => ends.first()?.tensor.span.offset,
    };
    let length = end.checked_sub(start)?;
    (length >= LEAST).then_some(Span::new(start, length))
}

fn finding(inputs: &Inputs<'_>, side: Side, shard: usize, span: Span) -> Finding {
    let tensors = inputs.of(side).tensors;
    let is_in = |tensor: &&Tensor| tensor.shard == shard && tensor.span.contains(span.offset);
    let at = match tensors.iter().find(is_in) {
        Some(tensor) => place(side, tensor),
        None => Place::new(side, shard).region(RegionKind::Tensor),
    };
    Finding::new(
        Code::TensorZeroTail,
        Effect::Warning,
        format!(
            "the tensor data are zero from byte {} to their end: {} bytes",
            span.offset, span.length
        ),
    )
    .at(at.span(span))
    .cause(
        CauseCode::Preallocated,
        format!(
            "a download that reserved the whole file and stopped at byte {}",
            span.offset
        ),
    )
    .hint("compare the file with the digest that its publisher gives: verify FILE --digest sha256:...")
}

/// A short run of zeros, such as a bias of zeros, is common.
const LEAST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(offset: u64, length: u64) -> Tensor {
        Tensor {
            name: b"t".to_vec(),
            type_id: 0,
            block_type: None,
            dims: vec![length],
            shard: 0,
            span: Span::new(offset, length),
            info_span: Span::default(),
            sound: true,
        }
    }

    fn tail_of(tensors: &[(u64, u64, u64)]) -> Option<Span> {
        let owned: Vec<(Tensor, u64)> = tensors
            .iter()
            .map(|&(offset, length, before_zeros)| (tensor(offset, length), before_zeros))
            .collect();
        let ends: Vec<End<'_>> = owned
            .iter()
            .map(|(tensor, before_zeros)| End {
                side: Side::Gguf,
                tensor,
                before_zeros: *before_zeros,
            })
            .collect();
        tail(&ends)
    }

    #[test]
    fn zeros_reach_back_over_whole_tensors() {
        let all = [
            (0, 9000, 9000),
            (9000, 5000, 100),
            (14_016, 2000, 0),
            (16_016, 0, 0),
        ];
        assert_eq!(tail_of(&all), Some(Span::new(9100, 6916)));
    }

    #[test]
    fn a_file_of_zeros_is_zero_from_its_first_tensor_on() {
        assert_eq!(tail_of(&[(64, 5000, 0)]), Some(Span::new(64, 5000)));
    }

    #[test]
    fn a_short_run_of_zeros_and_zeros_before_data_say_nothing() {
        assert_eq!(tail_of(&[(0, 9000, 4905)]), None);
        assert_eq!(tail_of(&[(0, 9000, 0), (9000, 10, 10)]), None);
        assert_eq!(tail_of(&[]), None);
    }
}
