//! The types of PTX as the types of Rust, in slots of 64 bits.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "taking the lower bits is what an instruction does with a register"
)]

/// A whole number of a PTX type.
pub(crate) trait Integer: Copy {
    const BITS: u32;
    /// The lower bits of a slot.
    fn get(slot: u64) -> Self;
    /// The number in a slot: signed ones below 32 bits with their sign up to there, since registers may be wider.
    fn put(self) -> u64;
    /// The value.
    fn wide(self) -> i128;
    /// The lower bits of a value.
    fn cut(value: i128) -> Self;
    /// The nearest number to a whole value, and what a NaN becomes.
    fn nearest(value: f64, of_nan: bool) -> Self;
}

macro_rules! integers {
    ($($type:ty, $through:ty;)*) => { $(
        impl Integer for $type {
            const BITS: u32 = <$type>::BITS;

            #[inline(always)]
            fn get(slot: u64) -> Self {
                slot as Self
            }

            #[inline(always)]
            fn put(self) -> u64 {
                (self as $through).into()
            }

            #[inline(always)]
            fn wide(self) -> i128 {
                self.into()
            }

            #[inline(always)]
            fn cut(value: i128) -> Self {
                value as Self
            }

            #[inline(always)]
            fn nearest(value: f64, wide_nan: bool) -> Self {
                if value.is_nan() && wide_nan {
                    // Only the top bit.
                    (1u64 << (<$type>::BITS - 1)) as Self
                } else {
                    value as Self
                }
            }
        }
    )* };
}

integers! {
    u8, u64;
    u16, u64;
    u32, u64;
    u64, u64;
    i8, u32;
    i16, u32;
    i32, u32;
    i64, u64;
}

/// A float of a PTX type.
pub(crate) trait Float: Copy + PartialOrd {
    const BITS: u32;
    /// The lower bits of a slot.
    fn get(slot: u64) -> Self;
    /// The number in a slot; a NaN becomes the one that a GPU makes.
    fn put(self) -> u64;
}

impl Float for f32 {
    const BITS: u32 = 32;

    #[inline(always)]
    fn get(slot: u64) -> Self {
        Self::from_bits(slot as u32)
    }

    #[inline(always)]
    fn put(self) -> u64 {
        if self.is_nan() {
            0x7FFF_FFFF
        } else {
            self.to_bits().into()
        }
    }
}

impl Float for f64 {
    const BITS: u32 = 64;

    #[inline(always)]
    fn get(slot: u64) -> Self {
        Self::from_bits(slot)
    }

    #[inline(always)]
    fn put(self) -> u64 {
        if self.is_nan() {
            0xFFF8_0000_0000_0000
        } else {
            self.to_bits()
        }
    }
}
