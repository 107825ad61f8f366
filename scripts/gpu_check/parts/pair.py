"""Times of `aprove verify` on a warm pair with the shapes of a 7B model.

Each is that of a whole process: it starts, compares all bytes, opens the GPU, runs both files and ends. What the
behaviour takes is that less a run with `--forward off`, so it holds the opening of the GPU and the loading of the
kernels.
"""

import json
import statistics

from ..figure import figure, missing
from ..session import tokens

LENGTHS = [8, 32, 128, 512]
LONG = 10.0


def run(session):
    name, vocabulary = session.large()
    pair = session.pair(name)
    size = sum(path.stat().st_size for path in pair)
    yield figure("bytes of both files", size, "bytes", name)
    runs = 1 if session.small else 5

    samples = seconds_of(session, pair, runs, "off")
    off = statistics.median(samples)
    how = "aprove verify --forward off -q, whole process, median"
    yield figure(f"{name}, bytes and metadata", off, "s", how, samples=samples)
    for length in [8] if session.small else LENGTHS:
        asked = ("--tokens", tokens(length, vocabulary), "--device", session.device)
        title, how = f"{name}, {length} tokens", "aprove verify --forward cuda --tokens ... -q, whole process, median"
        try:
            samples = seconds_of(session, pair, runs, "cuda", *asked)
        except RuntimeError as error:
            yield missing(title, str(error), how)
            continue
        whole = statistics.median(samples)
        yield figure(
            title, whole, "s", how, samples=samples,
            tokens=length, behaviour_seconds=whole - off, gigabytes_per_second=size / whole / 1e9,
            behaviour_gigabytes_per_second=size / max(whole - off, 1e-9) / 1e9,
        )  # fmt: skip
    done, _ = session.aprove("doctor", "--format", "json", "--device", session.device)
    checked = json.loads(done.stdout)["checked"] if done.returncode == 0 else None
    if checked:
        yield figure(
            "of these to open the GPU and to load the kernels", checked.get("load_seconds"), "s", "aprove doctor"
        )


def seconds_of(session, pair, runs, forward, *arguments):
    """The seconds of some runs behind one that warms up, of three where they take long. Each of them must verify."""
    seconds = []
    while len(seconds) <= runs and (len(seconds) <= 3 or sum(seconds) < LONG):
        done, taken = session.aprove("verify", *pair, "-q", "--forward", forward, *arguments)
        if done.returncode != 0:
            raise RuntimeError(f"it ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}")
        seconds.append(taken)
    return seconds[1:]
