// Products for 1 to 8 tokens (rule 2): each chain of 256 columns is one thread, its sums are added in a second pass.
//
// weights: `rows` rows, of Q6_K readable up to a multiple of 4 bytes; x: [token][columns]; partial:
// [block][token][row], the chain of each row and block of columns. Kernels end in the most tokens they take: 1, 2, 4 or
// 8.
// Grid: (rows / 32, blocks / 4), both rounded up; 128 threads. A warp is 32 rows of one block of columns, so that an
// activation is the same for all its lanes; a thread block is four blocks of columns that follow each other, whose
// weights are first brought to shared memory in whole lines.

enum : u32 { BLOCK = 256, GEMV_ROWS = 32, GEMV_BLOCKS = 4, GEMV_THREADS = GEMV_ROWS * GEMV_BLOCKS };

// The place of a thread among the chains.
struct Chain {
    u32 first_row, first_block, lane, warp, row, block;

    INLINE Chain()
        : first_row(blockIdx.x * GEMV_ROWS), first_block(blockIdx.y * GEMV_BLOCKS), lane(threadIdx.x % 32),
          warp(threadIdx.x / 32), row(first_row + lane), block(first_block + warp) {}

    INLINE u32 rows_here(u32 rows) const { return least(GEMV_ROWS, rows - first_row); }

    INLINE u32 blocks_here(u32 blocks) const { return least(GEMV_BLOCKS, blocks - first_block); }
};

// Which of 32 rows this thread brings a quarter of: neighbours of four lanes bring rows that are four apart, whose
// pieces of 16 bytes go to different banks where the stride is odd.
INLINE u32 quarter_row() { return threadIdx.x / 32 * 8 + threadIdx.x % 32 / 8 + threadIdx.x / 4 % 2 * 4; }

// The chains of T tokens over the same weights; tokens that are missing repeat the last one and are not written.
template <u32 T>
struct Chains {
    const float* x[T];
    float p[T];

    INLINE Chains(const float* activations, u32 columns, u32 tokens, u32 first_column) {
#pragma unroll
        for (u32 t = 0; t < T; ++t) {
            x[t] = activations + u64(least(t, tokens - 1)) * columns + first_column;
            p[t] = 0.0f;
        }
    }

    INLINE void step(float w, u32 k) {
#pragma unroll
        for (u32 t = 0; t < T; ++t) {
            p[t] = __fmaf_rn(w, x[t][k], p[t]);
        }
    }

    // Four columns from a multiple of four on.
    INLINE void four(const float (&w)[4], u32 k) {
#pragma unroll
        for (u32 t = 0; t < T; ++t) {
            const float4 values = *reinterpret_cast<const float4*>(x[t] + k);
            p[t] = __fmaf_rn(w[0], values.x, p[t]);
            p[t] = __fmaf_rn(w[1], values.y, p[t]);
            p[t] = __fmaf_rn(w[2], values.z, p[t]);
            p[t] = __fmaf_rn(w[3], values.w, p[t]);
        }
    }

    INLINE void write(float* partial, const Chain& chain, u32 tokens, u32 rows) const {
#pragma unroll
        for (u32 t = 0; t < T; ++t) {
            if (t < tokens) {
                partial[(u64(chain.block) * tokens + t) * rows + chain.row] = p[t];
            }
        }
    }
};

template <u32 T>
INLINE void q4_k_gemv(const u8* weights, const float* x, float* partial, u32 rows, u32 columns, u32 tokens) {
    // The odd stride keeps lanes that read the same piece in different banks.
    constexpr u32 PIECES = Q4KHead::PIECES, STRIDE = GEMV_BLOCKS * PIECES + 1;
    __shared__ uint4 staged[GEMV_ROWS * STRIDE];
    const Chain chain;
    const u32 blocks = columns / BLOCK;
    const u32 pieces_here = chain.blocks_here(blocks) * PIECES;
    const u32 quarter = threadIdx.x % 4, own_row = quarter_row();
    const u64 first = u64(least(chain.first_row + own_row, rows - 1)) * blocks + chain.first_block;
    const uint4* from = reinterpret_cast<const uint4*>(weights) + first * PIECES + quarter;
    uint4* to = staged + own_row * STRIDE + quarter;
#pragma unroll
    for (u32 i = 0; i < PIECES; ++i) {
        if (quarter + 4 * i < pieces_here) {
            to[4 * i] = from[4 * i];
        }
    }
    __syncthreads();
    if (chain.row >= rows || chain.block >= blocks) {
        return;
    }
    const uint4* block = staged + chain.lane * STRIDE + chain.warp * PIECES;
    Chains<T> chains(x, columns, tokens, chain.block * BLOCK);
    const Q4KHead head(block[0]);
#pragma unroll 1
    for (u32 pair = 0; pair < 4; ++pair) {
        const uint4 quants[2] = {block[1 + 2 * pair], block[2 + 2 * pair]};
        const u32 words[8] = {quants[0].x, quants[0].y, quants[0].z, quants[0].w,
                              quants[1].x, quants[1].y, quants[1].z, quants[1].w};
#pragma unroll
        for (u32 upper = 0; upper < 2; ++upper) {
            const ScaleAndMin scaled = head.group(2 * pair + upper);
#pragma unroll
            for (u32 j = 0; j < 8; ++j) {
                float w[4];
                scaled.weights(words[j], w);
                chains.four(w, 64 * pair + 32 * upper + 4 * j);
            }
        }
    }
    chains.write(partial, chain, tokens, rows);
}

