"""How fast bytes reach the GPU: from ordinary memory, from pinned memory, and through a ring as the program has one."""

import concurrent.futures
import ctypes
import json
import os
import statistics
import time
from ctypes import c_uint, c_void_p

from ..figure import figure, missing

PLACES, STRIPE, MOST_READERS = 3, 2 << 20, 8


def run(session):
    piece = (1 << 20) if session.small else (16 << 20)
    whole, runs = (4 << 20, 2) if session.small else (1 << 30, 5)
    gpu = session.gpu()
    target = gpu.allocate(whole)

    ordinary = (ctypes.c_ubyte * whole).from_buffer(bytearray(os.urandom(piece)) * (whole // piece))
    pageable = rate(lambda: (gpu.upload(target, ordinary, whole), gpu.synchronize()), whole, runs)
    yield figure("pageable", pageable, "GB/s", f"cuMemcpyHtoDAsync of {whole} bytes of ordinary memory")

    pinned = gpu.pinned(whole)
    ctypes.memset(pinned, 1, whole)
    seconds = gpu.seconds(lambda _: gpu.upload(target, pinned, whole))
    yield figure("pinned", whole / seconds / 1e9, "GB/s", f"cuMemcpyHtoDAsync of {whole} pinned bytes, flags 0, events")
    seconds = gpu.seconds(lambda _: gpu.download(pinned, target, whole))
    yield figure("pinned, to the host", whole / seconds / 1e9, "GB/s", "cuMemcpyDtoHAsync, events")
    seconds = gpu.seconds(lambda turn: gpu.upload(target + turn % (whole // piece) * piece, pinned, piece))
    yield figure(f"pinned, pieces of {piece >> 20} MiB", piece / seconds / 1e9, "GB/s", "cuMemcpyHtoDAsync, events")

    path = session.folder / "upload"
    with path.open("wb") as file:
        file.write(ordinary)
    readers = min(MOST_READERS, session.threads)
    ring = Ring(gpu, piece, readers)
    how = f"{PLACES} x {piece >> 20} MiB, a warm file read by {readers} threads in stripes of 2 MiB, host clock"
    with path.open("rb") as file:
        yield figure(
            "ring, read by this script", rate(lambda: ring.take(file.fileno(), whole), whole, runs), "GB/s", how
        )
        how = f"the same reads into pinned memory, without copies to the GPU; {readers} threads"
        yield figure("file to pinned memory", rate(lambda: ring.read(file.fileno(), whole), whole, runs), "GB/s", how)
    path.unlink()

    done, _ = session.aprove("doctor", "--format", "json", "--device", session.cuda)
    checked = json.loads(done.stdout)["checked"] if done.returncode in (0, 2) else None
    how = "aprove doctor --format json"
    if checked is None:
        yield missing("aprove doctor, upload", f"it ended with {done.returncode}", how)
    else:
        yield figure("aprove doctor, upload", checked["upload_bytes_per_second"] / 1e9, "GB/s", how)
        yield figure("aprove doctor, device copy", checked["memory_bytes_per_second"] / 1e9, "GB/s", how)


class Ring:
    """Places that are filled and copied in turn, as in inference/src/cuda/upload/ring.rs."""

    def __init__(self, gpu, piece, readers):
        self.gpu, self.piece = gpu, piece
        self.pool = concurrent.futures.ThreadPoolExecutor(readers)
        self.pinned = [gpu.pinned(piece) for _ in range(PLACES)]
        self.buffers = [gpu.allocate(piece) for _ in range(PLACES)]
        self.copied = [gpu.get("cuEventCreate", c_void_p, c_uint(2)) for _ in range(PLACES)]

    def fill(self, file, place, offset):
        view = memoryview(self.pinned[place]).cast("B")
        stripes = range(0, self.piece, STRIPE)
        reads = [self.pool.submit(os.preadv, file, [view[start : start + STRIPE]], offset + start) for start in stripes]
        if sum(read.result() for read in reads) != self.piece:
            raise RuntimeError("the file of the upload is too short")

    def read(self, file, whole):
        for turn, offset in enumerate(range(0, whole, self.piece)):
            self.fill(file, turn % PLACES, offset)

    def take(self, file, whole):
        gpu = self.gpu
        for turn, offset in enumerate(range(0, whole, self.piece)):
            place = turn % PLACES
            if turn >= PLACES:
                gpu.call("cuEventSynchronize", self.copied[place])
            self.fill(file, place, offset)
            gpu.upload(self.buffers[place], self.pinned[place], self.piece)
            gpu.call("cuEventRecord", self.copied[place], gpu.stream)
        gpu.synchronize()


def rate(work, size, runs):
    """Gigabytes per second by the host's clock: the median of runs behind one that warms up."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return size / statistics.median(seconds) / 1e9
