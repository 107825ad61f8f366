"""A thin layer over libcuda: one GPU, its memory, events, and the kernels of the shipped PTX text."""

import ctypes
import re
import statistics
import threading
from ctypes import byref, c_float, c_int, c_size_t, c_uint, c_void_p

CAPABILITY_MAJOR, CAPABILITY_MINOR, MULTIPROCESSORS, L2_BYTES = 75, 76, 16, 38
ENTRY = re.compile(r"\.visible \.entry (\w+)\(([^)]*)\)\s*\.maxntid (\d+), (\d+), (\d+)")


class CudaError(Exception):
    """A call of the driver failed."""


class Gpu:
    """A GPU with its primary context, one stream, and the kernels of a PTX text."""

    def __init__(self, ordinal, ptx, batches=5):
        try:
            self.library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise CudaError(f"no NVIDIA driver: {error}") from error
        self.call("cuInit", c_uint(0))
        self.device = self.get("cuDeviceGet", c_int, c_int(ordinal))
        self.context = c_void_p()
        self.call("cuDevicePrimaryCtxRetain", byref(self.context), self.device)
        self.call("cuCtxSetCurrent", self.context)
        self.stream = self.get("cuStreamCreate", c_void_p, c_uint(1))
        text = ptx.read_text()
        self.entries = {
            name: (re.findall(r"\.param (\.\w+)", parameters), int(x) * int(y) * int(z))
            for name, parameters, x, y, z in ENTRY.findall(text)
        }
        self.module = c_void_p()
        self.call("cuModuleLoadData", byref(self.module), ctypes.c_char_p(text.encode()))
        self.functions = {}
        self.batches = batches
        self.gate = Gate(self)

    def call(self, name, *arguments):
        """Calls an entry point."""
        try:
            function = getattr(self.library, name)
        except AttributeError as error:
            raise CudaError(f"the driver has no {name}") from error
        code = function(*arguments)
        if code != 0:
            text = ctypes.c_char_p()
            self.library.cuGetErrorName(code, byref(text))
            raise CudaError(f"{name}: CUDA error {code}, {(text.value or b'of no name').decode()}")

    def get(self, name, kind, *arguments):
        """Calls an entry point that writes its result to its first argument."""
        value = kind()
        self.call(name, byref(value), *arguments)
        return value

    def attribute(self, which):
        return self.get("cuDeviceGetAttribute", c_int, c_int(which), self.device).value

    def name(self):
        text = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", text, c_int(256), self.device)
        return text.value.decode()

    def memory(self):
        return self.get("cuDeviceTotalMem_v2", c_size_t, self.device).value

    def allocate(self, size):
        """The address of so many bytes of the GPU; they are given back with the process."""
        return self.get("cuMemAlloc_v2", ctypes.c_uint64, c_size_t(size)).value

    def free(self, address):
        self.call("cuMemFree_v2", ctypes.c_uint64(address))

    def pinned(self, size):
        """Pinned memory of the host that a processor reads fast: flags 0."""
        address = self.get("cuMemHostAlloc", c_void_p, c_size_t(size), c_uint(0)).value
        return (ctypes.c_ubyte * size).from_address(address)

    def upload(self, address, host, size):
        """Starts a copy from a ctypes buffer."""
        self.call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address), byref(host), c_size_t(size), self.stream)

    def download(self, host, address, size):
        """Starts a copy to a ctypes buffer."""
        self.call("cuMemcpyDtoHAsync_v2", byref(host), ctypes.c_uint64(address), c_size_t(size), self.stream)

    def copy(self, to, start, size):
        """Starts a copy on the GPU."""
        self.call("cuMemcpyDtoDAsync_v2", ctypes.c_uint64(to), ctypes.c_uint64(start), c_size_t(size), self.stream)

    def fill(self, address, byte, size):
        self.call("cuMemsetD8Async", ctypes.c_uint64(address), ctypes.c_ubyte(byte), c_size_t(size), self.stream)

    def synchronize(self):
        self.call("cuStreamSynchronize", self.stream)

    def launch(self, name, grid, *arguments):
        """Starts a kernel: the text says which arguments it takes and how many threads a block has."""
        if name not in self.entries:
            raise CudaError(f"kernels.ptx has no entry {name}")
        kinds, threads = self.entries[name]
        if len(kinds) != len(arguments):
            raise CudaError(f"{name} takes {len(kinds)} arguments, not {len(arguments)}")
        if name not in self.functions:
            self.functions[name] = self.get("cuModuleGetFunction", c_void_p, self.module, name.encode())
        values = [KINDS[kind](value) for kind, value in zip(kinds, arguments)]
        places = (c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        x, y, z = (*grid, 1, 1)[:3]
        self.call("cuLaunchKernel", self.functions[name], x, y, z, threads, 1, 1, 0, self.stream, places, None)

    def seconds(self, work, least=0.01):
        """Seconds that the GPU takes for one call of `work(turn)`: the median of batches between two events.

        The turns are counted over all batches, so that work can take other memory each time. A batch has as many
        turns as fill `least` seconds, within what a driver queues.
        """
        turn = 0

        def some(turns):
            nonlocal turn
            self.call("cuEventRecord", start, self.stream)
            for _ in range(turns):
                work(turn)
                turn += 1
            self.call("cuEventRecord", end, self.stream)

        def batch(turns):
            with self.gate:
                some(turns)
            if self.gate.forced():
                some(turns)
            self.call("cuEventSynchronize", end)
            return self.get("cuEventElapsedTime", c_float, start, end).value / 1e3 / turns

        start, end = (self.get("cuEventCreate", c_void_p, c_uint(0)) for _ in range(2))
        # A driver loads a kernel when it is used first, and may wait for the stream to do so: not behind the gate.
        some(1)
        self.synchronize()
        turns = max(1, min(MOST_TURNS, round(least / max(batch(2), 1e-7))))
        return statistics.median(batch(turns) for _ in range(self.batches))


def identify(ordinal):
    """What a GPU is, without opening it; with a reason where there is none."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
        device, version, name = c_int(), c_int(), ctypes.create_string_buffer(256)
        for function, *arguments in (
            (library.cuInit, c_uint(0)),
            (library.cuDriverGetVersion, byref(version)),
            (library.cuDeviceGet, byref(device), c_int(ordinal)),
            (library.cuDeviceGetName, name, c_int(256), device),
        ):
            code = function(*arguments)
            if code != 0:
                return {"name": None, "reason": f"{function.__name__}: CUDA error {code}"}
    except (OSError, AttributeError) as error:
        return {"name": None, "reason": str(error)}
    return {"name": name.value.decode(), "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}"}


class Gate:
    """Holds the stream back while work is added to it: this interpreter is slower than small kernels are.

    The stream waits for a word of pinned memory. Where a driver cannot do that, or waits for the stream itself, times
    hold the gaps between launches.
    """

    def __init__(self, gpu):
        self.gpu = gpu
        self.word = c_uint.from_buffer(gpu.pinned(4))
        self.holds = True
        self.watch = None
        self.late = False
        try:
            with self:
                pass
            gpu.synchronize()
        except CudaError:
            self.holds = False

    def __enter__(self):
        self.word.value = 0
        if self.holds:
            self.gpu.call("cuStreamWaitValue32_v2", self.gpu.stream, ctypes.c_uint64(ctypes.addressof(self.word)), 1, 0)
            self.watch = threading.Timer(LONGEST, self.force)
            self.watch.daemon = True
            self.watch.start()

    def __exit__(self, *_):
        # Also behind an error, as nothing in the stream would ever end.
        self.word.value = 1
        if self.watch:
            self.watch.cancel()

    def force(self):
        self.late = True
        self.word.value = 1

    def forced(self):
        """Whether a call waited for the stream, so that the gate had to be opened for it; then it is not used again."""
        late, self.late = self.late, False
        self.holds = self.holds and not late
        return late


# Seconds in which any work is added.
LONGEST = 2.0
# A driver queues about a thousand launches, of which a turn makes at most a few.
MOST_TURNS = 150
KINDS = {".u64": ctypes.c_uint64, ".u32": c_uint, ".f32": c_float}
