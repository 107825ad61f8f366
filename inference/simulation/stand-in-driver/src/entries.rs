//! The entry points, as `cuda.h` declares them. Handles are numbers, and a pointer has the size of one.
#![expect(unsafe_code, reason = "functions of a C library, with its pointers")]
#![expect(
    missing_docs,
    reason = "what they do stands in the manual of the library"
)]

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    slice,
    sync::Arc,
};

use ptx_interpreter::{Argument, Module};

use crate::{
    driver::{
        Driver, INVALID_DEVICE, INVALID_HANDLE, INVALID_PTX, INVALID_VALUE, Kernel, Kind,
        NO_DEVICE, NOT_FOUND, OUT_OF_MEMORY, call, note, set_current,
    },
    streams::{Host, Launch, Work},
};

/// Declares entry points: what they need, their arguments, and what they do with the driver, `pointers` where that reads or
/// writes through them.
macro_rules! entries {
    ($($kind:ident $name:ident($driver:ident $(, $argument:ident: $type:ty)*) $how:ident $body:block)*) => {$(
        #[unsafe(no_mangle)]
        #[expect(clippy::missing_safety_doc, reason = "the rules are those of the library")]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> c_uint {
            call(stringify!($name), Kind::$kind, |$driver: &mut Driver| {
                body!($how $body)
            })
        }
    )*};
}

macro_rules! body {
    (values $body:block) => {
        $body
    };
    (pointers $body:block) => {
        // SAFETY: the caller keeps the rules of the library: pointers are null or valid.
        unsafe { $body }
    };
}

