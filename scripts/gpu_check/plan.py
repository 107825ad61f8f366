"""The parts in their order, and the time that each may take."""

import importlib

# Name, seconds that it is expected to take on an H100 with 16 cores, the most that it may take. What decides most comes
# first; what may take all the time that is left comes last.
PARTS = [
    ("device", 15, 40),
    ("digests", 35, 80),
    ("exp", 10, 30),
    ("upload", 15, 30),
    ("matmul", 35, 60),
    ("other-kernels", 5, 15),
    ("shape", 35, 90),
    ("pair", 40, 90),
    ("sanitizer", 60, 120),
    ("ggml", 30, 3600),
]
NAMES = [name for name, _, _ in PARTS]
WHOLE = 360.0
# A part that has less is not begun.
LEAST = 3.0


def module(name):
    return importlib.import_module(f"gpu_check.parts.{name.replace('-', '_')}")


def text():
    lines = [f"{'part':<16}{'expected s':>10}{'at most s':>12}  what"]
    for name, expected, most in PARTS:
        what = module(name).__doc__.strip().split("\n\n")[0].replace("\n", " ")
        lines.append(f"{name:<16}{expected:>10}{most:>12}  {what}")
    lines.append(
        f"{'':<16}{sum(expected for _, expected, _ in PARTS):>10}{WHOLE:>12.0f}  all parts; --seconds sets the limit"
    )
    return "\n".join(lines)
