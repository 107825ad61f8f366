"""Times of `aprove verify` on a warm pair with the shapes of a 7B model.

Each is that of a whole process: it starts, compares all bytes while it opens the GPU and runs both files there, and ends.
What each part took is what `--times` says.
"""

import re
import statistics

from ..figure import figure, missing
from ..session import tokens

LENGTHS = [8, 32, 128, 512]
LONG = 10.0
LIMIT = "512M"


def run(session):
    name, vocabulary = session.large()
    pair = session.pair(name)
    size = sum(path.stat().st_size for path in pair)
    yield figure("bytes of both files", size, "bytes", name)
    runs = 1 if session.small else 5

    how = "aprove verify --forward off -q, whole process, median"
    samples, _ = seconds_of(session, pair, runs, "--forward", "off")
    yield figure(f"{name}, bytes and metadata", statistics.median(samples), "s", how, samples=samples)
    for length in [8] if session.small else LENGTHS:
        asked = ("--tokens", tokens(length, vocabulary), "--device", session.cuda)
        title, how = f"{name}, {length} tokens", "aprove verify --device cuda --tokens ... --times -q, median"
        try:
            samples, parts = seconds_of(session, pair, runs, *asked)
        except RuntimeError as error:
            yield missing(title, str(error), how)
            continue
        whole, behaviour = statistics.median(samples), parts.get("run on the GPU")
        yield figure(
            title, whole, "s", f"{how}, whole process", samples=samples,
            tokens=length, gigabytes_per_second=size / whole / 1e9,
            behaviour_gigabytes_per_second=behaviour and size / behaviour / 1e9,
        )  # fmt: skip
        for part, seconds in parts.items():
            yield figure(f"{title}: to {part}", seconds, "s", how)
    asked = ("--tokens", tokens(8, vocabulary), "--device", session.cuda, "--device-memory", LIMIT)
    done, _ = session.aprove("verify", *pair, "-q", *asked)
    said = "enough" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-300:]
    yield figure(f"{LIMIT} of GPU memory, 8 tokens", said, "", f"aprove verify --device cuda --device-memory {LIMIT}")


def seconds_of(session, pair, runs, *arguments):
    """The seconds of some runs behind one that warms up, of three where they take long, and the medians of the parts
    that they name. Each of them must verify."""
    seconds, parts = [], {}
    while len(seconds) <= runs and (len(seconds) <= 3 or sum(seconds) < LONG):
        done, taken = session.aprove("verify", *pair, "-q", "--times", *arguments)
        if done.returncode != 0:
            raise RuntimeError(f"it ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-300:]}")
        if seconds:
            for time, part in PART.findall(done.stderr):
                parts.setdefault(part, []).append(float(time))
        seconds.append(taken)
    return seconds[1:], {part: statistics.median(times) for part, times in parts.items()}


# A line of --times.
PART = re.compile(r"^ *([0-9.]+) s  to (.*)$", re.MULTILINE)
