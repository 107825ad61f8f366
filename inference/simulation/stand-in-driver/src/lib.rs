//! A library in the place of `libcuda.so.1` that runs kernels on the CPU, to test without a GPU.
//!
//! An unmodified program loads it when a folder with it, named `libcuda.so` and `libcuda.so.1`, comes first in
//! `LD_LIBRARY_PATH`. Kernels run through the PTX interpreter on the text that the program loads.
//!
//! Nothing happens before it must: work stays in its stream until the program waits for it, so that a program which forgets
//! to wait sees what a GPU would show it on a bad day. Memory holds poison until it is written, and reading it is an
//! error. A handle that is unknown, a context that is not current and an address out of bounds are errors as well.
//!
//! | variable | what it sets |
//! | --- | --- |
//! | `APROVE_STAND_IN_FAIL` | `cuMemAlloc_v2:2:2`: the function, the number of the call from 1, the code that it returns |
//! | `APROVE_STAND_IN_FLIP` | `cuMemcpyHtoDAsync_v2:3`: the copy whose first bit arrives wrong, the number of the call from 1 |
//! | `APROVE_STAND_IN_ORDER` | `late` (default), `early`, or `copies-first`: copies run ahead as far as no event holds them |
//! | `APROVE_STAND_IN_SEED` | kernels run their threads in any order, the same one for the same number |
//! | `APROVE_STAND_IN_DEVICES` | the number of GPUs, 1 by default |
//! | `APROVE_STAND_IN_MEMORY` | the bytes of each, 8 GiB by default |
//! | `APROVE_STAND_IN_CAPABILITY` | the compute capability, `8.6` by default |
//! | `APROVE_STAND_IN_CUDA` | the version of CUDA, `12000` by default |
//! | `APROVE_STAND_IN_LOG` | a file that gets a line with the name of each function that is called |
//!
//! Not modelled: the time of a GPU (events have that of the CPU which does the work), and the order in which a GPU
//! runs what may run at once.

mod driver;
mod entries;
mod settings;
mod streams;

pub use entries::*;
