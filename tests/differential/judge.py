"""An independent judge of an audit: what docs/audit.md requires for a directory lake and a SQLite warehouse.

It is short and slow on purpose, and shares no code with the program. `judge(lake, warehouse, now)` returns
the exit code, the counters and the findings; `pairs` has the record and the row of each id, for DuckDB.
"""
import gzip
import os
import re
import sqlite3
import unicodedata
from collections import defaultdict
from decimal import Decimal

import ids

RATE = Decimal("0.0176")
LAST_BITS, FLOAT = Decimal(2) ** -50, Decimal(2) ** -22
COLUMNS = ["id_treated_data", *ids.FIELDS[:5], "quantidade_animais", "dia_confinamento", "consumo_real",
           "consumo_meta", "data", "cod_cliente", "row_ts"]
NUMBERS = {"peso_entrada", "peso_medio", "consumo_real", "consumo_meta", "quantidade_animais", "dia_confinamento"}
NATURAL = ("cod_cliente", "id_curral", "id_lote", "data")
TEXTS = {"id_curral", "id_raca", "id_lote", "cod_cliente"}
TIMES = {"data", "row_ts"}
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
KEY = re.compile(rf"([^/]+)/(\d{{4}})/(\d\d)/(\d\d)/historico_consumo_(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?)(?:_({UUID}))?\.json")
MARKERS = {".DS_Store", "Thumbs.db", "desktop.ini"}


def slug(name):
    """Returns the folder of a farm: FazendaUm is fazenda_um."""
    plain = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
    return "_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+", plain)).lower()


def is_version_8(record_id):
    return bool(re.fullmatch(UUID, record_id.lower())) and record_id[14] == "8"


def as_stored(value):
    """Returns a text of an object unchanged, or the digits of a number."""
    if isinstance(value, str) and value.strip():
        return value
    return ids.identifier("" if isinstance(value, str) else value)


def record(data):
    """Returns a record (column to value), None if it is no JSON, or the text of what makes it invalid."""
    try:
        body = ids.load(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except (ValueError, OSError, EOFError):
        return None
    try:
        if not isinstance(body, dict):
            return "not an object"
        texts = {field: as_stored(body.get(field)) for field in [*TEXTS, "id_treated_data"]}
        values = ids.parse(body | texts | dict.fromkeys(TEXTS, "x")) | texts
        values["consumo_meta"] = ids.number(body.get("consumo_meta"))
        values["row_ts"] = ids.instant(body.get("row_ts"))
        values["repaired_id"] = body.get("repaired_id")
        return values
    except ids.Rejected as reason:
        return str(reason)


def stored(column, value):
    """Returns a value of a row, as the record would have it; a text that is none of its column stays one."""
    if column in TIMES and isinstance(value, str):
        try:
            return ids.instant(value)
        except ids.Rejected:
            return f"invalid: {value}"
    return float(value) if column in NUMBERS and isinstance(value, int) else value


def breaks_rule(values, precision):
    """Returns true if consumo_meta is not peso_medio times the rate."""
    exact = Decimal(values["peso_medio"]) * RATE
    return abs(Decimal(values["consumo_meta"]) - exact) > exact * precision


def is_record(row):
    """Returns true if a row could be a record: no NULL, no empty text, no value that its column cannot have."""
    return (all(row[column] for column in TEXTS | {"id_treated_data"}) and all(isinstance(row[column], int) for column in TIMES)
            and all(isinstance(row[column], float) and row[column] >= 0 for column in NUMBERS)
            and all(row[column] == int(row[column]) for column in ("quantidade_animais", "dia_confinamento")))


def in_place(key, values):
    """Returns true if the path of an object agrees with its content: by `data`, or as the legacy Lambda filed it."""
    farm, *date = KEY.fullmatch(key).groups()[:4]
    days = {ids.rfc3339(values["data"])[:10]}
    folders = {slug(values["cod_cliente"])}
    if not KEY.fullmatch(key)[6]:
        days.add(ids.rfc3339(values["row_ts"])[:10])
        folders.add("fazenda_um" if values["cod_cliente"] == "FazendaUm" else "fazenda_dois")
    return farm in folders and "-".join(date) in days


def read_lake(lake, now, counts, findings):
    """Returns the records by id, as (is a copy, key, values, is misfiled), and the ids in the names of objects that are none."""
    objects, unread = defaultdict(list), {}
    for folder, _, names in os.walk(lake):
        for name in names:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, lake)
            match = KEY.fullmatch(key)
            counts["lake_objects"] += 1  # also those that are skipped: docs/accounting.md
            if not match:
                counts["skipped_folder_markers" if name in MARKERS else "skipped_unrecognized"] += 1
                continue
            if os.stat(path).st_mtime > now + 60:
                counts["skipped_future_dated"] += 1
                unread[key] = match[6]
                continue
            with open(path, "rb") as file:
                values = record(file.read())
            if not isinstance(values, dict):
                kind = "unreadable" if values is None else "rejected"
                findings.append((kind, None, key))
                unread[key] = match[6]
                continue
            counts["lake_records"] += 1
            wrong = not in_place(key, values)
            objects[values["id_treated_data"]].append((wrong or match[6] not in (None, values["id_treated_data"]), key, values, wrong))
    counts["unidentified"] = sum(name is None for name in unread.values())
    return objects, unread


