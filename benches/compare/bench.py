"""Shared code of the benchmarks: the programs, a folder for files, and the table of rows."""
import argparse, os, shutil, signal, sys, tempfile, time

from measure import Row, clean
from servers import Served

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


class Programs:
    """The programs, the arguments, and a folder for files."""

    def __init__(self, options, home):
        self.options, self.home = options, home
        target = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "debug" if options.debug else "dist")
        self.ruminate, self.parts = os.path.join(target, "ruminate"), os.path.join(target, "examples", "parts")
        self.stub_program = os.path.join(target, "ruminate-test-sns")
        for program in (self.ruminate, self.parts, self.stub_program):
            if not os.path.exists(program):
                sys.exit(f"{program} is not there: cargo build{'' if options.debug else ' --profile dist'} --workspace --bins --examples")

    def env(self, server=None):
        return clean(HOME=self.home, **(server.env() if server else {}))

    def serve(self, records, **faults):
        return Served(self.parts, records, faults)


def arguments(doc, rows):
    """Returns the parser with the arguments of every benchmark."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", action="append", choices=rows, metavar="ROW", help=", ".join(rows))
    parser.add_argument("--debug", action="store_true", help="the debug build: for a smoke test of this script")
    parser.add_argument("--home", help="folder for files, instead of a temporary one")
    return parser


def measure(parser, bench, rows):
    """Runs the requested rows, prints the table, and exits with 1 if a target is missed."""
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    missed = 0
    home = tempfile.mkdtemp(prefix="ruminate-compare-", dir=options.home)
    try:
        bench = bench(options, home)
        reported = [arg for at, arg in enumerate(sys.argv[1:]) if "--home" not in (arg, sys.argv[at])]
        print(f"`{' '.join(['benches/compare/' + os.path.basename(sys.argv[0]), *reported])}`")
        print(f"\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, medians of {options.runs}\n")
        print(Row.HEAD, flush=True)
        for name in options.only or rows:
            for row in rows[name](bench):
                missed += not row.passed()
                print(row, flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(1 if missed else 0)
