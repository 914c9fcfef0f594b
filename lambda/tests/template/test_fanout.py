"""lambda/fanout/fanout.yaml and scripts/fleet/batch.yaml: what cfn-lint and CloudFormation accept, and the state machine executed by moto.

The function is a Python function here, so each test decides which step fails. moto reads JSON items only, so the map
reads the same items from a JSON file; retries do not wait.
"""

import json
import logging
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import yaml
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sns import sns_backends
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from aws import ACCOUNT, REGION, client
from stack import NoManagedPolicies
from test_text import within

# It logs each error that the state machine catches.
logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
PATH = Path(__file__).parents[2] / "fanout" / "fanout.yaml"
BATCH = Path(__file__).parents[3] / "scripts" / "fleet" / "batch.yaml"
TEXT = PATH.read_text()
RUN = "s3://runs/ruminate-runs/night"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/audit"
COUNTS = {"lake_only": 3, "warehouse_only": 0, "differing": 2, "matched": 995}


def transformed():
    """Returns the template after the SAM transform."""
    template = yaml_parse(TEXT)
    template["Resources"]["Function"]["Properties"]["CodeUri"] = {"Bucket": "code", "Key": "bootstrap.zip"}
    return transform(template, {}, NoManagedPolicies())


def definition(topic):
    """Returns the state machine with its substitutions, for moto."""
    steps = yaml_parse(TEXT)["Resources"]["Audit"]["Properties"]["Definition"]
    text = json.dumps(steps)
    values = {"Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:audit", "RunBucket": "runs", "RunPrefix": "ruminate-runs",
              "ObjectsPerShard": "250000", "MaximumConcurrency": "2", "AlarmTopic": topic}
    for name, value in values.items():
        text = text.replace("${%s}" % name, value)
    assert "${" not in text, "a substitution is not declared"
    steps = json.loads(text)
    for part in within(steps):
        if isinstance(part, dict) and "MaxAttempts" in part:
            part.clear()
            part.update(ErrorEquals=["Never"], MaxAttempts=0)
    steps["States"]["Shards"]["ItemReader"]["ReaderConfig"]["InputType"] = "JSON"
    return json.dumps(steps)


class Failure(Exception):
    """An error of the function, by its name in the state machine."""


class Text(unittest.TestCase):
    def test_cfn_lint_finds_nothing(self):
        command = [sys.executable, "-c", "from cfnlint.runner import main; main()", "--regions", "sa-east-1", "--"]
        with tempfile.TemporaryDirectory() as folder:
            written, made = Path(folder, "fanout.yaml"), Path(folder, "transformed.json")
            written.write_text(TEXT)
            made.write_text(json.dumps(transformed()))
            lint = subprocess.run([*command, written, made, BATCH], capture_output=True, text=True)
        self.assertEqual((lint.returncode, lint.stdout), (0, ""), lint.stderr)

    def test_cloudformation_can_read_it_unchanged(self):
        self.assertFalse([e for e in yaml.parse(TEXT, yaml.SafeLoader) if getattr(e, "anchor", None)])

    def test_every_error_of_a_task_leads_to_a_message(self):
        # A task without a handler for all errors would end the execution without a message.
        tasks = [part for part in within(json.loads(definition("t"))) if isinstance(part, dict) and part.get("Type") in ("Task", "Map")]
        handled = [any("States.ALL" in catch["ErrorEquals"] for catch in task.get("Catch", [])) for task in tasks]
        without = [task["Resource"] for task, ok in zip(tasks, handled) if not ok]
        self.assertEqual(without, ["arn:aws:states:::sns:publish"], "only the last message has nothing after it")


