// Kernels that use many instructions; compiled.ptx is what NVRTC 12.0.76 makes of this file with --fmad=false for
// compute_61, less the variables of its own headers.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

__constant__ float FACTORS[3] = {0.1f, 0.5f, 1.0f};
__device__ const signed char TABLE[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

__device__ __forceinline__ float half_to_float(u16 h) {
    float f;
    asm("{ cvt.f32.f16 %0, %1; }" : "=f"(f) : "h"(h));
    return f;
}

// A block of 256 threads for each row.
extern "C" __global__ void norm(float *out, const float *x, const float *w, int n, float eps) {
    __shared__ float s[256];
    const float *row = x + (u64)blockIdx.x * n;
    int t = threadIdx.x;
    float a = 0;
    for (int i = t; i < n; i += 256) a = __fmaf_rn(row[i], row[i], a);
    s[t] = a;
    __syncthreads();
    for (int m = 128; m > 0; m >>= 1) {
        if (t < m) s[t] = __fadd_rn(s[t], s[t + m]);
        __syncthreads();
    }
    float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(s[0], (float)n), eps)));
    for (int i = t; i < n; i += 256) out[(u64)blockIdx.x * n + i] = __fmul_rn(__fmul_rn(row[i], r), w[i]);
}

// A warp divides n values by their sum.
extern "C" __global__ void share(float *out, const float *x, int n) {
    extern __shared__ float kept[];
    int t = threadIdx.x;
    float a = 0;
    for (int i = t; i < n; i += 32) {
        kept[i] = __fmul_rn(x[i], FACTORS[i % 3]);
        a = __fadd_rn(a, kept[i]);
    }
    for (int m = 16; m > 0; m >>= 1) a = __fadd_rn(a, __shfl_down_sync(0xffffffffu, a, m));
    a = __shfl_sync(0xffffffffu, a, 0);
    for (int i = t; i < n; i += 32) out[i] = __fdiv_rn(kept[i], a);
}

struct Shape {
    int rows, columns;
    float scale;
    u64 skip;
};

// No meaning, many instructions.
extern "C" __global__ void mixed(u32 *out, const u8 *bytes, const uint4 *v, Shape shape, u64 big, int d) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= shape.rows) return;
    u8 b = bytes[i];
    signed char c = (signed char)bytes[i + 1];
    u16 h = *(const u16 *)(bytes + 2 * i);
    uint4 q = v[i];
    float f = __fadd_rn(__fmul_rn(half_to_float(h), shape.scale), __fmul_rn((float)c, (float)TABLE[b & 15]));
    u32 r = __popc(q.x) + __clz(q.y) + __brev(q.z) + __byte_perm(q.x, q.w, 0x5140) + __umulhi(q.x, q.y);
    r += (u32)__any_sync(0xffffffffu, f > 1.0f) + __ballot_sync(0xffffffffu, b & 1) + __activemask();
    r ^= (u32)(big / (q.x | 1)) + (u32)(d / ((int)q.y | 1)) + (u32)(d % ((int)q.z | 1)) + (q.z << 5 | q.w >> 27);
    r += min(q.x, q.y) + (u32)max((int)q.x, (int)q.z) + (u32)abs((int)q.w);
    r += (u32)(int)floorf(f) + (u32)(int)rintf(f) + (u32)(u64)fabsf(f) + (u32)(int)ceilf(f) + (u32)__float2int_rn(f);
    r += __fadd_rn(fminf(f, 2.0f), fmaxf(f, -1.0f)) >= 0.5f ? 3 : 7;
    double e = __dadd_rn(__dmul_rn((double)f, 3.0), __dsqrt_rn((double)b));
    r += (u32)(long long)e;
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(q.x), "r"(q.y), "r"(r));
    __syncwarp();
    __threadfence();
    out[i] = r + (u32)isnan(f) + (u32)isinf(f) + (u32)(q.x > q.y) * (u32)shape.skip;
}
