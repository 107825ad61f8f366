// The comparison of a stage of two models, bit for bit, a NaN being a NaN (rule 8).

enum : u32 { COMPARE_THREADS = 256 };

// Six words, as they are written for each thread block and for the whole stage.
struct Difference {
    u32 elements;          // how many values differ
    u32 first;             // the first that does, 0xFFFFFFFF when none does
    u32 largest_ulp;       // between values that are numbers
    u32 largest_absolute;  // the bits of an f32: between values that are numbers, the f32 next to their difference
    u32 nans_a, nans_b;

    INLINE void join(const Difference& other) {
        elements += other.elements;
        first = least(first, other.first);
        largest_ulp = largest_ulp > other.largest_ulp ? largest_ulp : other.largest_ulp;
        // Floats that are not negative have the order of their bits.
        largest_absolute = largest_absolute > other.largest_absolute ? largest_absolute : other.largest_absolute;
        nans_a += other.nans_a;
        nans_b += other.nans_b;
    }
};

// The place of a number among all floats in ascending order; both zeros are neighbours.
INLINE int place_of(float x) {
    const int bits = __float_as_int(x);
    return bits < 0 ? bits ^ 0x7FFFFFFF : bits;
}

INLINE Difference difference_at(u32 index, float a, float b) {
    const bool nan_a = is_nan(a), nan_b = is_nan(b);
    const bool numbers = !nan_a && !nan_b;
    const bool differs = numbers ? __float_as_uint(a) != __float_as_uint(b) : nan_a != nan_b;
    const int place_a = place_of(a), place_b = place_of(b);
    const u32 ulp = place_a > place_b ? u32(place_a) - u32(place_b) : u32(place_b) - u32(place_a);
    // Equal infinities differ by nothing, and not by a NaN.
    const u32 absolute = a == b ? 0 : __float_as_uint(__fsub_rn(a, b)) & 0x7FFFFFFF;
    return {differs, differs ? index : 0xFFFFFFFF, numbers ? ulp : 0, numbers ? absolute : 0, nan_a, nan_b};
}

// Joins what the threads of a block found, in a fixed order, and writes it.
INLINE void join_block(const Difference& found, Difference* result) {
    __shared__ Difference all[COMPARE_THREADS];
    all[threadIdx.x] = found;
    __syncthreads();
    for (u32 half = COMPARE_THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            all[threadIdx.x].join(all[threadIdx.x + half]);
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        *result = all[0];
    }
}

// a, b: `count` values, below 2^32 - 1; results: one for each thread block. Grid: at most 1024; 256 threads.
KERNEL(COMPARE_THREADS) compare_stage(const float* __restrict__ a, const float* __restrict__ b, Difference* results,
                                      u32 count) {
    Difference found = {0, 0xFFFFFFFF, 0, 0, 0, 0};
    for (u64 i = thread_of_grid(); i < count; i += gridDim.x * COMPARE_THREADS) {
        found.join(difference_at(u32(i), a[i], b[i]));
    }
    join_block(found, results + blockIdx.x);
}

// Joins the results of `count` thread blocks of compare_stage into one. Grid: 1; 256 threads.
KERNEL(COMPARE_THREADS) compare_join(const Difference* results, Difference* result, u32 count) {
    Difference found = {0, 0xFFFFFFFF, 0, 0, 0, 0};
    for (u32 i = threadIdx.x; i < count; i += COMPARE_THREADS) {
        found.join(results[i]);
    }
    join_block(found, result);
}
