//! The instruction sets of the hot loops: all give the same bits.

/// The instruction sets that there is code for, in ascending speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// No special instructions: the reference.
    Scalar,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, BW and VL, and everything of [`Set::Avx2`].
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Advanced SIMD of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// Returns the name of the instruction set that the forward uses on this CPU.
pub fn instruction_set() -> &'static str {
    match Instructions::best().set() {
        Set::Scalar => "scalar",
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => "AVX2",
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => "AVX-512",
        #[cfg(target_arch = "aarch64")]
        Set::Neon => "NEON",
    }
}

/// A set that this CPU has: it cannot be made in any other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instructions(Set);

impl Instructions {
    /// The fastest set of this CPU.
    pub(crate) fn best() -> Self {
        Set::FASTEST_FIRST
            .into_iter()
            .find(|set| set.is_present())
            .map_or(Self(Set::Scalar), Self)
    }

    /// Every set of this CPU, the fastest first.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        let sets = Set::FASTEST_FIRST.into_iter();
        sets.filter(|set| set.is_present()).map(Self).collect()
    }

    /// Runs code that compilers vectorise, as compiled for AVX2 and FMA where the CPU has them: without, an
    /// fma is a call. Only inlined callees gain from it.
    #[inline(always)]
    pub(crate) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        if self.0 != Set::Scalar {
            #[expect(unsafe_code, reason = "code for instructions that not every CPU has")]
            // SAFETY: both other sets of x86 have the features that the function is compiled for.
            return unsafe { with_avx2(work) };
        }
        work()
    }

    /// The set.
    pub(crate) const fn set(self) -> Set {
        self.0
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

impl Set {
    #[cfg(target_arch = "x86_64")]
    const FASTEST_FIRST: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Scalar];
    #[cfg(target_arch = "aarch64")]
    const FASTEST_FIRST: [Self; 2] = [Self::Neon, Self::Scalar];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    const FASTEST_FIRST: [Self; 1] = [Self::Scalar];

    fn is_present(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_present()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        }
    }
}
