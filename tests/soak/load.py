"""Load near the limits: rates that are reached, exact accounting, and memory that does not grow.

Targets are those of a machine with separate cores for each server. Where fewer cores are shared, the rate that was reached is
reported; what must hold at every rate is the accounting and the memory.
"""
import json
import os
import signal
import threading
import time
import urllib.request

import accounting
import commands
from lakes import S3Lake
from programs import Failure, Server, Skipped, await_until, check, constants, credentials
from warehouses import TABLE, Database


class Watch:
    """Samples RSS and CPU time of a running program each second."""

    def __init__(self, child):
        self.child, self.rss, self.began = child, [], time.monotonic()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def sample(self):
        while True:
            try:
                self.rss.append(self.child.rss_mb())
            except (OSError, IndexError, ValueError):
                return
            time.sleep(1)

    def flat(self, margin_mb=24):
        """Checks that memory has not grown after the first fifth of the run. Returns it as text."""
        held = [value for value in self.rss if value > 1]
        check(len(held) >= 5, f"only {len(held)} samples of memory")
        fifth = max(1, len(held) // 5)
        early, late = max(held[fifth:2 * fifth] or held[:1]), max(held[-fifth:])
        check(late <= early * 1.1 + margin_mb, f"memory grows: {early:.0f} MB in the second fifth, {late:.0f} MB in the last; all: "
              + " ".join(f"{value:.0f}" for value in held[::max(1, len(held) // 30)]))
        return f"RSS {early:.0f} MB early, {late:.0f} MB late"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stats(stub):
    with urllib.request.urlopen(stub.endpoint + "/stats", timeout=60) as answer:
        return json.load(answer)


def spec(messages, pens=1000):
    """Returns the parameters of a generated history with at least this number of readings."""
    return f"farms=20,lots={pens},days={messages // (20 * pens * 4 // 5) + 10},start=2000-01-01"


def publish(soak):
    """30,000 messages/s next to a stub whose responses take 40 to 80 ms."""
    rate, seconds = soak.rate or 30_000, soak.seconds or (20 if soak.short else 600)
    programs = soak.programs_in(soak.home)
    with Server([programs.path("ruminate-test-sns"), "--latency-ms", "40", "--jitter-ms", "40"], soak.home) as stub:
        env = {**credentials("sns"), "AWS_ENDPOINT_URL_SNS": stub.endpoint}
        args = ["publish", "--topic", constants("sns")["TOPIC"], "--generate", spec(rate * seconds), "--stages", f"hold:{rate}/s:{seconds}s", "--yes"]
        with programs.start(*args, env=env) as child:
            watch = Watch(child)
            ran = child.wait(seconds * 2 + 300)
        ran.expect(0, 1)
        outcome, counted = ran.json, stats(stub)
        lines = accounting.problems("publish", outcome)
        check(not lines, "; ".join(lines), ran)
        check(counted["accepted"] == outcome["published"] and counted["lost_answers"] == 0, f"the stub has {counted['accepted']}:", ran)
        check(outcome["failed"] == outcome["invalid"] == outcome["unsent"] == 0, ran)
        check(abs(outcome["read"] - rate * seconds) <= rate, f"{outcome['read']} messages were due, not {rate * seconds}")
        cpu, stub_cpu = ran_cpu(child), cpu_seconds(stub.child.pid)
        achieved = outcome["published"] / (rate * seconds)
        return (f"{outcome['published'] / seconds:,.0f}/s of {rate:,}/s for {seconds} s ({achieved:.1%}), dropped {outcome['dropped']:,}, p99 "
                f"{outcome['latency_ms']['p99']:.0f} ms, service p99 {outcome['service_ms']['p99']:.0f} ms, retries {outcome['retries']}; accounting exact "
                f"({outcome['read']:,} read); {watch.flat()}; CPU {cpu:.0f} s, stub {stub_cpu:.0f} s")


def ran_cpu(child):
    return child.usage.ru_utime + child.usage.ru_stime


def receive(soak):
    """`process --listen` into S3 and MySQL, from the stub's deliveries."""
    rate, seconds = soak.rate or 5_000, soak.seconds or (20 if soak.short else 300)
    home = os.path.join(soak.home, "receive")
    os.makedirs(home)
    programs = soak.programs_in(home)
    with S3Lake(programs) as lake, Database("mysql", home) as database:
        env = {**lake.env(), **database.env()}
        programs.run("init", env=env).expect(0)
        capacity = received(programs, env, database, rate, 10, start="2001-01-01", probe=True)
        reachable = min(rate, int(capacity * 0.9))
        text = received(programs, env, database, reachable, seconds, start="2010-01-01")
        left = "" if reachable == rate else f"; {rate:,}/s is out of reach here: {capacity:,.0f}/s at most"
        return text + left


def received(programs, env, database, rate, seconds, start, probe=False):
    """Publishes at a rate to the stub, which delivers to the endpoint. Returns the rate reached, or a text."""
    topic = constants("sns")["TOPIC"]
    database.run(f"TRUNCATE TABLE {TABLE}")
    listen = ["process", "--listen", "127.0.0.1:0", "--insecure-skip-signature", "--topic", topic]
    with programs.start(*listen, env=env) as endpoint:
        address = wait_for_address(endpoint)
        with Server([programs.path("ruminate-test-sns"), "--subscribe", address], programs.home) as stub:
            senders = {**credentials("sns"), "AWS_ENDPOINT_URL_SNS": stub.endpoint, **database.env()}
            generated = spec(rate * seconds).replace("2000-01-01", start)
            args = ["publish", "--topic", topic, "--generate", generated, "--stages", f"hold:{rate}/s:{seconds}s", "--yes", "--drop-after", "never"]
            watch = Watch(endpoint)
            with programs.start(*args, *([] if probe else ["--watch"]), env=senders) as child:
                if probe:
                    time.sleep(seconds)
                    return stats(stub)["delivered"] / seconds
                ran = child.wait(seconds * 3 + 300).expect(0)
            await_until("deliveries", lambda: stats(stub)["delivered"] >= ran.json["published"], 300, 0.5)
            counted = stats(stub)
            took = counted["last_accepted"] - counted["first_accepted"]
        cpu = cpu_seconds(endpoint.pid)
        endpoint.signal(signal.SIGTERM)
        done = endpoint.wait(60).expect(0)
    lines = accounting.problems("process", done.json)
    check(not lines, "; ".join(lines), done)
    rows = int(database.query(f"SELECT COUNT(*) FROM {TABLE}")[0][0])
    check(counted["undelivered"] == 0 and rows == ran.json["published"], f"{rows} rows, {ran.json['published']} messages, {counted['undelivered']} undelivered")
    check(done.json["failed"] == done.json["quarantined"] == 0, done)
    lag = ran.json["lag"]
    return (f"{ran.json['published'] / took:,.0f}/s of {rate:,}/s for {seconds} s: {rows:,} rows, all messages; publish to row p50 {lag['lag_ms']['p50']:.0f} ms, "
            f"p99 {lag['lag_ms']['p99']:.0f} ms (± {lag['resolution_ms']:.0f}); {watch.flat()}; CPU of the endpoint {cpu:.0f} s")


def wait_for_address(endpoint):
    """Returns the URL on which the endpoint listens, from its log."""
    found = []

    def listening():
        check(endpoint.runs(), endpoint.reported())
        found.extend(part.rstrip(".,") for part in endpoint.reported().split() if part.startswith("http://127.0.0.1:"))
        return found
    await_until("the endpoint listens", listening, 30)
    return found[0]


def audit(soak):
    """Audits next to 200 writes per second: each ends clean, and its records are a consistent past."""
    rate, seconds = soak.rate or 200, soak.seconds or (15 if soak.short else 120)
    home = os.path.join(soak.home, "audit")
    os.makedirs(home)
    programs = soak.programs_in(home)
    with S3Lake(programs, "--latency-ms", "2") as lake, Database("mysql", home) as database:
        stores = commands.Stores(programs, lake, database)
        stores.fill()
        args = ["publish", "--topic", "local", "--generate", spec(rate * seconds, 100), "--stages", f"hold:{rate}/s:{seconds}s", "--drop-after", "never"]
        with stores.start(*args) as writer:
            audits, matched, later = 0, stores.count, 0
            while writer.runs():
                ran = stores.run("reconcile").expect(0, lake_only=0, warehouse_only=0, differing=0)
                check(ran.json["matched"] >= matched, "records of an earlier audit are gone:", ran)
                audits, matched, later = audits + 1, ran.json["matched"], later + ran.json.get("skipped_after_cutoff", 0)
            wrote = writer.wait(60).expect(0)
        published = wrote.json["published"]
        stores.run("reconcile").expect(0, matched=stores.count + published)
        return (f"{audits} audits next to {published / wrote.json['seconds']:.0f} writes/s for {seconds} s, all clean; {published:,} written, "
                f"{later:,} objects after a cutoff")


def replay(soak):
    """A replay of many records from S3 into MySQL: the peak RSS of ten times as many records is the same."""
    records = soak.records or (20_000 if soak.short else 200_000)
    home = os.path.join(soak.home, "replay")
    os.makedirs(home)
    programs = soak.programs_in(home)
    peaks, texts = [], []
    try:
        serve = programs.path(os.path.join("examples", "parts"))
    except Failure as missing:
        raise Skipped(str(missing)) from missing
    with Database("mysql", home) as database:
        for count in (records // 10, records):
            database.run(f"DROP TABLE IF EXISTS {TABLE}, ruminate_journal")
            with Server([serve, "serve", "--records", str(count)], home) as server:
                env = {**credentials("s3"), "AWS_ENDPOINT_URL_S3": server.endpoint, "RUMINATE_LAKE": "s3://lake/historico_diario", **database.env()}
                programs.run("init", env=env).expect(0)
                ran = programs.run("replay", env=env, seconds=max(600, count // 1000)).expect(0, inserted=count)
            peaks.append(ran.rss_mb)
            texts.append(f"{count:,} records in {ran.seconds:.1f} s ({count / ran.seconds:,.0f}/s), peak RSS {ran.rss_mb:.0f} MB")
    check(peaks[1] <= peaks[0] * 1.5 + 64, "memory grows with the number of records: " + "; ".join(texts))
    return "; ".join(texts)


LOADS = {"publish": publish, "receive": receive, "audit": audit, "replay": replay}


def run(soak):
    """Runs the requested loads."""
    for name, load in LOADS.items():
        if soak.wants(name):
            soak.case(f"load: {name}", lambda load=load: load(soak))
