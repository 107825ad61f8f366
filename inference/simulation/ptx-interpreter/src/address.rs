//! How addresses are cut: the upper bits name a region, the lower ones a byte in it.
//!
//! Allocations lie 64 GiB apart, so an offset that went wrong by any 32-bit index ends in no other allocation.

/// What a generic or global address points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The window of shared memory in the generic space, and the offset in it.
    Shared(u64),
    /// A variable of the module, and the offset in it.
    Variable(usize, usize),
    /// An allocation, and the offset in it.
    Allocation(usize, usize),
    Nothing,
}

/// What an address points to.
#[inline(always)]
pub(crate) fn target(address: u64) -> Target {
    let offset = address & LOW;
    match address >> REGION_BITS {
        region if region >= FIRST_ALLOCATION => Target::Allocation(
            usize::try_from(region.wrapping_sub(FIRST_ALLOCATION)).unwrap_or(usize::MAX),
            usize::try_from(offset).unwrap_or(usize::MAX),
        ),
        VARIABLES => Target::Variable(
            usize::try_from(offset >> VARIABLE_BITS).unwrap_or(usize::MAX),
            usize::try_from(offset & LARGEST_VARIABLE).unwrap_or(usize::MAX),
        ),
        SHARED => Target::Shared(offset),
        _ => Target::Nothing,
    }
}

/// The address of the first byte of an allocation.
pub(crate) fn of_allocation(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    index.saturating_add(FIRST_ALLOCATION) << REGION_BITS
}

/// The address of the first byte of a variable of the module.
pub(crate) fn of_variable(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    VARIABLES << REGION_BITS | (index << VARIABLE_BITS & LOW)
}

/// What is added to an offset in shared memory to make a generic address.
pub(crate) const SHARED_WINDOW: u64 = SHARED << REGION_BITS;
/// The most variables of a module, and the most bytes of one.
pub(crate) const MOST_VARIABLES: usize = 1 << 16;
pub(crate) const LARGEST_VARIABLE: u64 = (1 << VARIABLE_BITS) - 1;

const REGION_BITS: u32 = 36;
const VARIABLE_BITS: u32 = 20;
const LOW: u64 = (1 << REGION_BITS) - 1;
const SHARED: u64 = 1;
const VARIABLES: u64 = 2;
const FIRST_ALLOCATION: u64 = 3;
