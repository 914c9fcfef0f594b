"""The evidence of a merged audit compared with that of the single one."""
import filecmp
import json
import os

FILES = ["drift.ndjson", "drift.csv", "totals.csv", "hashes.csv", "days.csv"]


def differences(single, merged, late_differs=False):
    """Returns the names of what differs between two folders: bytes of files, and members of `audit.json`.

    `late_differs` ignores the records that were processed within minutes before the cutoff: each run has its own cutoff.
    """
    differs = [name for name in FILES if not filecmp.cmp(os.path.join(single, name), os.path.join(merged, name), shallow=False)]
    one, other = (audit(os.path.join(folder, "audit.json"), late_differs) for folder in (single, merged))
    return differs + [f"audit.json: {name}" for name in sorted(one | other) if one.get(name) != other.get(name)]


def audit(path, late_differs=False):
    """Returns an audit without run id, times and command."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    for name in ("run", "seconds", "cutoff"):
        del content[name]
    del content["options"]["command"]
    if late_differs:
        del content["carry"]["late"]
    return content
