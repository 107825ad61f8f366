"""What the GPU is, what the program says of it, and how long it takes to open it."""

import json
import subprocess

from ..driver import CAPABILITY_MAJOR, CAPABILITY_MINOR, L2_BYTES, MULTIPROCESSORS
from ..figure import agreement, figure, missing
from ..session import PTX

ASKED = [
    "name", "driver_version", "memory.total", "pcie.link.gen.max", "pcie.link.gen.current", "pcie.link.width.max",
    "pcie.link.width.current", "clocks.max.sm", "clocks.max.mem", "clocks.sm", "power.limit", "temperature.gpu",
    "ecc.mode.current", "mig.mode.current", "persistence_mode", "compute_mode",
]  # fmt: skip


def run(session):
    same = PTX.read_bytes() in session.binary("aprove").read_bytes()
    title, how = "kernels of the binary", "whether aprove holds the text of inference/kernels/kernels.ptx"
    other = "the binary was built from other kernels than those of this folder"
    yield figure(title, "those of this folder", "", how) if same else missing(title, other, how)
    # Before this process opens the GPU, so that nobody has compiled the kernels: their cache is a folder of this run.
    for what in ("compiled for the first time", "again"):
        done, seconds = session.aprove("doctor", "--format", "json", "--device", session.cuda)
        how = "aprove doctor --format json"
        if done.returncode != 0:
            said = json.loads(done.stdout)["reason"] if done.stdout.startswith("{") else done.stderr.strip()[-300:]
            wrong = "other bits" in said
            yield agreement("aprove doctor", False, how, reason=said) if wrong else missing("aprove doctor", said, how)
            return
        report = json.loads(done.stdout)
        yield figure(f"kernels loaded, {what}", report["checked"].get("load_seconds"), "s", how)
        yield figure(f"aprove doctor, {what}", seconds, "s", f"{how}, whole process")
    yield figure("instructions of the CPU", report["processor"]["instructions"], "", how)

    gpu = session.gpu()
    yield figure("name", gpu.name(), "", "cuDeviceGetName")
    capability = f"{gpu.attribute(CAPABILITY_MAJOR)}.{gpu.attribute(CAPABILITY_MINOR)}"
    yield figure("compute capability", capability, "", "cuDeviceGetAttribute")
    yield figure("memory", gpu.memory(), "bytes", "cuDeviceTotalMem")
    yield figure("multiprocessors", gpu.attribute(MULTIPROCESSORS), "", "cuDeviceGetAttribute")
    yield figure("second-level cache", gpu.attribute(L2_BYTES), "bytes", "cuDeviceGetAttribute")
    version = report["driver"]["cuda"]
    yield figure("newest CUDA of the driver", version, "", "cuDriverGetVersion")
    yield figure("kernels", len(gpu.entries), "", "entries of kernels.ptx")
    yield figure("a stream can wait for a word", gpu.gate.holds, "", "times of small kernels hold no gaps then")

    command = ["nvidia-smi", f"--id={session.device}", f"--query-gpu={','.join(ASKED)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield missing("nvidia-smi", str(error), " ".join(command))
        return
    values = [value.strip() for value in done.stdout.split(",")]
    if done.returncode != 0 or len(values) != len(ASKED):
        yield missing("nvidia-smi", (done.stdout + done.stderr).strip()[-300:], " ".join(command))
    else:
        yield figure("nvidia-smi", dict(zip(ASKED, values)), "", " ".join(command))
