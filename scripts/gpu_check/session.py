"""What a part works with: the binaries, the models that they make, and the GPU."""

import functools
import json
import os
import pathlib
import subprocess
import time

from .driver import Gpu

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PTX = ROOT / "inference" / "kernels" / "kernels.ptx"


class Session:
    """One run: its options, and a folder for the models."""

    def __init__(self, options, folder):
        self.small = options.small
        self.device = options.device
        # As aprove calls it.
        self.cuda = f"cuda:{options.device}"
        self.ggml = options.ggml
        self.seconds = options.seconds
        self.binaries = pathlib.Path(options.binaries).resolve()
        self.folder = pathlib.Path(folder)

    def gpu(self):
        """Opens the GPU in this process, with the kernels of the repository."""
        return Gpu(self.device, PTX, batches=1 if self.small else 5)

    def binary(self, name):
        return self.binaries / name

    def aprove(self, *arguments):
        """Runs the program; returns the finished process, and the seconds that it took."""
        command = [str(self.binary("aprove")), *map(str, arguments)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done, time.perf_counter() - start

    def verify(self, pair, device, *arguments):
        """Verifies a pair; returns the report, the exit code and the seconds."""
        apr, gguf = pair
        done, seconds = self.aprove("verify", apr, gguf, "--device", device, "--format", "json", *arguments)
        if not done.stdout.startswith("{"):
            raise RuntimeError(f"aprove verify ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return json.loads(done.stdout), done.returncode, seconds

    def small_models(self):
        """The names of the models that the fixtures make, and the types that a matrix of them may have."""
        if self.small:
            return ["small", "qwen2"]
        listed = self.make_model("--list").split()
        # Behaviour of the tiny one is not covered: it has a tensor that the forward does not read.
        small = [name for name in listed[: listed.index("type-N")] if name != "tiny"]
        return small + [f"type-{number}" for number in TYPES]

    def pair(self, name):
        """An artifact and its source; both are made where they are not there yet."""
        gguf, apr = (self.folder / f"{name}.{end}" for end in ("gguf", "apr"))
        if not gguf.exists():
            unfinished = gguf.with_suffix(".unfinished")
            self.make_model(name, unfinished)
            unfinished.rename(gguf)
        return self.converted(gguf, apr)

    def converted(self, gguf, apr):
        if not apr.exists():
            done, _ = self.aprove("convert", gguf, apr, "-q", "--no-verify", "--unsupported", "decode-f32")
            if done.returncode != 0:
                raise RuntimeError(f"aprove convert {gguf.name}: {done.stderr.strip()[-300:]}")
        return apr, gguf

    def large(self):
        """The model with the shapes of a real one: its name, and the size of its vocabulary."""
        return ("qwen2", 320) if self.small else ("qwen2.5-7b", 152064)

    def make_model(self, *arguments):
        command = [str(self.binary("make-model")), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
        return done.stdout

    @functools.cached_property
    def threads(self):
        return len(os.sched_getaffinity(0))


def tokens(count, vocabulary):
    """Token ids as an argument: the same ones for the same numbers."""
    return ",".join(str((37 * place + 11) % vocabulary) for place in range(count))


def vocabulary(report):
    """The size of the vocabulary, from a report on the default prompts: the last id is one of them."""
    return 1 + max(max(prompt["tokens"]) for prompt in report["behaviour"]["prompts"])


# Every type that the forward takes, by its number in ggml: F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K,
# Q5_K, Q6_K, BF16.
TYPES = [0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 30]
