// What a layer does besides products and attention. Where a kernel reads and writes the same place, both may be one
// buffer.

// RMSNorm (rule 3): 256 strided sums, a tree, one division, one square root. values and out: rows of n; weight: n.
// Grid: rows; 256 threads, one for each partial sum.
KERNEL(256) rms_norm(const float* values, const float* __restrict__ weight, float* out, u32 n, float epsilon) {
    const u64 start = u64(blockIdx.x) * n;
    float sum = 0.0f;
    for (u32 i = threadIdx.x; i < n; i += 256) {
        const float x = values[start + i];
        sum = __fmaf_rn(x, x, sum);
    }
    const float mean = __fdiv_rn(tree<256>(sum), __uint2float_rn(n));
    const float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean, epsilon)));
    for (u32 i = threadIdx.x; i < n; i += 256) {
        out[start + i] = __fmul_rn(__fmul_rn(values[start + i], r), weight[i]);
    }
}

// Adds a bias of n to each token. Grid: (n / 256 rounded up, tokens); 256 threads, one for each value.
KERNEL(256) add_vector(const float* values, const float* __restrict__ vector, float* out, u32 n) {
    const u32 i = thread_of_grid();
    if (i < n) {
        const u64 place = u64(blockIdx.y) * n + i;
        out[place] = __fadd_rn(values[place], vector[i]);
    }
}

// Rotates heads in place (rule 4). values: [token][head][head_dim], the tokens of one prompt from position 0 on; turns:
// [position][pair] of cosine and sine; neox: pairs are (i, i + dims / 2), else (2i, 2i + 1). Values of a head after the
// first `dims` stay. Grid: (heads * dims / 2 / 256 rounded up, tokens); 256 threads, one for each pair.
KERNEL(256) rotate(float* values, const float2* __restrict__ turns, u32 heads, u32 head_dim, u32 dims, u32 neox) {
    const u32 pairs = dims / 2, i = thread_of_grid(), token = blockIdx.y;
    if (i < heads * pairs) {
        const u32 head = i / pairs, pair = i % pairs;
        const float2 turn = turns[u64(token) * pairs + pair];
        float* first = values + (u64(token) * heads + head) * head_dim + (neox ? pair : 2 * pair);
        float* second = first + (neox ? pairs : 1);
        const float x = *first, y = *second;
        *first = __fsub_rn(__fmul_rn(x, turn.x), __fmul_rn(y, turn.y));
        *second = __fadd_rn(__fmul_rn(x, turn.y), __fmul_rn(y, turn.x));
    }
}

// x / (1 + e^-x). Grid: count / 256 rounded up; 256 threads, one for each value.
KERNEL(256) silu(const float* values, float* out, u32 count) {
    const u32 i = thread_of_grid();
    if (i < count) {
        const float x = values[i];
        out[i] = __fdiv_rn(x, __fadd_rn(1.0f, exp32(-x)));
    }
}

// a * b. Grid: count / 256 rounded up; 256 threads, one for each value.
KERNEL(256) multiply(const float* a, const float* b, float* out, u32 count) {
    const u32 i = thread_of_grid();
    if (i < count) {
        out[i] = __fmul_rn(a[i], b[i]);
    }
}

// a + b, for residuals. Grid: count / 256 rounded up; 256 threads, one for each value.
KERNEL(256) add(const float* a, const float* b, float* out, u32 count) {
    const u32 i = thread_of_grid();
    if (i < count) {
        out[i] = __fadd_rn(a[i], b[i]);
    }
}

// Copies a panel of rows of a product: rows first_row .. first_row + rows of each token. from, to: [token][all_rows].
// Grid: (rows / 256 rounded up, tokens); 256 threads, one for each value.
KERNEL(256) copy_rows(const float* __restrict__ from, float* __restrict__ to, u32 rows, u32 first_row, u32 all_rows) {
    const u32 i = thread_of_grid();
    if (i < rows) {
        const u64 place = u64(blockIdx.y) * all_rows + first_row + i;
        to[place] = from[place];
    }
}

// exp32 of the `count` floats whose bits follow each other from `first` on, to sweep all of them.
// Grid: count / 256 rounded up; 256 threads, one for each value.
KERNEL(256) exp32_all(float* __restrict__ out, u32 first, u32 count) {
    const u32 i = thread_of_grid();
    if (i < count) {
        out[i] = exp32(from_bits(first + i));
    }
}
