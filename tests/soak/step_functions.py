#!/usr/bin/env python3
"""The stack of `bundle --fanout`, deployed and executed in ministack: the evidence equals that of a single run.

    eval "$(scripts/servers env)"                                     # a MySQL: scripts/servers start mysql
    tests/soak/step_functions.py --records 20000
    tests/soak/step_functions.py --home DIR --steps fill              # in several parts, with the same directory
    tests/soak/step_functions.py --home DIR --steps single night
    tests/soak/step_functions.py --home DIR --steps outage killed lost stop

| step | what happens |
| --- | --- |
| fill | ministack starts; `backfill` writes both stores, which are then damaged; the stack is created from the bundle |
| single | `ruminate reconcile` audits both stores |
| night | an execution with an empty input |
| outage | the warehouse is gone for --outage seconds while shards run; shards are retried |
| killed | one bootstrap is killed; its shard is retried |
| lost | all bootstraps are killed from a moment on; the execution fails with its messages, and a second one resumes the run |
| stop | ministack and its data are removed |

After each of the executions the evidence in the bucket is compared with that of `single`, byte by byte. Prints figures, and
exits with 1 at the first difference. Needs the network once, for the packages on PyPI. Differences from AWS: ministack
ignores `MaxConcurrencyPath`, so the stack has the number; a bootstrap is a process of this machine and has no limit of memory.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import evidence  # noqa: E402
from relay import Relay  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
PACKAGES = ["ministack==1.5.33", "boto3==1.43.106", "aws-sam-translator==1.115.0"]
STEPS = ["fill", "single", "night", "outage", "killed", "lost", "stop"]
REGION, PREFIX, RUNS = "us-east-1", "historico_diario", "ruminate-runs"
DATABASE = "soak_step_functions"


def with_packages():
    """Runs this program again in a virtual environment that has the packages."""
    venv = os.path.join(TARGET, "soak-ministack")
    if sys.prefix == os.path.abspath(venv):
        return
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(os.path.join(venv, "complete")):
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *PACKAGES], check=True)
        open(os.path.join(venv, "complete"), "w").close()
    os.execv(python, [python, *sys.argv])


def fail(what):
    sys.exit(f"step_functions: {what}")


def fields_of(pid):
    """Returns the parent, the CPU seconds and the peak RSS in MB of a process; None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            stat = file.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            peak = re.search(r"VmHWM:\s+(\d+)", file.read())
        return int(stat[1]), (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), int(peak[1]) / 1024 if peak else 0
    except OSError:
        return None


class Bootstraps(threading.Thread):
    """Watches the processes of the function: CPU seconds and peak RSS of each."""

    def __init__(self, parent):
        super().__init__(daemon=True)
        self.parent, self.seen, self.at_once, self.ended = parent, {}, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            alive = self.alive()
            self.at_once = max(self.at_once, len(alive))

    def alive(self):
        """Returns the processes that run now."""
        found = []
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            fields = fields_of(pid)
            if fields and fields[0] == self.parent:
                found.append(pid)
                first = self.seen.get(pid, (fields[1],))[0]
                self.seen[pid] = (first, fields[1], fields[2])
        return found

    def __str__(self):
        cpu = sum(last - first for first, last, _ in self.seen.values())
        rss = max((rss for _, _, rss in self.seen.values()), default=0)
        return f"{len(self.seen)} bootstraps, at most {self.at_once} at once, {cpu:.1f} s CPU, at most {rss:.0f} MB RSS each"


