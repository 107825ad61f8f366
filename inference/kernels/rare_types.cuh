// Dequantisation of the types whose quants are looked up in a table or a grid, or take one or two bits.
//
// In every formula i is the element of a block. Blocks of 17 bytes start anywhere, so only bytes of theirs are read.

static __device__ const signed char IQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
static __device__ const signed char E2M1_DOUBLED[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// d at 0, nibbles at 2: d * value of the nibble.
struct IQ4_NL {
    enum : u32 { ELEMENTS = 32, BYTES = 18 };
    static INLINE float value(const u8* block, u32 i) {
        return product(half_at(block), IQ4[nibble(block + 2, i)]);
    }
};

// d at 0, the high two bits of eight scales at 2, their low nibbles at 4, nibbles at 8: d * (scale - 32) * value.
struct IQ4_XS {
    enum : u32 { ELEMENTS = 256, BYTES = 136 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32;
        const u32 scale = block[4 + s / 2] >> 4 * (s % 2) & 15 | (half_word(block + 2) >> 2 * s & 3) << 4;
        const u32 q = nibble(block + 8 + 16 * s, i % 32);
        return product(product(half_at(block), int(scale) - 32), IQ4[q]);
    }
};

// An exponent at 0, nibbles at 1: 2^(e - 128) * value.
struct MXFP4 {
    enum : u32 { ELEMENTS = 32, BYTES = 17 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 e = block[0];
        const float d = from_bits(e < 2 ? 0x00200000 << e : (e - 1) << 23);
        return product(d, E2M1_DOUBLED[nibble(block + 1, i)]);
    }
};

// Scales of four exponent and three mantissa bits at 0, nibbles at 4, 8 bytes for each: scale / 2 * value.
struct NVFP4 {
    enum : u32 { ELEMENTS = 64, BYTES = 36 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 16;
        const u32 code = block[s];
        const u32 exponent = code >> 3 & 15;
        const float normal = from_bits((exponent + 119) << 23 | (code & 7) << 20);
        const float small = product(from_bits(0x3A800000), code & 7);
        // 0x7F alone is the code of NaN, which ggml takes for zero.
        const float d = code == 0x7F ? 0.0f : exponent == 0 ? small : normal;
        return product(d, E2M1_DOUBLED[block[4 + 8 * s + i % 8] >> 4 * (i / 8 % 2) & 15]);
    }
};

// d at 0, bits at 2: d or -d.
struct Q1_0 {
    enum : u32 { ELEMENTS = 128, BYTES = 18 };
    static INLINE float value(const u8* block, u32 i) {
        const float d = half_at(block);
        return bit(block[2 + i / 8], i % 8) ? d : -d;
    }
};

// d at 0, crumbs at 2: d * (q - 1).
struct Q2_0 {
    enum : u32 { ELEMENTS = 64, BYTES = 18 };
    static INLINE float value(const u8* block, u32 i) {
        return product(half_at(block), int(block[2 + i / 4] >> 2 * (i % 4) & 3) - 1);
    }
};

// Bytes of five base-3 digits as fractions of 256, the last four of four digits; d at 52: d * (digit - 1).
struct TQ1_0 {
    enum : u32 { ELEMENTS = 256, BYTES = 54 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 byte = i < 160 ? i % 32 : i < 240 ? 32 + (i - 160) % 16 : 48 + (i - 240) % 4;
        const u32 digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
        const u32 power = digit == 0 ? 1 : digit == 1 ? 3 : digit == 2 ? 9 : digit == 3 ? 27 : 81;
        const u32 fraction = block[byte] * power & 255;
        return product(half_at(block + 52), int(fraction * 3 >> 8) - 1);
    }
};

// Crumbs at 0, d at 64: d * (q - 1).
struct TQ2_0 {
    enum : u32 { ELEMENTS = 256, BYTES = 66 };
    static INLINE float value(const u8* block, u32 i) {
        return product(half_at(block + 64), int(crumb(block, i)) - 1);
    }
};

// What follows has its quants in points of a grid. s is the group of 32 elements, e the eight of the group, k the element of
// the eight. Signs come as eight bits, or as seven that make the number of minus signs even.

INLINE u32 even_signs(u32 bits) { return bits & 127 | (__popc(bits & 127) & 1) << 7; }

INLINE float with_sign(float value, u32 signs, u32 k) { return bit(signs, k) ? -value : value; }

// A half plus a scale of four bits.
INLINE float and_a_half(u32 scale) { return __fadd_rn(0.5f, __uint2float_rn(scale)); }

INLINE float of_eight(float scale, u32 point, u32 k) {
    const u32 q = point >> 2 * k & 3;
    return product(scale, q == 0 ? 8 : q == 1 ? 25 : 43);
}

// d at 0; of each group four points and a word of four times seven signs and the scale.
struct IQ2_XXS {
    enum : u32 { ELEMENTS = 256, BYTES = 66 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, e = i / 8 % 4, k = i % 8;
        const u8* group = block + 2 + 8 * s;
        const u32 signs = word(group + 4);
        const float scale = __fmul_rn(__fmul_rn(half_at(block), and_a_half(signs >> 28)), 0.25f);
        return with_sign(of_eight(scale, IQ2_XXS_GRID[group[e]], k), even_signs(signs >> 7 * e), k);
    }
};

// d at 0; of each eight nine bits of point and seven signs at 2; two scales of each group at 66.
struct IQ2_XS {
    enum : u32 { ELEMENTS = 256, BYTES = 74 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, e = i / 8 % 4, k = i % 8;
        const u32 q = half_word(block + 2 + 2 * (4 * s + e));
        const float scale = __fmul_rn(__fmul_rn(half_at(block), and_a_half(block[66 + s] >> 4 * (e / 2) & 15)), 0.25f);
        return with_sign(of_eight(scale, IQ2_XS_GRID[q & 511], k), even_signs(q >> 9), k);
    }
};

// d at 0; of each eight the low byte of its point at 2 and its signs at 34; of each group the high bits at 66, two scales at 74.
struct IQ2_S {
    enum : u32 { ELEMENTS = 256, BYTES = 82 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, e = i / 8 % 4, k = i % 8;
        const u32 point = block[2 + 4 * s + e] | (block[66 + s] >> 2 * e & 3) << 8;
        const float scale = __fmul_rn(__fmul_rn(half_at(block), and_a_half(block[74 + s] >> 4 * (e / 2) & 15)), 0.25f);
        return with_sign(of_eight(scale, IQ2_S_GRID[point], k), block[34 + 4 * s + e], k);
    }
};

// d at 0; of each four its point at 2; of each group a word of four times seven signs and the scale at 66.
struct IQ3_XXS {
    enum : u32 { ELEMENTS = 256, BYTES = 98 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, e = i / 8 % 4, k = i % 8;
        const u32 signs = word(block + 66 + 4 * s);
        const float scale = __fmul_rn(__fmul_rn(half_at(block), and_a_half(signs >> 28)), 0.5f);
        const u32 q = IQ3_XXS_GRID[block[2 + i / 4]] >> 3 * (i % 4) & 7;
        // 4, 12, 20, ..., 52, and 62.
        return with_sign(product(scale, q == 7 ? 62 : 8 * q + 4), even_signs(signs >> 7 * e), k);
    }
};

// d at 0; of each four the low byte of its point at 2; of each group the high bits at 66; signs at 74, scales at 106.
struct IQ3_S {
    enum : u32 { ELEMENTS = 256, BYTES = 110 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, k = i % 8;
        const u32 point = block[2 + i / 4] | bit(block[66 + s], i / 4 % 8) << 8;
        const u32 scale = block[106 + s / 2] >> 4 * (s % 2) & 15;
        const u32 q = IQ3_S_GRID[point] >> 3 * (i % 4) & 7;
        return with_sign(product(product(half_at(block), 2 * scale + 1), 2 * q + 1), block[74 + i / 8], k);
    }
};

// d * (2 * scale + 1) * (value of the point, an eighth more or less).
INLINE float of_ternary(float d, u32 scale, u32 point, u32 is_less, u32 k) {
    const int value = int(IQ1_GRID[point] >> 2 * k & 3) - 1;
    const float shifted = __fadd_rn(__int2float_rn(value), is_less ? -0.125f : 0.125f);
    return __fmul_rn(product(d, 2 * (scale & 7) + 1), shifted);
}

// d at 0; of each eight the low byte of its point at 2; of each group high bits, scale and direction in a word at 34.
struct IQ1_S {
    enum : u32 { ELEMENTS = 256, BYTES = 50 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, e = i / 8 % 4;
        const u32 high = half_word(block + 34 + 2 * s);
        const u32 point = block[2 + i / 8] | (high >> 3 * e & 7) << 8;
        return of_ternary(half_at(block), high >> 12, point, high >> 15, i % 8);
    }
};

// Of each eight the low byte of its point at 0, its high bits and direction in a nibble at 32; at 48 four words with four
// scales of three bits each, and d in their top nibbles.
struct IQ1_M {
    enum : u32 { ELEMENTS = 256, BYTES = 56 };
    static INLINE float value(const u8* block, u32 i) {
        const u32 s = i / 32, e = i / 8;
        const u8* words = block + 48;
        const u32 d = half_word(words) >> 12 | half_word(words + 2) >> 12 << 4 | half_word(words + 4) >> 12 << 8
            | half_word(words + 6) >> 12 << 12;
        const u32 high = block[32 + e / 2] >> 4 * (e % 2) & 15;
        const u32 scale = half_word(words + 2 * (s / 2)) >> 6 * (s % 2) + 3 * (e / 2 % 2);
        return of_ternary(half_to_float(d), scale, block[e] | (high & 7) << 8, high >> 3, i % 8);
    }
};

DEQUANTISE(iq1_s, IQ1_S)
DEQUANTISE(iq1_m, IQ1_M)
DEQUANTISE(iq2_xxs, IQ2_XXS)
DEQUANTISE(iq2_xs, IQ2_XS)
DEQUANTISE(iq2_s, IQ2_S)
DEQUANTISE(iq3_xxs, IQ3_XXS)
DEQUANTISE(iq3_s, IQ3_S)
DEQUANTISE(iq4_nl, IQ4_NL)
DEQUANTISE(iq4_xs, IQ4_XS)
DEQUANTISE(tq1_0, TQ1_0)
DEQUANTISE(tq2_0, TQ2_0)
DEQUANTISE(mxfp4, MXFP4)
DEQUANTISE(nvfp4, NVFP4)
DEQUANTISE(q1_0, Q1_0)
DEQUANTISE(q2_0, Q2_0)
