// The compression function of BLAKE3, from its specification (section 2.2).

enum : u32 { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };

// Bytes of a chunk and of a block.
enum : u32 { CHUNK = 1024, CHUNK_BLOCK = 64 };

// Word i of the initial chaining value; i is known to the compiler.
INLINE u32 initial(u32 i) {
    constexpr u32 WORDS[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                              0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
    return WORDS[i];
}

INLINE void initialise(u32 (&chaining)[8]) {
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        chaining[i] = initial(i);
    }
}

INLINE u32 turned_right(u32 x, u32 bits) { return x >> bits | x << (32 - bits); }

INLINE void mix(u32& a, u32& b, u32& c, u32& d, u32 x, u32 y) {
    a += b + x;
    d = turned_right(d ^ a, 16);
    c += d;
    b = turned_right(b ^ c, 12);
    a += b + y;
    d = turned_right(d ^ a, 8);
    c += d;
    b = turned_right(b ^ c, 7);
}

// The chaining value after a block of `length` bytes, which the message holds with zeros behind them.
INLINE void compress(u32 (&chaining)[8], u32 (&message)[16], u64 counter, u32 length, u32 flags) {
    constexpr u32 PERMUTATION[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    u32 s[16];
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        s[i] = chaining[i];
        s[i + 8] = initial(i);
    }
    s[12] = u32(counter);
    s[13] = u32(counter >> 32);
    s[14] = length;
    s[15] = flags;
#pragma unroll
    for (u32 round = 0; round < 7; round++) {
        mix(s[0], s[4], s[8], s[12], message[0], message[1]);
        mix(s[1], s[5], s[9], s[13], message[2], message[3]);
        mix(s[2], s[6], s[10], s[14], message[4], message[5]);
        mix(s[3], s[7], s[11], s[15], message[6], message[7]);
        mix(s[0], s[5], s[10], s[15], message[8], message[9]);
        mix(s[1], s[6], s[11], s[12], message[10], message[11]);
        mix(s[2], s[7], s[8], s[13], message[12], message[13]);
        mix(s[3], s[4], s[9], s[14], message[14], message[15]);
        u32 permuted[16];
#pragma unroll
        for (u32 i = 0; i < 16; i++) {
            permuted[i] = message[PERMUTATION[i]];
        }
#pragma unroll
        for (u32 i = 0; i < 16; i++) {
            message[i] = permuted[i];
        }
    }
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        chaining[i] = s[i] ^ s[i + 8];
    }
}

// Writes the chaining value of a chunk of `length` bytes. load(start, message) gives the block that starts at a byte of
// the chunk, with zeros behind its end; root: ROOT where the chunk is everything, else 0.
template <class Load>
INLINE void digest_chunk(Load load, u32 length, u64 counter, u32 root, u32* result) {
    u32 chaining[8];
    initialise(chaining);
#pragma unroll 1
    for (u32 start = 0; start < length; start += CHUNK_BLOCK) {
        u32 message[16];
        load(start, message);
        const u32 left = length - start;
        const u32 flags = (start == 0 ? CHUNK_START : 0) | (left <= CHUNK_BLOCK ? CHUNK_END | root : 0);
        compress(chaining, message, counter, least(left, CHUNK_BLOCK), flags);
    }
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
        result[i] = chaining[i];
    }
}
