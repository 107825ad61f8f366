"""The files with which the service is operated: their form, and that they name what there is."""

import json
import re
import subprocess
import tempfile
import tomllib
import unittest
import urllib.request

from house import APROVE, ROOT, run, tool

FILES = ROOT / "scripts" / "service"
SCHEMAS = "check-jsonschema==0.39.0"


def documents(name):
    """The documents of a YAML file, as a parser reads them."""
    code = "import json, sys; from ruamel.yaml import YAML; print(json.dumps(list(YAML(typ='safe').load_all(open(sys.argv[1])))))"
    return json.loads(run([tool(SCHEMAS, "python3"), "-c", code, FILES / name]))


class ServiceFiles(unittest.TestCase):
    def test_the_compose_file_has_the_form_that_is_documented(self):
        run([tool(SCHEMAS, "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", FILES / "compose.yaml"])
        (compose,) = documents("compose.yaml")
        self.assertEqual(compose["services"]["worker"]["deploy"]["replicas"], 2)
        self.assertTrue(compose["networks"]["inside"]["internal"])

    def test_the_manifests_belong_together(self):
        found = {(one["kind"], one["metadata"]["name"]): one for one in documents("kubernetes.yaml")}
        for part in ("server", "worker"):
            one = found["Deployment", f"aprove-{part}"]["spec"]
            labels = one["template"]["metadata"]["labels"]
            self.assertLessEqual(one["selector"]["matchLabels"].items(), labels.items())
            for pod in (one["template"]["spec"], found["Job", "aprove-verify"]["spec"]["template"]["spec"]):
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        server = found["Deployment", "aprove-server"]["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(found["Service", "aprove"]["spec"]["selector"].items(), server.items())
        scaled = found["ScaledObject", "aprove-worker"]["spec"]
        self.assertIn(("Deployment", scaled["scaleTargetRef"]["name"]), found)
        self.assert_measured(scaled["triggers"][0]["metadata"]["query"])

    def test_the_dashboard_shows_numbers_that_there_are(self):
        dashboard = json.loads((FILES / "dashboard.json").read_text())
        queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        for query in queries:
            self.assert_measured(query)
            # Each process tells the numbers of all: they are never added up.
            self.assertNotRegex(query, r"sum( by \(\w+\) )?\((rate|increase|aprove)")
        self.assertEqual({name for query in queries for name in self.names(query)}, self.measured())

    def test_the_configuration_and_the_unit_name_keys_that_are_documented(self):
        described = (ROOT / "docs" / "service.md").read_text()
        for key in tomllib.loads((FILES / "aprove.toml").read_text()):
            self.assertIn(f"| `{key}` |", described)
        unit = (FILES / "aprove.service").read_text()
        self.assertRegex(unit, r"(?m)^ExecStart=/usr/bin/aprove serve --config \S+$")
        self.assertIn('data = "/var/lib/aprove"', unit)
        self.assertRegex(unit, r"(?m)^StateDirectory=aprove$")

    def names(self, query):
        return set(re.findall(r"aprove_\w+", query))

    def assert_measured(self, query):
        self.assertTrue(self.names(query), query)
        self.assertLessEqual(self.names(query), self.measured(), query)

    def measured(self):
        """The names that `/metrics` prints."""
        with tempfile.TemporaryDirectory() as folder:
            server = subprocess.Popen(
                [APROVE, "serve", "--listen", "127.0.0.1:0", "--data", folder],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
            try:
                address = server.stdout.readline().split()[-1]
                with urllib.request.urlopen(f"{address}/metrics") as answer:
                    text = answer.read().decode()
            finally:
                server.kill()
                server.wait()
                server.stdout.close()
        return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
