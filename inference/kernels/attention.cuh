// Causal attention (rule 5) of one prompt. scores and probabilities: [token][head][position], +0 where a token does not
// see a position. Each key/value head serves `heads / key_values` query heads in a row.

enum : u32 { SIDE = 16 };

// One chain over the head in f64, times the scale, rounded once. q: [token][head][dim]; k: [token][key_value][dim].
// Grid: (tokens / 16, tokens / 16, heads), the first two rounded up; 256 threads: 16 positions of each of 16 tokens.
KERNEL(SIDE * SIDE) attention_scores(const float* __restrict__ q, const float* __restrict__ k,
                                     float* __restrict__ scores, u32 tokens, u32 heads, u32 key_values, u32 dim,
                                     float scale) {
    // [value][token or position], widened once for all that read it; the odd stride keeps the lanes that write in
    // different banks.
    __shared__ double q_tile[SIDE][SIDE + 1], k_tile[SIDE][SIDE + 1];
    const u32 i = threadIdx.x % SIDE, j = threadIdx.x / SIDE;
    const u32 first_position = blockIdx.x * SIDE, first_token = blockIdx.y * SIDE;
    const u32 head = blockIdx.z, serving = head / (heads / key_values);
    const u32 position = first_position + i, token = first_token + j;
    double sum = 0.0;
    // A tile that no token sees has nothing to add up.
    if (first_position <= first_token) {
        // What this thread brings: value i of each slice of token and position j.
        const float* own_q = q + (u64(least(token, tokens - 1)) * heads + head) * dim;
        const float* own_k = k + (u64(least(first_position + j, tokens - 1)) * key_values + serving) * dim;
        for (u32 slice = 0; slice < dim; slice += SIDE) {
            if (slice + i < dim) {
                q_tile[i][j] = own_q[slice + i];
                k_tile[i][j] = own_k[slice + i];
            }
            __syncthreads();
            const u32 values = least(SIDE, dim - slice);
            for (u32 d = 0; d < values; ++d) {
                sum = __fma_rn(q_tile[d][j], k_tile[d][i], sum);
            }
            __syncthreads();
        }
    }
    if (token < tokens && position < tokens) {
        const float score = __double2float_rn(__dmul_rn(sum, double(scale)));
        scores[(u64(token) * heads + head) * tokens + position] = position <= token ? score : 0.0f;
    }
}

// e^(score - maximum), divided by the sum of 32 strided sums and a tree. Grid: tokens * heads; 32 threads, one for each
// partial sum. scores and probabilities may be one buffer.
KERNEL(32) softmax(const float* scores, float* probabilities, u32 tokens, u32 heads) {
    __shared__ float maxima[32];
    const u64 start = u64(blockIdx.x) * tokens;
    const u32 seen = blockIdx.x / heads + 1;
    // A NaN is never greater, so it never is the maximum; which of two zeros is does not matter.
    float maximum = from_bits(0xFF800000);
    for (u32 i = threadIdx.x; i < seen; i += 32) {
        const float score = scores[start + i];
        maximum = score > maximum ? score : maximum;
    }
    maxima[threadIdx.x] = maximum;
    __syncthreads();
    for (u32 i = 0; i < 32; ++i) {
        maximum = maxima[i] > maximum ? maxima[i] : maximum;
    }
    float sum = 0.0f;
    for (u32 i = threadIdx.x; i < seen; i += 32) {
        const float e = exp32(__fsub_rn(scores[start + i], maximum));
        probabilities[start + i] = e;
        sum = __fadd_rn(sum, e);
    }
    const float whole = tree<32>(sum);
    for (u32 i = threadIdx.x; i < tokens; i += 32) {
        probabilities[start + i] = i < seen ? __fdiv_rn(probabilities[start + i], whole) : 0.0f;
    }
}

// One chain over the positions, ascending. v: [token][key_value][dim]; out: [token][head][dim].
// Grid: (tokens, heads); 128 threads, each for the values d, d + 128, ... of the head.
KERNEL(128) attention_weighted(const float* __restrict__ probabilities, const float* __restrict__ v,
                               float* __restrict__ out, u32 tokens, u32 heads, u32 key_values, u32 dim) {
    const u32 token = blockIdx.x, head = blockIdx.y, serving = head / (heads / key_values);
    const u64 row = u64(token) * heads + head;
    const float* p = probabilities + row * tokens;
    for (u32 d = threadIdx.x; d < dim; d += 128) {
        float sum = 0.0f;
        for (u32 position = 0; position <= token; ++position) {
            sum = __fmaf_rn(p[position], v[(u64(position) * key_values + serving) * dim + d], sum);
        }
        out[row * dim + d] = sum;
    }
}
