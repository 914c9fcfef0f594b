#!/usr/bin/env python3
"""Audits, replays and compactions in shards, disturbed at random moments: the result equals that of the single run.

    tests/soak/fleet.py                                   # all jobs and lakes, 20 moments
    tests/soak/fleet.py --seed 7 --moments 3 --shards 7 --jobs audit --lakes mixed

1. Shards 1, 2, 7 and 64, in order, shuffled, and each twice.
2. Per job, `--moments` times each: SIGKILL of a shard, SIGKILL of a merge, and two attempts at one shard at once, one of
   which is killed half of the times. Each is followed by a complete rerun.
3. A quarter as often: SIGTERM of a shard (exit 3 within its grace period, or 0), and SIGSTOP of a shard for `--stopped` seconds,
   in which another attempt overtakes it (not in a replay, where the stopped one may hold locks).

Each result is compared byte by byte: the evidence and the drift file of an audit, all rows of a replay, all parts of a
compaction. Prints figures and exits with 0, or prints the first difference with its seed, keeps its directory and exits
with 1. Stores are directories and SQLite; a replay also uses MySQL if RUMINATE_TEST_MYSQL is set (`scripts/servers`).
"""
import argparse
import filecmp
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib

sys.dont_write_bytecode = True
import evidence  # noqa: E402
from fleet_stores import build, tree  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Variables that would change what a process does.
REMOVED = ("RUMINATE_", "AWS_", "RDS_", "DATABASE_URL", "SLURM_", "BATCH_", "JOB_COMPLETION", "CLOUD_RUN")
GRACE = 30.0


class Difference(Exception):
    """A result that is not that of the single run, or an exit code that no run may have."""


class Program:
    """The program, started in one directory with the same environment."""

    def __init__(self, path, home):
        self.path, self.home = path, home
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED)}
        self.env |= {"HOME": home, "LC_ALL": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}

    def start(self, *args):
        command = [self.path, *map(str, args), "--output", "json", "--no-progress", "-q"]
        return subprocess.Popen(command, cwd=self.home, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, child, args, codes):
        out, err = child.communicate(timeout=600)
        if child.returncode not in codes:
            raise Difference(f"{' '.join(map(str, args))} ended with {child.returncode}, not with one of {codes}: {err.strip()[-2000:]}")
        return child.returncode, json.loads(out) if out.startswith("{") else {}

    def run(self, *args, codes=(0,)):
        return self.end(self.start(*args), args, codes)

    def path_of(self, *names):
        return os.path.join(self.home, *names)