def read_rows(warehouse):
    """Returns the rows by id."""
    connection = sqlite3.connect(f"file:{warehouse}?mode=ro", uri=True)
    rows = {row[0]: {c: stored(c, v) for c, v in zip(COLUMNS, row)}
            for row in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM historico_consumo")}
    connection.close()
    return rows


def judge(lake, warehouse, now):
    """Returns the exit code, the counters, the findings as (kind, id, key), and the pairs."""
    counts, findings = defaultdict(int), []
    objects, unread = read_lake(lake, now, counts, findings)
    rows = read_rows(warehouse)
    counts["warehouse_rows"] = len(rows)
    if not rows or not objects and not findings and not unread:
        return 2, counts, findings, {}

    # Ids that differ in case or surrounding white space only are one pair.
    by_folded_id = defaultdict(list)
    for row_id in rows.keys() - objects.keys():
        by_folded_id[ids.text(row_id).lower()].append(row_id)
    pairs, paired, keys = {}, set(), defaultdict(set)
    for record_id, copies in objects.items():
        copies.sort(key=lambda copy: copy[:2])
        _, key, values, misplaced = copies[0]
        row_id = record_id if record_id in rows else (by_folded_id.get(ids.text(record_id).lower()) or [None]).pop()
        pairs[record_id] = (values, rows.get(row_id))
        paired.add(row_id)
        keys[tuple(values[f] for f in NATURAL)].add(record_id)
        row = rows.get(row_id)
        findings += [("duplicate_object", record_id, other) for _, other, _, _ in copies[1:]]
        if misplaced:  # a copy elsewhere is a duplicate_object, and nothing else
            findings.append(("misfiled", record_id, key))
        findings += [("forged_id", record_id, other) for _, other, value, _ in copies
                     if is_version_8(record_id) and ids.record_id(value) != record_id.lower() and value["repaired_id"] != ids.record_id(value)]
        if breaks_rule(values, LAST_BITS):
            findings.append(("rule_break", record_id, key))
        differs = row and [column for column in COLUMNS if row[column] != values[column]]
        counts["matched"] += differs == []
        if row is None or differs:
            findings.append(("differing", record_id, key, differs) if row else ("lake_only", record_id, key))
    named = {name for name in unread.values() if name}
    for row_id in rows.keys() - paired:
        row = rows[row_id]
        if row_id in named:
            counts["not_compared"] += 1
            continue
        pairs[row_id] = (None, row)
        findings.append(("warehouse_only", row_id, None))
        if is_record(row):
            keys[tuple(row[f] for f in NATURAL)].add(row_id)
            if breaks_rule(row, FLOAT):
                findings.append(("rule_break", row_id, None))
    findings += [("logical_duplicate", frozenset(group), None) for group in keys.values() for _ in range(len(group) - 1)]
    return (1 if findings or counts["skipped_future_dated"] or counts["skipped_unrecognized"] else 0), counts, findings, pairs
