"""compute-sanitizer around the program on small models: accesses out of bounds, and races in shared memory."""

import glob
import os
import re
import shutil
import subprocess

from ..figure import Skipped, agreement, missing
from ..session import tokens

TOOLS = ["memcheck", "racecheck"]
SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)")
# A model with few and one with many bits, and tokens for the kernels of every width: models, prompt, ids there are.
WORDS = ("no errors", "ERRORS")
RUNS = [
    ("small", 5, 8),
    ("qwen2", 1, 320),
    ("qwen2", 8, 320),
    ("qwen2", 16, 320),
    ("qwen2", 33, 320),
    ("qwen3", 65, 320),
]


def run(session):
    program = find()
    for tool in TOOLS:
        for name, length, size in RUNS[:1] if session.small else RUNS:
            pair = [str(path) for path in session.pair(name)]
            verify = [
                str(session.binary("aprove")),
                "verify",
                *pair,
                "-q",
                "--device",
                session.cuda,
            ]
            command = [program, "--tool", tool, "--error-exitcode", "99", *verify, "--tokens", tokens(length, size)]
            how = f"compute-sanitizer --tool {tool} aprove verify {name}.apr {name}.gguf --device cuda"
            done = subprocess.run(command, capture_output=True, text=True)
            found = SUMMARY.search(done.stdout + done.stderr)
            title = f"{tool}, {name}, {length} tokens"
            said = (done.stdout + done.stderr).strip()
            if found and int(found[1]) > 0:
                yield agreement(title, False, how, WORDS, reason=said[-2000:])
            elif not found or done.returncode != 0:
                yield missing(title, f"it ended with {done.returncode}: {said[-300:]}", how)
            else:
                yield agreement(title, True, how, WORDS)


def find():
    """Where the tool is."""
    found = shutil.which("compute-sanitizer")
    if found:
        return found
    homes = [os.environ.get("CUDA_HOME", ""), *sorted(glob.glob("/usr/local/cuda*"), reverse=True)]
    for home in filter(None, homes):
        for place in ("bin/compute-sanitizer", "compute-sanitizer/compute-sanitizer"):
            if os.access(os.path.join(home, place), os.X_OK):
                return os.path.join(home, place)
    raise Skipped("no compute-sanitizer: it comes with the CUDA toolkit; set CUDA_HOME")
