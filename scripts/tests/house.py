"""What the tests of the wiring share: the release build, a pair of models, and tools that are installed where they are absent."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"
APROVE = RELEASE / "aprove"

sys.path.insert(0, str(ROOT / "scripts"))

from packing import release  # noqa: E402

if not APROVE.exists():
    sys.exit("build the programs first: cargo build --release --bins")


class Case(unittest.TestCase):
    """A test with a folder of its own, in which a good and a damaged artifact of the committed model lie."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="aprove-wiring-")))
        self.source = self.folder / "model.gguf"
        self.good = self.folder / "model.apr"
        self.damaged = self.folder / "damaged.apr"
        shutil.copy(ROOT / "fixtures" / "models" / "qwen3-q4_k_m.gguf", self.source)
        run([APROVE, "convert", self.source, self.good, "--quiet"])
        content = bytearray(self.good.read_bytes())
        content[700_000] ^= 0x80
        self.damaged.write_bytes(content)


def run(command, **options):
    """Runs a command that must succeed, and returns what it printed."""
    ran = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if ran.returncode != 0:
        raise AssertionError(f"{command}: exit code {ran.returncode}\n{ran.stdout}")
    return ran.stdout


def tool(requirement, program):
    """The path of a program from a Python package; skips the test, by name, if it cannot be had."""
    try:
        return release.tool(requirement, program)
    except release.Missing as what:
        raise unittest.SkipTest(str(what)) from None


def needs(program):
    """Skips the test, by name, where a program is absent."""
    if not shutil.which(program):
        raise unittest.SkipTest(f"{program} is not installed")