entries! {
    Always cuInit(driver, _flags: c_uint) values {
        if driver.settings.devices < 1 {
            return Err(NO_DEVICE);
        }
        driver.ready = true;
        Ok(())
    }

    Always cuDriverGetVersion(driver, version: *mut c_int) pointers {
        put(version, driver.settings.version)
    }

    Always cuGetErrorName(_driver, code: c_uint, name: *mut *const c_char) pointers {
        let known = NAMES.iter().find(|(known, _)| *known == code);
        put(name, known.ok_or(INVALID_VALUE)?.1.as_ptr())
    }

    Ready cuDeviceGetCount(driver, count: *mut c_int) pointers {
        put(count, driver.settings.devices)
    }

    Ready cuDeviceGet(driver, device: *mut c_int, ordinal: c_int) pointers {
        if !(0..driver.settings.devices).contains(&ordinal) {
            return Err(INVALID_DEVICE);
        }
        put(device, ordinal)
    }

    Ready cuDeviceGetName(_driver, name: *mut c_char, length: c_int, _device: c_int) pointers {
        let bytes = c"Stand-in GPU".to_bytes_with_nul();
        let room = usize::try_from(length).unwrap_or(0);
        if room < bytes.len() {
            return Err(INVALID_VALUE);
        }
        name.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        Ok(())
    }

    Ready cuDeviceGetAttribute(driver, value: *mut c_int, attribute: c_uint, _device: c_int) pointers {
        put(value, match attribute {
            16 => 2,
            75 => driver.settings.capability.0,
            76 => driver.settings.capability.1,
            _ => 0,
        })
    }

    Ready cuDeviceTotalMem_v2(driver, bytes: *mut usize, _device: c_int) pointers {
        put(bytes, driver.settings.memory)
    }

    Ready cuDevicePrimaryCtxRetain(driver, context: *mut usize, device: c_int) pointers {
        driver.contexts += 1;
        put(context, usize::try_from(device).unwrap_or(0).saturating_add(1))
    }

    Ready cuDevicePrimaryCtxRelease_v2(driver, _device: c_int) values {
        driver.contexts = driver.contexts.saturating_sub(1);
        if driver.contexts == 0 {
            driver.note_what_is_left();
        }
        Ok(())
    }

    Ready cuCtxSetCurrent(_driver, context: usize) values {
        set_current(context != 0);
        Ok(())
    }

    Context cuMemGetInfo_v2(driver, free: *mut usize, total: *mut usize) pointers {
        put(free, driver.settings.memory.saturating_sub(driver.used()))?;
        put(total, driver.settings.memory)
    }

    Context cuStreamCreate(driver, stream: *mut usize, _flags: c_uint) pointers {
        put(stream, driver.streams.new_stream())
    }

    Context cuStreamDestroy_v2(driver, stream: usize) values {
        driver.streams.end_stream(stream, &mut driver.memory)
    }

    Context cuStreamSynchronize(driver, stream: usize) values {
        driver.streams.finish(stream, &mut driver.memory)
    }

    Context cuStreamWaitEvent(driver, stream: usize, event: usize, _flags: c_uint) values {
        driver.streams.wait(stream, event, driver.settings.order, &mut driver.memory)
    }

    Context cuStreamWaitValue32_v2(driver, stream: usize, address: usize, value: u32, flags: c_uint) values {
        // Only pinned memory, and only the usual comparison.
        if flags != 0 || !driver.is_pinned(address, 4) {
            return Err(INVALID_VALUE);
        }
        driver.add(stream, Work::WaitValue { address, value })
    }

    Context cuEventCreate(driver, event: *mut usize, flags: c_uint) pointers {
        put(event, driver.streams.new_event(flags & 2 == 0))
    }

    Context cuEventElapsedTime(driver, milliseconds: *mut f32, start: usize, end: usize) pointers {
        put(milliseconds, driver.streams.elapsed(start, end)?)
    }

    Context cuEventDestroy_v2(driver, event: usize) values {
        driver.streams.end_event(event, &mut driver.memory)
    }

    Context cuEventRecord(driver, event: usize, stream: usize) values {
        driver.streams.record(stream, event, driver.settings.order, &mut driver.memory)
    }

    Context cuEventSynchronize(driver, event: usize) values {
        driver.streams.reach_last(event, &mut driver.memory)
    }

    Context cuMemAlloc_v2(driver, address: *mut u64, bytes: usize) pointers {
        if bytes == 0 {
            return Err(INVALID_VALUE);
        }
        if driver.used().saturating_add(bytes) > driver.settings.memory {
            return Err(OUT_OF_MEMORY);
        }
        let place = driver.memory.reserve(bytes);
        driver.allocations.insert(place, bytes);
        put(address, place)
    }

    Context cuMemFree_v2(driver, address: u64) values {
        driver.streams.finish_all(&mut driver.memory)?;
        driver.allocations.remove(&address).ok_or(INVALID_VALUE)?;
        driver.memory.free(address).map_err(|_| INVALID_VALUE)
    }

    Context cuMemHostAlloc(driver, address: *mut usize, bytes: usize, flags: c_uint) pointers {
        // Memory that is combined for writing is not for a program that reads it.
        if bytes == 0 || flags & 4 != 0 {
            return Err(INVALID_VALUE);
        }
        let mut memory = vec![0xCD; bytes].into_boxed_slice();
        let place = memory.as_mut_ptr().addr();
        memory.as_mut_ptr().expose_provenance();
        driver.pinned.insert(place, memory);
        put(address, place)
    }

    Context cuMemFreeHost(driver, address: usize) values {
        driver.streams.finish_all(&mut driver.memory)?;
        driver.pinned.remove(&address).map(drop).ok_or(INVALID_VALUE)
    }

    Context cuMemcpyHtoDAsync_v2(driver, to: u64, from: *const u8, length: usize, stream: usize) pointers {
        let from = if driver.is_pinned(from.addr(), length) {
            Host::Pinned(from.expose_provenance(), length)
        } else {
            Host::Taken(slice::from_raw_parts(from, length).to_vec())
        };
        let flip = driver.flips("cuMemcpyHtoDAsync_v2");
        driver.add(stream, Work::Upload { to, from, flip })
    }

    Context cuMemcpyDtoHAsync_v2(driver, to: *mut u8, from: u64, length: usize, stream: usize) values {
        let pinned = driver.is_pinned(to.addr(), length);
        let to = to.expose_provenance();
        let flip = driver.flips("cuMemcpyDtoHAsync_v2");
        driver.add(stream, Work::Download { from, to, length, flip })?;
        // Ordinary memory is written before the call returns.
        if pinned { Ok(()) } else { driver.streams.finish(stream, &mut driver.memory) }
    }

    Context cuMemcpyDtoDAsync_v2(driver, to: u64, from: u64, length: usize, stream: usize) values {
        driver.add(stream, Work::Move { from, to, length })
    }

    Context cuMemsetD8Async(driver, to: u64, byte: u8, length: usize, stream: usize) values {
        driver.add(stream, Work::Fill { to, byte, length })
    }

    Context cuModuleLoadData(driver, module: *mut usize, image: *const c_char) pointers {
        // The program may free its text after the call.
        let text = CStr::from_ptr(image).to_string_lossy();
        let parsed = Module::parse(&text).map_err(|error| {
            note(&error.to_string());
            INVALID_PTX
        })?;
        let number = driver.modules.len().saturating_add(1);
        driver.modules.insert(number, Arc::new(parsed));
        put(module, number)
    }

    Context cuModuleUnload(driver, module: usize) values {
        driver.streams.finish_all(&mut driver.memory)?;
        driver.modules.remove(&module).map(drop).ok_or(INVALID_HANDLE)
    }

    Context cuModuleGetFunction(driver, function: *mut usize, module: usize, name: *const c_char) pointers {
        let module = Arc::clone(driver.modules.get(&module).ok_or(INVALID_HANDLE)?);
        let name = CStr::from_ptr(name).to_string_lossy().into_owned();
        module.parameters(&name).ok_or(NOT_FOUND)?;
        driver.kernels.push(Kernel { module, name });
        put(function, driver.kernels.len())
    }

    Context cuLaunchKernel(
        driver,
        function: usize,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared: c_uint,
        stream: usize,
        arguments: *const *const c_void,
        _extra: usize
    ) pointers {
        let kernel = function.checked_sub(1).and_then(|index| driver.kernels.get(index));
        let kernel = kernel.ok_or(INVALID_HANDLE)?.clone();
        let parameters = kernel.module.parameters(&kernel.name).ok_or(INVALID_HANDLE)?;
        // The values are taken now: the program may change them after the call.
        let places = slice::from_raw_parts(arguments, parameters.len());
        let arguments = places.iter().zip(parameters).map(|(place, parameter)| {
            let bytes = slice::from_raw_parts(place.cast::<u8>(), parameter.size);
            Argument::Bytes(bytes.to_vec())
        });
        let launch = Launch {
            arguments: arguments.collect(),
            grid: [grid_x, grid_y, grid_z],
            block: [block_x, block_y, block_z],
            shared,
            seed: driver.settings.seed,
            kernel,
        };
        driver.add(stream, Work::Launch(Box::new(launch)))
    }
}

