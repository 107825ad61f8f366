"""The release build that the scripts here run: `aprove` and `verify`, and `make-model`, which makes their models."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target" / "release"


def build():
    """Builds the programs, but not where APROVE_BUILT says that they were built just now, with the tests."""
    if os.environ.get("APROVE_BUILT") is None:
        command = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "aprove", "-p", "fixtures", "--bins"]
        subprocess.run(command, cwd=ROOT, check=True)
