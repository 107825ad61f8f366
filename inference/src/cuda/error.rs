//! Reasons why a GPU cannot be used, each as a sentence that says what to do.

use std::fmt;

#[cfg(feature = "cuda")]
use cudarc::driver::DriverError;

use crate::cuda::device::{LEAST_CAPABILITY, LEAST_DRIVER, Version};

/// Reason why a GPU is not used. It never says anything about a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program has no code for GPUs.
    #[error(
        "this program was built without CUDA: build it with the feature `cuda`, or run on the CPU"
    )]
    NotBuilt,
    /// There is no driver.
    #[error(
        "no NVIDIA driver: libcuda.so.1 cannot be loaded; install the driver of the GPU, or run on the CPU"
    )]
    NoDriver,
    /// The library is none of a driver that is new enough.
    #[error(
        "the NVIDIA driver has no {symbol}: update it to one of CUDA {LEAST_DRIVER} or later, or run on the CPU"
    )]
    Incomplete {
        /// The entry point that is missing.
        symbol: &'static str,
    },
    /// The driver is too old for the kernels.
    #[error(
        "the NVIDIA driver is one of CUDA {found}: update it to one of CUDA {LEAST_DRIVER} or later, or run on the CPU"
    )]
    OldDriver {
        /// The CUDA version of the driver.
        found: Version,
    },
    /// The driver sees no GPU with this number.
    #[error(
        "there is no GPU {ordinal}, the driver counts {count} from 0: choose one of them (CUDA_VISIBLE_DEVICES may hide others), or run on the CPU"
    )]
    NoSuchDevice {
        /// The number that was asked for.
        ordinal: usize,
        /// How many GPUs there are.
        count: usize,
    },
    /// The GPU is too old for the kernels.
    #[error(
        "GPU {ordinal} ({name}) has compute capability {found}, the kernels need {LEAST_CAPABILITY}: choose another GPU, or run on the CPU"
    )]
    OldDevice {
        /// Its number.
        ordinal: usize,
        /// Its name.
        name: String,
        /// Its compute capability.
        found: Version,
    },
    /// The run needs more memory of the GPU than it may have.
    #[error(
        "the run needs {needed} bytes of GPU memory or more, and {limit} are allowed: raise --device-memory, shorten the prompt, or run on the CPU"
    )]
    Memory {
        /// The bytes that would be allocated.
        needed: u64,
        /// The limit.
        limit: u64,
    },
    /// A copy would have left its buffer: a bug in aprove.
    #[error("a copy of {needed} bytes does not fit {there}: report this, and run on the CPU")]
    Outside {
        /// The bytes that were to be copied.
        needed: usize,
        /// The bytes that there are.
        there: usize,
    },
    /// A kernel cannot be launched like this: a size beyond 32 bits, or a bug in aprove.
    #[error(
        "kernel {kernel} does not take a matrix or prompt of this size: shorten the prompt, or run on the CPU"
    )]
    Launch {
        /// Its name.
        kernel: &'static str,
    },
    /// A kernel gives other bits than the CPU, which says that the GPU or its driver is wrong.
    #[error(
        "kernel {kernel} gives other bits on this GPU than on the CPU: run on the CPU, and report this with the versions of GPU and driver"
    )]
    Wrong {
        /// Its name.
        kernel: &'static str,
    },
    /// A call of the driver failed.
    #[error(transparent)]
    Call(#[from] Call),
}

/// A call of the driver that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Call {
    /// What was to be done, such as `cuInit` or `the upload of blk.0.ffn_up.weight`.
    pub what: String,
    /// The code that the driver returned.
    pub code: u32,
    /// The driver's name of the code, when it has one.
    pub name: Option<String>,
}

impl Error {
    /// Tells whether nothing on this machine or in this program is for GPUs, so that none can have been meant.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::NotBuilt | Self::NoDriver)
    }

    /// Whether no GPU can be used here, or none for this run: then the CPU may take over, and only time
    /// is lost. Every other error says that a GPU or its driver failed at work that it had accepted, so that none of its
    /// results can be trusted.
    pub const fn is_unavailable(&self) -> bool {
        match self {
            Self::NotBuilt
            | Self::NoDriver
            | Self::Incomplete { .. }
            | Self::OldDriver { .. }
            | Self::NoSuchDevice { .. }
            | Self::OldDevice { .. }
            | Self::Memory { .. }
            | Self::Launch { .. }
            | Self::Wrong { .. } => true,
            Self::Outside { .. } => false,
            Self::Call(call) => call.is_unavailable(),
        }
    }

    /// Makes the error of a call that failed.
    #[cfg(feature = "cuda")]
    pub(crate) fn call(what: impl fmt::Display, error: DriverError) -> Self {
        let name = error.error_name().ok();
        Self::Call(Call {
            what: what.to_string(),
            code: error.0 as u32,
            name: name.map(|name| name.to_string_lossy().into_owned()),
        })
    }
}

impl Call {
    /// Whether the code refuses a GPU, and does not report one that failed: no memory (2), a library that is a stub, too old
    /// or of another version (34, 36, 803, 804), a GPU that is taken, not there or not ready (46, 100 to 102, 802), and
    /// kernels that the driver cannot compile (209, 218, 221 to 223).
    pub const fn is_unavailable(&self) -> bool {
        matches!(
            self.code,
            2 | 34 | 36 | 46 | 100..=102 | 209 | 218 | 221..=223 | 802..=804
        )
    }

