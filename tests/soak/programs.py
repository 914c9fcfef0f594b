"""The programs under test, bounded runs of them, and checks that end a case."""
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUCKET, PREFIX = "historico-consumo-fazendas", "historico_diario"
SECRETS = re.compile(r"(?<=:)[^:@/\s]+(?=@)")


class Failure(Exception):
    """Something that must not happen; the text states what."""


class Skipped(Exception):
    """A case that cannot run on this machine; the text states why."""


def check(holds, *what):
    """Ends the case if something does not hold."""
    if not holds:
        raise Failure(" ".join(str(part) for part in what))


def constants(server):
    """Returns the constants that a server of the test kit declares."""
    with open(os.path.join(ROOT, "tests", "testkit", "src", server, "mod.rs"), encoding="utf-8") as file:
        return dict(re.findall(r'pub const (\w+): &str = "([^"]*)"', file.read()))


def credentials(server):
    """Returns the environment that a client of a server of the test kit needs, without its address."""
    known = constants(server)
    return {"AWS_REGION": known.get("REGION", "us-east-1"), "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": known["ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": known["SECRET_KEY"]}


class Ran:
    """A run that has ended: exit code (negative for a signal), stdout, stderr, outcome, seconds and peak RSS in MB."""

    def __init__(self, args, code, out, err, seconds, rss_mb):
        self.args, self.code, self.out, self.err, self.seconds, self.rss_mb = args, code, out, err, seconds, rss_mb
        try:
            self.json = json.loads(out)
        except ValueError:
            self.json = {}

    def __str__(self):
        command = SECRETS.sub("***", " ".join(shlex.quote(arg) for arg in self.args[1:]))
        outcome = {name: value for name, value in self.json.items() if isinstance(value, int) and value}
        return f"`{command}`: exit {self.code} after {self.seconds:.1f} s\n  {outcome or self.out[-500:]}\n  {self.err[-2500:].strip()}"

    def expect(self, *codes, **counts):
        """Checks the exit code, and counts of the outcome."""
        check(self.code in codes, f"exit code {self.code}, not {' or '.join(map(str, codes))}:", self)
        for name, count in counts.items():
            check(self.json.get(name) == count, f"{name} is {self.json.get(name)}, not {count}:", self)
        return self

    def shows(self, *texts):
        """Checks that one of these texts is in the error messages or the outcome, regardless of case."""
        reported = (self.err + self.out).lower()
        check(any(text.lower() in reported for text in texts), f"the message does not name {' or '.join(map(repr, texts))}:", self)
        return self


class Child:
    """A program that runs, with its output in files. It is killed at the end of a `with` block."""

    def __init__(self, args, env, home, cwd=None, preexec=None):
        self.args = [str(arg) for arg in args]
        self.out, self.err = tempfile.TemporaryFile(dir=home), tempfile.TemporaryFile(dir=home)
        self.began = time.monotonic()
        self.process = subprocess.Popen(self.args, env=env, cwd=cwd or home, stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.err, preexec_fn=preexec)
        self.status = None

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            self.signal(signal.SIGKILL)
            self.wait(30)
        self.out.close()
        self.err.close()

    def signal(self, number):
        """Sends a signal. Returns whether the program was still running."""
        if self.runs():
            os.kill(self.pid, number)
            return True
        return False

    def runs(self):
        if self.status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.ended, self.status, self.usage = time.monotonic(), status, usage
                self.process.returncode = os.waitstatus_to_exitcode(status)
        return self.status is None

    def rss_mb(self):
        """Returns the current RSS in MB."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def reported(self):
        return self.text(self.err)

    def text(self, file):
        file.seek(0)
        return file.read().decode(errors="replace")

    def wait(self, seconds):
        """Waits for the end, at most this long."""
        until, pause = time.monotonic() + seconds, 0.002
        while self.runs():
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.status, self.process.returncode = -9, -9
                raise Failure(f"hangs: not ended after {seconds} s: {' '.join(self.args[1:])}\n  {self.reported()[-2500:]}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return Ran(self.args, self.process.returncode, self.text(self.out), self.text(self.err), self.ended - self.began,
                   self.usage.ru_maxrss / 1024)


class Programs:
    """The programs in a directory, and the folder in which they run."""

    def __init__(self, folder, home):
        self.folder, self.home = folder, home
        self.ruminate = self.path("ruminate")

    def path(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            raise Failure(f"{path} is missing: cargo build --workspace --bins --examples")
        return path

    def env(self, *more):
        env = {"PATH": os.environ["PATH"], "HOME": self.home, "TMPDIR": self.home, "LC_ALL": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}
        for others in more:
            env.update(others)
        return env

    def start(self, *args, env=None, **how):
        """Starts the toolkit with JSON output."""
        return Child([self.ruminate, *args, "--output", "json", "--no-progress"], self.env(env or {}), self.home, **how)

    def run(self, *args, env=None, seconds=120, **how):
        """Runs the toolkit to its end."""
        with self.start(*args, env=env, **how) as child:
            return child.wait(seconds)

    def history(self, name, farms, lots, days, seed=1):
        """Writes a history file and returns its path and its number of readings."""
        path = os.path.join(self.home, name)
        ran = self.run("generate", "--farms", farms, "--lots", lots, "--days", days, "--start", "2024-01-01", "--seed", seed,
                       "--out", path, "--force").expect(0)
        return path, ran.json["readings"]


def await_until(what, holds, seconds=60, pause=0.01):
    """Waits until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        check(time.monotonic() < until, f"{what}: not within {seconds} s")
        time.sleep(pause)


class Server:
    """A server program that prints its endpoint; it is killed at the end of a `with` block."""

    def __init__(self, args, home):
        self.args, self.home, self.child = [str(arg) for arg in args], home, None

    def __enter__(self):
        self.child = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=self.home)
        self.endpoint = self.child.stdout.readline().strip()
        check(self.endpoint.startswith("http"), f"the server did not start: {self.args}")
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()