class Job:
    """A job on a lake: its single run, and the same in shards."""

    codes = (0, 1)

    def __init__(self, program, options, chance):
        self.program, self.options, self.chance, self.number = program, options, chance, 0
        self.planned, self.seconds = {}, {}

    def fresh(self):
        """Brings the stores to their state before the job."""

    def compare(self, what):
        """Compares the result with that of the single run."""

    def plan(self, shards):
        """Returns a run that is planned once; the copies of it are run."""
        if shards not in self.planned:
            name = f"{self.name}-plan-{shards}"
            self.program.run("plan", self.command, *self.stores, *self.flags, "--shards", shards, "--out", name)
            self.planned[shards] = name
        self.number += 1
        run = f"{self.name}-run-{self.number}"
        shutil.copytree(self.program.path_of(self.planned[shards]), self.program.path_of(run))
        self.fresh()
        return run

    def shard_args(self, run, shard):
        return ["shard", run, "--shard", shard, *self.stores]

    def shard(self, run, shard):
        began = time.monotonic()
        ended = self.program.run(*self.shard_args(run, shard))
        self.seconds[(self.shards_of(run), shard)] = time.monotonic() - began
        return ended

    def shards_of(self, run):
        with open(self.program.path_of(run, "shards.jsonl"), encoding="utf-8") as lines:
            return sum(1 for _ in lines)

    def merge_args(self, run):
        return ["merge", run, *self.stores]

    def merge(self, run, what):
        began = time.monotonic()
        code, outcome = self.program.run(*self.merge_args(run), codes=self.codes)
        self.merge_seconds = time.monotonic() - began
        if code != self.code:
            raise Difference(f"{what}: merge ended with {code}, the single run with {self.code}")
        self.compare(what)
        shutil.rmtree(self.program.path_of(run))
        return outcome

    def in_order(self, shards, order, what):
        run, numbers = self.plan(shards), list(range(shards))
        if order == "shuffled":
            self.chance.shuffle(numbers)
        for number in numbers:
            states = [self.shard(run, number)[1]["state"] for _ in range(2 if order == "twice" else 1)]
            if states not in (["written"], ["written", "already_written"]):
                raise Difference(f"{what}: shard {number} is {states}")
        self.merge(run, what)

    def all_but(self, run, victim):
        for number in range(self.shards_of(run)):
            if number != victim:
                self.shard(run, number)

    def moment(self, run, shard):
        """Returns a random moment of a shard's run."""
        usual = self.seconds.get((self.shards_of(run), shard), 0.3)
        return self.chance.uniform(0, usual)

    def disturbed(self, kind, shards, what):
        """Disturbs a shard or the merge, and runs everything again. Returns true if the process was met alive."""
        run = self.plan(shards)
        victim = self.chance.randrange(shards)
        self.all_but(run, victim)
        met = getattr(self, kind)(run, victim, what)
        self.shard(run, victim)
        if kind == "kill_merge":
            child = self.program.start(*self.merge_args(run))
            time.sleep(self.chance.uniform(0, getattr(self, "merge_seconds", 0.3)))
            met = ended_by(child, signal.SIGKILL)
            self.discard()
        self.merge(run, what)
        return met

    def discard(self):
        """Removes what a killed merge left."""

    def kill_merge(self, run, victim, what):
        return False

    def kill_shard(self, run, victim, what):
        child = self.program.start(*self.shard_args(run, victim))
        time.sleep(self.moment(run, victim))
        return ended_by(child, signal.SIGKILL)

    def two_at_once(self, run, victim, what):
        args = self.shard_args(run, victim)
        children = [self.program.start(*args) for _ in range(2)]
        if self.chance.random() < 0.5:
            time.sleep(self.moment(run, victim))
            met = ended_by(children.pop(), signal.SIGKILL)
            self.program.end(children[0], args, (0,))
            return met
        states = sorted(self.state_of(child, args, what) for child in children)
        if states != ["already_written", "written"]:
            raise Difference(f"{what}: two attempts at once are {states}")
        return True

    def state_of(self, child, args, what):
        """Returns the state of an attempt. One that ends with 3 is started again, as a scheduler does, and named."""
        code, outcome = self.program.end(child, args, (0, 3))
        if code == 3:
            print(f"{what}: an attempt of two at once ended with 3, and was started again", flush=True)
            _, outcome = self.program.run(*args)
        return outcome["state"]

    def terminate(self, run, victim, what):
        args = self.shard_args(run, victim)
        child = self.program.start(*args)
        time.sleep(self.moment(run, victim))
        child.send_signal(signal.SIGTERM)
        began = time.monotonic()
        # Before its handler is set, the signal ends the process as any other.
        code, _ = self.program.end(child, args, (0, 3, -signal.SIGTERM))
        if time.monotonic() - began > GRACE:
            raise Difference(f"{what}: SIGTERM needed {time.monotonic() - began:.0f} s")
        return code != 0

    def stop(self, run, victim, what):
        args = self.shard_args(run, victim)
        child = self.program.start(*args)
        time.sleep(self.moment(run, victim))
        child.send_signal(signal.SIGSTOP)
        was_alive = child.poll() is None
        began = time.monotonic()
        if self.overtakes:
            self.shard(run, victim)
        time.sleep(max(0.0, self.options.stopped - (time.monotonic() - began)))
        child.send_signal(signal.SIGCONT)
        self.program.end(child, args, (0,))
        return was_alive


def ended_by(child, number):
    """Sends a signal, and returns true if it ended the process."""
    child.send_signal(number)
    child.communicate()
    return child.returncode == -number


