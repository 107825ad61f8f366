// What the values of a span look like: mean, variance, extremes, NaNs (rule 10). A NaN is counted and left out.
//
// The mean comes first, since the variance is about it: sum_spans, sum_join, square_spans, square_join.

// 32 bytes, aligned to 8.
struct Statistics {
    double mean, variance;
    u32 minimum, maximum;  // bits of f32; +infinity and -infinity where there is no number
    u32 nans;
    u32 unused;            // 0
};

// 24 bytes, aligned to 8.
struct Sum {
    double sum;
    int minimum, maximum;  // places among all floats
    u32 nans;
    u32 unused;            // 0

    static INLINE Sum nothing() {
        return {0.0, place_of(from_bits(0x7F800000)), place_of(from_bits(0xFF800000)), 0, 0};
    }

    static INLINE Sum of(float x) {
        const Sum none = nothing();
        const bool is_number = !is_nan(x);
        const int place = place_of(x);
        return {is_number ? widened(x) : 0.0, is_number ? place : none.minimum, is_number ? place : none.maximum,
                !is_number, 0};
    }

    INLINE void join(const Sum& other) {
        sum = __dadd_rn(sum, other.sum);
        minimum = min(minimum, other.minimum);
        maximum = max(maximum, other.maximum);
        nans += other.nans;
    }
};

// 8 bytes.
struct Squares {
    double sum;

    static INLINE Squares nothing() { return {0.0}; }

    INLINE void join(const Squares& other) { sum = __dadd_rn(sum, other.sum); }
};

// A sum divided by the number of values that are numbers, or by 1.
INLINE double mean_of(double sum, const Span& span, u32 nans) {
    const u32 numbers = span.count - nans;
    return __ddiv_rn(sum, __uint2double_rn(numbers > 0 ? numbers : 1));
}

// partials: [span][block]. Grid: (the most blocks of 4096 values of a span, spans); 256 threads.
KERNEL(LANES) sum_spans(const float* __restrict__ values, const Span* __restrict__ spans, Sum* __restrict__ partials) {
    const Span span = spans[blockIdx.y];
    const float* own = values + span.first;
    join_values(span, [&](u32 i) { return Sum::of(own[i]); }, partials);
}

// Writes everything but the variance. blocks: the first side of the grid of sum_spans. Grid: (1, spans); 256 threads.
KERNEL(LANES) sum_join(const Span* __restrict__ spans, const Sum* __restrict__ partials,
                       Statistics* __restrict__ results, u32 blocks) {
    const Span span = spans[blockIdx.y];
    const Sum all = join_blocks(span, partials, blocks);
    if (threadIdx.x == 0) {
        Statistics* result = results + blockIdx.y;
        result->mean = mean_of(all.sum, span, all.nans);
        result->minimum = bits_at(all.minimum);
        result->maximum = bits_at(all.maximum);
        result->nans = all.nans;
        result->unused = 0;
    }
}

// results: those of sum_join; partials: [span][block]. Grid: (the most blocks of 4096 values of a span, spans); 256
// threads.
KERNEL(LANES) square_spans(const float* __restrict__ values, const Span* __restrict__ spans,
                           const Statistics* __restrict__ results, Squares* __restrict__ partials) {
    const Span span = spans[blockIdx.y];
    const float* own = values + span.first;
    const double mean = results[blockIdx.y].mean;
    join_values(span, [&](u32 i) {
        const float x = own[i];
        const double away = __dsub_rn(widened(x), mean);
        return Squares{is_nan(x) ? 0.0 : __dmul_rn(away, away)};
    }, partials);
}

// Adds the variance to the results. blocks: the first side of the grid of square_spans. Grid: (1, spans); 256 threads.
KERNEL(LANES) square_join(const Span* __restrict__ spans, const Squares* __restrict__ partials, Statistics* results,
                          u32 blocks) {
    const Span span = spans[blockIdx.y];
    const Squares all = join_blocks(span, partials, blocks);
    if (threadIdx.x == 0) {
        results[blockIdx.y].variance = mean_of(all.sum, span, results[blockIdx.y].nans);
    }
}
