"""A second opinion on the counts of an audit: DuckDB's full outer join of both sides on the id."""
import json
import os

import duckdb

from judge import COLUMNS, NUMBERS, TIMES

VERSION = duckdb.__version__


def kind(column):
    return "DOUBLE" if column in NUMBERS else "BIGINT" if column in TIMES else "VARCHAR"


def difference(folder, pairs, outcome):
    """Joins the compared records and rows of a store (id to record, row); returns the counts that differ."""
    connection = duckdb.connect(config={"threads": 1})
    for side, at in (("lake", 0), ("warehouse", 1)):
        path = os.path.join(folder, f"{side}.ndjson")
        with open(path, "w", encoding="utf-8") as file:
            for record_id, pair in pairs.items():
                if pair[at]:
                    values = {c: pair[at][c] if valid(c, pair[at][c]) else None for c in COLUMNS}
                    file.write(json.dumps(values | {"id": record_id, "invalid": any(not valid(c, pair[at][c]) for c in COLUMNS)}) + "\n")
        columns = ", ".join(f"'{c}': '{kind(c)}'" for c in COLUMNS) + ", 'id': 'VARCHAR', 'invalid': 'BOOLEAN'"
        connection.execute(f"CREATE TABLE {side} AS SELECT * FROM read_json('{path}', format='newline_delimited', columns={{{columns}}})")
    same = " AND ".join(f"lake.{c} IS NOT DISTINCT FROM warehouse.{c}" for c in COLUMNS)
    counted = connection.execute(f"""
        SELECT count(*) FILTER (lake.id IS NOT NULL AND warehouse.id IS NOT NULL AND {same} AND NOT warehouse.invalid),
               count(*) FILTER (warehouse.id IS NULL), count(*) FILTER (lake.id IS NULL),
               count(*) FILTER (lake.id IS NOT NULL AND warehouse.id IS NOT NULL AND NOT ({same} AND NOT warehouse.invalid))
        FROM lake FULL OUTER JOIN warehouse USING (id)""").fetchone()
    connection.close()
    names = ("matched", "lake_only", "warehouse_only", "differing")
    return [f"{name}: DuckDB {number}, program {outcome[name]}" for name, number in zip(names, counted) if number != outcome[name]]


def valid(column, value):
    """Returns true if DuckDB's column can hold a value."""
    return value is None or isinstance(value, str) == (kind(column) == "VARCHAR")
