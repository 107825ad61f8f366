"""What is packed: which version, when it was committed, and the programs without their debug information."""

import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = "x86_64-unknown-linux-gnu"
PROGRAMS = ("aprove", "verify")
TOOLS = ROOT / "target" / "ci-tools"


class Missing(Exception):
    """A tool that cannot be had."""


@dataclasses.dataclass(frozen=True)
class Release:
    """The programs of one version, stripped, in a folder."""

    programs: pathlib.Path

    @functools.cached_property
    def package(self):
        """The package `aprove` as Cargo describes it, without its dependencies."""
        described = run(["cargo", "metadata", "--no-deps", "--locked", "--format-version=1"], cwd=ROOT)
        return next(one for one in json.loads(described)["packages"] if one["name"] == "aprove")

    @property
    def version(self):
        return self.package["version"]

    @property
    def name(self):
        return f"aprove-{self.version}-{TARGET}"

    @functools.cached_property
    def time(self):
        """The time of everything in the packages: that of the commit, so that two runs give the same bytes."""
        given = os.environ.get("SOURCE_DATE_EPOCH")
        return int(given or run(["git", "log", "-1", "--format=%ct"], cwd=ROOT))

    @functools.cached_property
    def glibc(self):
        """The oldest C library that has all that the programs ask for, as (2, 34)."""
        versions = set()
        for program in PROGRAMS:
            needs = run(["readelf", "--version-info", "--wide", self.programs / program])
            versions |= {(int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", needs)}
        return max(versions)


def strip(binaries, folder):
    """The programs of a build, made ready for packing in a folder."""
    for program in PROGRAMS:
        run(["strip", "--strip-all", "-o", folder / program, binaries / program])
    release = Release(folder)
    said = run([folder / "aprove", "--version"]).strip()
    if said != f"aprove {release.version}":
        sys.exit(f"{binaries / 'aprove'} is {said}, and Cargo.toml says {release.version}: build it again")
    return release


def run(command, **options):
    """Runs a command that must succeed, and returns what it printed."""
    name = command[0]
    if not shutil.which(name):
        raise Missing(f"{name} is not installed")
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def tool(requirement, program):
    """The path of a program from a Python package, such as `hatchling==1.33.0`, which is installed where it is absent."""
    package, version = requirement.split("==")
    # Without the extras that are asked for.
    name = package.split("[")[0]
    has = f"from importlib.metadata import version; assert version({name!r}) == {version!r}"
    python = TOOLS / "bin" / "python3"
    if not python.exists():
        venv.create(TOOLS, with_pip=True, symlinks=True)
    if subprocess.run([python, "-c", has], stderr=subprocess.DEVNULL).returncode != 0:
        install = [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", requirement]
        if subprocess.run(install, stderr=subprocess.DEVNULL).returncode != 0:
            raise Missing(f"{name} {version} cannot be installed (pip install {name})")
    return TOOLS / "bin" / program