@mock_aws(config={"stepfunctions": {"execute_state_machine": True}})
class Executed(unittest.TestCase):
    def execute(self, function, shards=3, given=None, has_topic=True):
        """Executes the state machine; returns its status, its cause and the messages."""
        client.cache_clear()
        self.addCleanup(client.cache_clear)
        topic = client("sns").create_topic(Name="alarm")["TopicArn"] if has_topic else ""
        s3 = client("s3")
        s3.create_bucket(Bucket="runs", CreateBucketConfiguration={"LocationConstraint": REGION})
        if shards:
            items = [{"shard": n, "objects": 10} for n in range(shards)]
            s3.put_object(Bucket="runs", Key="ruminate-runs/night/shards.jsonl", Body=json.dumps(items))
        self.called = []

        def invoke(parameters, region, state_credentials):
            event = json.loads(parameters["Payload"])
            self.called.append(event)
            try:
                return {"StatusCode": 200, "Payload": function(event)}
            except Failure as failure:
                name, message = failure.args
                return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": {"errorType": name, "errorMessage": message}}

        with mock.patch.object(lambda_eval_utils, "_invoke_lambda_function", invoke):
            steps = client("stepfunctions")
            machine = steps.create_state_machine(name="audit", definition=definition(topic), roleArn=ROLE)["stateMachineArn"]
            started = steps.start_execution(stateMachineArn=machine, name="night", input=json.dumps(given or {}))["executionArn"]
            deadline = time.monotonic() + 60
            while (ended := steps.describe_execution(executionArn=started))["status"] == "RUNNING":
                self.assertLess(time.monotonic(), deadline, "the execution did not end")
                time.sleep(0.05)
        sent = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[topic].sent_notifications if has_topic else []
        return ended["status"], ended.get("cause", ""), [(one[2], one[1]) for one in sent]

    @staticmethod
    def works(event):
        if "merge" in event:
            return {"exit": 0, "evidence": f"{RUN}/evidence/1", **COUNTS}
        return {"shards": 3} if "plan" in event else {"shard": event["shard"], "state": "written"}

    def test_a_clean_audit_sends_nothing(self):
        status, _, sent = self.execute(self.works)
        self.assertEqual((status, sent), ("SUCCEEDED", []))
        self.assertEqual(self.called[0], {"run": RUN, "plan": ["reconcile", "--objects-per-shard", "250000"], "reuse": True})
        # The function rejects an event with any other field.
        self.assertCountEqual(self.called[1:-1], [{"run": RUN, "shard": n} for n in range(3)])
        self.assertEqual(self.called[-1], {"run": RUN, "merge": []})

    def test_drift_is_reported_with_its_counts_and_its_evidence(self):
        status, _, sent = self.execute(lambda event: {**self.works(event), "exit": 1})
        ((subject, message),) = sent
        self.assertEqual((status, subject), ("SUCCEEDED", "ruminate: drift between lake and warehouse"))
        for words in (RUN, "3 only in the lake", "0 only in the warehouse", "2 differing", "995 equal", "evidence/1"):
            self.assertIn(words, message)

    def test_a_shard_that_failed_is_reported_with_its_number_and_its_error(self):
        missing = '1 of 3 shard is missing: run it, then merge again:\n  shard 1, 1 attempt; the last one failed: "denied"'

        def function(event):
            if event.get("shard") == 1:
                raise Failure("CannotRun", 'access to the bucket was "denied": check the role')
            if "merge" in event:
                raise Failure("CannotRun", missing)
            return self.works(event)

        status, cause, sent = self.execute(function)
        self.assertEqual((status, len(sent)), ("FAILED", 2), sent)
        self.assertEqual(sent[0][0], "ruminate: shard 1 of the audit failed")
        self.assertEqual(sent[0][1], f'Shard 1 of the audit {RUN} failed: access to the bucket was "denied": check the role')
        self.assertEqual(sent[1][0], "ruminate: the audit could not run")
        for words in (missing, "night, as resume"):
            self.assertIn(words, sent[1][1])
        self.assertIn(missing, cause)

    def test_an_error_that_is_not_that_of_the_function_is_reported_too(self):
        def function(event):
            if "merge" in event or event.get("shard") == 2:
                raise Failure("Runtime.ExitError", "RequestId: 1 Error: Runtime exited")
            return self.works(event)

        status, _, sent = self.execute(function)
        self.assertEqual(status, "FAILED")
        self.assertEqual([subject for subject, _ in sent], ["ruminate: shard 2 of the audit failed", "ruminate: the audit could not run"])
        for _, message in sent:
            self.assertIn("Runtime exited", message)
        self.assertIn("Map of shards: ", sent[1][1])

    def test_an_error_of_the_map_itself_is_reported_with_that_of_the_merge(self):
        def function(event):
            if "merge" in event:
                raise Failure("CannotRun", "3 of 3 shards are missing")
            return self.works(event)

        status, _, sent = self.execute(function, shards=0)
        ((subject, message),) = sent
        self.assertEqual((status, subject), ("FAILED", "ruminate: the audit could not run"))
        self.assertIn("3 of 3 shards are missing", message)
        self.assertIn('Map of shards: {"Error":"States.', message)

    def test_a_plan_that_failed_is_reported(self):
        def function(event):
            raise Failure("Interrupted", "the warehouse cannot be reached")

        status, _, sent = self.execute(function)
        self.assertEqual(status, "FAILED")
        self.assertIn("could not run: the warehouse cannot be reached.", sent[0][1])
        self.assertEqual(len(self.called), 1)

    def test_without_a_topic_the_cause_has_the_error(self):
        def function(event):
            if "merge" in event:
                raise Failure("CannotRun", "2 of 3 shards are missing")
            return self.works(event)

        status, cause, sent = self.execute(function, has_topic=False)
        self.assertEqual((status, sent), ("FAILED", []))
        self.assertIn("2 of 3 shards are missing", cause)

    def test_a_run_is_resumed_without_a_plan(self):
        status, _, sent = self.execute(self.works, given={"resume": "night"})
        self.assertEqual((status, sent), ("SUCCEEDED", []))
        self.assertFalse([event for event in self.called if "plan" in event])


if __name__ == "__main__":
    unittest.main()
