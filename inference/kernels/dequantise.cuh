// Dequantisation (rule 1): the element formula of each type, and a kernel that applies it.
//
// In every formula i is the element of a block. A product of two scales or of a scale and a quant fits f32 exactly, so
// only the addition of a minimum rounds.

// Blocks start at even offsets, and so do their halves.
INLINE u32 half_word(const u8* at) { return *reinterpret_cast<const u16*>(at); }

INLINE u32 word(const u8* at) { return half_word(at) | half_word(at + 2) << 16; }

INLINE float half_at(const u8* at) { return half_to_float(half_word(at)); }

INLINE float product(float d, int factor) { return __fmul_rn(d, __int2float_rn(factor)); }

// The low nibbles are elements 0 to 15, the high ones 16 to 31.
INLINE u32 nibble(const u8* quants, u32 i) { return quants[i % 16] >> 4 * (i / 16) & 15; }

INLINE u32 bit(u32 bits, u32 i) { return bits >> i & 1; }

struct F32 {
    enum : u32 { ELEMENTS = 1, BYTES = 4 };
    static INLINE float value(const u8* block, u32) { return *reinterpret_cast<const float*>(block); }
};

struct F16 {
    enum : u32 { ELEMENTS = 1, BYTES = 2 };
    static INLINE float value(const u8* block, u32) { return half_at(block); }
};

struct BF16 {
    enum : u32 { ELEMENTS = 1, BYTES = 2 };
    static INLINE float value(const u8* block, u32) { return from_bits(half_word(block) << 16); }
};

// d at 0, nibbles at 2: d * (q - 8).
struct Q4_0 {
    enum : u32 { ELEMENTS = 32, BYTES = 18 };
    static INLINE float value(const u8* block, u32 i) {
        return product(half_at(block), int(nibble(block + 2, i)) - 8);
    }
};

// d at 0, m at 2, nibbles at 4: d * q + m.
struct Q4_1 {
    enum : u32 { ELEMENTS = 32, BYTES = 20 };
    static INLINE float value(const u8* block, u32 i) {
        return __fadd_rn(product(half_at(block), nibble(block + 4, i)), half_at(block + 2));
    }
};

// d at 0, fifth bits at 2, nibbles at 6: d * (q - 16).
struct Q5_0 {
    enum : u32 { ELEMENTS = 32, BYTES = 22 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 q = nibble(block + 6, i) | bit(word(block + 2), i) << 4;
        return product(half_at(block), int(q) - 16);
    }
};

// d at 0, m at 2, fifth bits at 4, nibbles at 8: d * q + m.
struct Q5_1 {
    enum : u32 { ELEMENTS = 32, BYTES = 24 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 q = nibble(block + 8, i) | bit(word(block + 4), i) << 4;
        return __fadd_rn(product(half_at(block), q), half_at(block + 2));
    }
};

// d at 0, signed bytes at 2: d * q.
struct Q8_0 {
    enum : u32 { ELEMENTS = 32, BYTES = 34 };
    static INLINE float value(const u8* block, u32 i) {
        return product(half_at(block), static_cast<signed char>(block[2 + i]));
    }
};

// Two bits of each element: a byte holds one of each quarter of a half block.
INLINE u32 crumb(const u8* crumbs, u32 i) { return crumbs[32 * (i / 128) + i % 32] >> 2 * (i % 128 / 32) & 3; }

// Scales and mins as nibbles at 0, quants at 16, d at 80, dmin at 82: d * scale * q - dmin * min.
struct Q2_K {
    enum : u32 { ELEMENTS = 256, BYTES = 84 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 scales = block[i / 16];
        const float scale = product(half_at(block + 80), scales & 15);
        const float min = product(half_at(block + 82), scales >> 4);
        return __fsub_rn(product(scale, crumb(block + 16, i)), min);
    }
};