class Audit(Job):
    name = command = "reconcile"
    flags = []
    overtakes = True

    def __init__(self, *args):
        super().__init__(*args)
        self.stores = ["--lake", "lake", "--warehouse", "sqlite:warehouse.db"]
        self.code, _ = self.program.run("reconcile", *self.stores, "--evidence", "single", "--drift", "drift.ndjson", codes=(1,))
        os.rename(self.program.path_of("drift.ndjson"), self.program.path_of("single.ndjson"))
        self.findings = sum(1 for _ in open(self.program.path_of("single.ndjson"), encoding="utf-8"))

    def merge_args(self, run):
        return [*super().merge_args(run), "--evidence", "merged", "--drift", "drift.ndjson"]

    def discard(self):
        shutil.rmtree(self.program.path_of("merged"), ignore_errors=True)

    def compare(self, what):
        path = self.program.path_of
        differs = evidence.differences(path("single"), path("merged"))
        if not filecmp.cmp(path("single.ndjson"), path("drift.ndjson"), shallow=False):
            differs.append("the file of --drift")
        if differs:
            raise Difference(f"{what} is not that of the single run: {differs}")
        self.discard()


class Replay(Job):
    name = command = "replay"
    flags = ["--verify"]
    # A stopped attempt may hold locks on rows, for which another has to wait.
    overtakes = False

    def __init__(self, *args):
        super().__init__(*args)
        self.stores = ["--lake", "lake", "--warehouse", self.url()]
        self.fresh()
        self.code, outcome = self.program.run("replay", *self.stores, codes=self.codes)
        self.rows, self.count = self.all_rows(), outcome["inserted"]

    def url(self):
        return "sqlite:replayed.db"

    def fresh(self):
        for end in ("", "-wal", "-shm", "-journal"):
            if os.path.exists(path := self.program.path_of(f"replayed.db{end}")):
                os.remove(path)
        self.program.run("init", "--warehouse", self.url())

    def all_rows(self):
        connection = sqlite3.connect(self.program.path_of("replayed.db"))
        rows = connection.execute("SELECT * FROM historico_consumo ORDER BY id_treated_data").fetchall()
        connection.close()
        return len(rows), zlib.crc32(repr(rows).encode())

    def compare(self, what):
        if (found := self.all_rows()) != self.rows:
            raise Difference(f"{what}: rows and their CRC are {found}, not {self.rows}")


class MySqlReplay(Replay):
    name = "replay-mysql"
    DATABASE = f"soak_fleet_{os.getpid()}"
    FLOATS = ("peso_entrada", "peso_medio", "consumo_real", "consumo_meta")
    OTHERS = ("id_treated_data", "id_curral", "id_raca", "id_lote", "quantidade_animais", "dia_confinamento", "data", "cod_cliente", "row_ts")

    def url(self):
        server = os.environ["RUMINATE_TEST_MYSQL"].rstrip("/")
        address, _, _ = server.partition("?")
        scheme, _, rest = address.partition("://")
        return f"{scheme}://{rest.split('/')[0]}/{self.DATABASE}"

    @staticmethod
    def sql(statement):
        command = [os.path.join(ROOT, "scripts", "servers"), "sql", "mysql", "-N", "-e", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def fresh(self):
        self.sql(f"DROP DATABASE IF EXISTS {self.DATABASE}; CREATE DATABASE {self.DATABASE}")
        self.program.run("init", "--warehouse", self.url())

    def all_rows(self):
        # As text, a FLOAT has six digits; as a DOUBLE, all.
        columns = ", ".join([*self.OTHERS, *(f"CAST({name} AS DOUBLE)" for name in self.FLOATS)])
        return self.sql(f"SELECT COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', {columns}))), 0) FROM {self.DATABASE}.historico_consumo")

    def close(self):
        self.sql(f"DROP DATABASE IF EXISTS {self.DATABASE}")


class Compact(Job):
    name = command = "compact"
    flags = []
    overtakes = True

    def __init__(self, *args):
        super().__init__(*args)
        self.stores = ["--lake", "lake"]
        self.fresh()
        self.code, _ = self.program.run("compact", *self.stores, codes=self.codes)
        self.parts = tree(self.program.path_of("partes"))
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.program.path_of("partes"), ignore_errors=True)

    def compare(self, what):
        found = tree(self.program.path_of("partes"))
        differs = sorted(name for name in found.keys() | self.parts.keys() if found.get(name) != self.parts.get(name))
        if differs:
            raise Difference(f"{what}: other bytes in {differs[:5]}")
        self.fresh()


