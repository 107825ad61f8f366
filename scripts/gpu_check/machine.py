"""What a run took place with: the commit, the binaries, the kernels, the machine."""

import datetime
import hashlib
import multiprocessing
import platform
import subprocess

from .driver import identify
from .session import PTX, ROOT


def describe(session, commit):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **commit_of(commit),
        **gpu(session.device),
        "sha256": {
            "aprove": sha256(session.binary("aprove")),
            "make-model": sha256(session.binary("make-model")),
            "kernels.ptx": sha256(PTX),
        },
        "machine": {
            "processor": processor(),
            "threads": session.threads,
            "memory_bytes": memory(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "models_in": filesystem(session.folder),
        },
    }


def gpu(ordinal):
    """The GPU and its driver, asked in another process; and whether it is one: not where nothing tells."""
    try:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.apply_async(identify, (ordinal,)).get(timeout=60)
    except multiprocessing.TimeoutError:
        found = {"name": None, "reason": "the driver does not answer"}
    simulated = None if found["name"] is None else found["name"] == STAND_IN
    return {"gpu": {**found, "driver": driver()}, "simulated": simulated}


def driver():
    """The version of the driver, in the words of its kernel module."""
    try:
        return open("/proc/driver/nvidia/version").readline().strip()
    except OSError:
        return None


def commit_of(given):
    """The commit of the checkout, or the one that is told where there is no checkout."""
    found = git("rev-parse", "HEAD")
    # A copy without its history may lie in another repository.
    if found is None or git("rev-parse", "--show-toplevel") != str(ROOT):
        return {"commit": given, "commit_from": "--commit" if given else None}
    changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    return {"commit": found, "commit_from": "git, with changes that are not committed" if changed else "git"}


def git(*arguments):
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def sha256(path):
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def processor():
    try:
        lines = open("/proc/cpuinfo").read().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory():
    try:
        words = open("/proc/meminfo").readline().split()
        return int(words[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None


def filesystem(folder):
    """The kind of filesystem that the models lie on."""
    best = ("", "unknown")
    try:
        for line in open("/proc/mounts"):
            _, place, kind, *_ = line.split()
            if str(folder).startswith(place) and len(place) >= len(best[0]):
                best = (place, kind)
    except OSError:
        pass
    return best[1]


# The name that inference/simulation/stand-in-driver gives its GPU.
STAND_IN = "Stand-in GPU"
