//! Looks for a driver and GPUs, without a panic where there are none.
#![expect(unsafe_code, reason = "the driver is foreign code")]

use cudarc::driver::{result, sys};

use crate::cuda::{
    device::{Device, Driver, LEAST_DRIVER, Version},
    error::Error,
};

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
        memory: memory.map_err(named("cuDeviceTotalMem"))? as u64,
        multiprocessors: attribute(
            sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
        )?,
    })
}

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
