// The kernels of the contract f32-fixed-2, for every GPU from compute capability 6.1 on.
//
// scripts/make-ptx compiles this file and its headers to kernels.ptx. The rules are those of ../CONTRACT.md and the
// bits those of ../src: each floating point operation is an intrinsic that rounds once to nearest, so no compiler fuses
// or reorders anything. There are no atomics, and no result depends on a launch geometry other than the documented one.
//
// Layouts: activations and results are token-major, [token][value]; weights are rows of raw blocks as in the file. A
// panel of rows may be multiplied alone: its results go to their place among all rows. Counts are u32 and at least 1,
// offsets have 64 bits. Weights and activations of a product are aligned to 16 bytes, anything else to its own size.

#include "contract.cuh"
#include "dequantise.cuh"
#include "grids.cuh"
#include "rare_types.cuh"
#include "k_quants.cuh"
#include "gemv.cuh"
#include "gemm.cuh"
#include "layers.cuh"
#include "attention.cuh"
#include "spans.cuh"
#include "statistics.cuh"
#include "compare.cuh"
#include "blake3.cuh"
#include "digest.cuh"
