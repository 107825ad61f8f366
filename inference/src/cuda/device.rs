//! Drivers and GPUs.

use std::fmt;

use crate::cuda::error::Error;

/// A driver that can run the kernels, with its GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// The newest CUDA that it supports.
    pub version: Version,
    /// Its GPUs, by number.
    pub devices: Vec<Device>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number, which CUDA_VISIBLE_DEVICES may change.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Its compute capability.
    pub capability: Version,
    /// Its memory in bytes.
    pub memory: u64,
    /// The number of its multiprocessors.
    pub multiprocessors: u32,
}

/// A version of CUDA, or a compute capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The part before the dot.
    pub major: u32,
    /// The part after it.
    pub minor: u32,
}

impl Driver {
    /// Returns the GPU with this number, if it can run the kernels.
    ///
    /// # Errors
    /// Fails when there is none or when it is too old.
    pub fn device(&self, ordinal: usize) -> Result<&Device, Error> {
        let count = self.devices.len();
        let device = self.devices.get(ordinal);
        let device = device.ok_or(Error::NoSuchDevice { ordinal, count })?;
        if device.capability < LEAST_CAPABILITY {
            return Err(Error::OldDevice {
                ordinal,
                name: device.name.clone(),
                found: device.capability,
            });
        }
        Ok(device)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The requirements of the kernels' PTX: ISA 8.0, which drivers from 525 on read, for `sm_61`.
pub(crate) const LEAST_DRIVER: Version = Version {
    major: 12,
    minor: 0,
};
pub(crate) const LEAST_CAPABILITY: Version = Version { major: 6, minor: 1 };
