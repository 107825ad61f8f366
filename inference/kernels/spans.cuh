// Spans of values, and the order in which what is said of a span is joined (rule 10).
//
// A span is cut into blocks of 4096 values. In a block lane j of 256 takes the values j, j + 256, ... in ascending
// order, and a tree joins the lanes. What the blocks have is joined in the same way by 256 lanes. So a thread is a lane,
// a thread block is a block of values, and a second kernel joins the blocks of each span.
//
// One launch takes many spans: blockIdx.y is the span. Where spans are unlike, the grid is that of the longest one.

enum : u32 { LANES = 256, SPAN_BLOCK = 4096 };

// Some values of a buffer that follow each other; at least one.
struct Span {
    u32 first, count;

    INLINE u32 blocks() const { return (count - 1) / SPAN_BLOCK + 1; }
};

// What 256 lanes have, as one: the upper half is joined to the lower half until one is left. Only thread 0 may use it.
template <class Part>
INLINE Part joined(const Part& own) {
    __shared__ Part parts[LANES];
    Part all = own;
    parts[threadIdx.x] = all;
    __syncthreads();
#pragma unroll 1
    for (u32 half = LANES / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            all.join(parts[threadIdx.x + half]);
            parts[threadIdx.x] = all;
        }
        __syncthreads();
    }
    return all;
}

// Joins what `part_of` says of each value of a block, by its number in the span, and writes it. Thread blocks beyond the
// span write nothing.
template <class Part, class PartOf>
INLINE void join_values(const Span& span, PartOf part_of, Part* partials) {
    const u32 start = blockIdx.x * SPAN_BLOCK;
    if (blockIdx.x >= span.blocks()) {
        return;
    }
    const u32 count = least(SPAN_BLOCK, span.count - start);
    Part own = Part::nothing();
#pragma unroll 4
    for (u32 i = threadIdx.x; i < count; i += LANES) {
        own.join(part_of(start + i));
    }
    const Part all = joined(own);
    if (threadIdx.x == 0) {
        partials[u64(blockIdx.y) * gridDim.x + blockIdx.x] = all;
    }
}

// Joins the blocks of a span, of which there may be `blocks`. Only thread 0 may use it.
template <class Part>
INLINE Part join_blocks(const Span& span, const Part* partials, u32 blocks) {
    Part own = Part::nothing();
#pragma unroll 1
    for (u32 i = threadIdx.x; i < span.blocks(); i += LANES) {
        own.join(partials[u64(blockIdx.y) * blocks + i]);
    }
    return joined(own);
}

INLINE u32 greatest(u32 a, u32 b) { return a > b ? a : b; }

INLINE double greatest(double a, double b) { return a > b ? a : b; }

// The place of a number among all floats in ascending order; both zeros are neighbours.
INLINE int place_of(float x) {
    const int bits = __float_as_int(x);
    return bits < 0 ? bits ^ 0x7FFFFFFF : bits;
}

// The bits of the float at a place.
INLINE u32 bits_at(int place) { return u32(place < 0 ? place ^ 0x7FFFFFFF : place); }

// A float as an f64, which is exact.
INLINE double widened(float x) { return static_cast<double>(x); }
