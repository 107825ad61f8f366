// Products for many tokens (rule 2): tiles in shared memory, chains in registers.
//
// weights: `rows` rows; x: [token][columns]; y: [token][all_rows], of which rows `first` on are written. Kernels end in
// the tokens of a tile: 16, 32 or 64. Grid: (rows / 128, tokens / tile), both rounded up; 128 threads. A thread keeps 8
// rows times an eighth of the tokens. Weights are dequantised once for a tile, 16 columns at a time, into one of two
// buffers while the other is multiplied. After each 256 columns the chains are added to the sums.

enum : u32 { TILE_ROWS = 128, TILE_COLUMNS = 16, GEMM_THREADS = 128 };

// 16 columns of a row of Q4_K: the head of their block and their nibbles.
struct Q4KTile {
    enum : bool { WHOLE = true };
    typedef u8 Weight;
    uint4 head, quants;

    INLINE void fetch(const u8* weights, u64 row, u32 columns, u32 column) {
        const u64 block = row * (columns / BLOCK) + column / BLOCK;
        const uint4* pieces = reinterpret_cast<const uint4*>(weights) + block * 9;
        const u32 part = column % BLOCK / 16;
        head = pieces[0];
        quants = pieces[1 + 2 * (part / 4) + part % 2];
    }

    INLINE void decode(u32 column, float (&values)[TILE_COLUMNS]) const {
        const u32 s = column % BLOCK / 32;
        const ScaleAndMin scaled(head, s);
        const u32 words[4] = {quants.x, quants.y, quants.z, quants.w};
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            float w[4];
            scaled.weights(words[j] >> 4 * (s % 2), w);
#pragma unroll
            for (u32 i = 0; i < 4; ++i) {
                values[4 * j + i] = w[i];
            }
        }
    }
};

// 16 columns of a row of Q6_K, whose blocks start at even offsets.
struct Q6KTile {
    enum : bool { WHOLE = true };
    typedef u8 Weight;
    u32 nibbles[4], crumbs[4], d;
    int scale;

    INLINE void fetch(const u8* weights, u64 row, u32 columns, u32 column) {
        const u8* block = weights + (row * (columns / BLOCK) + column / BLOCK) * Q6_K::BYTES;
        const u32 part = column % BLOCK / 16, half = part / 8;
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            nibbles[j] = word(block + 64 * half + 16 * (part % 4) + 4 * j);
            crumbs[j] = word(block + 128 + 32 * half + 16 * (part % 2) + 4 * j);
        }
        d = half_word(block + 208);
        scale = static_cast<signed char>(block[192 + part]);
    }

    INLINE void decode(u32 column, float (&values)[TILE_COLUMNS]) const {
        const u32 quarter = column % 128 / 32;
        const float product_of_scales = product(half_to_float(d), scale);
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            float w[4];
            q6_k_weights(nibbles[j] >> 4 * (quarter / 2), crumbs[j] >> 2 * quarter, product_of_scales, w);
#pragma unroll
            for (u32 i = 0; i < 4; ++i) {
                values[4 * j + i] = w[i];
            }
        }
    }
};

// 16 columns of a row of f32, or fewer at its end.
struct F32Tile {
    enum : bool { WHOLE = false };
    typedef float Weight;
    float weights_of_row[TILE_COLUMNS];

    INLINE void fetch(const float* weights, u64 row, u32 columns, u32 column) {
#pragma unroll
        for (u32 i = 0; i < TILE_COLUMNS; ++i) {
            weights_of_row[i] = column + i < columns ? weights[row * columns + column + i] : 0.0f;
        }
    }

    INLINE void decode(u32, float (&values)[TILE_COLUMNS]) const {
#pragma unroll
        for (u32 i = 0; i < TILE_COLUMNS; ++i) {
            values[i] = weights_of_row[i];
        }
    }
};

// N activations of a token that follow each other; WHOLE: none lies behind the last column.
template <bool WHOLE, u32 N>
INLINE void fetch_activations(const float* x, u32 left, float (&values)[N]) {
    if constexpr (WHOLE && N >= 4) {
#pragma unroll
        for (u32 i = 0; i < N; i += 4) {
            const float4 four = *reinterpret_cast<const float4*>(x + i);
            values[i] = four.x;
            values[i + 1] = four.y;
            values[i + 2] = four.z;
            values[i + 3] = four.w;
        }
    } else {
#pragma unroll
        for (u32 i = 0; i < N; ++i) {
            values[i] = WHOLE || i < left ? x[i] : 0.0f;
        }
    }
}

// Which of the SIZE values of a tile is value i of N of a group: groups take four at a time, so that the lanes of a
// warp read all banks at once.
template <u32 N, u32 SIZE>
INLINE u32 place(u32 group, u32 i) {
    constexpr u32 STEP = N < 4 ? N : 4;
    return i / STEP * (SIZE / N * STEP) + group * STEP + i % STEP;
}

