"""SGEMM of cuBLAS, to hold our products to, where the library is at hand."""

import ctypes
import ctypes.util
import glob
import os
import site
import sys
from ctypes import byref, c_float, c_int, c_void_p

from .figure import Skipped

TRANSPOSED, PLAIN = 1, 0


class Cublas:
    """A handle on the stream of a GPU. The arithmetic is f32 throughout: no TF32."""

    def __init__(self, gpu):
        self.library, self.path = load()
        self.handle = c_void_p()
        self.call("cublasCreate_v2", byref(self.handle))
        self.call("cublasSetStream_v2", self.handle, gpu.stream)
        self.call("cublasSetMathMode", self.handle, c_int(0))
        version = c_int()
        self.call("cublasGetVersion_v2", self.handle, byref(version))
        self.version = version.value

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name}: cuBLAS status {code}")

    def sgemm(self, weights, x, y, rows, columns, tokens):
        """y[token][row] = weights[row][column] * x[token][column], at addresses of f32."""
        one, zero = c_float(1), c_float(0)
        pointer = ctypes.c_uint64
        self.call(
            "cublasSgemm_v2", self.handle, TRANSPOSED, PLAIN, c_int(rows), c_int(tokens), c_int(columns),
            byref(one), pointer(weights), c_int(columns), pointer(x), c_int(columns),
            byref(zero), pointer(y), c_int(rows),
        )  # fmt: skip


def load():
    """The library, and where it was found."""
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    for path in candidates():
        # It opens libcublasLt by its bare name, which may not be on the path of libraries.
        light = path.replace("libcublas.so", "libcublasLt.so")
        try:
            if os.sep in path and os.path.exists(light):
                ctypes.CDLL(light, mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(path), path
        except OSError:
            continue
    raise Skipped("no libcublas: set CUDA_HOME, or install nvidia-cublas for this Python")


def candidates():
    names = [f"libcublas.so.{version}" for version in (13, 12, 11)]
    yield from names
    found = ctypes.util.find_library("cublas")
    if found:
        yield found
    folders = [os.path.join(os.environ["CUDA_HOME"], "lib64")] if "CUDA_HOME" in os.environ else []
    folders += sorted(glob.glob("/usr/local/cuda*/lib64"), reverse=True)
    folders += ["/usr/lib/x86_64-linux-gnu"]
    for packages in [*sys.path, *site.getsitepackages(), site.getusersitepackages()]:
        folders += glob.glob(os.path.join(packages, "nvidia", "*", "lib"))
    for folder in folders:
        for name in names:
            path = os.path.join(folder, name)
            if os.path.exists(path):
                yield path
