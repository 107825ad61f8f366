"""The products of ggml's own benchmark, beside ours of the same shape.

`test-backend-ops perf` repeats a product over the same weights, which the cache of a large GPU holds; ours is timed so,
too, and over weights that come from memory each time.
"""

import os
import pathlib
import re
import shutil
import subprocess

from ..driver import CAPABILITY_MAJOR, CAPABILITY_MINOR
from ..figure import Skipped, figure, missing
from ..products import Product, partial_floats
from ..weights import Arena, floats

CASE = re.compile(r"type_a=(q4_K|q6_K),type_b=f32,m=(\d+),n=(\d+),k=(\d+),bs=\[1,1\],nr=\[1,1\].*?([\d.]+) us/run")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run(session):
    folder = pathlib.Path(session.ggml or "ggml")
    if not folder.is_dir():
        raise Skipped(f"no folder {folder}: give --ggml the sources of ggml or llama.cpp, built or not")
    gpu = session.gpu()
    program = find(folder) or build(session, gpu, folder)
    command = [str(program), "perf", "-b", f"CUDA{session.device}", "-o", "MUL_MAT"]
    # Older ones cannot choose among the cases, of which each takes a second.
    for choice in (["-p", "type_a=(q4_K|q6_K)"], []):
        done = subprocess.run(command + choice, capture_output=True, text=True)
        cases = parse(done.stdout)
        if cases:
            break
    else:
        yield missing(
            "test-backend-ops perf",
            f"it ended with {done.returncode}, and no q4_K or q6_K in what it said",
            " ".join(command),
        )
        return
    for (kind, rows, columns, tokens), theirs in sorted(cases.items()):
        ours, cold = time_ours(gpu, kind, rows, columns, tokens)
        how = f"{' '.join(command)}; ours over the same weights again and again, as there"
        yield figure(
            f"{kind} {rows} x {columns}, {tokens} tokens, ggml by ours", theirs / ours, "", how,
            kind=kind, tokens=tokens, ggml_us=theirs, ours_us=ours, ours_from_memory_us=cold,
        )  # fmt: skip


def parse(text):
    """Microseconds by type, rows, columns and tokens."""
    cases = {}
    for kind, rows, tokens, columns, time in CASE.findall(COLOUR.sub("", text)):
        if int(columns) % 256 == 0 and int(tokens) <= 512:
            cases[kind.lower(), int(rows), int(columns), int(tokens)] = float(time)
    return cases


def time_ours(gpu, kind, rows, columns, tokens):
    """Microseconds over the same weights, and over others each time."""
    arena = Arena(gpu, max(2 * rows * columns // 256 * 210, 1 << 29))
    arena.fill(kind)
    x, y = floats(gpu, tokens * columns), gpu.allocate(4 * tokens * rows)
    partial = gpu.allocate(4 * partial_floats(rows, columns, tokens))
    product = Product(gpu, kind, rows, columns, tokens, x, y, partial)
    same = gpu.seconds(lambda _: product.launch(arena.address))
    other = gpu.seconds(lambda turn: product.launch(arena.place(turn, product.bytes)))
    for address in (arena.address, x, y, partial):
        gpu.free(address)
    return same * 1e6, other * 1e6


def find(folder):
    found = [path for path in folder.rglob("test-backend-ops") if os.access(path, os.X_OK) and path.is_file()]
    return found[0].resolve() if found else None


def build(session, gpu, folder):
    """Builds the benchmark in the folder of this run."""
    lacks = [tool for tool in ("cmake", "nvcc") if shutil.which(tool) is None]
    if lacks or not (folder / "CMakeLists.txt").exists():
        why = f"{' and '.join(lacks)} not found" if lacks else "and no CMakeLists.txt"
        raise Skipped(f"no test-backend-ops below {folder}, {why}")
    target = session.folder / "ggml-build"
    capability = f"{gpu.attribute(CAPABILITY_MAJOR)}{gpu.attribute(CAPABILITY_MINOR)}"
    choices = [
        "CMAKE_BUILD_TYPE=Release", f"CMAKE_CUDA_ARCHITECTURES={capability}", "GGML_CUDA=ON", "GGML_CUDA_FA=OFF",
        "GGML_BUILD_TESTS=ON", "LLAMA_BUILD_TESTS=ON", "LLAMA_CURL=OFF",
    ]  # fmt: skip
    configure = ["cmake", "-S", str(folder), "-B", str(target), *(f"-D{choice}" for choice in choices)]
    compile_it = ["cmake", "--build", str(target), "--target", "test-backend-ops", "-j", str(session.threads)]
    for command in (configure, compile_it):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skipped(f"{' '.join(command[:4])} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    program = find(target)
    if program is None:
        raise Skipped(f"the build in {target} has no test-backend-ops")
    return program
