"""The bulk commands: the state from which each starts, and what must hold after it was disturbed and run again."""
import json
import os
import time
import urllib.request

import accounting
from lakes import md5
from programs import PREFIX, Server, check, constants, credentials
from relay import Relay
from warehouses import TABLE

PARTS, TESTS = "partes/", "ruminate-test/"
ROW_TS = 12


class Stores:
    """A lake and a warehouse with the same readings, and their saved states."""

    def __init__(self, programs, lake, warehouse, size=None):
        self.programs, self.lake, self.warehouse, self.saved = programs, lake, warehouse, {}
        self.ports, self.more, self.how = (None, None), {}, {}  # of relays; further variables; how programs are started
        lots, days = size or ((30, 9) if warehouse.kind == "sqlite" else (61, 18))
        self.history, self.count = programs.history("history.json", 2, lots, days)

    def env(self):
        return {**self.lake.env(self.ports[0]), **self.warehouse.env(self.ports[1]), **self.more}

    def run(self, *args, **how):
        return self.programs.run(*args, env=self.env(), **{**self.how, **how})

    def start(self, *args):
        return self.programs.start(*args, env=self.env(), **self.how)

    def fill(self):
        """Saves the states `empty` and `full`."""
        self.run("init").expect(0)
        self.save("empty")
        self.run("backfill", self.history).expect(0, inserted=self.count)
        self.save("full")

    def save(self, name):
        self.warehouse.save(name)
        self.saved[name] = self.lake.bodies()

    def load(self, name, bodies=None):
        self.warehouse.load(name)
        self.lake.set(self.saved[name] if bodies is None else bodies)

    def audit(self):
        """Checks that lake and warehouse agree in every field of every record."""
        ran = self.run("reconcile").expect(0, matched=self.count, lake_objects=self.count, warehouse_rows=self.count)
        check(ran.json["unreadable"] == ran.json["rejected"] == 0, ran)


class Command:
    """One bulk command."""

    job = None  # the name of its equations
    again = ()  # flags of the second run
    codes = (0,)  # exit codes of a run that has done its work
    renews_row_ts = False  # whether each run has other processing times, which are then not compared

    def __init__(self, stores):
        self.stores = stores

    def prepare(self):
        """Saves the states that `reset` needs."""

    def reset(self):
        """Sets the state from which the command starts."""
        raise NotImplementedError

    def args(self):
        raise NotImplementedError

    def args_again(self):
        """Returns the command that continues after a kill."""
        return [*self.args(), *self.again]

    def run(self, args):
        return self.stores.run(*args)

    def start(self):
        return self.stores.start(*self.args())

    def state(self):
        """Returns all objects and rows as they must be equal: without processing times if each run has others."""
        objects, rows = self.stores.lake.listing(), self.stores.warehouse.rows()
        if self.renews_row_ts:
            objects = {key: timeless(body) for key, body in self.stores.lake.bodies().items()}
            rows = {record_id: row[:ROW_TS] for record_id, row in rows.items()}
        # A kill during the test of a store leaves the test's object.
        return {key: value for key, value in objects.items() if not key.startswith(TESTS)}, rows

    def check_between(self, before, after, due):
        """Checks that each object and row has its old or its new value. Returns whether the state is between both."""
        for what, was, is_, will in zip(("object", "row"), before, after, due):
            for name in was.keys() | is_.keys() | will.keys():
                value = is_.get(name)
                check(value in (was.get(name), will.get(name)), f"half written {what} {name}: {value}, not", was.get(name), "or", will.get(name))
        return after not in (before, due)

    def check_end(self, ran):
        """Checks what is special about the end of the second run."""
        self.stores.audit()


def timeless(body):
    """Returns an object without its processing time; an object that is no JSON stays as it is."""
    try:
        record = json.loads(body)
        check(len(record) == 13, "an object has not all fields:", body)
        del record["row_ts"]
        return json.dumps(record, sort_keys=True)
    except (ValueError, KeyError, TypeError):
        return body


class Backfill(Command):
    job = "backfill"
    renews_row_ts = True

    def reset(self):
        self.stores.load("empty")

    def args(self):
        return ["backfill", self.stores.history, "--concurrency", "16"]

    def check_end(self, ran):
        ran.expect(0, read=self.stores.count, conflicting=0, rejected=0, failed=0)
        self.stores.audit()


