"""scripts/dist: what it packs, that it packs the same bytes again, and that what it packed works."""

import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import venv

from house import RELEASE, ROOT, Case, needs, run, tool

from packing import tree, wheel

NAME = "aprove-0.1.0-x86_64-unknown-linux-gnu"
INSTALLED = [
    "bin/aprove",
    "bin/verify",
    "share/bash-completion/completions/aprove",
    "share/bash-completion/completions/verify",
    "share/doc/aprove/LICENSE-APACHE",
    "share/doc/aprove/LICENSE-MIT",
    "share/doc/aprove/SECURITY.md",
    "share/doc/aprove/docs/json.md",
    "share/doc/aprove/docs/schema/convert.schema.json",
    "share/doc/aprove/sbom.cdx.json",
    "share/doc/aprove/scripts/service/aprove.service",
    "share/fish/vendor_completions.d/aprove.fish",
    "share/man/man1/aprove.1.gz",
    "share/man/man1/aprove-token-new.1.gz",
    "share/man/man1/aprove-verify.1.gz",
    "share/man/man1/verify.1.gz",
    "share/zsh/site-functions/_aprove",
    "share/zsh/site-functions/_verify",
]


def setUpModule():
    """Packs once for all tests; what cannot be packed here is left out, and its tests are skipped."""
    global packed
    folder = unittest.enterModuleContext(tempfile.TemporaryDirectory(prefix="aprove-dist-test-"))
    packed = pathlib.Path(folder) / "first"
    dist(packed)


def dist(out, **options):
    without = [] if shutil.which("dpkg-deb") else ["--without=deb"]
    try:
        tool(wheel.HATCHLING, "hatchling")
    except unittest.SkipTest:
        without.append("--without=wheel")
    run([ROOT / "scripts" / "dist", f"--binaries={RELEASE}", f"--out={out}", *without], **options)


