"""The equations of docs/accounting.md, for outcomes in JSON."""


def problems(command, outcome):
    """Returns the equations that do not hold for an outcome, as lines."""
    if not outcome:
        return ["there is no outcome"]
    return [f"{left} = {outcome.get(left)} is not {' + '.join(terms)} = {total}"
            for left, terms in EQUATIONS.get(command, [])
            if outcome.get(left) is not None and outcome.get(left) != (total := sum(outcome.get(term) or 0 for term in terms))] \
        + more(command, outcome)


EQUATIONS = {
    "publish": [("input", ["skipped", "read", "not_reached"]), ("read", ["published", "failed", "invalid", "dropped", "unsent"])],
    "backfill": [("read", ["written", "existing", "rejected", "failed"])],
    "process": [("messages", ["processed", "duplicates", "quarantined", "failed"])],
    "replay": [("listed", ["inserted", "identical", "conflicting", "rejected", "archived", "unreadable", "skipped"])],
    "restore": [("rows", ["restored", "identical", "differing", "no_body", "failed", "skipped_not_reached"])],
    "undo": [("changes", ["restored", "already_restored", "modified_since", "not_processed"]),
             ("restored", ["rows_reverted", "rows_deleted", "objects_reverted", "objects_deleted"])],
}


def skips(outcome):
    return sum(value for name, value in outcome.items() if name.startswith("skipped_"))


def more(command, outcome):
    """Returns the equations that are no plain sums of fields and do not hold."""
    lines = []
    if command == "publish" and outcome.get("local"):
        parts = ["stored", "existing", "unverifiable", "conflicting", "rows_refused", "quarantined"]
        total = sum(outcome["local"][part] for part in parts)
        if total != outcome["published"]:
            lines.append(f"published = {outcome['published']}, and the intake has {total}")
    if command == "backfill" and not outcome["failed"]:
        stored, rows = outcome["written"] + outcome["existing"], sum(outcome[name] for name in ("inserted", "identical", "conflicting", "rows_refused"))
        if stored != rows:
            lines.append(f"{stored} objects and {rows} rows")
    if command == "replay" and skips(outcome) != outcome["skipped"]:
        lines.append(f"skipped = {outcome['skipped']}, and its reasons add up to {skips(outcome)}")
    if command == "compact":
        total = sum(outcome[name] for name in ("in_parts", "rejected", "archived", "unreadable")) + skips(outcome)
        if outcome["listed"] != total:
            lines.append(f"listed = {outcome['listed']}, and its parts add up to {total}")
    return lines