// Third bits at 0, quants at 32, 6-bit scales at 96, d at 108: d * (scale - 32) * (q - 4).
struct Q3_K {
    enum : u32 { ELEMENTS = 256, BYTES = 110 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 part = i / 16;
        const u32 low = block[96 + part % 8] >> 4 * (part / 8) & 15;
        const u32 scale = low | (block[104 + part % 4] >> 2 * (part / 4) & 3) << 4;
        const u32 q = crumb(block + 32, i) | bit(block[i % 32], i / 32) << 2;
        return product(product(half_at(block + 108), int(scale) - 32), int(q) - 4);
    }
};

// What Q4_K and Q5_K share: d at 0, dmin at 2, and at 4 the scale and the min of each group s of 32 elements, 6 bits
// each in 12 bytes: d * scale * q - dmin * min.
INLINE float scaled(const u8* block, u32 s, u32 q) {
    const u8* bytes = block + 4 + s % 4;
    const u32 scale = s < 4 ? bytes[0] & 63 : bytes[8] & 15 | bytes[0] >> 6 << 4;
    const u32 min = s < 4 ? bytes[4] & 63 : bytes[8] >> 4 | bytes[4] >> 6 << 4;
    return __fsub_rn(product(product(half_at(block), scale), q), product(half_at(block + 2), min));
}

// Nibbles at 16.
struct Q4_K {
    enum : u32 { ELEMENTS = 256, BYTES = 144 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32;
        return scaled(block, s, block[16 + 32 * (s / 2) + i % 32] >> 4 * (s % 2) & 15);
    }
};

// Fifth bits at 16, nibbles at 48.
struct Q5_K {
    enum : u32 { ELEMENTS = 256, BYTES = 176 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32;
        const u32 q = block[48 + 32 * (s / 2) + i % 32] >> 4 * (s % 2) & 15;
        return scaled(block, s, q | bit(block[16 + i % 32], s) << 4);
    }
};

// Low nibbles at 0, upper two bits at 128, signed scales at 192, d at 208: d * scale * (q - 32).
struct Q6_K {
    enum : u32 { ELEMENTS = 256, BYTES = 210 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 nibble = block[64 * (i / 128) + i % 64] >> 4 * (i % 128 / 64) & 15;
        const u32 q = nibble | crumb(block + 128, i) << 4;
        const float scale = product(half_at(block + 208), static_cast<signed char>(block[192 + i / 16]));
        return product(scale, int(q) - 32);
    }
};

// blocks: raw blocks one after the other, whole rows or not; values: as many f32 as they have elements, `count`.
// Grid: count / 256 rounded up; 256 threads, one for each value.
#define DEQUANTISE(name, Type)                                                                      \
    KERNEL(256) dequantise_##name(const u8* __restrict__ blocks, float* __restrict__ values, u32 count) { \
        const u32 i = thread_of_grid();                                                             \
        if (i < count) {                                                                            \
            const u8* block = blocks + u64(i / Type::ELEMENTS) * Type::BYTES;                       \
            values[i] = Type::value(block, i % Type::ELEMENTS);                                     \
        }                                                                                           \
    }

DEQUANTISE(f32, F32)
DEQUANTISE(f16, F16)
DEQUANTISE(bf16, BF16)
DEQUANTISE(q4_0, Q4_0)
DEQUANTISE(q4_1, Q4_1)
DEQUANTISE(q5_0, Q5_0)
DEQUANTISE(q5_1, Q5_1)
DEQUANTISE(q8_0, Q8_0)
DEQUANTISE(q2_k, Q2_K)
DEQUANTISE(q3_k, Q3_K)
DEQUANTISE(q4_k, Q4_K)
DEQUANTISE(q5_k, Q5_K)
DEQUANTISE(q6_k, Q6_K)

// table: f32 rows of `columns`; ids: the row of each token; values: token-major. Grid: (columns / 256 rounded up,
// tokens); 256 threads, one for each value.
KERNEL(256) gather_rows(const float* __restrict__ table, const u32* __restrict__ ids, float* __restrict__ values,
                        u32 columns) {
    const u32 i = thread_of_grid();
    const u32 token = blockIdx.y;
    if (i < columns) {
        values[u64(token) * columns + i] = table[u64(ids[token]) * columns + i];
    }
}
