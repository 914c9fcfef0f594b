"""Full disks: a small tmpfs for each thing that the program writes. Needs root.

Each run on a full disk must end with an error that names the cause, without a half-written file; with more space the same command
then does its work.
"""
import glob
import os
import shutil
import subprocess
import time

import accounting
import commands
from lakes import DirectoryLake, md5
from programs import Server, Skipped, check, constants, credentials
from warehouses import Sqlite

KIB = 1024
FULL = ("no space left", "disk is full", "os error 28")


class Disk:
    """A tmpfs of this size."""

    def __init__(self, path, size):
        self.path = path
        os.makedirs(path, exist_ok=True)
        if os.geteuid() != 0:
            raise Skipped("needs root, to mount a tmpfs")
        self.mount(f"size={size}", "-t", "tmpfs", "soak")

    def mount(self, options, *rest):
        done = subprocess.run(["mount", "-o", options, *rest, self.path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skipped(f"mount: {done.stderr.strip()}")

    def grow(self):
        self.mount("remount,size=512m")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


class Bench:
    """A directory lake and a SQLite file, of which a case puts one thing on a small disk."""

    def __init__(self, soak, name):
        self.home = os.path.join(soak.home, name)
        os.makedirs(self.home)
        self.programs = soak.programs_in(self.home)
        self.small = os.path.join(self.home, "small")

    def filled(self, lake=None, warehouse=None):
        """Returns stores with about 500 readings in both."""
        stores = commands.Stores(self.programs, lake or DirectoryLake(self.programs), warehouse or Sqlite(self.programs))
        stores.fill()
        return stores

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)


def failed(ran, codes=(1, 2, 3), command=None):
    """Checks a run on a full disk."""
    ran.expect(*codes).shows(*FULL)
    check("panicked" not in ran.err, ran)
    if command and ran.json:
        lines = accounting.problems(command, ran.json)
        check(not lines, "; ".join(lines), ran)
    return f"exit {ran.code}"


def no_temporary_files(folder):
    left = [path for path in glob.glob(os.path.join(folder, "**", ".ruminate-*"), recursive=True)]
    check(not left, f"temporary files are left: {left[:3]}")


def stores_on_disk(bench, command, size):
    """Loads from a directory lake into SQLite; `command` decides which of them is on the small disk."""
    on_lake = command in ("backfill lake", "publish-local lake", "restore")
    with Disk(bench.small, size) as disk:
        lake = DirectoryLake(bench.programs, "small/store" if on_lake else "store")
        warehouse = Sqlite(bench.programs, "warehouse.db" if on_lake else "small/warehouse.db")
        stores = commands.Stores(bench.programs, lake, warehouse)
        disk.grow()
        stores.fill()
        if command == "restore":
            stores.run("compact").expect(0)
            stores.lake.delete([key for key in stores.lake.listing() if not key.startswith(commands.PARTS)])
        else:
            stores.load("empty", {} if command != "replay" else stores.saved["full"])
        disk.mount(f"remount,size={shutil.disk_usage(bench.small).used + size}")
        args = {"backfill lake": ["backfill", stores.history], "publish-local lake": ["publish", stores.history, "--topic", "local"],
                "restore": ["restore", "--to", lake.url], "backfill warehouse": ["backfill", stores.history],
                "replay": ["replay"], "publish-local warehouse": ["publish", stores.history, "--topic", "local"]}[command]
        ran = stores.run(*args)
        result = failed(ran, command={"publish-local": "publish"}.get(args[0], args[0]))
        check(not lake.leftovers(), "temporary files are left:", lake.leftovers()[:3])
        for key, etag in lake.listing().items():
            saved = stores.saved["full"].get(key)
            check(key.startswith(commands.PARTS) or command.startswith(("backfill", "publish")) or saved is None or etag == md5(saved),
                  f"{key} is half written")
        disk.grow()
        stores.run(*args).expect(0)
        stores.audit()
    return result


def parts(bench, size):
    stores = bench.filled()
    with Disk(os.path.join(stores.lake.folder, "partes"), size) as disk:
        result = failed(stores.run("compact"), command="compact")
        no_temporary_files(stores.lake.folder)
        stores.run("reconcile").expect(0, matched=stores.count)
        disk.grow()
        stores.run("compact").expect(0)
        stores.run("reconcile", "--parts", "only").expect(0, matched=stores.count)
    return result


def generated(bench, size):
    with Disk(bench.small, size) as disk:
        args = ["generate", "--farms", "3", "--lots", "100", "--days", "20", "--start", "2024-01-01", "--out", os.path.join(bench.small, "out")]
        result = failed(bench.programs.run(*args), (2, 3))
        no_temporary_files(bench.small)
        disk.grow()
        bench.programs.run(*args).expect(0)
        bench.programs.run(*args[:-1], os.path.join(bench.home, "again")).expect(0)
        done = subprocess.run(["diff", "-r", os.path.join(bench.small, "out"), os.path.join(bench.home, "again")], check=False)
        check(done.returncode == 0, "other files than without the fault")
    return result


def outputs(bench, flag, size):
    """A report, a drift file or evidence of an audit: the audit itself is complete, and the failure is an error."""
    stores = bench.filled()
    stores.warehouse.run("DELETE FROM historico_consumo")
    with Disk(bench.small, size) as disk:
        name = {"--report": "report.html", "--drift": "drift.ndjson", "--evidence": "evidence", "--cache": "cache"}[flag]
        args = ["reconcile", "--allow-empty", flag, os.path.join(bench.small, name)]
        for path in stores.lake.files():
            os.utime(path, (time.time() - 86_400,) * 2)  # newer objects are not cached
        ran = stores.run(*args)
        result = failed(ran, (1, 2, 3), "reconcile")
        no_temporary_files(bench.small)
        disk.grow()
        if flag == "--evidence":
            shutil.rmtree(os.path.join(bench.small, name), ignore_errors=True)
        stores.run(*args).expect(1, lake_only=stores.count)
    return result


def undo_file(bench, size):
    """A repair makes no change that its undo file does not have."""
    stores = bench.filled()
    repair = commands.Repair(stores)
    repair.prepare()
    repair.reset()
    before = repair.state()
    with Disk(bench.small, size) as disk:
        repair.undo_file = os.path.join(bench.small, "undo.ndjson")
        ran = stores.run(*repair.args())
        result = failed(ran, (1, 2, 3), "reconcile")
        lines = commands.recorded(repair.undo_file)
        for was, is_ in zip(before, repair.state()):
            for name, value in is_.items():
                check(value == was.get(name) or name.removeprefix(f"{commands.PREFIX}/") in lines, f"{name} was changed without a line in the undo file")
        disk.grow()
        stores.run(*repair.args()).expect(0, 1)
        stores.audit()
        stores.run("undo", repair.undo_file).expect(0, 1)  # 1: a line is truncated
        check(repair.state() == before, "the undo file does not restore the state")
    return result


def published(bench, flag, size):
    """Dead letters and the journal of a publish run. All messages fail, so all are dead letters."""
    history, count = bench.programs.history("history.json", 2, 30, 9)
    topic = constants("sns")["TOPIC"]
    with Disk(bench.small, size) as disk, \
            Server([bench.programs.path("ruminate-test-sns"), *(["--fail-entries", "1", "--fail-sender"] if flag == "--dead-letters" else [])],
                   bench.home) as stub:
        env = {**credentials("sns"), "AWS_ENDPOINT_URL_SNS": stub.endpoint}
        path = os.path.join(bench.small, "file.ndjson")
        args = ["publish", history, "--topic", topic, flag, path]
        if flag == "--journal":
            with open(os.path.join(bench.small, "filler"), "wb") as file:
                file.write(b"x" * size)
        ran = bench.programs.run(*args, env=env)
        result = failed(ran, (2, 3), "publish")
        disk.grow()
        if flag == "--dead-letters":
            again = bench.programs.run(*args, "--resume", env=env).expect(1)
            check(again.json["skipped"] + again.json["failed"] == count, again)
            with open(path, encoding="utf-8") as lines:
                bodies = {line for line in lines if line.strip()}
            check(len(bodies) >= count, f"{len(bodies)} dead letters of {count}")
        else:
            bench.programs.run(*args, env=env).expect(0, published=count)
    return result


def planned(bench, size):
    stores = bench.filled()
    with Disk(bench.small, size) as disk:
        run = os.path.join(bench.small, "run")
        plan = ["plan", "reconcile", "--shards", "3", "--out", run]
        ran = stores.run(*plan)
        results = []
        if ran.code != 0:
            results.append("plan " + failed(ran))
            disk.grow()
            stores.run(*plan).expect(0)
        for shard in range(3):
            ran = stores.run("shard", run, "--shard", str(shard))
            if ran.code != 0:
                results.append("shard " + failed(ran, (2, 3)))
                disk.grow()
                stores.run("shard", run, "--shard", str(shard)).expect(0)
        check(results, "the disk was not full")
        stores.run("merge", run).expect(0, matched=stores.count)
    return ", ".join(results)


def cases():
    """Returns all cases: title → what runs, with its sizes in KiB."""
    found = {}
    for command in ("backfill lake", "publish-local lake", "restore", "backfill warehouse", "publish-local warehouse", "replay"):
        found[f"full disk: {command}"] = (lambda bench, size, command=command: stores_on_disk(bench, command, size), (8, 48))
    found["full disk: parts"] = (parts, (4, 16))
    found["full disk: generated files"] = (generated, (4, 200, 600))
    for flag, sizes in {"--report": (4, 12), "--drift": (4, 60), "--evidence": (4, 60), "--cache": (4, 40)}.items():
        found[f"full disk: audit {flag}"] = (lambda bench, size, flag=flag: outputs(bench, flag, size), sizes)
    found["full disk: undo file"] = (undo_file, (4, 40, 120))
    for flag, sizes in {"--dead-letters": (4, 60), "--journal": (4,)}.items():
        found[f"full disk: publish {flag}"] = (lambda bench, size, flag=flag: published(bench, flag, size), sizes)
    found["full disk: plan and shards"] = (planned, (4, 8, 16))
    return found


def run(soak):
    """Runs all cases, each with several sizes."""
    for title, (body, sizes) in cases().items():
        def all_sizes(body=body, sizes=sizes):
            results = []
            for size in sizes:
                bench = Bench(soak, f"disk-{size}")
                try:
                    results.append(f"{size} KiB: {body(bench, size * KIB)}")
                finally:
                    bench.close()
            return "; ".join(results)
        if soak.wants(title):
            soak.case(title, all_sizes)
