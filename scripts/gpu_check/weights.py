"""Random values on the GPU: blocks of weights with sane scales, and activations."""

import ctypes
import math
import os
import struct

BLOCK_BYTES = {"q4_k": 144, "q6_k": 210, "f32": 1024}
# A whole number of blocks of each type, and an alignment with which a library takes the same kernel each time.
STEP = math.lcm(144, 210, 256)
PIECE = 16 << 20


class Arena:
    """Memory full of blocks, of which a matrix may start at every multiple of STEP.

    Work that takes another matrix each time finds none of it in the cache of the GPU.
    """

    def __init__(self, gpu, size):
        self.gpu = gpu
        self.size = -(-size // STEP) * STEP
        # Kernels may read whole words behind the last block.
        self.address = gpu.allocate(self.size + 16)

    def fill(self, kind):
        """Makes it an arena of a type."""
        gpu, piece = self.gpu, min(self.size, PIECE // STEP * STEP)
        values = {"q4_k": q4_k, "q6_k": q6_k, "f32": f32}[kind](piece)
        gpu.upload(self.address, (ctypes.c_ubyte * piece).from_buffer(values), piece)
        gpu.synchronize()
        done = piece
        while done < self.size:
            length = min(done, self.size - done)
            gpu.copy(self.address + done, self.address, length)
            gpu.synchronize()
            done += length
        gpu.fill(self.address + self.size, 0, 16)

    def place(self, turn, size):
        """The address of the matrix of a turn."""
        stride = -(-size // STEP) * STEP
        return self.address + turn % max(1, self.size // stride) * stride


def floats(gpu, count):
    """Activations on the GPU."""
    address = gpu.allocate(4 * count)
    piece = min(count, PIECE)
    values = (ctypes.c_ubyte * (4 * piece)).from_buffer(f32(4 * piece))
    for first in range(0, count, piece):
        gpu.upload(address + 4 * first, values, 4 * min(piece, count - first))
    gpu.synchronize()
    return address


def finite_and_not_zero(gpu, address, count):
    """Whether a result is one: samples from its start and from its end."""
    sample = min(count, 1 << 14)
    values = (ctypes.c_float * sample)()
    for first in (0, count - sample):
        gpu.download(values, address + 4 * first, 4 * sample)
        gpu.synchronize()
        if not all(map(math.isfinite, values)) or not any(values):
            return False
    return True


def q4_k(size):
    values = bytearray(os.urandom(size))
    put(values, 144, 0, struct.pack("<e", 1 / 60 / 224))
    put(values, 144, 2, struct.pack("<e", 1 / 60 / 32))
    return values


def q6_k(size):
    values = bytearray(os.urandom(size))
    put(values, 210, 208, struct.pack("<e", 1 / 60 / 1152))
    return values


def f32(size):
    """Random mantissas and signs, magnitudes from 1/2 to 1."""
    values = bytearray(os.urandom(size))
    values[2::4] = values[2::4].translate(bytes(byte & 0x7F for byte in range(256)))
    values[3::4] = values[3::4].translate(bytes(0x3F | byte & 0x80 for byte in range(256)))
    return values


def put(values, block, offset, field):
    for place, byte in enumerate(field):
        count = len(range(offset + place, len(values), block))
        values[offset + place :: block] = bytes([byte]) * count
