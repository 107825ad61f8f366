"""exp32 of the GPU over all inputs, against the digests that a test of the program computes on the CPU."""

import concurrent.futures
import hashlib
import time

from ..figure import agreement, figure
from ..session import ROOT

RECORDED = ROOT / "inference" / "kernels" / "exp32.sha256"
MOST_BUFFERS = 8


def run(session):
    slices = [line.split() for line in RECORDED.read_text().splitlines()]
    slices = [(int(first, 16), int(count), digest) for first, count, digest in slices]
    if session.small:
        slices = [(first, count, digest) for first, count, digest in slices if count <= 4096]
    longest = max(count for _, count, _ in slices)
    buffers = min(MOST_BUFFERS, session.threads, len(slices))
    gpu = session.gpu()
    out = gpu.allocate(4 * longest)
    places = [gpu.pinned(4 * longest) for _ in range(buffers)]
    hashing = [None] * buffers
    found = []
    on_gpu = 0.0
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(buffers) as pool:
        for turn, (first, count, _) in enumerate(slices):
            index = turn % buffers
            if hashing[index]:
                hashing[index].result()  # the place is free again
            before = time.perf_counter()
            gpu.fill(out, 0xFF, 4 * longest)
            gpu.launch("exp32_all", (-(-count // 256),), out, first, count)
            gpu.synchronize()
            on_gpu += time.perf_counter() - before
            gpu.download(places[index], out, 4 * count)
            gpu.synchronize()
            hashing[index] = pool.submit(digest_of, places[index], 4 * count)
            found.append(hashing[index])
        digests = [future.result() for future in found]
    seconds = time.perf_counter() - start
    wrong = [f"{first:08x}" for (first, _, digest), here in zip(slices, digests) if digest != here]
    inputs = len({bits for first, count, _ in slices for bits in range(first >> 12, (first + count) >> 12)}) << 12
    how = f"exp32_all into SHA-256, {len(slices)} slices of {RECORDED.relative_to(ROOT)}"
    yield agreement(
        f"exp32 over {inputs} inputs", not wrong, how, slices=len(slices), wrong_slices=wrong,
        reason=f"slices from {', '.join(wrong)}" if wrong else "",
    )  # fmt: skip
    yield figure("kernels with memset", on_gpu, "s", "host clock, waiting for each slice")
    yield figure("with download and SHA-256", seconds, "s", "host clock")


def digest_of(place, size):
    return hashlib.sha256(memoryview(place).cast("B")[:size]).hexdigest()
