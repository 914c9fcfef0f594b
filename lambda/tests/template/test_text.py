"""Checks of the template that need no deployment."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

from stack import PATH, Template, transformed

# Exactly the variables that the function reads: a mistyped name would be a setting without effect.
VARIABLES = {
    "RUMINATE_LAKE",
    "RUMINATE_META_RATE",
    "RUMINATE_TABLE",
    "RDS_HOST",
    "RDS_PORT",
    "RDS_USER",
    "RDS_DATABASE",
    "RDS_SECRET_ARN",
    "RDS_IAM_AUTH",
    "RDS_CA_FILE",
    "RDS_SSL_MODE",
    "RUMINATE_SSE",
    "RUMINATE_SSE_KMS_KEY_ID",
    "HTTPS_PROXY",
    "NO_PROXY",
    "AWS_CA_BUNDLE",
}


def within(node):
    """Yields every mapping, list and leaf below a node."""
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from within(child)


class Text(unittest.TestCase):
    def setUp(self):
        self.template = Template.parsed()

    def test_cfn_lint_finds_nothing(self):
        # No rule is ignored. The result of the SAM transform is checked too, because cfn-lint checks the names of the
        # properties of SAM's own resources, but not their values. The region is that of the deployment.
        command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--regions", "sa-east-1", "--"]
        with tempfile.TemporaryDirectory() as folder:
            written, made = Path(folder, "template.yaml"), Path(folder, "transformed.json")
            written.write_text(Template.text)
            made.write_text(json.dumps(transformed()))
            lint = subprocess.run([*command, written, made], capture_output=True, text=True)
        self.assertEqual((lint.returncode, lint.stdout), (0, ""), lint.stderr)

    def test_bundle_finds_its_two_lines(self):
        lines = Template.text.splitlines()
        for line in ("    Default: x86_64 # bundle: architecture", '    Default: "" # bundle: rds-ca-file'):
            self.assertEqual(lines.count(line), 1, line)
        self.assertEqual(self.template["Parameters"]["Architecture"]["Default"], "x86_64")
        self.assertEqual(self.template["Parameters"]["RdsCaFile"]["Default"], "")
        self.assertEqual(self.template["Resources"]["Function"]["Properties"]["CodeUri"], "bootstrap.zip")

    def test_cloudformation_can_read_it_unchanged(self):
        # CloudFormation accepts no YAML aliases, although the tools that upload a template expand them.
        self.assertFalse([e for e in yaml.parse(Template.text, yaml.SafeLoader) if getattr(e, "anchor", None)])
        self.assertLess(len(json.dumps(transformed())), 1_000_000)

    def test_every_parameter_is_used_and_shown(self):
        rest = json.dumps({part: self.template[part] for part in ("Conditions", "Resources", "Outputs")})
        shown = [
            one
            for group in self.template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
            for one in group["Parameters"]
        ]
        self.assertCountEqual(shown, self.template["Parameters"])
        for name, parameter in self.template["Parameters"].items():
            with self.subTest(name):
                self.assertTrue(f'{{"Ref": "{name}"}}' in rest or f"${{{name}}}" in rest, "is not used")
                self.assertIn("Description", parameter)
                self.assertIn("Default", parameter)

    def test_the_limit_on_the_stacks_name_is_documented(self):
        # A function's name has 64 characters at most, a stack's 128; neither a pattern nor a rule sees the stack's name.
        self.assertIn({"Ref": "AWS::StackName"}, within(self.template["Resources"]["Function"]))
        self.assertIn("at most 64 characters", self.template["Description"])

    def test_every_condition_is_used(self):
        whole = json.dumps(self.template)
        for name in self.template["Conditions"]:
            self.assertGreater(whole.count(f'"{name}"'), 1, name)

    def test_the_function_has_only_variables_that_it_reads(self):
        variables = self.template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(set(variables), VARIABLES)

    def test_a_message_stays_invisible_for_six_timeouts_and_the_window(self):
        parameters = self.template["Parameters"]
        timeouts = self.template["Mappings"]["Timeouts"]
        self.assertEqual(list(timeouts), parameters["Timeout"]["AllowedValues"])
        for timeout, entry in timeouts.items():
            self.assertGreaterEqual(entry["Visibility"], 6 * int(timeout) + parameters["BufferWindowSeconds"]["MaxValue"])

    def test_what_holds_data_survives_the_stack(self):
        for name, kept in {
            "LakeBucket": "Retain",
            "LakeBucketPolicy": "Retain",
            "Buffer": "Retain",
            "FailedMessages": "Retain",
            "UndeliveredMessages": "Retain",
            "Database": "Snapshot",
        }.items():
            resource = self.template["Resources"][name]
            self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), (kept, kept), name)

    def test_nothing_is_delivered_before_it_is_allowed(self):
        resources = self.template["Resources"]
        self.assertLessEqual({"DirectPermission", "UndeliveredMessagesPolicy"}, set(resources["DirectSubscription"]["DependsOn"]))
        self.assertLessEqual({"BufferPolicy", "UndeliveredMessagesPolicy"}, set(resources["BufferSubscription"]["DependsOn"]))

    def test_sam_adds_no_resources(self):
        # There is no role, permission or policy that is not listed here.
        self.assertEqual(set(transformed()["Resources"]), set(self.template["Resources"]))

    def test_no_password_is_a_parameter_or_a_variable(self):
        self.assertNotIn("RDS_PASSWORD", [leaf for leaf in within(self.template) if isinstance(leaf, dict) for leaf in leaf])
        self.assertFalse([name for name in self.template["Parameters"] if "password" in name.lower()])

    def test_it_is_where_bundle_looks(self):
        self.assertEqual(PATH.parts[-2:], ("lambda", "template.yaml"))
