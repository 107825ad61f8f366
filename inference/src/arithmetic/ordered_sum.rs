//! Sums in f64 in the one order that a CPU and a GPU both have (rule 10 of the contract).
#![expect(
    clippy::indexing_slicing,
    reason = "there are 256 lanes, and every index is below"
)]

/// Values of a block, which is summed on its own.
pub(crate) const BLOCK: usize = 4096;

/// Lanes of a block, and of the sums of blocks.
pub(crate) const LANES: usize = 256;

/// A number for each lane. All are independent of each other, so that they vectorise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes([f64; LANES]);

/// The sum of the sums of blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total {
    lanes: Lanes,
    /// The blocks so far.
    blocks: usize,
}

impl Lanes {
    /// +0 in every lane.
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    /// Adds a term to each lane, from the first one on.
    #[inline(always)]
    pub(crate) fn add(&mut self, terms: impl Iterator<Item = f64>) {
        for (sum, term) in self.0.iter_mut().zip(terms) {
            *sum += term;
        }
    }

    /// Takes the greater of each lane and a term, from the first lane on. A NaN is never greater.
    #[inline(always)]
    pub(crate) fn raise(&mut self, terms: impl Iterator<Item = f64>) {
        for (greatest, term) in self.0.iter_mut().zip(terms) {
            *greatest = if term > *greatest { term } else { *greatest };
        }
    }

    /// Adds the upper half to the lower half until one lane is left.
    pub(crate) fn sum(mut self) -> f64 {
        let mut lanes = self.0.as_mut_slice();
        while lanes.len() > 1 {
            let (lower, upper) = lanes.split_at_mut(lanes.len() / 2);
            for (sum, other) in lower.iter_mut().zip(upper) {
                *sum += *other;
            }
            lanes = lower;
        }
        lanes[0]
    }

    /// The greatest of all lanes, or +0.
    pub(crate) fn greatest(self) -> f64 {
        self.0.into_iter().fold(0.0, f64::max)
    }
}

impl Total {
    /// The sum of no blocks.
    pub(crate) const ZERO: Self = Self {
        lanes: Lanes::ZERO,
        blocks: 0,
    };

    /// Adds the sum of the next block.
    pub(crate) fn add(&mut self, block: Lanes) {
        self.lanes.0[self.blocks % LANES] += block.sum();
        self.blocks += 1;
    }

    /// The sum of all blocks.
    pub(crate) fn sum(self) -> f64 {
        self.lanes.sum()
    }
}

/// The sum of a function of values.
#[inline(always)]
pub(crate) fn sum(values: &[f32], of: impl Fn(f32) -> f64) -> f64 {
    let mut total = Total::ZERO;
    for block in values.chunks(BLOCK) {
        let mut lanes = Lanes::ZERO;
        for row in block.chunks(LANES) {
            lanes.add(row.iter().map(|value| of(*value)));
        }
        total.add(lanes);
    }
    total.sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use fixtures::random::Random;

    use super::*;

    #[test]
    fn a_sum_has_the_order_of_the_contract() {
        let mut random = Random::new(5);
        for count in [0, 1, 255, 256, 257, 4095, 4096, 4097, 300 * BLOCK + 7] {
            // Of sizes so unlike that each order of additions has its own roundings.
            let sizes = [1e-20, 1e-9, 1.0, 1e3, 1e8];
            let sizes = sizes.iter().cycle().take(count);
            let values: Vec<f32> = sizes.map(|size| random.normal() * size).collect();
            let wide: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            let blocks: Vec<f64> = wide.chunks(BLOCK).map(by_lanes).collect();
            let expected = by_lanes(&blocks);
            assert_eq!(sum(&values, f64::from).to_bits(), expected.to_bits());
            let plain = wide.iter().sum::<f64>();
            assert!(count < 257 || plain.to_bits() != expected.to_bits());
        }
    }

    /// Lane by lane, then the tree, as the contract reads.
    pub(crate) fn by_lanes(terms: &[f64]) -> f64 {
        let lane = |lane: usize| terms.iter().skip(lane).step_by(256).sum::<f64>() + 0.0;
        let mut lanes: Vec<f64> = (0..256).map(lane).collect();
        while lanes.len() > 1 {
            let upper = lanes.split_off(lanes.len() / 2);
            lanes = lanes.iter().zip(upper).map(|(a, b)| a + b).collect();
        }
        lanes[0]
    }
}
