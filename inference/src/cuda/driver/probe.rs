//! Looks for a driver and GPUs, without a panic where there are none.
#![expect(unsafe_code, reason = "the driver is foreign code")]

use std::fmt;

use cudarc::driver::{result, sys};

use crate::cuda::driver::error::Error;

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
    /// The part behind it.
    pub minor: u32,
}

/// Asks the driver of this machine what there is.
///
/// # Errors
/// Fails when there is no driver, when it is too old, when it sees no GPU, and when a call fails.
pub fn probe() -> Result<Driver, Error> {
    // SAFETY: loading the driver runs its constructors, which is what a program that uses it must trust.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    if let Some(symbol) = ENTRY_POINTS.into_iter().find(|symbol| !has(symbol)) {
        return Err(Error::Incomplete { symbol });
    }
    result::init().map_err(|error| Error::call("cuInit", error))?;
    let version = version()?;
    if version < LEAST_DRIVER {
        return Err(Error::OldDriver { found: version });
    }
    let count =
        result::device::get_count().map_err(|error| Error::call("cuDeviceGetCount", error))?;
    Ok(Driver {
        version,
        devices: (0..count).map(device).collect::<Result<_, _>>()?,
    })
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

/// Whether the driver has an entry point; a call of one that is missing would panic.
fn has(symbol: &str) -> bool {
    // SAFETY: the library was loaded before; the address is not used.
    unsafe { sys::culib().get::<*const ()>(symbol.as_bytes()) }.is_ok()
}

fn version() -> Result<Version, Error> {
    let mut version = 0;
    // SAFETY: it writes one integer.
    let code = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    code.result()
        .map_err(|error| Error::call("cuDriverGetVersion", error))?;
    let version = u32::try_from(version).unwrap_or_default();
    Ok(Version {
        major: version / 1000,
        minor: version % 1000 / 10,
    })
}

fn device(ordinal: i32) -> Result<Device, Error> {
    let named = |call: &'static str| {
        move |error| Error::call(format_args!("{call} of GPU {ordinal}"), error)
    };
    let device = result::device::get(ordinal).map_err(named("cuDeviceGet"))?;
    let attribute = |which| {
        // SAFETY: the device was returned by cuDeviceGet.
        let value = unsafe { result::device::get_attribute(device, which) };
        let value = value.map_err(named("cuDeviceGetAttribute"))?;
        Ok::<_, Error>(u32::try_from(value).unwrap_or_default())
    };
    // SAFETY: the device was returned by cuDeviceGet.
    let memory = unsafe { result::device::total_mem(device) };
    Ok(Device {
        ordinal: usize::try_from(ordinal).unwrap_or_default(),
        name: result::device::get_name(device).map_err(named("cuDeviceGetName"))?,
        capability: Version {
            major: attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            )?,
            minor: attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            )?,
        },
        memory: u64::try_from(memory.map_err(named("cuDeviceTotalMem"))?).unwrap_or(u64::MAX),
        multiprocessors: attribute(
            sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
        )?,
    })
}

/// What the PTX of the kernels asks for: ISA 8.0, which drivers from 525 on read, for `sm_61`.
pub(crate) const LEAST_DRIVER: Version = Version {
    major: 12,
    minor: 0,
};
pub(crate) const LEAST_CAPABILITY: Version = Version { major: 6, minor: 1 };

/// Every entry point that is called.
const ENTRY_POINTS: [&str; 31] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorName",
    "cuDeviceGet",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxSetCurrent",
    "cuMemGetInfo_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemHostAlloc",
    "cuMemFreeHost",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuLaunchKernel",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_taken_only_when_it_is_there_and_new_enough() {
        let device = |ordinal, major, minor| Device {
            ordinal,
            name: "a GPU".to_owned(),
            capability: Version { major, minor },
            memory: 8 << 30,
            multiprocessors: 16,
        };
        let driver = Driver {
            version: LEAST_DRIVER,
            devices: vec![device(0, 6, 0), device(1, 6, 1), device(2, 10, 0)],
        };
        assert!(matches!(driver.device(0), Err(Error::OldDevice { .. })));
        assert_eq!(driver.device(1), Ok(&driver.devices[1]));
        assert_eq!(driver.device(2), Ok(&driver.devices[2]));
        let error = driver.device(3).unwrap_err().to_string();
        assert!(
            error.contains("there is no GPU 3, the driver counts 3"),
            "{error}"
        );
    }
}
