"""The kernels of a layer that are not products: their share of the time that the GPU works on a layer.

The shape is that of Qwen2.5-7B at 128 tokens; a layer has the types of most layers of Q4_K_M, all Q4_K. The kernels that
digest, sum up and compare stages are timed for each size that a stage has, and the digest of weights for a panel.
"""

import dataclasses

from ..figure import figure
from ..products import Product, partial_floats, up
from ..records import Records
from ..weights import Arena, floats

# How often a layer runs each of them.
LAYER = {
    "norm": 2, "bias q": 1, "bias k, v": 2, "rope q": 1, "rope k": 1, "scores": 1, "softmax": 1, "weighted": 1,
    "silu": 1, "times up": 1, "residual": 2,
}  # fmt: skip
PANEL = 8 << 20


@dataclasses.dataclass
class Shape:
    hidden: int = 3584
    feed_forward: int = 18944
    heads: int = 28
    key_values: int = 4
    dim: int = 128
    tokens: int = 128


def run(session):
    shape = Shape(256, 512, 4, 2, 64, 3) if session.small else Shape()
    gpu = session.gpu()
    kernels = {}
    for name, launch, how in launches(gpu, shape):
        seconds = gpu.seconds(lambda _, launch=launch: launch())
        kernels[name] = seconds
        yield figure(name, seconds * 1e6, "us", f"{how}, events, median; {LAYER[name]} of them in a layer")
    others = sum(kernels[name] * count for name, count in LAYER.items())
    products = 0.0
    for name, seconds in matrices(gpu, shape):
        products += seconds
        yield figure(name, seconds * 1e6, "us", "Q4_K, events, median")
    yield figure("all of a layer but products", others * 1e6, "us", "sum of the medians")
    yield figure("products of a layer", products * 1e6, "us", "sum of the medians")
    yield figure(
        "share of a layer", others / (others + products), "", "without the kernels of records",
        tokens=shape.tokens, seconds=others,
    )  # fmt: skip
    yield from records(gpu, shape)


def records(gpu, shape):
    """The time that the records of a layer take: of a side, and of a comparison."""
    tokens, key = shape.tokens, shape.key_values * shape.dim
    # The values of a stage, and how many stages of a layer have as many.
    sizes = {
        "hidden": (tokens * shape.hidden, 10),
        "key, value": (tokens * key, 5),
        "feed forward": (tokens * shape.feed_forward, 4),
        "scores": (tokens * tokens * shape.heads, 2),
    }
    sides = pairs = 0.0
    for name, (values, count) in sizes.items():
        stage = Records(gpu, values, tokens)
        for what, launch in (("record", stage.of_a_side), ("comparison", stage.of_both)):
            seconds = gpu.seconds(lambda _, launch=launch: launch())
            yield figure(
                f"{what} of a stage, {name}", seconds * 1e6, "us",
                f"all kernels of it, events, median; {count} in a layer",
                values=values, gigabytes_per_second=(4 if what == "record" else 8) * values / seconds / 1e9,
            )  # fmt: skip
            if what == "record":
                sides += count * seconds
            else:
                pairs += count * seconds
        stage.free()
    yield figure("records of a layer", sides * 1e6, "us", "of one side", seconds=sides)
    yield figure("comparisons of a layer", pairs * 1e6, "us", "of both sides", seconds=pairs)
    panel, chaining = gpu.allocate(PANEL), gpu.allocate(PANEL // 32)
    gpu.fill(panel, 7, PANEL)
    grid = (PANEL // 1024 // 256,)
    seconds = gpu.seconds(lambda _: gpu.launch("digest_bytes", grid, panel, chaining, PANEL, 0, 0))
    yield figure(
        "digest of weights", seconds * 1e6, "us", "digest_bytes of a panel of 8 MiB, events, median",
        gigabytes_per_second=PANEL / seconds / 1e9,
    )  # fmt: skip


def launches(gpu, shape):
    """(name, launch, kernel) of each kernel, with the grids of inference/src/cuda/backend.rs."""
    tokens, hidden, heads, dim = shape.tokens, shape.hidden, shape.heads, shape.dim
    key = shape.key_values * dim
    wide = tokens * shape.feed_forward
    a, b, out = (floats(gpu, max(wide, tokens * hidden)) for _ in range(3))
    vector = floats(gpu, max(hidden, shape.feed_forward))
    turns = floats(gpu, tokens * dim)
    scores = floats(gpu, tokens * heads * tokens)

    def make(name, kernel, grid, *arguments):
        return name, lambda: gpu.launch(kernel, grid, *arguments), kernel

    yield make("norm", "rms_norm", (tokens,), a, vector, out, hidden, 1e-6)
    yield make("bias q", "add_vector", (up(hidden, 256), tokens), a, vector, out, hidden)
    yield make("bias k, v", "add_vector", (up(key, 256), tokens), a, vector, out, key)
    for name, count in (("rope q", heads), ("rope k", shape.key_values)):
        yield make(name, "rotate", (up(count * dim // 2, 256), tokens), out, turns, count, dim, dim, 1)
    side = up(tokens, 16)
    yield make(
        "scores", "attention_scores", (side, side, heads), a, b, scores, tokens, heads, shape.key_values, dim, dim**-0.5
    )
    yield make("softmax", "softmax", (tokens * heads,), scores, scores, tokens, heads)
    yield make("weighted", "attention_weighted", (tokens, heads), scores, b, out, tokens, heads, shape.key_values, dim)
    yield make("silu", "silu", (up(wide, 256),), a, out, wide)
    yield make("times up", "multiply", (up(wide, 256),), a, b, out, wide)
    yield make("residual", "add", (up(tokens * hidden, 256),), a, b, out, tokens * hidden)


def matrices(gpu, shape):
    hidden, wide, key = shape.hidden, shape.feed_forward, shape.key_values * shape.dim
    shapes = {
        "product q": (hidden, hidden),
        "product k": (key, hidden),
        "product v": (key, hidden),
        "product o": (hidden, hidden),
        "product gate": (wide, hidden),
        "product up": (wide, hidden),
        "product down": (hidden, wide),
    }
    arena = Arena(gpu, max(16 * hidden * wide // 256 * 144 // 2, 1 << 20))
    arena.fill("q4_k")
    x, y = floats(gpu, shape.tokens * wide), gpu.allocate(4 * shape.tokens * wide)
    partial = gpu.allocate(4 * max(partial_floats(*matrix, shape.tokens) for matrix in shapes.values()))
    for name, (rows, columns) in shapes.items():
        product = Product(gpu, "q4_k", rows, columns, shape.tokens, x, y, partial)
        yield name, gpu.seconds(lambda turn, product=product: product.launch(arena.place(turn, product.bytes)))
