"""Real faults while a command runs: each run ends with success, or with an error that states what to do, and loses nothing.

The state is checked as after a kill: the command is run again if it did not end well, and then both stores must be as after an
undisturbed run. No run may hang: each has a limit.
"""
import os
import random
import signal
import time

import commands
import fault_disk
import fault_limits
import kills
from lakes import S3Lake
from programs import check
from relay import Relay
from warehouses import Database

HINTS = ("again", "--resume", "check ", "raise ", "free ", "log in", "set ", "use ")


class Audit(commands.Command):
    """An audit of stores that agree: it never reports drift because of a fault."""

    job = "reconcile"

    def reset(self):
        self.stores.load("full")

    def args(self):
        return ["reconcile", "--concurrency", "16"]

    def check_end(self, ran):
        ran.expect(0, matched=self.stores.count, lake_only=0, warehouse_only=0, differing=0, unreadable=0)


COMMANDS = {**commands.COMMANDS, "replay": commands.SlowReplay, "audit": Audit}
# Commands by the server that they use.
OF_LAKE = ["backfill", "publish-local", "replay", "repair", "undo", "compact", "restore", "audit"]
OF_WAREHOUSE = ["backfill", "publish-local", "replay", "table-swap", "repair", "undo", "audit"]


class Disturbed(kills.Series):
    """Runs of one command, each with a fault."""

    def __init__(self, name, stores, soak, limit=150):
        self.command, self.name, self.soak, self.limit = COMMANDS[name](stores), name, soak, limit
        self.codes, self.longest, self.messages = {}, 0.0, set()
        self.random = random.Random(f"{soak.seed} faults {name}")
        self.command.prepare()
        self.unkilled()

    def close(self):
        if hasattr(self.command, "close"):
            self.command.close()

    def unkilled(self):
        if isinstance(self.command, Audit):
            self.command.reset()
            self.before = self.due = self.command.state()
            ran = self.command.run(self.command.args()).expect(0)
            self.seconds, self.code = ran.seconds, 0
        else:
            super().unkilled()

    def meet(self, fault, restore=lambda: None):
        """Runs the command; `fault` gets the running program and the duration of an undisturbed run. Returns the run."""
        command = self.command
        command.reset()
        try:
            with command.start() as child:
                fault(child, self.seconds)
                ran = child.wait(self.limit)
        finally:
            restore()
        self.codes[ran.code] = self.codes.get(ran.code, 0) + 1
        self.longest = max(self.longest, ran.seconds)
        self.judge(ran)
        return ran

    def judge(self, ran):
        command = self.command
        check(ran.code in (0, 1, 2, 3), "no exit code of the program:", ran)
        check("panicked" not in ran.err and "bug" not in ran.err.lower(), ran)
        command.sent = len(getattr(command, "due", ()))  # any message may have been sent
        if ran.json:
            self.accounts(ran)
        done = ran.code in command.codes and not ran.json.get("stopped") and not (ran.json.get("repaired") or {}).get("stopped")
        if ran.code == 1 and not done and ran.json.get("failed"):
            done = False
        if done:
            self.ended(ran)
            return
        check(isinstance(command, Audit) is False or ran.code != 1, "an audit reports findings because of a fault:", ran)
        reported = ran.err + str(ran.json.get("stopped")) + str((ran.json.get("repaired") or {}).get("stopped"))
        check(any(hint in reported.lower() for hint in HINTS), "the error does not state what to do:", ran)
        self.messages.add(short(ran))
        self.complete()

    def result(self):
        codes = ", ".join(f"{count} × exit {code}" for code, count in sorted(self.codes.items()))
        reported = "".join(f"\n      {text}" for text in sorted(self.messages))
        return f"{codes}; longest {self.longest:.1f} s, undisturbed {self.seconds:.1f} s{reported}"


def short(ran):
    """Returns the message of a run that did not do its work."""
    lines = [line for line in ran.err.splitlines() if "error" in line.lower()] or ran.err.splitlines()
    text = ran.json.get("stopped") or (ran.json.get("repaired") or {}).get("stopped") or (lines[-1] if lines else "")
    return f"exit {ran.code}: {text[:240]}"


class Stores:
    """S3 and a database behind relays, with about 2,000 readings or those of this number of pens and days."""

    def __init__(self, soak, kind, name, size=None):
        self.soak, self.home, self.size = soak, os.path.join(soak.home, name), size
        os.makedirs(self.home)
        self.programs = soak.programs_in(self.home)
        self.lake, self.database = S3Lake(self.programs, "--latency-ms", "4"), Database(kind, self.home)

    def __enter__(self):
        self.lake.__enter__()
        self.database.__enter__()
        self.relays = Relay(self.lake.server.port).__enter__(), Relay(self.database.port).__enter__()
        self.both = commands.Stores(self.programs, self.lake, self.database, self.size)
        self.both.fill()
        return self

    def __exit__(self, *error):
        for relay in getattr(self, "relays", ()):
            relay.__exit__()
        self.database.__exit__(*error)
        self.lake.__exit__(*error)

    def case(self, title, name, body, limit=150, relayed=False):
        """Runs a case: `body` gets the disturbed command."""
        def run():
            self.both.ports = tuple(relay.port for relay in self.relays) if relayed else (None, None)
            try:
                disturbed = Disturbed(name, self.both, self.soak, limit)
                try:
                    body(disturbed)
                finally:
                    disturbed.close()
                return disturbed.result()
            finally:
                self.both.ports, self.both.more, self.both.how = (None, None), {}, {}
                for relay in self.relays:
                    relay.restore()
                    relay.delay, relay.rate = 0.0, None
        self.soak.case(title, run)


