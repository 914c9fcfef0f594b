"""Measurements of a run, medians of several, and the rows of the table."""
import os, statistics, subprocess, sys, threading, time


def clean(**more):
    """Returns a separate environment, without the user's settings."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **more}


def check(holds, what):
    if not holds:
        sys.exit(f"wrong, so no time counts: {what}")


class Seen:
    """One run: wall and CPU seconds, the server's CPU seconds, peak RSS in MB, its output, and a note."""

    def __init__(self, wall, cpu, server_cpu, rss, out):
        self.wall, self.cpu, self.server_cpu, self.rss, self.out, self.note = wall, cpu, server_cpu, rss, out, ""
        self.walls = [wall]

    @staticmethod
    def median(all_of_them):
        middle = Seen(0, 0, 0, 0, "")
        for name in ("wall", "cpu", "server_cpu", "rss"):
            setattr(middle, name, statistics.median(getattr(seen, name) for seen in all_of_them))
        middle.walls = [seen.wall for seen in all_of_them]
        middle.note = all_of_them[-1].note
        return middle


def run(args, env, server=None, keep=True, stdin=None, codes=(0,)):
    """Runs a program to its end; without `keep` its output goes to /dev/null, not through a pipe."""
    args = [str(arg) for arg in args]
    before = server.cpu() if server else 0
    start = time.perf_counter()
    out = subprocess.PIPE if keep else subprocess.DEVNULL
    child = subprocess.Popen(args, env=env, stdout=out, stderr=subprocess.PIPE, stdin=stdin or subprocess.DEVNULL)
    complaints = []
    reader = threading.Thread(target=lambda: complaints.append(child.stderr.read()))
    reader.start()
    try:
        text = child.stdout.read() if keep else b""
        _, status, usage = os.wait4(child.pid, 0)  # of the child and of the children it waited for
    except BaseException:
        child.kill()
        raise
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    if child.returncode not in codes:
        reported = b"".join(complaints).decode(errors="replace")[-3000:] + text.decode(errors="replace")[-2000:]
        sys.exit(f"{args[:4]} …: exit {child.returncode}: {reported}")
    cpu = usage.ru_utime + usage.ru_stime
    return Seen(wall, cpu, server.cpu() - before if server else 0, usage.ru_maxrss / 1024, text.decode(errors="replace"))


def turns(runs, *rivals):
    """Runs each N times, in turns with a different one first each time. Returns the medians, in the order of the rivals."""
    seen = [[] for _ in rivals]
    for turn in range(runs):
        for step in range(len(rivals)):
            at = (turn + step) % len(rivals)
            seen[at].append(rivals[at]())
    return [Seen.median(each) for each in seen]


def cpu_of(pid):
    """Returns the user and system seconds of a running process, all threads."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Row:
    """A line of the table: ours, theirs, and the target (if any) for their ratio or for ours alone."""

    HEAD = (
        "| what | ours | rival | ratio | target | | wall s, each run | CPU s: ours, rival | server's CPU s: ours, rival | peak RSS MB |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )

    def __init__(self, what, ours, theirs, sense, mark, seen, rival=None):
        self.what, self.ours, self.theirs, self.sense, self.mark = what, ours, theirs, sense, mark
        self.seen, self.rival = seen, rival

    def value(self):
        return self.ours if self.theirs is None else self.ours / self.theirs

    def passed(self):
        if self.mark is None:
            return True
        return self.value() >= self.mark if self.sense == "≥" else self.value() <= self.mark

    def __str__(self):
        pair = lambda name: ", ".join(f"{getattr(s, name):.2f}" for s in (self.seen, self.rival) if s)
        walls = " ".join(f"{wall:.2f}" for wall in self.seen.walls) if self.seen else ""
        ratio = "" if self.theirs is None else f"{self.value():.2f}"
        theirs = "" if self.theirs is None else number(self.theirs)
        rss = f"{self.seen.rss:.0f}" if self.seen else ""
        note = f" ({self.seen.note})" if self.seen and self.seen.note else ""
        mark = "" if self.mark is None else f"{self.sense} {self.mark:g}"
        verdict = "" if self.mark is None else "pass" if self.passed() else "**missed**"
        cells = [
            self.what + note, number(self.ours), theirs, ratio, mark, verdict,
            walls, pair("cpu"), pair("server_cpu"), rss,
        ]
        return f"| {' | '.join(cells)} |"


def number(value):
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"