template <u32 T>
INLINE void q6_k_gemv(const u8* weights, const float* x, float* partial, u32 rows, u32 columns, u32 tokens) {
    // A block of 210 bytes starts at any even offset, so rows are staged in the words that hold their blocks. The
    // stride is odd, which keeps lanes that read the same word in different banks.
    constexpr u32 BYTES = Q6_K::BYTES, STRIDE = (GEMV_BLOCKS * BYTES + 2 + 3) / 4;
    __shared__ u32 staged[GEMV_ROWS * STRIDE];
    const Chain chain;
    const u32 blocks = columns / BLOCK;
    const u32 rows_here = chain.rows_here(rows), row_bytes = blocks * BYTES;
    const u32 bytes_here = chain.blocks_here(blocks) * BYTES;
    // Bytes from here on to the start of a row fit 32 bits.
    const u64 first = (u64(chain.first_row) * blocks + chain.first_block) * BYTES;
    const u32* panel = reinterpret_cast<const u32*>(weights) + first / 4;
    // Rows that are missing repeat the last one.
#pragma unroll 2
    for (u32 i = 0; i < GEMV_ROWS; i += GEMV_BLOCKS) {
        const u32 row = i + chain.warp, start = u32(first % 4) + least(row, rows_here - 1) * row_bytes;
        const u32 words = (start % 4 + bytes_here + 3) / 4;
        const u32* from = panel + start / 4 + chain.lane;
        u32* to = staged + row * STRIDE + chain.lane;
#pragma unroll
        for (u32 word = 0; word < STRIDE; word += 32) {
            if (chain.lane + word < words) {
                to[word] = from[word];
            }
        }
    }
    __syncthreads();
    if (chain.row >= rows || chain.block >= blocks) {
        return;
    }
    const u32 start = (u32(first % 4) + chain.lane * row_bytes) % 4 + chain.warp * BYTES;
    const Q6KBlock block(staged + chain.lane * STRIDE, start);
    Chains<T> chains(x, columns, tokens, chain.block * BLOCK);
#pragma unroll 1
    for (u32 s = 0; s < 8; ++s) {
        const Q6KGroup group = block.group(s);
        const float scales[2] = {block.scale(2 * s), block.scale(2 * s + 1)};
#pragma unroll
        for (u32 j = 0; j < 8; ++j) {
            float w[4];
            group.weights(j, scales[j / 4], w);
            chains.four(w, 32 * s + 4 * j);
        }
    }
    chains.write(partial, chain, tokens, rows);
}

template <u32 T>
INLINE void f32_gemv(const float* weights, const float* x, float* partial, u32 rows, u32 columns, u32 tokens) {
    // Each warp stages 32 columns of its rows at a time; the odd stride keeps its lanes in different banks.
    __shared__ float staged[GEMV_BLOCKS][GEMV_ROWS][33];
    const Chain chain;
    const u32 rows_here = chain.rows_here(rows);
    const u32 first_column = chain.block * BLOCK;
    Chains<T> chains(x, columns, tokens, first_column);
#pragma unroll 1
    for (u32 k = 0; k < BLOCK; k += 32) {
        const u32 column = first_column + k + chain.lane;
#pragma unroll 8
        for (u32 row = 0; row < GEMV_ROWS; ++row) {
            if (row < rows_here && column < columns) {
                staged[chain.warp][row][chain.lane] = weights[u64(chain.first_row + row) * columns + column];
            }
        }
        __syncthreads();
        if (chain.row < rows) {
#pragma unroll 8
            for (u32 j = 0; j < 32; ++j) {
                if (first_column + k + j < columns) {
                    chains.step(staged[chain.warp][chain.lane][j], k + j);
                }
            }
        }
        __syncthreads();
    }
    if (chain.row < rows && first_column < columns) {
        chains.write(partial, chain, tokens, rows);
    }
}

#define GEMV(type, Weight, T)                                                                                       \
    KERNEL(GEMV_THREADS)                                                                                            \
    matmul_##type##_gemv_##T(const Weight* __restrict__ weights, const float* __restrict__ x,                       \
                             float* __restrict__ partial, u32 rows, u32 columns, u32 tokens) {                      \
        type##_gemv<T>(weights, x, partial, rows, columns, tokens);                                                 \
    }

GEMV(q4_k, u8, 1)
GEMV(q4_k, u8, 2)
GEMV(q4_k, u8, 4)
GEMV(q4_k, u8, 8)
GEMV(q6_k, u8, 1)
GEMV(q6_k, u8, 2)
GEMV(q6_k, u8, 4)
GEMV(q6_k, u8, 8)
GEMV(f32, float, 1)
GEMV(f32, float, 2)
GEMV(f32, float, 4)
GEMV(f32, float, 8)

// The second pass: y = y + partial over the blocks in ascending order, from +0, for rows `first` on of `all_rows`.
// partial: [block][token][row]; y: [token][all_rows]. Grid: (rows / 256 rounded up, tokens); 256 threads, one for each
// row.
KERNEL(256) sum_partials(const float* __restrict__ partial, float* __restrict__ y, u32 rows, u32 blocks, u32 tokens,
                         u32 first, u32 all_rows) {
    const u32 row = thread_of_grid();
    const u32 token = blockIdx.y;
    if (row < rows) {
        float sum = 0.0f;
        for (u32 block = 0; block < blocks; ++block) {
            sum = __fadd_rn(sum, partial[(u64(block) * tokens + token) * rows + row]);
        }
        y[u64(token) * all_rows + first + row] = sum;
    }
}