/// Writes a result where the caller wants it.
///
/// # Safety
/// The pointer is null or valid for a write.
unsafe fn put<T>(place: *mut T, value: T) -> Result<(), u32> {
    if place.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: it is not null.
    unsafe { place.write(value) };
    Ok(())
}

const NAMES: [(u32, &CStr); 26] = [
    (0, c"CUDA_SUCCESS"),
    (1, c"CUDA_ERROR_INVALID_VALUE"),
    (2, c"CUDA_ERROR_OUT_OF_MEMORY"),
    (3, c"CUDA_ERROR_NOT_INITIALIZED"),
    (34, c"CUDA_ERROR_STUB_LIBRARY"),
    (46, c"CUDA_ERROR_DEVICE_UNAVAILABLE"),
    (100, c"CUDA_ERROR_NO_DEVICE"),
    (101, c"CUDA_ERROR_INVALID_DEVICE"),
    (201, c"CUDA_ERROR_INVALID_CONTEXT"),
    (209, c"CUDA_ERROR_NO_BINARY_FOR_GPU"),
    (214, c"CUDA_ERROR_ECC_UNCORRECTABLE"),
    (218, c"CUDA_ERROR_INVALID_PTX"),
    (221, c"CUDA_ERROR_JIT_COMPILER_NOT_FOUND"),
    (222, c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION"),
    (304, c"CUDA_ERROR_OPERATING_SYSTEM"),
    (400, c"CUDA_ERROR_INVALID_HANDLE"),
    (500, c"CUDA_ERROR_NOT_FOUND"),
    (600, c"CUDA_ERROR_NOT_READY"),
    (700, c"CUDA_ERROR_ILLEGAL_ADDRESS"),
    (701, c"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
    (702, c"CUDA_ERROR_LAUNCH_TIMEOUT"),
    (719, c"CUDA_ERROR_LAUNCH_FAILED"),
    (802, c"CUDA_ERROR_SYSTEM_NOT_READY"),
    (803, c"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    (804, c"CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"),
    (999, c"CUDA_ERROR_UNKNOWN"),
];
