"""Eight shards whose warehouse is gone for a minute, merges that are killed, and one shard on two machines.

Stores are S3 and MySQL, with damage. After each fault the scheduler's part is played: an attempt that ends with 3 is started again.
Then the evidence must be that of a single audit, byte by byte, and the table that of a single replay.
"""
import os
import random
import shutil
import signal
import time

import evidence
from lakes import S3Lake
from programs import Child, Skipped, check
from relay import Relay
from warehouses import COLUMNS, FLOATS, TABLE, Database

SHARDS, REQUESTS = 8, 16
# Minimum duration of an undisturbed shard, in milliseconds, so that it is disturbed while it runs.
DURATION = 8_000
RUNS = "s3://historico-consumo-fazendas/runs"


class Fleet:
    """A damaged lake and its warehouse behind a relay, the evidence of a single audit, and runs in shards."""

    def __init__(self, soak):
        self.soak, self.home = soak, os.path.join(soak.home, "fleet-faults")
        os.makedirs(self.home)
        self.programs, self.chance, self.number = soak.programs_in(self.home), random.Random(f"{soak.seed} fleet"), 0
        self.records = soak.records or (5_000 if soak.short else 200_000)
        latency = max(20, DURATION * REQUESTS * SHARDS // self.records)
        self.lake, self.database = S3Lake(self.programs, "--latency-ms", str(latency)), Database("mysql", self.home)

    def __enter__(self):
        self.lake.__enter__()
        self.database.__enter__()
        self.relay = Relay(self.database.port).__enter__()
        self.fill(self.records)
        return self

    def __exit__(self, *error):
        self.relay.__exit__()
        self.database.__exit__(*error)
        self.lake.__exit__(*error)

    def env(self):
        return {**self.lake.env(), **self.database.env(self.relay.port)}

    def run(self, *args, seconds=600):
        return self.programs.run(*map(str, args), env=self.env(), seconds=seconds)

    def path(self, *names):
        return os.path.join(self.home, *names)

    def fill(self, records):
        days = 40
        history, self.count = self.programs.history("history.ndjson", 4, -(-records * 100 // (91 * 4 * days)), days)
        self.run("init").expect(0)
        self.run("backfill", history, "--concurrency", 128).expect(0, inserted=self.count)
        few = max(2, self.count // 1000)
        self.database.run(
            f"DELETE FROM {TABLE} ORDER BY CRC32(id_treated_data) LIMIT {few}",
            f"UPDATE {TABLE} SET quantidade_animais = 9999 ORDER BY CRC32(REVERSE(id_treated_data)) LIMIT {few}")
        keys = sorted(self.lake.listing("historico_diario/"))
        self.lake.delete(self.chance.sample(keys, few))
        self.single = self.run("reconcile", "--evidence", "single", "--concurrency", 128).expect(1)

    def plan(self, job="reconcile"):
        self.number += 1
        run = f"{RUNS}/{self.number}"
        self.run("plan", job, "--shards", SHARDS, "--out", run).expect(0)
        return run

    def shard(self, run, number, *flags):
        args = ["shard", run, "--shard", str(number), "--concurrency", str(REQUESTS), *flags]
        return self.programs.start(*args, env=self.env())

    def scheduled(self, run, disturb):
        """Runs all shards at once, disturbs them, and starts again those that end with 3. Returns the codes of all attempts."""
        children, codes, attempts = {number: self.shard(run, number) for number in range(SHARDS)}, [], [1] * SHARDS
        began = time.monotonic()
        disturb()
        for number, child in children.items():
            while True:
                with child:
                    ran = child.wait(600)
                codes.append(ran.code)
                if ran.code == 0:
                    break
                ran.expect(3).shows("again", "later", "retry")
                check(attempts[number] < 20, f"shard {number} ends with 3 again and again:", ran)
                attempts[number] += 1
                time.sleep(2)
                child = self.shard(run, number)
        return codes, time.monotonic() - began

    def merge(self, run):
        shutil.rmtree(self.path("merged"), ignore_errors=True)
        ran = self.run("merge", run, "--evidence", "merged").expect(1)
        differs = evidence.differences(self.path("single"), self.path("merged"), late_differs=True)
        check(not differs, f"{run} is not that of the single run: {differs}")
        return ran

    def rows(self):
        listed = ", ".join(f"CAST({name} AS DOUBLE)" if name in FLOATS else name for name in COLUMNS)
        return self.database.query(f"SELECT COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', {listed}))), 0) FROM {TABLE}")


def outages(fleet):
    """The ways in which a warehouse can be gone."""
    def restart():
        fleet.database.kill()
        time.sleep(seconds(fleet))
        fleet.database.start()

    def outage(begin):
        def act():
            begin()
            time.sleep(seconds(fleet))
            fleet.relay.restore()
        return act
    return {"connections are refused": outage(fleet.relay.cut), "a network that drops all packets": outage(fleet.relay.hold),
            "the server is killed and started again": restart}


def seconds(fleet):
    return 5 if fleet.soak.short else 60


def away(fleet, act):
    """Takes the warehouse away while eight shards of an audit run."""
    def body():
        def disturb():
            time.sleep(fleet.chance.uniform(0.5, 3))
            act()
        run = fleet.plan()
        codes, took = fleet.scheduled(run, disturb)
        ran = fleet.merge(run)
        strip = ran.json["run"]["shards"]
        check(sum(shard["attempts"] for shard in strip) == len(codes), f"{len(codes)} attempts, but {strip}")
        return f"{SHARDS} shards of {fleet.count:,} objects, {seconds(fleet)} s without a warehouse: {codes.count(0)} × exit 0, {codes.count(3)} × exit 3 " \
            f"and started again; {took:.0f} s; evidence equal"
    return body


def replays(fleet, act):
    """Takes the warehouse away while eight shards of a replay run."""
    def body():
        fleet.database.save("full")
        try:
            fleet.database.run(f"TRUNCATE TABLE {TABLE}")
            fleet.run("replay", "--concurrency", 128).expect(0, 1)
            expected = fleet.rows()
            fleet.database.run(f"TRUNCATE TABLE {TABLE}")
            run = fleet.plan("replay")

            def disturb():
                time.sleep(fleet.chance.uniform(1, 4))
                act()
            codes, took = fleet.scheduled(run, disturb)
            fleet.run("merge", run).expect(0, 1)
            check(fleet.rows() == expected, f"rows and their CRC are {fleet.rows()}, not {expected}")
            return f"{SHARDS} shards, {seconds(fleet)} s without a warehouse: {codes.count(3)} × exit 3; {took:.0f} s; {expected[0][0]} rows equal"
        finally:
            fleet.database.load("full")
    return body


def killed_merges(fleet):
    """Kills a merge at random moments; the next one concludes."""
    run = fleet.plan()
    fleet.scheduled(run, lambda: None)
    usual = fleet.merge(run).seconds
    kills, met = 3 if fleet.soak.short else 20, 0
    for _ in range(kills):
        shutil.rmtree(fleet.path("merged"), ignore_errors=True)
        with fleet.programs.start("merge", run, "--evidence", "merged", env=fleet.env()) as child:
            time.sleep(fleet.chance.uniform(0, usual))
            child.signal(signal.SIGKILL)
            met += child.wait(60).code == -signal.SIGKILL
        fleet.merge(run)
    return f"{kills} kills, {met} met it running, undisturbed {usual:.1f} s; evidence equal after each"


def two_machines(fleet):
    """Runs each shard at once on two machines with separate homes, host names and speeds; one is frozen for a while half of the times."""
    if os.geteuid() != 0:
        raise Skipped("separate host names need root")
    run, states = fleet.plan(), []
    for number in range(SHARDS):
        machines = [on_machine(fleet, name, run, number, flags) for name, flags in (("one", ["--concurrency", "32"]), ("two", ["--concurrency", "12"]))]
        frozen = machines[fleet.chance.randrange(2)] if number % 2 else None
        if frozen:
            time.sleep(fleet.chance.uniform(0.1, 1))
            if frozen.signal(signal.SIGSTOP):
                time.sleep(3 if fleet.soak.short else 20)
                frozen.signal(signal.SIGCONT)
        ended = []
        for machine in machines:
            with machine:
                ended.append(machine.wait(300).expect(0).json["state"])
        check(sorted(ended) == ["already_written", "written"], f"shard {number}: {ended}")
        states.append("one" if ended[0] == "written" else "two")
    ran = fleet.merge(run)
    strip = ran.json["run"]["shards"]
    check(all(shard["attempts"] == 2 for shard in strip), strip)
    return f"{SHARDS} shards, first on machine one {states.count('one')} times, on machine two {states.count('two')} times; evidence equal"


def on_machine(fleet, name, run, number, flags):
    """Starts a shard with a separate host name, home and directory for temporary files."""
    home = fleet.path(f"machine-{name}")
    os.makedirs(home, exist_ok=True)
    command = ["unshare", "--uts", "sh", "-c", f'echo machine-{name} > /proc/sys/kernel/hostname; exec "$@"', "sh", fleet.programs.ruminate, "shard", run,
               "--shard", str(number), *flags, "--output", "json", "--no-progress"]
    return Child(command, fleet.programs.env(fleet.env(), {"HOME": home, "TMPDIR": home}), home)


def run(soak):
    """Runs all cases."""
    with Fleet(soak) as fleet:
        for how, act in outages(fleet).items():
            for what, make in (("audit", away), ("replay", replays)):
                if soak.wants(title := f"fleet, {what}: {how}"):
                    soak.case(title, make(fleet, act))
        for title, case in (("fleet, killed merges", killed_merges), ("fleet, two machines", two_machines)):
            if soak.wants(title):
                soak.case(title, lambda case=case: case(fleet))