class Publish(Command):
    """To the SNS stub: each reading arrives at least once, and again only if it was sent in the last second before the kill."""

    job = "publish"
    LATENCY, RATE = 15, 700

    def prepare(self):
        stub = [self.stores.programs.path("ruminate-test-sns"), "--latency-ms", str(self.LATENCY), "--keep", "bodies"]
        self.stub = Server(stub, self.stores.programs.home).__enter__()
        self.relay = Relay(self.stub.port).__enter__()
        self.journal = os.path.join(self.stores.programs.home, "journal.json")
        with open(self.stores.history, encoding="utf-8") as lines:
            self.due = sorted(line.strip() for line in lines)

    def close(self):
        self.relay.__exit__()
        self.stub.__exit__()

    def ask(self, method, path):
        with urllib.request.urlopen(urllib.request.Request(self.stub.endpoint + path, method=method), timeout=60) as answer:
            return json.load(answer)

    def env(self):
        return {**credentials("sns"), "AWS_ENDPOINT_URL_SNS": f"http://127.0.0.1:{self.relay.port}"}

    def reset(self):
        self.ask("DELETE", "/stats")
        if os.path.exists(self.journal):
            os.remove(self.journal)

    def args(self):
        return ["publish", self.stores.history, "--topic", constants("sns")["TOPIC"], "--journal", self.journal, "--rate", f"{self.RATE}/s"]

    def args_again(self):
        # A run that was killed before its first write, or after its end, has no journal: it is repeated.
        return [*self.args(), *(["--resume"] if os.path.exists(self.journal) else [])]

    def start(self):
        return self.stores.programs.start(*self.args(), env={**self.env(), **self.stores.more}, **self.stores.how)

    def run(self, args):
        return self.stores.programs.run(*args, env=self.env())

    def state(self):
        messages = [message.strip() for message in self.ask("GET", "/messages")]
        return {message: message for message in messages}, {"messages": len(messages)}

    def check_between(self, before, after, due):
        self.sent = after[1]["messages"]
        check(set(after[0]) <= set(due[0]), "messages that no file has")
        check(self.sent == len(after[0]), "messages twice before any repeat")
        return 0 < self.sent < len(self.due)

    def same(self, found, due):
        check(found[0].keys() == due[0].keys(), f"{len(due[0].keys() - found[0].keys())} messages are lost")
        repeated = found[1]["messages"] - len(self.due)
        # The journal is written every second.
        check(repeated <= max(self.sent, 0) and (not self.resumed or repeated <= 1.5 * self.RATE), f"{repeated} messages were sent twice")

    def check_end(self, ran):
        self.resumed = "--resume" in ran.args
        ran.expect(0, failed=0, invalid=0, dropped=0, unsent=0)
        check(ran.json["skipped"] + ran.json["published"] == self.stores.count, ran)


class PublishLocal(Publish):
    """With the intake in the process, into both stores."""

    relay = None

    renews_row_ts = True
    state, check_between, start, run = Command.state, Command.check_between, Command.start, Command.run

    def prepare(self):
        self.journal = os.path.join(self.stores.programs.home, "journal.json")

    def close(self):
        pass

    def reset(self):
        self.stores.load("empty")
        if os.path.exists(self.journal):
            os.remove(self.journal)

    def args(self):
        return ["publish", self.stores.history, "--topic", "local", "--journal", self.journal]

    def same(self, found, due):
        check(found == due, "other objects or rows")

    def check_end(self, ran):
        super().check_end(ran)
        check(ran.json["local"]["conflicting"] == ran.json["local"]["quarantined"] == 0, ran)
        self.stores.audit()


class Replay(Command):
    job = "replay"
    again = ("--resume",)

    def reset(self):
        self.stores.load("empty", self.stores.saved["full"])

    def args(self):
        return ["replay", "--concurrency", "16", "--verify"]

    def check_end(self, ran):
        ran.expect(0, listed=self.stores.count, conflicting=0, rejected=0, unreadable=0, skipped=0, mismatched=0)
        self.stores.audit()


class SlowReplay(Replay):
    """With a limit on rows per second, so that it has many transactions."""

    def args(self):
        return [*super().args(), "--rows-per-second", "900"]


class TableSwap(Replay):
    """Into a new table, from a table in which each fifth row is damaged."""

    def prepare(self):
        self.stores.load("full")
        self.stores.warehouse.run(f"UPDATE {TABLE} SET consumo_real = consumo_real + 1 WHERE id_curral LIKE '%3'")
        self.stores.warehouse.save("worn")

    def reset(self):
        self.stores.load("worn", self.stores.saved["full"])

    def args(self):
        return ["replay", "--into-new-table", "--concurrency", "16"]

    def check_end(self, ran):
        # The catch-up before the swap reads the objects of the last minute before a resumed run again.
        ran.expect(0, conflicting=0, rejected=0, unreadable=0, skipped=0, mismatched=0)
        check(ran.json["listed"] == self.stores.count or ran.json["resumed"], ran)
        self.stores.audit()
        check(ran.json["table_swap"]["swapped"], "not swapped:", ran)
        left = [name for name in self.stores.warehouse.tables() if name.endswith("_ruminate_new")]
        check(not left, f"{left} is left")


