"""`kill -9` at random moments of each bulk command; the command is run again, and both stores must be as after a run without a kill.

A moment is uniform over the duration of an unkilled run. After a kill no object, part or row may be half written: each has its value
from before the run or from its end. The second run must end as a clean run does, and its accounting must hold.
"""
import os
import random
import signal
import time

import accounting
from commands import COMMANDS, Stores
from lakes import DirectoryLake, S3Lake
from programs import Failure, check
from warehouses import Database, Sqlite


class Series:
    """Kills of one command: the unkilled run, the moments, and what they met."""

    def __init__(self, name, stores, soak):
        self.command, self.name, self.soak = COMMANDS[name](stores), name, soak
        self.met = {"while running": 0, "between both states": 0}

    def unkilled(self):
        """Runs the command to its end, twice: the first run also fills caches. Sets what is due."""
        command, seconds = self.command, []
        for _ in range(2):
            command.reset()
            self.before = command.before = command.state()
            ran = command.run(command.args()).expect(*command.codes)
            self.accounts(ran)
            seconds.append(ran.seconds)
            self.due = command.state()
        check(self.due != self.before, "the run changes nothing")
        self.code, self.seconds = ran.code, min(seconds)

    def accounts(self, ran):
        lines = accounting.problems(self.command.job, ran.json)
        check(not lines, "; ".join(lines), ran)

    def kill(self, moment):
        command = self.command
        command.reset()
        with command.start() as child:
            time.sleep(moment * self.seconds)
            self.met["while running"] += child.signal(signal.SIGKILL)
            child.wait(60)
        self.met["between both states"] += command.check_between(self.before, command.state(), self.due)
        self.complete()

    def complete(self):
        """Runs the command again, and checks that this ends as a clean run does."""
        ran = self.command.run(self.command.args_again())
        # A repair after a repair that was complete finds nothing: 0, not 1.
        ran.expect(*self.command.codes)
        self.accounts(ran)
        self.ended(ran)

    def ended(self, ran):
        """Checks the final state after a run that has done its work."""
        command = self.command
        found = command.state()
        if hasattr(command, "same"):
            command.check_end(ran)
            command.same(found, self.due)
            return
        for what, is_, due in zip(("objects", "rows"), found, self.due):
            other = [name for name in is_.keys() | due.keys() if is_.get(name) != due.get(name)]
            check(not other, f"{len(other)} {what} are not as after an unkilled run: {other[:3]}")
        command.check_end(ran)

    def run(self):
        self.command.prepare()
        try:
            self.unkilled()
            moments = random.Random(f"{self.soak.seed} {self.name}")
            for number in range(self.soak.kills):
                moment = moments.random()
                try:
                    self.kill(moment)
                except Failure as failure:
                    raise Failure(f"kill {number + 1} at {moment * self.seconds:.3f} s of {self.seconds:.3f} s: {failure}") from failure
        finally:
            if hasattr(self.command, "close"):
                self.command.close()
        met = ", ".join(f"{count} {what}" for what, count in self.met.items())
        return f"{self.soak.kills} kills in {self.seconds:.1f} s: {met}"


def run(soak):
    """Runs the kills of all commands with the requested stores."""
    for stores in soak.stores:
        home = os.path.join(soak.home, f"kills-{stores}")
        os.makedirs(home)
        programs = soak.programs_in(home)
        lake = S3Lake(programs, "--latency-ms", "4") if stores == "servers" else DirectoryLake(programs)
        warehouse = Database("mysql", home) if stores == "servers" else Sqlite(programs)
        wanted = [name for name in COMMANDS if soak.wants(name)]
        if not wanted:
            continue
        with lake, warehouse:
            both = Stores(programs, lake, warehouse)
            both.fill()
            for name in wanted:
                soak.case(f"{name}, {'S3 and MySQL' if stores == 'servers' else 'directory and SQLite'}", Series(name, both, soak).run)
