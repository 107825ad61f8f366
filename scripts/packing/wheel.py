"""The Python package `aprove`: the sources of scripts/python with the program beside them."""

import os
import shutil

from .release import ROOT, run, tool

HATCHLING = "hatchling==1.33.0"


def make(release, out, scratch):
    hatchling = tool(HATCHLING, "hatchling")
    project = scratch / "wheel"
    shutil.copytree(ROOT / "scripts" / "python", project, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        shutil.copy(ROOT / name, project)
    folder = project / "src" / "aprove" / "bin"
    folder.mkdir()
    shutil.copy(release.programs / "aprove", folder)
    major, minor = release.glibc
    tag = f"py3-none-manylinux_{major}_{minor}_x86_64"
    settings = {"APROVE_VERSION": release.version, "APROVE_TAG": tag, "SOURCE_DATE_EPOCH": str(release.time)}
    run([hatchling, "build", "--target", "wheel", "--directory", out], cwd=project, env=os.environ | settings)
    return out / f"aprove-{release.version}-{tag}.whl"
