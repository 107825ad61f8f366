// BLAKE3 of values and of raw bytes: a chaining value for each chunk of 1024 bytes, then the tree over them.
//
// A chaining value is 8 words; the one at the root is the digest, little-endian.

enum : u32 { CHUNK_VALUES = CHUNK / 4, JOINED = 512 };

INLINE u32 chunks_of(const Span& span) { return (span.count - 1) / CHUNK_VALUES + 1; }

// The bits of a value, all NaNs being one (rule 8).
INLINE u32 canonical(float x) { return is_nan(x) ? 0x7FC00000 : __float_as_uint(x); }

// The chunks of each span of values: chaining value k of span s is number s * stride + k. A span of one chunk gets its
// digest. Grid: (the most chunks of a span / 256 rounded up, spans); 256 threads, one for each chunk.
KERNEL(256) digest_spans(const float* __restrict__ values, const Span* __restrict__ spans, u32* __restrict__ chaining,
                         u32 stride) {
    const Span span = spans[blockIdx.y];
    const u32 chunk = thread_of_grid(), chunks = chunks_of(span);
    if (chunk >= chunks) {
        return;
    }
    const float* own = values + u64(span.first) + u64(chunk) * CHUNK_VALUES;
    const u32 count = least(CHUNK_VALUES, span.count - chunk * CHUNK_VALUES);
    const auto load = [&](u32 start, u32 (&message)[16]) {
#pragma unroll
        for (u32 i = 0; i < 16; i++) {
            message[i] = start / 4 + i < count ? canonical(own[start / 4 + i]) : 0;
        }
    };
    digest_chunk(load, 4 * count, chunk, chunks == 1 ? ROOT : 0, chaining + 8 * (u64(blockIdx.y) * stride + chunk));
}

// The chunks of a panel of a tensor: `length` raw bytes, aligned to 16 and readable up to a multiple of 16, that start
// at chunk `first_chunk` of the tensor; chaining value k of the panel is number first_chunk + k. is_whole: the panel is
// all of the tensor. Grid: chunks / 256 rounded up; 256 threads, one for each chunk.
KERNEL(256) digest_bytes(const u8* __restrict__ bytes, u32* __restrict__ chaining, u32 length, u32 first_chunk,
                         u32 is_whole) {
    const u32 chunk = thread_of_grid(), chunks = (length - 1) / CHUNK + 1;
    if (chunk >= chunks) {
        return;
    }
    const u8* own = bytes + u64(chunk) * CHUNK;
    const u32 count = least(CHUNK, length - chunk * CHUNK);
    const auto load = [&](u32 start, u32 (&message)[16]) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) {
            const u32 at = start + 16 * i;
            const uint4 four = at < count ? *reinterpret_cast<const uint4*>(own + at) : make_uint4(0, 0, 0, 0);
            const u32 words[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (u32 j = 0; j < 4; j++) {
                // Bytes of the word that are there; a shift by 32 would be without a meaning.
                const u32 left = at + 4 * j < count ? least(4, count - at - 4 * j) : 0;
                message[4 * i + j] = left > 0 ? words[j] & 0xFFFFFFFF >> (32 - 8 * left) : 0;
            }
        }
    };
    const u32 root = is_whole && chunks == 1 ? ROOT : 0;
    digest_chunk(load, count, u64(first_chunk) + chunk, root, chaining + 8 * (u64(first_chunk) + chunk));
}

// Joins up to 512 chaining values of each span into one, by the parents of BLAKE3: a group of 512 that follow each other
// is a part of its tree, and so is what is left of them at the end. level: how often the values of a span were joined
// already, so that there are chunks / 512^level of them, rounded up. The last parent of the last level is the digest; a
// span of one value is copied. A tensor is a span of its bytes / 4, rounded up. in, out: value k of span s is number s *
// stride + k. Grid: (the most values of a span / 512 rounded up, spans); 256 threads, one for each parent.
KERNEL(JOINED / 2) digest_join(const Span* __restrict__ spans, const u32* __restrict__ in, u32* __restrict__ out,
                               u32 in_stride, u32 out_stride, u32 level) {
    __shared__ u32 nodes[8][JOINED];
    u32 values = chunks_of(spans[blockIdx.y]);
    for (u32 i = 0; i < level; i++) {
        values = (values - 1) / JOINED + 1;
    }
    const u32 first = blockIdx.x * JOINED;
    if (first >= values) {
        return;
    }
    const bool is_only_group = values <= JOINED;
    u32 count = least(JOINED, values - first);
    const u32* from = in + 8 * (u64(blockIdx.y) * in_stride + first);
    for (u32 i = threadIdx.x; i < 8 * count; i += JOINED / 2) {
        nodes[i % 8][i / 8] = from[i];
    }
    __syncthreads();
    while (count > 1) {
        const u32 parents = count / 2;
        const bool is_parent = threadIdx.x < parents;
        // An odd one is carried up.
        const bool is_carried = threadIdx.x == parents && count % 2 == 1;
        u32 chaining[8];
        if (is_parent) {
            u32 message[16];
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                message[i] = nodes[i][2 * threadIdx.x];
                message[i + 8] = nodes[i][2 * threadIdx.x + 1];
            }
            initialise(chaining);
            compress(chaining, message, 0, CHUNK_BLOCK, PARENT | (is_only_group && count == 2 ? ROOT : 0));
        } else if (is_carried) {
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                chaining[i] = nodes[i][2 * threadIdx.x];
            }
        }
        __syncthreads();
        if (is_parent || is_carried) {
#pragma unroll
            for (u32 i = 0; i < 8; i++) {
                nodes[i][threadIdx.x] = chaining[i];
            }
        }
        __syncthreads();
        count -= parents;
    }
    if (threadIdx.x < 8) {
        out[8 * (u64(blockIdx.y) * out_stride + blockIdx.x) + threadIdx.x] = nodes[threadIdx.x][0];
    }
}
