// Q4_K and Q6_K in words, for the kernels that multiply: four weights at a time, bit for bit the values of
// dequantise.cuh.

// Small whole numbers n in the two halves of a word, as n / 2^24: below 1024 the bits of a half are a subnormal, so its
// conversion is that of the number. What multiplies them has the factor 2^24 in it; powers of two round nothing here.
INLINE void narrow(u32 pair, float& low, float& high) {
    u16 halves[2];
    asm("mov.b32 {%0, %1}, %2;" : "=h"(halves[0]), "=h"(halves[1]) : "r"(pair));
    low = half_to_float(halves[0]);
    high = half_to_float(halves[1]);
}

INLINE float signed_byte(u32 bytes, u32 i) { return __int2float_rn(int(bytes << (24 - 8 * i)) >> 24); }

// d * scale and dmin * min of a group of 32 weights of Q4_K.
struct ScaleAndMin {
    // The scale is 2^24 or, for upper nibbles, 2^20 times as great: they are read where they lie.
    float scale, min;
    u32 nibble;

    // Four weights from four bytes. The product is exact, so the fma rounds as a subtraction would.
    INLINE void weights(u32 bytes, float (&w)[4]) const {
        narrow(bytes & nibble, w[0], w[2]);
        narrow(bytes >> 8 & nibble, w[1], w[3]);
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            w[i] = __fmaf_rn(scale, w[i], -min);
        }
    }
};

// What the eight groups of a block of Q4_K share.
struct Q4KHead {
    // A block is 9 pieces of 16 bytes.
    enum : u32 { PIECES = 9 };
    float d, dmin;
    // Of groups 0 to 3 and 4 to 7, six bits in each byte.
    u32 scales[2], mins[2];

    Q4KHead() = default;

    // head: the first 16 bytes of a block, which are d, dmin and twelve bytes of scales.
    INLINE explicit Q4KHead(uint4 head) {
        d = __fmul_rn(half_to_float(head.x & 0xFFFF), power_of_two(24));
        dmin = __fmul_rn(half_to_float(head.x >> 16), power_of_two(24));
        scales[0] = head.y & 0x3F3F3F3F;
        mins[0] = head.z & 0x3F3F3F3F;
        scales[1] = head.w & 0x0F0F0F0F | head.y >> 2 & 0x30303030;
        mins[1] = head.w >> 4 & 0x0F0F0F0F | head.z >> 2 & 0x30303030;
#pragma unroll
        for (u32 i = 0; i < 2; ++i) {
            keep(scales[i]);
            keep(mins[i]);
        }
    }

    INLINE ScaleAndMin group(u32 s) const {
        const u32 shift = 8 * (s % 4), upper = s / 4;
        ScaleAndMin made;
        const float factor = power_of_two(24 - 4 * (s % 2));
        made.scale = __fmul_rn(__fmul_rn(d, half_to_float((upper ? scales[1] : scales[0]) >> shift & 0xFF)), factor);
        made.min = __fmul_rn(dmin, half_to_float((upper ? mins[1] : mins[0]) >> shift & 0xFF));
        made.nibble = 0x000F000F << 4 * (s % 2);
        return made;
    }
};

// Four bytes as floats, less `less`: a byte below the mantissa of 2^23 is the float 2^23 + byte, and taking 2^23 away
// again is exact.
INLINE void spread(u32 bytes, int less, float (&values)[4]) {
    const float all = __int2float_rn(8388608 + less);
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
        values[i] = __fsub_rn(from_bits(__byte_perm(bytes, 0x4B000000, 0x7440 + i)), all);
    }
}

// A group of 32 weights of Q6_K.
struct Q6KGroup {
    const u32 *nibbles, *crumbs;
    // How far nibbles lie from bit 0 of a byte, and pairs of bits from bit 4.
    u32 nibbles_shift, crumbs_shift;

    // Four weights, from element 4 * j on; scale: d * scale.
    INLINE void weights(u32 j, float scale, float (&w)[4]) const {
        const u32 low = __funnelshift_r(nibbles[j], nibbles[j + 1], nibbles_shift);
        const u32 high = __funnelshift_r(crumbs[j], crumbs[j + 1], crumbs_shift);
        spread(low & 0x0F0F0F0F | high & 0x30303030, 32, w);
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            w[i] = __fmul_rn(scale, w[i]);
        }
    }
};

// A block of Q6_K in words: it starts 0 or 2 bytes behind one, and all words are shifted by as much.
struct Q6KBlock {
    const u32* words;
    u32 shift;
    float d;

    Q6KBlock() = default;

    INLINE Q6KBlock(const u32* row, u32 start) : words(row + start / 4), shift(8 * (start % 4)) {
        d = half_to_float(words[52] >> shift & 0xFFFF);
    }

    // d * scale of 16 weights.
    INLINE float scale(u32 part) const {
        const u32* scales = words + 48 + part / 4;
        return __fmul_rn(d, signed_byte(__funnelshift_r(scales[0], scales[1], shift), part % 4));
    }

    INLINE Q6KGroup group(u32 s) const {
        const u32 half = s / 4, quarter = s % 4;
        Q6KGroup made;
        made.nibbles = words + 16 * half + 8 * (quarter % 2);
        made.nibbles_shift = shift + 4 * (quarter / 2);
        // Shifted to the left where that is negative: then the word before is the lower one.
        made.crumbs_shift = shift + 2 * quarter - 4;
        made.crumbs = words + 32 + 8 * half - (made.crumbs_shift >> 31);
        return made;
    }
};