template <u32 N, u32 SIZE>
INLINE void read_group(const float* tile, u32 group, float (&values)[N]) {
    if constexpr (N >= 4) {
#pragma unroll
        for (u32 i = 0; i < N; i += 4) {
            const float4 four = *reinterpret_cast<const float4*>(tile + place<N, SIZE>(group, i));
            values[i] = four.x;
            values[i + 1] = four.y;
            values[i + 2] = four.z;
            values[i + 3] = four.w;
        }
    } else {
#pragma unroll
        for (u32 i = 0; i < N; ++i) {
            values[i] = tile[place<N, SIZE>(group, i)];
        }
    }
}

template <class Tile, u32 TOKENS>
INLINE void gemm(const typename Tile::Weight* weights, const float* x, float* y, u32 rows, u32 columns, u32 tokens,
                 u32 first, u32 all_rows) {
    constexpr u32 R = 8, T = TOKENS / 8;
    __shared__ __align__(16) float w_tiles[2][TILE_COLUMNS][TILE_ROWS];
    __shared__ __align__(16) float x_tiles[2][TILE_COLUMNS][TOKENS];
    const u32 first_row = blockIdx.x * TILE_ROWS, first_token = blockIdx.y * TOKENS;
    const u32 row_group = threadIdx.x / 8, token_group = threadIdx.x % 8;

    // What this thread brings: 16 columns of one row, T columns of one token. Rows and tokens that are missing repeat
    // the last one and are not written.
    const u64 own_row = least(first_row + threadIdx.x, rows - 1);
    const u32 own_token = threadIdx.x % TOKENS, own_columns = threadIdx.x / TOKENS * T;
    const float* own_x = x + u64(least(first_token + own_token, tokens - 1)) * columns + own_columns;
    Tile fetched;
    float fetched_x[T];
    const auto fetch = [&](u32 column) {
        fetched.fetch(weights, own_row, columns, column);
        const u32 used = column + own_columns;
        fetch_activations<Tile::WHOLE>(own_x + column, used < columns ? columns - used : 0, fetched_x);
    };
    const auto store = [&](u32 column) {
        const u32 buffer = column / TILE_COLUMNS % 2;
        float values[TILE_COLUMNS];
        fetched.decode(column, values);
#pragma unroll
        for (u32 i = 0; i < TILE_COLUMNS; ++i) {
            w_tiles[buffer][i][threadIdx.x] = values[i];
        }
#pragma unroll
        for (u32 i = 0; i < T; ++i) {
            x_tiles[buffer][own_columns + i][own_token] = fetched_x[i];
        }
    };

    float sums[R][T] = {}, chains[R][T] = {};
    fetch(0);
    store(0);
    __syncthreads();
#pragma unroll 1
    for (u32 column = 0; column < columns; column += TILE_COLUMNS) {
        const u32 next = column + TILE_COLUMNS, buffer = column / TILE_COLUMNS % 2;
        if (next < columns) {
            fetch(next);
        }
#pragma unroll 4
        for (u32 k = 0; k < TILE_COLUMNS; ++k) {
            if (Tile::WHOLE || column + k < columns) {
                float w[R], a[T];
                read_group<R, TILE_ROWS>(w_tiles[buffer][k], row_group, w);
                read_group<T, TOKENS>(x_tiles[buffer][k], token_group, a);
#pragma unroll
                for (u32 r = 0; r < R; ++r) {
#pragma unroll
                    for (u32 t = 0; t < T; ++t) {
                        chains[r][t] = __fmaf_rn(w[r], a[t], chains[r][t]);
                    }
                }
            }
        }
        if (next % BLOCK == 0 || next >= columns) {
#pragma unroll
            for (u32 r = 0; r < R; ++r) {
#pragma unroll
                for (u32 t = 0; t < T; ++t) {
                    sums[r][t] = __fadd_rn(sums[r][t], chains[r][t]);
                    chains[r][t] = 0.0f;
                }
            }
        }
        if (next < columns) {
            store(next);
        }
        __syncthreads();
    }
#pragma unroll
    for (u32 t = 0; t < T; ++t) {
        const u32 token = first_token + place<T, TOKENS>(token_group, t);
#pragma unroll
        for (u32 r = 0; r < R; ++r) {
            const u32 row = first_row + place<R, TILE_ROWS>(row_group, r);
            if (token < tokens && row < rows) {
                y[u64(token) * all_rows + first + row] = sums[r][t];
            }
        }
    }
}

#define GEMM(type, Tile, TOKENS)                                                                                    \
    KERNEL(GEMM_THREADS)                                                                                            \
    matmul_##type##_gemm_##TOKENS(const Tile::Weight* __restrict__ weights, const float* __restrict__ x,            \
                                  float* __restrict__ y, u32 rows, u32 columns, u32 tokens, u32 first,              \
                                  u32 all_rows) {                                                                   \
        gemm<Tile, TOKENS>(weights, x, y, rows, columns, tokens, first, all_rows);                                  \
    }

GEMM(q4_k, Q4KTile, 16)
GEMM(q4_k, Q4KTile, 32)
GEMM(q4_k, Q4KTile, 64)
GEMM(q6_k, Q6KTile, 16)
GEMM(q6_k, Q6KTile, 32)
GEMM(q6_k, Q6KTile, 64)
GEMM(f32, F32Tile, 16)
GEMM(f32, F32Tile, 32)
GEMM(f32, F32Tile, 64)
