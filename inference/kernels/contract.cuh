// Words, halves, the exponential function and the tree of partial sums.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define INLINE __device__ __forceinline__
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)

INLINE u32 least(u32 a, u32 b) { return a < b ? a : b; }

// The number of this thread among all of a grid of one dimension.
INLINE u32 thread_of_grid() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Keeps a value in its register: a compiler may otherwise compute it anew wherever a loop reads it.
INLINE void keep(u32& value) { asm("" : "+r"(value)); }
INLINE void keep(u64& value) { asm("" : "+l"(value)); }

INLINE float from_bits(u32 bits) { return __uint_as_float(bits); }

// 1, 2 or 4 values that follow each other, aligned to their length, by one load.
INLINE void read(const float* from, float (&values)[1]) { values[0] = *from; }

INLINE void read(const float* from, float (&values)[2]) {
    const float2 two = *reinterpret_cast<const float2*>(from);
    values[0] = two.x;
    values[1] = two.y;
}

INLINE void read(const float* from, float (&values)[4]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    values[0] = four.x;
    values[1] = four.y;
    values[2] = four.z;
    values[3] = four.w;
}

INLINE void read(const u32* from, u32 (&values)[2]) {
    const uint2 two = *reinterpret_cast<const uint2*>(from);
    values[0] = two.x;
    values[1] = two.y;
}

INLINE void read(const u32* from, u32 (&values)[4]) {
    const uint4 four = *reinterpret_cast<const uint4*>(from);
    values[0] = four.x;
    values[1] = four.y;
    values[2] = four.z;
    values[3] = four.w;
}

INLINE bool is_nan(float x) { return (__float_as_uint(x) & 0x7FFFFFFF) > 0x7F800000; }

// An IEEE half, widened exactly; subnormals come out as what they are.
INLINE float half_to_float(u32 half) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(u16(half)));
    return wide;
}

// 2^n for n from -126 to 127; without a meaning for others.
INLINE float power_of_two(u32 n) { return from_bits((n + 127) << 23); }

// e^x with the roundings of rule 6. The ends of the range are chosen last, so that the threads of a warp stay together.
INLINE float exp32(float x) {
    const float rounder = 12582912.0f;
    const float shifted = __fmaf_rn(x, from_bits(0x3FB8AA3B), rounder);
    const float n = __fsub_rn(shifted, rounder);
    float r = __fmaf_rn(-n, from_bits(0x3F318000), x);
    r = __fmaf_rn(-n, from_bits(0xB95E8083), r);
    float p = from_bits(0x3AB511E8);
    p = __fmaf_rn(p, r, from_bits(0x3C091D10));
    p = __fmaf_rn(p, r, from_bits(0x3D2AAC79));
    p = __fmaf_rn(p, r, from_bits(0x3E2AAA49));
    p = __fmaf_rn(p, r, from_bits(0x3EFFFFFE));
    p = __fmaf_rn(p, r, 1.0f);
    p = __fmaf_rn(p, r, 1.0f);
    // The last bits of the shifted number are those of n; two powers of two that are normal each.
    const u32 power = __float_as_uint(shifted) - __float_as_uint(rounder);
    const u32 half = u32(int(power) >> 1);
    const float result = __fmul_rn(__fmul_rn(p, power_of_two(half)), power_of_two(power - half));
    const float above_lowest = x < from_bits(0xC2CFF1B4) ? 0.0f : result;
    const float in_range = x > from_bits(0x42B17217) ? from_bits(0x7F800000) : above_lowest;
    return is_nan(x) ? from_bits(0x7FC00000) : in_range;
}

// The sum of COUNT partial sums, one from each thread of a block, known to every thread: the upper half is added to the
// lower half until one is left.
template <u32 COUNT>
INLINE float tree(float sum) {
    __shared__ float sums[COUNT];
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (u32 half = COUNT / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            sums[threadIdx.x] = __fadd_rn(sums[threadIdx.x], sums[threadIdx.x + half]);
        }
        __syncthreads();
    }
    return sums[0];
}
