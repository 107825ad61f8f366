// Products for many tokens (rule 2): tiles in shared memory, chains in registers.
//
// weights: `rows` rows, of Q6_K readable up to a multiple of 4 bytes; x: [token][columns]; y: [token][all_rows], of
// which rows `first` on are written. Kernels end in the tokens of a tile: 16, 32 or 64.
// Grid: (rows / 128, tokens / tile, parts), the first two rounded up; 128 threads. There is one part, or one for each
// block of 256 columns: then y is [block][token][all_rows], and sum_partials adds the blocks.
//
// Raw blocks of a tile are brought to shared memory in whole lines, as in gemv.cuh. Each thread dequantises one row of
// them, once for a tile of tokens, a few columns at a time, into one of two buffers while the other is multiplied.

enum : u32 { TILE_ROWS = 128, GEMM_THREADS = 128 };

// A tile of weights brings a block of 256 columns, or is brought for itself a few columns ahead, and stores COLUMNS of
// them at a time as floats. Columns are counted within the block, except in stage and fetch. Q4_K:
template <u32 COLUMNS>
struct Q4KTile {
    enum : bool { WHOLE = true };
    enum : u32 { RAW_BYTES = TILE_ROWS * Q4KHead::PIECES * 16 };
    typedef u8 Weight;
    Q4KHead head;

    static INLINE uint4* raw() {
        __shared__ uint4 staged[TILE_ROWS * Q4KHead::PIECES];
        return staged;
    }

    // Brings the block that starts at a column. Rows that are missing repeat the last one.
    INLINE void stage(const u8* weights, u32 first_row, u32 rows, u32 columns, u32 column) {
        const uint4* panel = reinterpret_cast<const uint4*>(weights) + column / BLOCK * Q4KHead::PIECES;
        const u32 pieces = columns / BLOCK * Q4KHead::PIECES;
        const auto bring = [&](u32 row, u32 piece) {
            raw()[row * Q4KHead::PIECES + piece] = panel[u64(least(first_row + row, rows - 1)) * pieces + piece];
        };
#pragma unroll
        for (u32 row = 0; row < TILE_ROWS; row += 32) {
            bring(row + quarter_row(), threadIdx.x % 4);
            bring(row + quarter_row(), threadIdx.x % 4 + 4);
        }
        bring(threadIdx.x, 8);
    }

    // Waits for the block and starts it.
    INLINE void open() {
        __syncthreads();
        head = Q4KHead(raw()[threadIdx.x * Q4KHead::PIECES]);
    }

    // All is there.
    INLINE void fetch(const u8*, u32, u32, u32, u32) {}

    // Dequantises some columns of the row of this thread.
    INLINE void store(u32 column, float (&tile)[COLUMNS][TILE_ROWS + 4]) const {
        const ScaleAndMin scaled = head.group(column / 32);
        const uint4* row = raw() + threadIdx.x * Q4KHead::PIECES + 1;
        u32 words[COLUMNS / 4];
        read(reinterpret_cast<const u32*>(row) + column / 64 * 8 + column % 32 / 4, words);
#pragma unroll
        for (u32 j = 0; j < COLUMNS / 4; ++j) {
            float w[4];
            scaled.weights(words[j], w);
#pragma unroll
            for (u32 i = 0; i < 4; ++i) {
                tile[4 * j + i][threadIdx.x] = w[i];
            }
        }
    }
};

// Q6_K, whose blocks start at even offsets: each row is staged in the words that hold its block.
template <u32 COLUMNS>
struct Q6KTile {
    enum : bool { WHOLE = true };
    enum : u32 { WORDS = 53, RAW_BYTES = TILE_ROWS * WORDS * 4 };
    typedef u8 Weight;
    Q6KBlock block;
    u32 start;

    static INLINE u32* raw() {
        __shared__ u32 staged[TILE_ROWS * WORDS];
        return staged;
    }

