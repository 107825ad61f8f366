// Q4_K and Q6_K in words, for the kernels that multiply: four weights at a time, bit for bit the values of
// dequantise.cuh.

// Four bytes as floats, less `less`: a byte below the mantissa of 2^23 is the float 2^23 + byte, and taking 2^23 away
// again is exact. One permutation and one subtraction, where a conversion runs at a fraction of the rate.
INLINE void spread(u32 bytes, int less, float (&values)[4]) {
    const float all = __int2float_rn(8388608 + less);
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
        values[i] = __fsub_rn(from_bits(__byte_perm(bytes, 0x4B000000, 0x7440 + i)), all);
    }
}

INLINE float signed_byte(u32 bytes, u32 i) { return __int2float_rn(int(bytes << (24 - 8 * i)) >> 24); }

// d * scale and dmin * min of a group of 32 weights of Q4_K.
struct ScaleAndMin {
    float scale, min;

    // head: the first 16 bytes of a block, which are d, dmin and twelve bytes of scales; s: the group.
    INLINE ScaleAndMin(uint4 head, u32 s) {
        const u32 shift = 8 * (s % 4);
        const u32 a = head.y >> shift, b = head.z >> shift, c = head.w >> shift;
        const u32 low = s < 4 ? a & 63 : c & 15 | (a >> 6 & 3) << 4;
        const u32 high = s < 4 ? b & 63 : c >> 4 & 15 | (b >> 6 & 3) << 4;
        scale = product(half_to_float(head.x & 0xFFFF), low);
        min = product(half_to_float(head.x >> 16), high);
    }

    // Four weights: nibbles in the four bytes of a word. The product is exact, so the fma rounds as a subtraction
    // would.
    INLINE void weights(u32 nibbles, float (&w)[4]) const {
        spread(nibbles & 0x0F0F0F0F, 0, w);
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
            w[i] = __fmaf_rn(scale, w[i], -min);
        }
    }
};

// Four weights of Q6_K: nibbles and pairs of bits in the four bytes of two words, scale: d * scale.
INLINE void q6_k_weights(u32 nibbles, u32 crumbs, float scale, float (&w)[4]) {
    spread(nibbles & 0x0F0F0F0F | (crumbs & 0x03030303) << 4, 32, w);
#pragma unroll
    for (u32 i = 0; i < 4; ++i) {
        w[i] = __fmul_rn(scale, w[i]);
    }
}
