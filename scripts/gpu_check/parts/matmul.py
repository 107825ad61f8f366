"""Products of the shapes of Qwen2.5-7B, beside a copy on the GPU and SGEMM of cuBLAS.

GB/s count the bytes of the weights as they are in the file, TFLOP/s 2 * rows * columns * tokens. Weights are taken from
another place each time, so that they come from memory and not from the cache. A product for up to 8 tokens is two
kernels, which are timed together.
"""

from ..cublas import Cublas
from ..driver import L2_BYTES
from ..figure import Skipped, agreement, figure, missing
from ..products import SHAPES, Product, partial_floats
from ..weights import Arena, finite_and_not_zero, floats

TOKENS = [1, 8, 16, 32, 128, 512]
KINDS = ["q4_k", "q6_k"]


def run(session):
    shapes = {"small": (96, 512)} if session.small else SHAPES
    lengths = [1, 9] if session.small else TOKENS
    gpu = session.gpu()
    largest = max(rows * columns for rows, columns in shapes.values())
    # At least twice the largest matrix, and many times the cache.
    arena = Arena(gpu, max(2 * largest // 256 * 210, 8 * gpu.attribute(L2_BYTES)) + (1 << 16))
    columns = max(columns for _, columns in shapes.values())
    rows = max(rows for rows, _ in shapes.values())
    x, y = floats(gpu, max(lengths) * columns), gpu.allocate(4 * max(lengths) * rows)
    partial = gpu.allocate(4 * max(partial_floats(*shape, count) for shape in shapes.values() for count in lengths))

    arena.fill(KINDS[0])
    half = arena.size // 2
    seconds = gpu.seconds(lambda _: gpu.copy(arena.address + half, arena.address, half))
    yield figure(
        "device copy", 2 * half / seconds / 1e9, "GB/s", f"cuMemcpyDtoDAsync of {half} bytes, read and written"
    )

    ours = {}
    for kind in KINDS:
        arena.fill(kind)
        for name, (rows, columns) in shapes.items():
            for tokens in lengths:
                product = Product(gpu, kind, rows, columns, tokens, x, y, partial)
                title = f"{kind} {rows} x {columns} ({name}), {tokens} tokens"
                gpu.fill(y, 0xFF, 4 * tokens * rows)
                product.launch(arena.place(0, product.bytes))
                gpu.synchronize()
                sane = finite_and_not_zero(gpu, y, tokens * rows)
                if not sane:
                    yield agreement(title, False, product.kernel, reason="the result is not finite, or zero")
                    continue
                seconds = gpu.seconds(lambda turn, product=product: product.launch(arena.place(turn, product.bytes)))
                ours[kind, name, tokens] = seconds
                yield figure(
                    title, seconds * 1e6, "us", f"{product.kernel}, events, median",
                    kind=kind, shape=name, rows=rows, columns=columns, tokens=tokens,
                    gigabytes_per_second=product.bytes / seconds / 1e9,
                    teraflops=product.operations / seconds / 1e12,
                )  # fmt: skip
    gpu.free(arena.address)
    yield from beside_cublas(gpu, shapes, lengths, x, y)


def beside_cublas(gpu, shapes, lengths, x, y):
    try:
        cublas = Cublas(gpu)
    except (Skipped, AttributeError, RuntimeError) as error:
        yield missing("cuBLAS SGEMM", str(error))
        return
    # Room for the largest matrix, and for several of those that a cache might hold.
    largest = max(rows * columns for rows, columns in shapes.values())
    arena = Arena(gpu, max(4 * largest, 8 * gpu.attribute(L2_BYTES)))
    arena.fill("f32")
    for name, (rows, columns) in shapes.items():
        for tokens in lengths:
            size = 4 * rows * columns

            def work(turn, rows=rows, columns=columns, tokens=tokens, size=size):
                cublas.sgemm(arena.place(turn, size), x, y, rows, columns, tokens)

            seconds = gpu.seconds(work)
            yield figure(
                f"cuBLAS SGEMM {rows} x {columns} ({name}), {tokens} tokens", seconds * 1e6, "us",
                f"cublasSgemm {cublas.version} of {cublas.path}, f32 weights, no TF32",
                shape=name, rows=rows, columns=columns, tokens=tokens, cublas=True,
                gigabytes_per_second=size / seconds / 1e9,
                teraflops=2 * rows * columns * tokens / seconds / 1e12,
            )  # fmt: skip
