"""Records of stages as the program makes them: grids and arguments are those of inference/src/cuda/record/recorder.rs and upload/tree.rs."""

import ctypes

from .products import up
from .weights import floats

# Values of a block of a sum, of a chunk of a digest, and chaining values that one thread block joins.
BLOCK, CHUNK, JOINED = 4096, 256, 512
# Bytes of a partial result of each kind, of a result, and of a chaining value.
PARTIAL, RESULT, CHAINING = 48, 56, 32


class Records:
    """The record of a stage of one prompt: over all of its values, and over those of the last token."""

    def __init__(self, gpu, values, tokens):
        self.gpu, self.blocks, self.chunks = gpu, up(values, BLOCK), up(values, CHUNK)
        last = values // tokens
        self.spans = upload(gpu, [0, values, values - last, last])
        self.a, self.b = floats(gpu, values), floats(gpu, values)
        self.partials = gpu.allocate(2 * self.blocks * PARTIAL)
        self.results = gpu.allocate(2 * RESULT)
        self.levels = [gpu.allocate(2 * max(self.chunks, 2) * CHAINING) for _ in range(2)]

    def of_a_side(self):
        gpu, parts, one = self.gpu, (self.blocks, 2), (1, 2)
        gpu.launch("sum_spans", parts, self.a, self.spans, self.partials)
        gpu.launch("sum_join", one, self.spans, self.partials, self.results, self.blocks)
        gpu.launch("square_spans", parts, self.a, self.spans, self.results, self.partials)
        gpu.launch("square_join", one, self.spans, self.partials, self.results, self.blocks)
        start, to = self.levels
        gpu.launch("digest_spans", (up(self.chunks, 256), 2), self.a, self.spans, start, self.chunks)
        values, level = self.chunks, 0
        while True:
            groups = up(values, JOINED)
            gpu.launch("digest_join", (groups, 2), self.spans, start, to, values, groups, level)
            if groups == 1:
                return
            start, to, values, level = to, start, groups, level + 1

    def of_both(self):
        gpu = self.gpu
        gpu.launch("compare_spans", (self.blocks, 2), self.a, self.b, self.spans, self.partials)
        gpu.launch("compare_join", (1, 2), self.a, self.b, self.spans, self.partials, self.results, self.blocks)

    def free(self):
        for address in (self.spans, self.a, self.b, self.partials, self.results, *self.levels):
            self.gpu.free(address)


def upload(gpu, words):
    """The address of words on the GPU."""
    host = (ctypes.c_uint32 * len(words))(*words)
    address = gpu.allocate(ctypes.sizeof(host))
    gpu.upload(address, host, ctypes.sizeof(host))
    gpu.synchronize()
    return address