class Repair(Command):
    """Of both sides: rows that were deleted or changed, and objects that were deleted."""

    job = "reconcile"
    codes = (0, 1)

    def prepare(self):
        stores = self.stores
        self.undo_file = os.path.join(stores.programs.home, "undo.ndjson")
        stores.load("full")
        ids = sorted(stores.warehouse.rows())
        chosen = lambda start, step: ", ".join(f"'{record_id}'" for record_id in ids[start::step])
        stores.warehouse.run(f"DELETE FROM {TABLE} WHERE id_treated_data IN ({chosen(0, 4)})",
                             f"UPDATE {TABLE} SET peso_medio = peso_medio + 1 WHERE id_treated_data IN ({chosen(1, 4)})",
                             f"UPDATE {TABLE} SET id_raca = NULL, row_ts = NULL WHERE id_treated_data IN ({chosen(2, 16)})")
        keys = [key for key in stores.saved["full"] if any(record_id in key for record_id in ids[3::16])]
        stores.lake.delete(keys)
        time.sleep(1.1)  # a row of the same second as an audit's start is not compared without its object
        stores.save("damaged")

    def reset(self):
        self.stores.load("damaged")
        if os.path.exists(self.undo_file):
            os.remove(self.undo_file)

    def args(self):
        return ["reconcile", "--repair", "both", "--undo-file", self.undo_file, "--concurrency", "16"]

    def check_between(self, before, after, due):
        lines = recorded(self.undo_file)
        for what, was, is_ in zip(("object", "row"), before, after):
            for name, value in is_.items():
                check(value == was.get(name) or name.removeprefix(f"{PREFIX}/") in lines, f"{what} {name} was changed without a line in the undo file")
        return super().check_between(before, after, due)

    def check_end(self, ran):
        check(ran.json["repaired"].get("failed", 0) == 0 and not ran.json["repaired"].get("stopped"), ran)
        self.stores.audit()
        if os.path.exists(self.undo_file):
            undone = self.stores.run("undo", self.undo_file).expect(0, 1, modified_since=0, not_processed=0)
            check(undone.code == 0 or undone.json["truncated_lines"], undone)
            check(not accounting.problems("undo", undone.json), accounting.problems("undo", undone.json), undone)
        check(self.state() == self.before, "the undo file of both runs does not restore the state before the first one")


def recorded(path):
    """Returns the ids and keys of the complete lines of an undo file."""
    names = set()
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    change = json.loads(line)
                except ValueError:
                    continue
                names.add(change.get("key") or (change.get("after") or {}).get("id_treated_data"))
    return names


class Undo(Repair):
    """Of a repair of both sides."""

    job = "undo"
    codes = (0,)
    lines = None  # the undo file, once the repair is done

    def prepare(self):
        super().prepare()
        self.reset()
        self.damaged = self.state()
        self.stores.run(*Repair.args(self)).expect(1)
        self.stores.save("repaired")
        with open(self.undo_file, "rb") as file:
            self.lines = file.read()

    def reset(self):
        if self.lines is None:
            super().reset()
        else:
            self.stores.load("repaired")
            with open(self.undo_file, "wb") as file:
                file.write(self.lines)

    def args(self):
        return ["undo", self.undo_file]

    check_between = Command.check_between

    def check_end(self, ran):
        ran.expect(0, modified_since=0, not_processed=0)
        check(self.state() == self.damaged, "not as before the repair")


class Compact(Command):
    job = "compact"

    def reset(self):
        self.stores.load("full", self.stores.saved["full"])

    def args(self):
        return ["compact", "--verify", "--concurrency", "16"]

    def check_end(self, ran):
        ran.expect(0, listed=self.stores.count, in_parts=self.stores.count)
        read = self.stores.run("reconcile", "--parts", "only").expect(0, matched=self.stores.count)
        check(read.json["from_parts"]["rows"] == self.stores.count and not read.json["from_parts"]["not_trusted"], read)


class Restore(Command):
    """Of a lake that has lost nine tenths of its objects, from its parts."""

    job = "restore"

    def prepare(self):
        self.stores.load("full")
        self.stores.run("compact").expect(0)
        bodies = self.stores.lake.bodies()
        left = sorted(key for key in bodies if not key.startswith(PARTS))[::10]
        self.lost = {key: body for key, body in bodies.items() if key.startswith(PARTS) or key in set(left)}

    def reset(self):
        self.stores.load("full", self.lost)

    def args(self):
        return ["restore", "--to", self.stores.lake.url, "--concurrency", "8"]

    def check_end(self, ran):
        ran.expect(0, rows=self.stores.count, differing=0, failed=0)
        kept = {key: etag for key, etag in self.stores.lake.listing().items() if not key.startswith(PARTS)}
        check(kept == {key: md5(body) for key, body in self.stores.saved["full"].items()}, "objects are not restored byte for byte")
        self.stores.audit()


COMMANDS = {"backfill": Backfill, "publish": Publish, "publish-local": PublishLocal, "replay": Replay, "slow-replay": SlowReplay, "table-swap": TableSwap,
            "repair": Repair, "undo": Undo, "compact": Compact, "restore": Restore}