    INLINE void stage(const u8* weights, u32 first_row, u32 rows, u32 columns, u32 column) {
        const u32 blocks = columns / BLOCK, last = rows - 1 - first_row;
        const u64 tile = (u64(first_row) * blocks + column / BLOCK) * Q6_K::BYTES;
        const u32* panel = reinterpret_cast<const u32*>(weights) + tile / 4;
        const auto start_of = [&](u32 row) { return u32(tile % 4) + least(row, last) * (blocks * Q6_K::BYTES); };
        const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll 8
        for (u32 i = 0; i < 32; ++i) {
            const u32 row = warp * 32 + i;
            const u32* from = panel + start_of(row) / 4 + lane;
            u32* to = raw() + row * WORDS + lane;
            to[0] = from[0];
            if (lane < WORDS - 32) {
                to[32] = from[32];
            }
        }
        start = start_of(threadIdx.x) % 4;
    }

    INLINE void open() {
        __syncthreads();
        block = Q6KBlock(raw() + threadIdx.x * WORDS, start);
    }

    INLINE void fetch(const u8*, u32, u32, u32, u32) {}

    INLINE void store(u32 column, float (&tile)[COLUMNS][TILE_ROWS + 4]) const {
        const Q6KGroup group = block.group(column / 32);
        const float scale = block.scale(column / 16);
#pragma unroll
        for (u32 j = 0; j < COLUMNS / 4; ++j) {
            float w[4];
            group.weights(column % 32 / 4 + j, scale, w);
#pragma unroll
            for (u32 i = 0; i < 4; ++i) {
                tile[4 * j + i][threadIdx.x] = w[i];
            }
        }
    }
};

// f32, which may end anywhere: nothing is staged, each thread brings one column of some rows. Behind the last column both
// factors are +0, which changes no sum.
template <u32 COLUMNS>
struct F32Tile {
    enum : bool { WHOLE = false };
    enum : u32 { RAW_BYTES = 0 };
    typedef float Weight;
    float weights_of_column[COLUMNS];

    INLINE void stage(const float*, u32, u32, u32, u32) {}

    INLINE void open() {}

    INLINE void fetch(const float* weights, u32 first_row, u32 rows, u32 columns, u32 column) {
        constexpr u32 STEP = GEMM_THREADS / COLUMNS;
        const u32 own_column = column + threadIdx.x % COLUMNS, row = first_row + threadIdx.x / COLUMNS;
        const u32 rows_there = own_column < columns ? rows : 0;
        const float* from = weights + u64(row) * columns + own_column;
#pragma unroll
        for (u32 i = 0; i < COLUMNS; ++i) {
            weights_of_column[i] = row + i * STEP < rows_there ? *from : 0.0f;
            from += STEP * u64(columns);
        }
    }

    INLINE void store(u32, float (&tile)[COLUMNS][TILE_ROWS + 4]) const {
#pragma unroll
        for (u32 i = 0; i < COLUMNS; ++i) {
            tile[threadIdx.x % COLUMNS][(i * GEMM_THREADS + threadIdx.x) / COLUMNS] = weights_of_column[i];
        }
    }
};

// Which of the SIZE values of a tile is value i of N of a group: groups take four at a time, so that the lanes of a
// warp read all banks at once.
template <u32 N, u32 SIZE>
INLINE u32 place(u32 group, u32 i) {
    constexpr u32 STEP = N < 4 ? N : 4;
    return i / STEP * (SIZE / N * STEP) + group * STEP + i % STEP;
}

template <u32 N, u32 SIZE>
INLINE void read_group(const float* tile, u32 group, float (&values)[N]) {
#pragma unroll
    for (u32 i = 0; i < N; i += 4) {
        float four[4];
        read(tile + place<N, SIZE>(group, i), four);
#pragma unroll
        for (u32 j = 0; j < 4; ++j) {
            values[i + j] = four[j];
        }
    }
}

