"""Products as the program launches them: grids and arguments are those of inference/src/cuda/product.rs."""

from .weights import BLOCK_BYTES

# Rows and columns of the matrices of Qwen2.5-7B.
SHAPES = {
    "q, o": (3584, 3584),
    "k, v": (512, 3584),
    "gate, up": (18944, 3584),
    "down": (3584, 18944),
    "output": (152064, 3584),
}

# As in product.rs: the tiles that fill a large GPU, and the most chains that are kept for many tokens.
FULL_GRID, MOST_PARTIAL = 256, 16 << 20


class Product:
    """y = weights * x for some tokens, with one of our kernels."""

    def __init__(self, gpu, kind, rows, columns, tokens, x, y, partial):
        self.gpu, self.kind = gpu, kind
        self.rows, self.columns, self.tokens = rows, columns, tokens
        self.x, self.y, self.partial = x, y, partial
        self.bytes = rows * columns // 256 * BLOCK_BYTES[kind]
        self.operations = 2 * rows * columns * tokens
        self.kernel = f"matmul_{kind}_{form(tokens)}"

    def launch(self, weights):
        rows, columns, tokens = self.rows, self.columns, self.tokens
        blocks = up(columns, 256)
        if tokens <= 8:
            grid = (up(rows, 32), up(blocks, 4))
            self.gpu.launch(self.kernel, grid, weights, self.x, self.partial, rows, columns, tokens)
        else:
            grid = (up(rows, 128), up(tokens, int(self.kernel.rsplit("_", 1)[1])))
            if not is_split(rows, columns, tokens):
                self.gpu.launch(self.kernel, grid, weights, self.x, self.y, rows, columns, tokens, 0, rows)
                return
            grid = (*grid, blocks)
            self.gpu.launch(self.kernel, grid, weights, self.x, self.partial, rows, columns, tokens, 0, rows)
        self.gpu.launch("sum_partials", (up(rows, 256), tokens), self.partial, self.y, rows, blocks, tokens, 0, rows)


def is_split(rows, columns, tokens):
    """Whether the blocks of columns of a product for many tokens take parts of the grid of their own."""
    tile = int(form(tokens).rsplit("_", 1)[1])
    tiles, blocks = up(rows, 128) * up(tokens, tile), up(columns, 256)
    return tiles < FULL_GRID and 1 < blocks and blocks * rows * tokens <= MOST_PARTIAL


def form(tokens):
    """The end of the name of the kernel for so many tokens."""
    if tokens <= 8:
        return f"gemv_{next(most for most in (1, 2, 4, 8) if tokens <= most)}"
    return f"gemm_{16 if tokens <= 16 else 32 if tokens <= 32 else 64}"


def partial_floats(rows, columns, tokens):
    """The room that a product needs for its chains."""
    needed = tokens <= 8 or is_split(rows, columns, tokens)
    return up(columns, 256) * rows * tokens if needed else 1


def up(count, size):
    return -(-count // size)