class Ministack:
    """A ministack in a separate session, which a later part of the test finds again."""

    def __init__(self, home):
        self.home, self.file = home, os.path.join(home, "ministack.json")
        if os.path.exists(self.file):
            with open(self.file, encoding="utf-8") as file:
                self.pid, self.port = json.load(file)
        else:
            self.start()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        listener = Relay.listen(0)
        self.port = listener.getsockname()[1]
        listener.close()
        folder = os.path.join(self.home, "ministack")
        os.makedirs(folder)
        env = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port),
               "LOG_LEVEL": "WARNING", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}
        with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
            child = subprocess.Popen([os.path.join(sys.prefix, "bin", "ministack")], cwd=folder, env=env, stdout=log, stderr=log,
                                     stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = child.pid
        with open(self.file, "w", encoding="utf-8") as file:
            json.dump([self.pid, self.port], file)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                return self.client("s3").list_buckets()
            except Exception:  # not started yet
                time.sleep(0.5)
        return fail(f"ministack did not start: {folder}/log")

    def client(self, service):
        import boto3
        return boto3.client(service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name=REGION,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def cpu(self):
        return fields_of(self.pid)[1]

    def stop(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass


class Demonstration:
    """The steps, with their stores."""

    def __init__(self, options):
        self.options, self.home = options, options.home
        self.server = re.sub(r"\?.*", "", os.environ.get("RUMINATE_TEST_MYSQL", "")).rstrip("/")
        self.user, self.password, self.mysql_port = re.fullmatch(r"mysql://(.*?):(.*)@.*:(\d+)", self.server).groups()
        self.warehouse = f"{self.server}/{DATABASE}"
        self.stack, self.relaying = Ministack(self.home), None
        self.stores = ["--lake", f"s3://lake/{PREFIX}", "--warehouse", self.warehouse]

    def path(self, *names):
        return os.path.join(self.home, *names)

    def ruminate(self, *args, codes=(0,), **more):
        """Runs a command, and prints its time, CPU and peak RSS."""
        env = {"PATH": os.environ["PATH"], "HOME": self.home, "LC_ALL": "C.UTF-8", "AWS_ENDPOINT_URL": self.stack.url, "AWS_REGION": REGION,
               "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", **more}
        command, began, before = [self.options.program, *map(str, args), "--no-progress", "--output", "json"], time.monotonic(), self.stack.cpu()
        with open(self.path("stderr"), "w", encoding="utf-8") as stderr:
            child = subprocess.Popen(command, env=env, cwd=self.home, stdout=subprocess.PIPE, stderr=stderr, text=True)
            out = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
        code = child.returncode = os.waitstatus_to_exitcode(status)
        if code not in codes:
            with open(self.path("stderr"), encoding="utf-8") as stderr:
                fail(f"{' '.join(map(str, args[:2]))} ended with {code}: {stderr.read()[-2000:]} {out[-2000:]}")
        print(f"{args[0]}: exit {code}, {time.monotonic() - began:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s CPU, "
              f"{usage.ru_maxrss / 1024:.0f} MB RSS, ministack {self.stack.cpu() - before:.1f} s CPU", flush=True)
        return json.loads(out) if out.startswith("{") else {}

    @staticmethod
    def sql(statement):
        command = [os.path.join(ROOT, "scripts", "servers"), "sql", "mysql", "-N", "-e", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    # ---- fill -----------------------------------------------------------------

    def fill(self):
        s3 = self.stack.client("s3")
        for bucket in ("lake", "runs", "code"):
            s3.create_bucket(Bucket=bucket)
        self.sql(f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}")
        self.ruminate("init", "--warehouse", self.warehouse)
        days = 50
        # About 91 % of the pens report on a day.
        lots = -(-self.options.records * 100 // (91 * 4 * days))
        self.ruminate("generate", "--farms", 4, "--lots", lots, "--days", days, "--start", "2026-02-01", "--out", "history.ndjson")
        filled = self.ruminate("backfill", "history.ndjson", *self.stores)
        print(f"lake of {filled['written']:,} objects", flush=True)
        self.damage(s3)
        self.deploy()

    def damage(self, s3):
        """Deletes and changes one object and one row in a thousand each, misfiles objects, and adds copies under other ids."""
        table, few = f"{DATABASE}.historico_consumo", max(1, self.options.records // 1000)
        self.sql(f"DELETE FROM {table} ORDER BY CRC32(id_treated_data) LIMIT {few}; "
                 f"UPDATE {table} SET quantidade_animais = 9999 ORDER BY CRC32(REVERSE(id_treated_data)) LIMIT {few}; "
                 f"UPDATE {table} SET id_treated_data = UPPER(id_treated_data) ORDER BY CRC32(CONCAT(id_treated_data, 1)) LIMIT {few}")
        keys = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=PREFIX)
                for entry in page.get("Contents", [])]
        for number, key in enumerate(keys[:: max(1, len(keys) // (6 * few))]):
            body = s3.get_object(Bucket="lake", Key=key)["Body"].read()
            kind = ("delete", "cut", "copy", "move", "change", "legacy")[number % 6]
            folder, _, name = key.rpartition("/")
            if kind in ("copy", "move"):
                s3.put_object(Bucket="lake", Key=f"{folder[:-2]}{number % 28 + 1:02}/{name}", Body=body)
            elif kind == "cut":
                s3.put_object(Bucket="lake", Key=key, Body=body[: len(body) // 2])
            elif kind == "change":
                s3.put_object(Bucket="lake", Key=key, Body=json.dumps(json.loads(body) | {"dia_confinamento": 777}).encode())
            elif kind == "legacy":
                day = folder[len(folder) - 10:].replace("/", "-")
                s3.put_object(Bucket="lake", Key=f"{folder}/historico_consumo_{day} 01:00:00.{number % 1000:03}.json", Body=body)
            if kind == "delete" or kind == "move" and not key.startswith(f"{folder[:-2]}{number % 28 + 1:02}/"):
                s3.delete_object(Bucket="lake", Key=key)
        print(f"damage: {3 * few} rows, {number + 1} objects of {len(keys):,}", flush=True)

    def deploy(self):
        """Creates the stack from the bundle: the template as it is, except for what only `aws cloudformation package` or AWS does."""
        ca = os.environ["RUMINATE_TEST_MYSQL_CA"]
        self.ruminate("bundle", "--fanout", "--bootstrap", self.options.bootstrap, "--rds-ca", ca, "--out", "bundle", "--force")
        self.stack.client("s3").upload_file(self.path("bundle", "bootstrap.zip"), "code", "bootstrap.zip")
        with open(self.path("bundle", "fanout.yaml"), encoding="utf-8") as file:
            template = file.read()
        changes = {"CodeUri: bootstrap.zip": "CodeUri: s3://code/bootstrap.zip",
                   "MaxConcurrencyPath: $.concurrency": f"MaxConcurrency: {self.options.at_once}"}
        for old, new in changes.items():
            if template.count(old) != 1:
                fail(f"the template has no {old}")
            template = template.replace(old, new)
        secret = self.stack.client("secretsmanager").create_secret(
            Name="warehouse", SecretString=json.dumps({"username": self.user, "password": self.password}))["ARN"]
        topic = self.stack.client("sns").create_topic(Name="alarm")["TopicArn"]
        sqs = self.stack.client("sqs")
        queue = sqs.create_queue(QueueName="alarm")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        port = self.relay_port()
        values = {"LakeBucket": "lake", "LakePrefix": PREFIX, "DatabaseHost": "localhost", "DatabasePort": port, "DatabaseName": DATABASE,
                  "DatabaseSecretArn": secret, "RunBucket": "runs", "RunPrefix": RUNS, "AlarmTopicArn": topic, "RdsCaFile": ca,
                  "ObjectsPerShard": -(-self.options.records // self.options.shards), "MaximumConcurrency": self.options.at_once}
        formation = self.stack.client("cloudformation")
        formation.create_stack(StackName="ruminate-fanout", TemplateBody=template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                               Parameters=[{"ParameterKey": name, "ParameterValue": str(value)} for name, value in values.items()])
        stack = self.waited(lambda: formation.describe_stacks(StackName="ruminate-fanout")["Stacks"][0],
                            lambda stack: not stack["StackStatus"].endswith("IN_PROGRESS"), 120)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            fail(f"the stack is {stack['StackStatus']}: {stack.get('StackStatusReason')}")
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        with open(self.path("outputs.json"), "w", encoding="utf-8") as file:
            json.dump({"machine": outputs["AuditArn"], "queue": queue, "relay": port, "secret": secret}, file)

    @staticmethod
    def relay_port():
        """Returns a free port, on which a relay to the warehouse listens during the executions."""
        listener = Relay.listen(0)
        port = listener.getsockname()[1]
        listener.close()
        return port

    @staticmethod
    def waited(look, done, seconds):
        deadline = time.monotonic() + seconds
        while not done(seen := look()):
            if time.monotonic() > deadline:
                fail(f"not within {seconds} s: {seen}")
            time.sleep(0.5)
        return seen

    # ---- the executions -------------------------------------------------------

    def single(self):
        shutil.rmtree(self.path("single"), ignore_errors=True)
        outputs = self.outputs()
        # The warehouse by the variables of the function, because the evidence has its address.
        variables = {"RDS_HOST": "localhost", "RDS_PORT": str(outputs["relay"]), "RDS_DATABASE": DATABASE, "RDS_SECRET_ARN": outputs["secret"],
                     "RDS_CA_FILE": os.environ["RUMINATE_TEST_MYSQL_CA"]}
        self.relay()
        outcome = self.ruminate("reconcile", "--lake", f"s3://lake/{PREFIX}", "--evidence", "single", codes=(1,), **variables)
        counts = {name: value for name, value in outcome.items() if isinstance(value, int) and value}
        print(f"single run: {counts}", flush=True)

    def relay(self):
        """Returns the relay to the warehouse, on the port that the stack has."""
        if self.relaying is None:
            self.relaying = FixedRelay(int(self.mysql_port), self.outputs()["relay"])
            self.relaying.__enter__()
        return self.relaying

    def outputs(self):
        with open(self.path("outputs.json"), encoding="utf-8") as file:
            return json.load(file)

    def execute(self, name, given, disturb=lambda relay, watch: None):
        """Starts an execution, waits for its end, and prints its figures; returns its status and the messages."""
        outputs, steps = self.outputs(), self.stack.client("stepfunctions")
        relay, watch = self.relay(), Bootstraps(self.stack.pid)
        watch.start()
        began, before = time.monotonic(), self.stack.cpu()
        arn = steps.start_execution(stateMachineArn=outputs["machine"], name=name, input=json.dumps(given))["executionArn"]
        disturb(relay, watch)
        ended = self.waited(lambda: steps.describe_execution(executionArn=arn), lambda seen: seen["status"] != "RUNNING", 1800)
        watch.ended.set()
        watch.join()
        messages = self.messages(outputs["queue"])
        run = given.get("resume", name)
        keys = self.keys(f"{RUNS}/{run}/shards/")
        attempts, failures, outcomes = (sum(f"/{kind}" in key for key in keys) for kind in ("attempt-", "failure-", "outcome.json"))
        print(f"{name}: {ended['status']}, {time.monotonic() - began:.1f} s; {watch}; ministack {self.stack.cpu() - before:.1f} s CPU, "
              f"{fields_of(self.stack.pid)[2]:.0f} MB; {outcomes} shards, {attempts} attempts, {failures} failures recorded; "
              f"messages: {[subject for subject, _ in messages]}", flush=True)
        return ended, messages

    def keys(self, prefix):
        pages = self.stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket="runs", Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def messages(self, queue):
        """Returns the subjects and texts of all messages of the alarm, and removes them."""
        sqs, found = self.stack.client("sqs"), []
        while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                body = json.loads(message["Body"])
                found.append((body["Subject"], body["Message"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def compare(self, run):
        """Compares the evidence in the bucket with that of the single run."""
        folder = self.path(f"evidence-{run}")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for key in self.keys(f"{RUNS}/{run}/evidence/"):
            self.stack.client("s3").download_file("runs", key, os.path.join(folder, os.path.basename(key)))
        differs = evidence.differences(self.path("single"), folder, late_differs=True)
        if differs:
            fail(f"{run} is not that of the single run: {differs}")
        sizes = {name: os.path.getsize(self.path("single", name)) for name in evidence.FILES}
        print(f"{run}: equal to the single run: {sizes} bytes, and audit.json", flush=True)

    def ended_well(self, ended, name):
        if ended["status"] != "SUCCEEDED":
            fail(f"{name}: {ended['status']}: {ended.get('cause', '')[:2000]}")

    def name(self, step):
        return f"{step}-{int(time.time())}"

    def night(self):
        name = self.name("night")
        ended, messages = self.execute(name, {})
        self.ended_well(ended, name)
        if [subject for subject, _ in messages] != ["ruminate: drift between lake and warehouse"]:
            fail(f"{name}: messages {messages}")
        self.compare(name)

    def outage(self):
        name = self.name("outage")

        def disturb(relay, _):
            self.started(name, self.options.at_once)
            relay.cut()
            print(f"the warehouse is gone for {self.options.outage} s", flush=True)
            time.sleep(self.options.outage)
            relay.restore()

        ended, _ = self.execute(name, {}, disturb)
        self.ended_well(ended, name)
        self.compare(name)

    def killed(self):
        """One process is killed: its shard is started again."""
        name = self.name("killed")

        def disturb(_, watch):
            self.started(name, self.options.at_once)
            os.kill(max(watch.alive(), key=lambda pid: fields_of(pid)[1]), signal.SIGKILL)

        ended, messages = self.execute(name, {}, disturb)
        self.ended_well(ended, name)
        if len(messages) != 1:
            fail(f"{name}: messages {messages}")
        self.compare(name)

    def lost(self):
        """All processes are killed once two shards are complete: the execution fails with messages, and another one resumes the run."""
        name = self.name("lost")

        def disturb(_, watch):
            self.waited(lambda: self.outcomes(name), lambda count: count >= 2, 900)
            self.killing = threading.Event()
            threading.Thread(target=self.kill_all, args=(watch,), daemon=True).start()

        ended, messages = self.execute(name, {}, disturb)
        self.killing.set()
        subjects = [subject for subject, _ in messages]
        if ended["status"] != "FAILED" or "ruminate: the audit could not run" not in subjects:
            fail(f"{name}: {ended['status']} with {subjects} after all bootstraps were killed")
        for text in (messages[0], messages[-1]):
            print(f"  {text[0]}: {text[1][:500]}", flush=True)
        done = self.outcomes(name)
        ended, _ = self.execute(f"{name}-again", {"resume": name})
        self.ended_well(ended, name)
        print(f"{name}: {done} shards were complete before it was resumed", flush=True)
        self.compare(name)

    def kill_all(self, watch):
        while not self.killing.wait(0.5):
            for pid in watch.alive():
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass

    def outcomes(self, run):
        return sum(key.endswith("/outcome.json") for key in self.keys(f"{RUNS}/{run}/shards/"))

    def started(self, run, shards):
        """Waits until this number of shards of a run have started, and a little longer."""
        self.waited(lambda: sum("/attempt-" in key for key in self.keys(f"{RUNS}/{run}/shards/")), lambda count: count >= shards, 600)
        time.sleep(1)

    def stop(self):
        self.stack.stop()
        self.sql(f"DROP DATABASE IF EXISTS {DATABASE}")
        shutil.rmtree(self.home)


class FixedRelay(Relay):
    """A relay on a given port, which the stack has as the warehouse's."""

    def __init__(self, target, port):
        super().__init__(target)
        self.fixed = port

    def listen(self, _):
        return Relay.listen(self.fixed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000, help="objects of the lake, about [200000]")
    parser.add_argument("--shards", type=int, default=16, help="shards, about [16]")
    parser.add_argument("--at-once", type=int, default=4, help="shards at once [4]")
    parser.add_argument("--outage", type=float, default=60, help="seconds without a warehouse [60]")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="steps [all]")
    parser.add_argument("--home", help="directory of the test [temporary]")
    parser.add_argument("--program", default=os.path.join(TARGET, "release", "ruminate"), help="program [target/release/ruminate]")
    parser.add_argument("--bootstrap", default=os.path.join(TARGET, "release", "fanout"), help="bootstrap [target/release/fanout]")
    options = parser.parse_args()
    with_packages()
    options.home = os.path.abspath(options.home or tempfile.mkdtemp(prefix="soak-step-functions-"))
    options.program, options.bootstrap = os.path.abspath(options.program), os.path.abspath(options.bootstrap)
    os.makedirs(options.home, exist_ok=True)
    for needed in ("RUMINATE_TEST_MYSQL", "RUMINATE_TEST_MYSQL_CA"):
        if needed not in os.environ:
            fail(f"{needed} is not set: scripts/servers start mysql")
    demonstration = Demonstration(options)
    try:
        for step in options.steps:
            getattr(demonstration, step)()
    except BaseException:
        if "stop" in options.steps:
            print(f"the stores are in {options.home}; stop ministack with --home {options.home} --steps stop", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
