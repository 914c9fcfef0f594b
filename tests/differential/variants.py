"""What must not change the result of an audit of a store: a cache, parts, shards; and a repair that is undone."""
import json
import os
import sqlite3
import subprocess

VOLATILE = {"run", "options", "lake", "warehouse", "cutoff", "seconds", "cache", "from_parts", "carry", "repaired", "parts", "snapshots", "resolved_on_recheck"}


def stable(outcome):
    """Returns the part of an outcome that describes the stores."""
    return {name: value for name, value in outcome.items() if name not in VOLATILE}


def state(folder):
    """Returns the bytes of all objects and the values of all rows."""
    files = {}
    for place, _, names in os.walk(os.path.join(folder, "lake")):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    connection = sqlite3.connect(os.path.join(folder, "warehouse.db"))
    rows = {row[0]: row for row in connection.execute("SELECT * FROM historico_consumo")}
    connection.close()
    return files, rows


def difference(program, folder, code, outcome):
    """Returns how the variants of an audit differ from the audit whose drift file and outcome are given."""
    def run(*arguments, allowed=(0, 1)):
        result = subprocess.run([program, *arguments], cwd=folder, capture_output=True, check=False)
        if result.returncode not in allowed:
            lines.append(f"{' '.join(arguments)} ended with {result.returncode}: {result.stderr.decode()}")
        return result

    def same(name, *arguments):
        result = run(*arguments, "--drift", "other.ndjson", "--output", "json", "-q")
        with open(os.path.join(folder, "drift.ndjson"), "rb") as one, open(os.path.join(folder, "other.ndjson"), "rb") as other:
            if one.read() != other.read():
                lines.append(f"{name}: other bytes in the drift file")
        if result.returncode != code:
            lines.append(f"{name}: exit code {result.returncode} instead of {code}")
        wanted, found = stable(outcome), stable(json.loads(result.stdout or "{}"))
        lines.extend(f"{name}: {field} is {found.get(field)} instead of {value}" for field, value in wanted.items() if found.get(field) != value)

    lines, stores = [], ["--lake", "lake", "--warehouse", "sqlite:warehouse.db"]
    audit = ["reconcile", *stores]
    for name in ("cold cache", "warm cache"):
        same(name, *audit, "--cache", "cache")
    run("plan", *audit, "--shards", "3", "--out", "run", "-q")
    for shard in range(3):
        run("shard", "run", "--shard", str(shard), "-q", allowed=(0,))
    same("shards", "merge", "run")
    run("compact", "--lake", "lake", "-q")
    same("parts", *audit)
    before = state(folder)
    run(*audit, "--repair", "both", "--undo-file", "undo.ndjson", "-q")
    after = state(folder)
    if os.path.exists(os.path.join(folder, "undo.ndjson")):
        run("undo", "undo.ndjson", *stores, "-q")
    elif after != before:
        lines.append("a repair changed the stores without an undo file")
    for side, one, other in zip(("objects", "rows"), before, state(folder)):
        lines.extend(f"undo: {side} {key!r} not as before the repair" for key in one.keys() | other.keys() if one.get(key) != other.get(key))
    return lines
