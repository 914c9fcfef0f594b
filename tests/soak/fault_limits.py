"""Faults of the machine: few file descriptors, little memory, names that do not resolve, credentials that expire.

`faults` has the frame: what is checked after each run. Full disks are in `fault_disk`.
"""
import os
import resource
import stat
import sys

from programs import Skipped, check, credentials

CGROUPS = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")
MEMORY_MB = 300
ALL = ["backfill", "publish", "publish-local", "replay", "table-swap", "repair", "undo", "compact", "restore", "audit"]


def nothing(_child, _seconds):
    """No fault but that of the environment."""


class Group:
    """A memory cgroup of version 1 or 2. Programs are started in it."""

    def __init__(self, megabytes):
        top = next((top for top in CGROUPS if os.access(os.path.join(top, "cgroup.procs"), os.W_OK)), None)
        if top is None:
            raise Skipped("needs a memory cgroup that this account may create")
        self.path = os.path.join(top, f"ruminate-soak-{os.getpid()}")
        os.mkdir(self.path)
        limits = [name for name in ("memory.limit_in_bytes", "memory.max") if os.path.exists(os.path.join(self.path, name))]
        if not limits:
            os.rmdir(self.path)
            raise Skipped("this cgroup has no limit of memory")
        with open(os.path.join(self.path, limits[0]), "w", encoding="ascii") as file:
            file.write(str(megabytes * 2**20))

    def enter(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def close(self):
        os.rmdir(self.path)


def descriptors(soak, make):
    titles = {name: f"{limit} file descriptors: {name}" for limit in (64,) for name in ALL}
    if not any(soak.wants(title) for title in titles.values()):
        return
    with make(soak, "mysql", "descriptors") as stores:
        for name, title in titles.items():
            def body(disturbed):
                for limit in (64, 32, 20):
                    stores.both.how = {"preexec": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))}  # noqa: B023
                    disturbed.meet(nothing, lambda: stores.both.how.clear())
            if soak.wants(title):
                stores.case(title, name, body)


def memory(soak, make):
    titles = {name: f"{MEMORY_MB} MB of memory: {name}" for name in ALL}
    if not any(soak.wants(title) for title in titles.values()):
        return
    size = (150, 30) if soak.short else (600, 60)
    with make(soak, "mysql", "memory", size) as stores:
        for name, title in titles.items():
            def body(disturbed):
                group = Group(MEMORY_MB)
                stores.both.how = {"preexec": group.enter}
                try:
                    ran = disturbed.meet(nothing, lambda: stores.both.how.clear())
                finally:
                    group.close()
                check(ran.code in disturbed.command.codes, ran)
                disturbed.messages.add(f"{stores.both.count:,} readings, peak RSS {ran.rss_mb:.0f} MB")
            if soak.wants(title):
                stores.case(title, name, body, limit=600)


def names(soak, make):
    """Host names that do not resolve: an error that names the host."""
    cases = {"lake": ({"AWS_ENDPOINT_URL_S3": "http://lake.soak.invalid:9000"}, "lake.soak.invalid"),
             "warehouse": ({"RUMINATE_WAREHOUSE": "mysql://soak:soak@db.soak.invalid:3306/soak"}, "db.soak.invalid")}
    titles = {(which, name): f"unknown host of the {which}: {name}" for which in cases for name in ("backfill", "replay", "repair", "audit", "compact")
              if (which, name) != ("warehouse", "compact")}
    if not any(soak.wants(title) for title in titles.values()):
        return
    with make(soak, "mysql", "names") as stores:
        for (which, name), title in titles.items():
            more, host = cases[which]

            def body(disturbed, more=more, host=host):
                stores.both.more = dict(more)
                ran = disturbed.meet(nothing, stores.both.more.clear)
                ran.expect(2).shows(host)
            if soak.wants(title):
                stores.case(title, name, body)


SCRIPT = """#!{python}
import datetime, json, os, sys, time
state = {state!r}
calls = os.path.getsize(state) if os.path.exists(state) else 0
with open(state, "a") as file:
    file.write("x")
seconds, later = {seconds!r}, {later!r}
key, secret = {key!r}, {secret!r}
if calls:
    if later == "fails":
        sys.exit("the session has ended: log in with the single sign-on")
    if later == "hangs":
        time.sleep(3600)
    if later == "other":
        secret = secret[::-1]
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
print(json.dumps({{"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret, "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ")}}))
"""


class Process:
    """A credential_process whose answers expire. `later` is what it answers from the second call on."""

    def __init__(self, home, known, seconds, later):
        self.state, script, config = (os.path.join(home, name) for name in ("credential-calls", "credential-process", "aws-config"))
        if os.path.exists(self.state):
            os.remove(self.state)
        with open(script, "w", encoding="utf-8") as file:
            file.write(SCRIPT.format(python=sys.executable, state=self.state, seconds=seconds, later=later, key=known["AWS_ACCESS_KEY_ID"],
                                     secret=known["AWS_SECRET_ACCESS_KEY"]))
        os.chmod(script, stat.S_IRWXU)
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[default]\nregion = {known['AWS_REGION']}\ncredential_process = {script}\n")
        self.env = {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

    def calls(self):
        return os.path.getsize(self.state) if os.path.exists(self.state) else 0


# What the process answers later, for how many seconds its answers are valid, and how the run may end.
SESSIONS = {"renewed": ("same", 13, True), "revoked": ("other", 13, False), "logged out": ("fails", 13, False), "without an answer": ("hangs", 13, False)}


def sessions(soak, make):
    """Credentials of a credential_process that expire during the run."""
    names_of = ("replay", "audit", "backfill")
    titles = {(how, name): f"credentials {how}: {name}" for how in SESSIONS for name in names_of}
    if not any(soak.wants(title) for title in titles.values()):
        return
    with make(soak, "mysql", "sessions") as stores:
        for (how, name), title in titles.items():
            later, seconds, well = SESSIONS[how]

            def body(disturbed, later=later, seconds=seconds, well=well):
                known = credentials("s3")
                process = Process(stores.home, known, seconds, later)
                lake = stores.both.lake
                lake.known = {"AWS_REGION": known["AWS_REGION"], **process.env}
                relay = stores.relays[0]
                relay.delay = 0.25  # each request takes half a second, so that credentials expire during the run

                def restore():
                    lake.known, relay.delay = known, 0.0
                ran = disturbed.meet(nothing, restore)
                disturbed.messages.add(f"{process.calls()} calls of the credential process in {ran.seconds:.0f} s")
                check(process.calls() > 1, "the credentials did not expire during the run:", ran)
                if well:
                    check(ran.code in disturbed.command.codes, ran)
                else:
                    ran.shows("credential")
            if soak.wants(title):
                stores.case(title, name, body, limit=400, relayed=True)


def run(soak, make):
    """Runs these faults; `make` returns stores."""
    for title, group in {"descriptors": descriptors, "memory": memory, "names": names, "sessions": sessions}.items():
        soak.group(title, lambda group=group: group(soak, make))
