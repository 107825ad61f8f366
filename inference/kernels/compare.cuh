// The comparison of spans of two models, bit for bit, a NaN being a NaN (rules 8 and 10).

// 56 bytes, aligned to 8.
struct Difference {
    double dot, square_a, square_b;  // sums of products over all values, NaNs included
    double largest_absolute;         // between values that are numbers
    u32 elements;                    // how many values differ
    u32 first;                       // the first that does, by its number in the span; 0xFFFFFFFF when none does
    u32 largest_ulp;                 // between values that are numbers
    u32 value_a, value_b;            // the bits of both values there; 0 when none differs
    u32 unused;                      // 0
};

// 48 bytes, aligned to 8: the same of a few values.
struct Compared {
    double dot, square_a, square_b, largest_absolute;
    u32 elements, first, largest_ulp;
    u32 unused;  // 0

    static INLINE Compared nothing() { return {0.0, 0.0, 0.0, 0.0, 0, 0xFFFFFFFF, 0, 0}; }

    INLINE void join(const Compared& other) {
        dot = __dadd_rn(dot, other.dot);
        square_a = __dadd_rn(square_a, other.square_a);
        square_b = __dadd_rn(square_b, other.square_b);
        largest_absolute = greatest(largest_absolute, other.largest_absolute);
        elements += other.elements;
        first = least(first, other.first);
        largest_ulp = greatest(largest_ulp, other.largest_ulp);
    }
};

INLINE Compared compared(u32 i, float a, float b) {
    const bool numbers = !is_nan(a) && !is_nan(b);
    const bool differs = numbers ? __float_as_uint(a) != __float_as_uint(b) : is_nan(a) != is_nan(b);
    const int place_a = place_of(a), place_b = place_of(b);
    const u32 ulp = place_a > place_b ? u32(place_a) - u32(place_b) : u32(place_b) - u32(place_a);
    const double wide_a = widened(a), wide_b = widened(b);
    // Equal infinities differ by nothing, and not by a NaN.
    const double absolute = numbers && a != b ? fabs(__dsub_rn(wide_a, wide_b)) : 0.0;
    return {__dmul_rn(wide_a, wide_b), __dmul_rn(wide_a, wide_a), __dmul_rn(wide_b, wide_b), absolute,
            differs, differs ? i : 0xFFFFFFFF, numbers ? ulp : 0, 0};
}

// partials: [span][block]. Grid: (the most blocks of 4096 values of a span, spans); 256 threads.
KERNEL(LANES) compare_spans(const float* __restrict__ a, const float* __restrict__ b, const Span* __restrict__ spans,
                            Compared* __restrict__ partials) {
    const Span span = spans[blockIdx.y];
    const float *own_a = a + span.first, *own_b = b + span.first;
    join_values(span, [&](u32 i) { return compared(i, own_a[i], own_b[i]); }, partials);
}

// blocks: the first side of the grid of compare_spans. Grid: (1, spans); 256 threads.
KERNEL(LANES) compare_join(const float* __restrict__ a, const float* __restrict__ b, const Span* __restrict__ spans,
                           const Compared* __restrict__ partials, Difference* __restrict__ results, u32 blocks) {
    const Span span = spans[blockIdx.y];
    const Compared all = join_blocks(span, partials, blocks);
    if (threadIdx.x == 0) {
        const u64 at = u64(span.first) + all.first;
        const bool differs = all.elements > 0;
        results[blockIdx.y] = {all.dot, all.square_a, all.square_b, all.largest_absolute,
                               all.elements, all.first, all.largest_ulp,
                               differs ? __float_as_uint(a[at]) : 0, differs ? __float_as_uint(b[at]) : 0, 0};
    }
}