class Dist(Case):
    def test_packing_again_gives_the_same_bytes(self):
        again = self.folder / "again"
        dist(again, umask=0o077, env=os.environ | {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"})
        names = sorted(path.name for path in packed.iterdir())
        self.assertEqual(names, sorted(path.name for path in again.iterdir()))
        for name in names:
            self.assertEqual((packed / name).read_bytes(), (again / name).read_bytes(), name)

    def test_the_digests_are_those_of_the_files(self):
        checked = run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=packed)
        self.assertEqual(len(checked.splitlines()), len(list(packed.iterdir())) - 1)

    def test_a_folder_with_old_packages_is_refused(self):
        command = [ROOT / "scripts" / "dist", f"--binaries={RELEASE}", f"--out={self.folder}"]
        ran = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("is not empty", ran.stderr)

    def test_the_archive_is_an_installation(self):
        with tarfile.open(packed / f"{NAME}.tar.gz") as archive:
            members = archive.getmembers()
            archive.extractall(self.folder, filter="data")
        names = [member.name for member in members]
        self.assertEqual(names, sorted(names, key=lambda name: name.split("/")))
        for path in INSTALLED:
            self.assertIn(f"{NAME}/{path}", names)
        self.assertEqual({(member.uid, member.gid, member.mtime) for member in members}, {(0, 0, members[0].mtime)})
        run([self.folder / NAME / "bin" / "verify", self.good, self.source])

    def test_no_reference_of_the_documents_is_dead(self):
        documents = tree.installed_documents()
        for name, content in documents.items():
            links = tree.LINK.findall(content.decode()) if name.endswith(".md") else []
            targets = [os.path.normpath(pathlib.PurePath(name).parent / link) for _, link in links if "://" not in link]
            for target in targets:
                there = target in documents or any(other.startswith(f"{target}/") for other in documents)
                self.assertTrue(there, f"{name} leads to {target}")
        with tarfile.open(packed / f"{NAME}.tar.gz") as archive:
            archive.extractall(self.folder, filter="data")
        manual = self.folder / NAME / "share" / "man" / "man1"
        for page in manual.iterdir():
            text = gzip.decompress(page.read_bytes()).decode()
            for other in re.findall(r"^([\w\\-]+)\(1\)$", text, re.MULTILINE):
                self.assertTrue((manual / f"{other.replace(chr(92), '')}.1.gz").exists(), f"{page.name} refers to {other}")

    def test_the_debian_package_is_an_installation(self):
        needs("dpkg-deb")
        package = packed / "aprove_0.1.0_amd64.deb"
        listed = run(["dpkg-deb", "--contents", package]).splitlines()
        self.assertEqual({line.split()[1] for line in listed}, {"root/root"})
        names = [line.split()[5] for line in listed]
        for path in [*INSTALLED, "share/doc/aprove/copyright"]:
            path = path.replace("zsh/site-functions", "zsh/vendor-completions")
            self.assertIn(f"./usr/{path}", names)
        self.assertRegex(run(["dpkg-deb", "--field", package, "Depends"]), r"^libc6 \(>= 2\.\d+\)")
        run(["dpkg-deb", "--extract", package, self.folder / "root"])
        run([self.folder / "root" / "usr" / "bin" / "aprove", "verify", self.good, self.source])

    def test_the_debian_package_has_no_error_of_lintian(self):
        needs("dpkg-deb")
        needs("lintian")
        package = packed / "aprove_0.1.0_amd64.deb"
        run(["lintian", "--fail-on", "error", package])

    def test_the_bill_of_materials_has_what_is_linked(self):
        bill = json.loads((packed / "aprove-0.1.0.cdx.json").read_text())
        crates = {crate["name"]: crate for crate in bill["components"]}
        self.assertEqual(crates["clap"]["hashes"][0]["alg"], "SHA-256")
        self.assertIn("verifier", crates)
        for only_for_tests in ("insta", "proptest", "fixtures", "stand-in-driver"):
            self.assertNotIn(only_for_tests, crates)
        self.assertEqual([crate["name"] for crate in bill["components"] if "licenses" not in crate], [])

    def test_the_bill_of_materials_is_cyclonedx(self):
        python = tool("cyclonedx-python-lib[json-validation]==11.6.0", "python3")
        code = (
            "import sys; from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import JsonStrictValidator;"
            "sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()) or 0)"
        )
        run([python, "-c", code, packed / "aprove-0.1.0.cdx.json"])


class Wheel(Case):
    def setUp(self):
        super().setUp()
        wheels = list(packed.glob("*.whl"))
        if not wheels:
            self.skipTest(f"{wheel.HATCHLING} cannot be installed (pip install hatchling)")
        venv.create(self.folder / "venv", with_pip=True, symlinks=True)
        self.python = self.folder / "venv" / "bin" / "python3"
        run([self.python, "-m", "pip", "install", "--quiet", "--no-index", wheels[0]])

    def test_the_wheel_gives_the_program_and_the_function(self):
        for command in (["venv/bin/aprove"], [self.python, "-m", "aprove"]):
            self.assertEqual(run([*command, "--version"], cwd=self.folder), "aprove 0.1.0\n")
        self.assertEqual(run([self.python, "-c", FUNCTION], cwd=self.folder), "done\n")


FUNCTION = """
import aprove
from aprove import Verdict

good = aprove.verify("model.apr", "model.gguf")
assert good.verdict is Verdict.VERIFIED and good.verdict == "verified" and good.reasons == []
assert good.raw["counts"]["tensors_compared"] == 25

damaged = aprove.verify("damaged.apr", "model.gguf", forward=False)
assert damaged.verdict is Verdict.DIFFERENT
assert "tensor.bytes" in damaged.reasons and damaged.findings[0]["code"] == "tensor.bytes", damaged.reasons
assert "1 of 512 blocks" in damaged.messages[0], damaged.messages

import os, shutil
for name, folder in (("damaged.apr", "made"), ("model.gguf", "sources")):
    os.mkdir(folder)
    shutil.copy(name, os.path.join(folder, "model" + name[name.index("."):]))
many = aprove.verify("made", "sources", forward="off")
assert "tensor.bytes" in many.reasons and many.messages and many.findings, many.raw
missing = aprove.verify("model.apr", "absent.gguf")
assert missing.verdict is Verdict.UNDECIDED and "absent.gguf" in missing.messages[0], missing.raw

not_done = aprove.verify("model.apr", "model.gguf", policy="absent.toml")
assert not_done.verdict is Verdict.UNDECIDED and not_done.reasons and "absent.toml" in not_done.messages[0], not_done.raw

# Names are never options.
assert aprove.verify("--help", "model.gguf").verdict is Verdict.UNDECIDED

for one in (good, good.verdict, missing):
    try:
        bool(one)
    except TypeError:
        continue
    raise SystemExit(f"{one!r} is true or false")

try:
    aprove.verify("model.apr", "model.gguf", fail_on="nonsense")
except aprove.NotRun as why:
    assert "nonsense" in str(why)
else:
    raise SystemExit("a usage error has a verdict")

try:
    aprove.verify("model.apr", "model.gguf", timeout=0)
except aprove.NotRun as why:
    assert "longer than 0 seconds" in str(why)
else:
    raise SystemExit("a run that was stopped has a verdict")
print("done")
"""
