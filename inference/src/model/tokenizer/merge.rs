//! Joining the neighbours of a text, best pair first.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Cuts a text into characters and joins neighbours until no pair has a rank; returns the pieces in order.
///
/// `rank(left, right)` gives the rank of a pair, the lowest first; of equal ranks the leftmost pair goes first.
pub(super) fn merge(text: &str, rank: impl Fn(&str, &str) -> Option<u32>) -> Vec<&str> {
    // The start and the end of every piece.
    let mut pieces: BTreeMap<usize, usize> = text
        .char_indices()
        .map(|(start, character)| (start, start.saturating_add(character.len_utf8())))
        .collect();
    let mut queue = BinaryHeap::new();
    let offer = |queue: &mut BinaryHeap<_>, start: usize, middle: usize, end: usize| {
        let pair = text.get(start..middle).zip(text.get(middle..end));
        if let Some(rank) = pair.and_then(|(left, right)| rank(left, right)) {
            queue.push(Reverse((rank, start, middle, end)));
        }
    };
    for ((start, middle), (_, end)) in pieces.iter().zip(pieces.iter().skip(1)) {
        offer(&mut queue, *start, *middle, *end);
    }
    while let Some(Reverse((_, start, middle, end))) = queue.pop() {
        // One of the two is part of a longer piece by now.
        if pieces.get(&start) != Some(&middle) || pieces.get(&middle) != Some(&end) {
            continue;
        }
        pieces.remove(&middle);
        pieces.insert(start, end);
        if let Some((before, _)) = pieces.range(..start).next_back() {
            offer(&mut queue, *before, start, end);
        }
        if let Some(after) = pieces.get(&end) {
            offer(&mut queue, start, end, *after);
        }
    }
    let texts = pieces.into_iter();
    texts
        .filter_map(|(start, end)| text.get(start..end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged<'t>(text: &'t str, ranks: &[(&str, u32)]) -> Vec<&'t str> {
        merge(text, |left, right| {
            let pair = format!("{left} {right}");
            ranks
                .iter()
                .find(|(known, _)| *known == pair)
                .map(|(_, rank)| *rank)
        })
    }

    #[test]
    fn the_lowest_rank_goes_first_and_then_the_leftmost_pair() {
        let ranks = [("a b", 1), ("b c", 0), ("a bc", 2)];
        assert_eq!(merged("abcab", &ranks), ["abc", "ab"]);
        assert_eq!(merged("aaa", &[("a a", 0)]), ["aa", "a"]);
        assert_eq!(merged("aaaa", &[("a a", 0)]), ["aa", "aa"]);
        assert_eq!(merged("aéa", &[("a é", 7)]), ["aé", "a"]);
        assert_eq!(merged("", &ranks), [""; 0]);
    }

    #[test]
    fn a_pair_that_lost_a_half_is_forgotten() {
        // "b c" is queued at first, but its b is gone when its turn comes.
        let ranks = [("a b", 0), ("b c", 1), ("c d", 2)];
        assert_eq!(merged("abcd", &ranks), ["ab", "cd"]);
    }
}