template <template <u32> class TileOf, u32 TOKENS>
INLINE void gemm(const typename TileOf<16>::Weight* weights, const float* x, float* y, u32 rows, u32 columns,
                 u32 tokens, u32 first, u32 all_rows) {
    // Rows and tokens of a thread, and its columns of a tile: raw blocks and two buffers fit 48 KiB.
    constexpr u32 R = TOKENS == 16 ? 4 : 8, GROUPS = TOKENS == 16 ? 4 : 8, T = TOKENS / GROUPS;
    constexpr u32 BUFFERS = 2 * 16 * (TILE_ROWS + 4 + TOKENS + 4) * sizeof(float);
    constexpr u32 COLUMNS = TileOf<16>::RAW_BYTES + BUFFERS <= 48 << 10 ? 16 : 8, X = TOKENS * COLUMNS / GEMM_THREADS;
    typedef TileOf<COLUMNS> Tile;
    // Four more in each row spread what is stored column by column over the banks.
    __shared__ __align__(16) float w_tiles[2][COLUMNS][TILE_ROWS + 4];
    __shared__ __align__(16) float x_tiles[2][COLUMNS][TOKENS + 4];
    const u32 first_row = blockIdx.x * TILE_ROWS, first_token = blockIdx.y * TOKENS;
    // Lanes whose numbers differ in bit 0 read the same weights, in bit 1 the same activations: of such pairs shared
    // memory returns four words in half the time.
    u32 token_group = threadIdx.x & 1 | threadIdx.x >> 1 & (GROUPS - 2);
    u32 row_group = threadIdx.x >> 1 & 1 | threadIdx.x / GROUPS & ~1u;
    keep(token_group);
    keep(row_group);

    // The columns of this part.
    const u32 begin = gridDim.z == 1 ? 0 : blockIdx.z * BLOCK;
    const u32 end = gridDim.z == 1 ? columns : least(columns, begin + BLOCK);

    // Activations: each thread brings V columns of some tokens. Tokens that are missing repeat the last one and are not
    // written.
    constexpr u32 V = !Tile::WHOLE ? 1 : X < 4 ? X : 4;
    const u32 own_column = threadIdx.x * V % COLUMNS;
    u64 own_x[X / V];
    float fetched[X / V][V];
#pragma unroll
    for (u32 i = 0; i < X / V; ++i) {
        const u32 token = first_token + (i * GEMM_THREADS + threadIdx.x) * V / COLUMNS;
        own_x[i] = (u64(least(token, tokens - 1)) * columns + own_column) * sizeof(float);
        keep(own_x[i]);
    }
    Tile tile;
    const auto fetch = [&](u32 column) {
        tile.fetch(weights, first_row, rows, columns, column);
        if (column + own_column < columns) {
#pragma unroll
            for (u32 i = 0; i < X / V; ++i) {
                const char* from = reinterpret_cast<const char*>(x + column) + own_x[i];
                read(reinterpret_cast<const float*>(from), fetched[i]);
            }
        } else {
#pragma unroll
            for (u32 i = 0; i < X; ++i) {
                fetched[i / V][i % V] = 0.0f;
            }
        }
    };
    const auto store = [&](u32 column, u32 buffer) {
        tile.store(column, w_tiles[buffer]);
#pragma unroll
        for (u32 i = 0; i < X; ++i) {
            const u32 token = (i / V * GEMM_THREADS + threadIdx.x) * V / COLUMNS;
            x_tiles[buffer][own_column + i % V][token] = fetched[i / V][i % V];
        }
    };

    float sums[R][T] = {};
#pragma unroll 1
    for (u32 block = begin; block < end; block += BLOCK) {
        const u32 columns_here = least(BLOCK, end - block);
        float chains[R][T] = {};
        u32 buffer = 0;
        fetch(block);
        tile.stage(weights, first_row, rows, columns, block);
        tile.open();
        store(0, buffer);
        fetch(block + COLUMNS);
        __syncthreads();
#pragma unroll 1
        for (u32 column = 0; column < columns_here; column += COLUMNS) {
#pragma unroll
            for (u32 k = 0; k < COLUMNS; ++k) {
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
            const u32 next = column + COLUMNS;
            buffer ^= 1;
            if (next < columns_here) {
                store(next, buffer);
                // Before the barrier: behind it an assembler puts off what is only used at the end of a tile.
                fetch(block + next + COLUMNS);
            }
            __syncthreads();
        }
#pragma unroll
        for (u32 r = 0; r < R; ++r) {
#pragma unroll
            for (u32 t = 0; t < T; ++t) {
                sums[r][t] = __fadd_rn(sums[r][t], chains[r][t]);
            }
        }
    }
    y += u64(blockIdx.z) * tokens * all_rows;
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
    matmul_##type##_gemm_##TOKENS(const Tile<16>::Weight* __restrict__ weights, const float* __restrict__ x,        \
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