JOBS = {"audit": Audit, "replay": Replay, "compact": Compact}


def soak(job, lake, options, totals):
    """Runs a job in all ways; moments are spread over the numbers of shards."""
    for shards in options.shards:
        for order in ("in order", "shuffled", "twice"):
            job.in_order(shards, order, f"{lake} lake, {job.name}, {shards} shards, {order}")
            totals["undisturbed"] = totals.get("undisturbed", 0) + 1
    lakes = len(options.lakes)
    for kind, share in (("kill_shard", 1), ("kill_merge", 1), ("two_at_once", 1), ("terminate", 4), ("stop", 4)):
        # The moments of a job are divided among the lakes.
        for number in range(-(-options.moments // (share * lakes))):
            shards = options.shards[number % len(options.shards)]
            what = f"{lake} lake, {job.name}, {shards} shards, {kind} {number}"
            met = job.disturbed(kind, shards, what)
            done, alive = totals.get(kind, (0, 0))
            totals[kind] = (done + 1, alive + met)


def run(soak):
    """Runs this program and the faults of servers, as a part of scripts/soak."""
    import fleet_faults
    from programs import check

    def moments():
        args = ["--moments", "2", "--shards", "2", "7", "--lakes", "mixed"] if soak.short else []
        command = [sys.executable, os.path.abspath(__file__), "--seed", str(soak.seed), "--program", soak.programs_in(soak.home).ruminate, *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout.splitlines()[-1]

    if soak.wants("fleet, random moments"):
        soak.case("fleet, random moments", moments)
    soak.group("fleet, faults", lambda: fleet_faults.run(soak))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="seed of lakes, damage and moments [1]")
    parser.add_argument("--moments", type=int, default=20, help="random moments per job and kind of disturbance [20]")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 7, 64], help="numbers of shards [1 2 7 64]")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="jobs [all]")
    parser.add_argument("--lakes", nargs="+", choices=["new", "legacy", "mixed"], default=["new", "legacy", "mixed"], help="lakes [all]")
    parser.add_argument("--lots", type=int, default=12, help="pens per farm [12]")
    parser.add_argument("--days", type=int, default=40, help="days of the history [40]")
    parser.add_argument("--stopped", type=float, default=2, help="seconds for which a shard is stopped [2]")
    parser.add_argument("--program", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "debug", "ruminate"),
                        help="program [target/debug/ruminate]")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    if not os.access(options.program, os.X_OK):
        sys.exit(f"there is no program {options.program}: run cargo build, or give --program")
    home, began = tempfile.mkdtemp(prefix="soak-fleet-"), time.monotonic()
    names = list(options.jobs) + (["replay-mysql"] if "replay" in options.jobs and os.environ.get("RUMINATE_TEST_MYSQL") else [])
    totals = {name: {} for name in names}
    for lake in options.lakes:
        program = Program(options.program, os.path.join(home, lake))
        os.makedirs(program.home)
        chance, count = build(program, lake, options.seed, options)
        for name in names:
            job = None
            try:
                job = (MySqlReplay if name == "replay-mysql" else JOBS[name])(program, options, chance)
                soak(job, lake, options, totals[name])
            except Difference as difference:
                print(f"seed {options.seed}: {difference}\n  the stores are in {program.home}", flush=True)
                sys.exit(1)
            finally:
                if isinstance(job, MySqlReplay):
                    job.close()
            print(f"{lake} lake of {count} objects, {name}: equal; {time.monotonic() - began:.0f} s", flush=True)
    shutil.rmtree(home)
    for name, counts in totals.items():
        undisturbed = counts.pop("undisturbed", 0)
        kinds = "; ".join(f"{kind.replace('_', ' ')} {done} times ({alive} met it running)" for kind, (done, alive) in counts.items())
        print(f"{name}: {undisturbed} undisturbed runs; {kinds}")
    print(f"fleet: seed {options.seed}, shards {options.shards}, all results equal to the single run; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