    /// What the code means and what to do.
    pub const fn advice(&self) -> &'static str {
        match self.code {
            2 => {
                "the GPU has not enough free memory: end other programs on it, lower the limit of memory, or run on the CPU"
            }
            34 => {
                "libcuda.so is the stub that toolkits link with: put the folder of the real driver first in LD_LIBRARY_PATH"
            }
            36 => {
                "the driver is too old for a call: update it to one of CUDA 12.0 (525) or later, or run on the CPU"
            }
            46 => {
                "the GPU is taken by another program or in a mode that forbids this one: end that program or change the compute mode"
            }
            100 => {
                "the driver sees no GPU: check that one is there (nvidia-smi), that CUDA_VISIBLE_DEVICES does not hide it and that a container has access to it"
            }
            101 => "there is no such GPU: list them with `aprove doctor`",
            102 => "the GPU has no license (vGPU): get one, or run on the CPU",
            209 => {
                "the kernels cannot be compiled for this GPU: choose another one, or run on the CPU"
            }
            214 => {
                "the memory of the GPU is damaged (ECC): reset the GPU or replace it; nothing that it computed counts"
            }
            218 => {
                "the driver takes the kernels for invalid: update the driver, and report this with its version"
            }
            221 | 223 => {
                "the driver cannot compile kernels: install its JIT compiler (libnvidia-ptxjitcompiler) and unset CUDA_DISABLE_PTX_JIT"
            }
            222 => {
                "the kernels are newer than the driver: update the driver to one of CUDA 12.0 (525) or later"
            }
            304 => {
                "the operating system refused: check the permissions of /dev/nvidia* and free memory"
            }
            700 | 715..=718 => {
                "a kernel did what no kernel may, and the context is lost: report this; run on the CPU meanwhile"
            }
            701 => {
                "a kernel needs more registers or threads than this GPU has: run on the CPU, and report this"
            }
            702 => {
                "a kernel took longer than the system allows: use a GPU without a display, or run on the CPU"
            }
            719 => {
                "a kernel failed on the GPU, and the context is lost: look for Xid in the kernel log, update the driver, or run on the CPU"
            }
            802 => {
                "the system is not ready: start the fabric manager or persistence service of the GPUs, and try again"
            }
            803 => {
                "the driver library and the kernel module are of different versions: restart the machine, or install matching ones"
            }
            804 => {
                "the compatibility library does not support this GPU: remove it from LD_LIBRARY_PATH, or update the driver"
            }
            999 => {
                "the driver does not say what: look at the kernel log, restart the machine if this stays"
            }
            _ => "run on the CPU, and report this if it stays",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, code, name } = self;
        let name = name.as_deref().unwrap_or("a code without a name");
        write!(f, "{what}: CUDA error {code}, {name}: {}", self.advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_known_code_has_a_sentence_of_its_own() {
        let advice = |code| {
            let call = Call {
                what: "cuInit".to_owned(),
                code,
                name: None,
            };
            call.advice()
        };
        let known = [
            2, 34, 36, 46, 100, 101, 102, 209, 214, 218, 221, 222, 304, 700, 701, 702, 719, 802,
            803, 804, 999,
        ];
        let sentences: BTreeSet<_> = known.into_iter().map(advice).collect();
        assert_eq!(sentences.len(), known.len());
        assert!(!sentences.contains(advice(12345)));
    }

    #[test]
    fn an_error_either_refuses_a_gpu_or_reports_one_that_failed() {
        let refusals = [
            2, 34, 36, 46, 100, 101, 102, 209, 218, 221, 222, 223, 802, 803, 804,
        ];
        for code in 0..=1000 {
            let error = Error::Call(Call {
                what: "cuInit".to_owned(),
                code,
                name: None,
            });
            assert_eq!(error.is_unavailable(), refusals.contains(&code), "{code}");
        }
        let found = Version { major: 1, minor: 0 };
        for (error, unavailable) in [
            (Error::NoDriver, true),
            (Error::Incomplete { symbol: "cuInit" }, true),
            (Error::OldDriver { found }, true),
            (
                Error::NoSuchDevice {
                    ordinal: 1,
                    count: 1,
                },
                true,
            ),
            (
                Error::OldDevice {
                    ordinal: 0,
                    name: "a GPU".to_owned(),
                    found,
                },
                true,
            ),
            (
                Error::Memory {
                    needed: 2,
                    limit: 1,
                },
                true,
            ),
            (Error::Launch { kernel: "silu" }, true),
            (Error::Wrong { kernel: "silu" }, true),
            (
                Error::Outside {
                    needed: 2,
                    there: 1,
                },
                false,
            ),
        ] {
            assert_eq!(error.is_unavailable(), unavailable, "{error}");
        }
    }

    #[test]
    fn a_code_is_named_with_what_was_done() {
        let call = Call {
            what: "cuInit".to_owned(),
            code: 803,
            name: Some("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH".to_owned()),
        };
        let said = call.to_string();
        assert!(
            said.starts_with("cuInit: CUDA error 803, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: "),
            "{said}"
        );
    }
}