def at_moment(disturbed, act, latest=0.95):
    """Returns a fault that acts at a random moment of the run."""
    moment = disturbed.random.uniform(0.05, latest)

    def fault(child, seconds):
        time.sleep(moment * seconds)
        act(child)
    return fault


def restarts(soak, kind):
    """The database is killed, or ended cleanly, and is back after some seconds."""
    if not any(soak.wants(f"{kind} restarts: {name}") for name in OF_WAREHOUSE):
        return
    with Stores(soak, kind, f"restarts-{kind}") as stores:
        def body(disturbed):
            for turn in range(soak.times(6)):
                number = signal.SIGKILL if turn % 3 else signal.SIGTERM
                pause = disturbed.random.uniform(0, 3)
                disturbed.meet(at_moment(disturbed, lambda _child: stores.database.restart(pause, number)))
        for name in OF_WAREHOUSE:
            if soak.wants(f"{kind} restarts: {name}"):
                stores.case(f"{kind} restarts: {name}", name, body)


def network(soak):
    """Connections are cut, held or slow, to the lake or to the warehouse."""
    names_of = {"lake": OF_LAKE, "warehouse": OF_WAREHOUSE, "topic": ["publish"]}
    titles = {(which, name): f"network to the {which}: {name}" for which, names in names_of.items() for name in names}
    if not any(soak.wants(title) for title in titles.values()):
        return
    with Stores(soak, "mysql", "network") as stores:
        for (which, name), title in titles.items():
            if not soak.wants(title):
                continue

            def body(disturbed, which=which):
                relay = disturbed.command.relay if which == "topic" else stores.relays[which == "warehouse"]

                def outage(begin, seconds):
                    def act(_child):
                        begin()
                        time.sleep(seconds)
                        relay.restore()
                    return act
                for _ in range(soak.times(3)):
                    disturbed.meet(at_moment(disturbed, outage(relay.cut, disturbed.random.uniform(0, 2))))
                disturbed.meet(at_moment(disturbed, outage(relay.hold, 4)))
                # Permanently: the run ends with an error.
                disturbed.meet(at_moment(disturbed, lambda _child: relay.cut(), 0.6), relay.restore)

                def slow(_child, _seconds):
                    relay.delay, relay.rate = 0.02, 200_000

                def fast():
                    relay.delay, relay.rate = 0.0, None
                disturbed.meet(slow, fast)
            stores.case(title, name, body, limit=420, relayed=True)


def silence(soak):
    """A network that drops all packets from one moment on: a run ends after its time limits."""
    titles = [(which, name) for which in ("lake", "warehouse") for name in ("backfill", "replay", "audit")]
    if soak.short or not any(soak.wants(f"silent {which}: {name}") for which, name in titles):
        return
    with Stores(soak, "mysql", "silence") as stores:
        for which, name in titles:
            if soak.wants(f"silent {which}: {name}"):
                relay = stores.relays[which == "warehouse"]
                stores.case(f"silent {which}: {name}", name,
                            lambda disturbed, relay=relay: disturbed.meet(at_moment(disturbed, lambda _child: relay.hold(), 0.6), relay.restore),
                            limit=900, relayed=True)


def stopped(soak):
    """SIGSTOP: of the program, of the database, and of the S3 server; SIGCONT after a minute."""
    targets = ("program", "database", "S3 server")
    commands = ("backfill", "publish-local", "replay", "repair", "compact", "audit")
    titles = [(target, name) for target in targets for name in commands if (target, name) != ("database", "compact")]
    if not any(soak.wants(f"{target} stopped: {name}") for target, name in titles):
        return
    seconds = 5 if soak.short else 60
    with Stores(soak, "mysql", "stopped") as stores:
        for target, name in titles:
            def body(disturbed, target=target):
                def act(child):
                    pid = {"program": child.pid, "database": stores.database.child.pid, "S3 server": stores.lake.server.child.pid}[target]
                    if target == "program" and not child.signal(signal.SIGSTOP):
                        return
                    os.kill(pid, signal.SIGSTOP)
                    time.sleep(seconds)
                    os.kill(pid, signal.SIGCONT)
                for _ in range(soak.times(2)):
                    disturbed.meet(at_moment(disturbed, act))
            if soak.wants(f"{target} stopped: {name}"):
                stores.case(f"{target} stopped: {name}", name, body, limit=seconds + 240)


def run(soak):
    """Runs all faults."""
    for kind in ("mysql", "mariadb"):
        soak.group(f"{kind} restarts", lambda kind=kind: restarts(soak, kind))
    soak.group("network", lambda: network(soak))
    soak.group("silence", lambda: silence(soak))
    soak.group("stopped", lambda: stopped(soak))
    soak.group("disk", lambda: fault_disk.run(soak))
    soak.group("limits", lambda: fault_limits.run(soak, Stores))
