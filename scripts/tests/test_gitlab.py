"""The job for GitLab: its form, and its script, run as a runner runs it."""

import json
import os
import subprocess

from house import RELEASE, ROOT, Case, run, tool

TEMPLATE = ROOT / "scripts" / "gitlab-ci.yml"
SCHEMAS = "check-jsonschema==0.39.0"


class GitLab(Case):
    def test_the_job_fails_unless_verified(self):
        for artifact, code in (("model.apr", 0), ("damaged.apr", 1), ("absent.apr", 2)):
            self.assertEqual(self.job(artifact), code, artifact)
            self.assertIn("<testsuite", (self.folder / "aprove.xml").read_text())

    def test_the_template_has_the_form_that_is_documented(self):
        run([tool(SCHEMAS, "check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", TEMPLATE])

    def job(self, artifact):
        """Runs the script of the template, and returns its exit code."""
        python = tool(SCHEMAS, "python3")
        code = "import json, sys; from ruamel.yaml import YAML; print(json.dumps(YAML(typ='safe').load(open(sys.argv[1]))))"
        job = json.loads(run([python, "-c", code, TEMPLATE]))[".aprove"]
        path = f"{RELEASE}:{os.environ['PATH']}"
        settings = job["variables"] | {"APR": artifact, "GGUF": "model.gguf", "PATH": path}
        script = "\n".join(["set -eo pipefail", *job["script"]])
        return subprocess.run(["bash", "-c", script], cwd=self.folder, env=settings, capture_output=True).returncode
