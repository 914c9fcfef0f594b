"""Damaged lakes and warehouses for tests/soak/fleet.py: with new, legacy or mixed names, from a seed."""
import json
import os
import random
import sqlite3
import time
import uuid
from datetime import datetime, timedelta


def objects(lake):
    """Returns the paths of all objects, in order."""
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(lake) for name in names)


def with_legacy_names(lake, chance, every):
    """Gives every n-th object the name and the random id of the legacy Lambda."""
    for number, path in enumerate(objects(lake)):
        if number % every:
            continue
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        record["id_treated_data"] = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        day = datetime.strptime(record["data"][:19].replace("T", " "), "%Y-%m-%d %H:%M:%S")
        at = day + timedelta(hours=1, milliseconds=number)
        record["row_ts"] = at.strftime("%Y-%m-%dT%H:%M:%S.%f")
        farm = "fazenda_um" if record["cod_cliente"] == "FazendaUm" else "fazenda_dois"
        stamp = at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03}"
        write(os.path.join(lake, farm, at.strftime("%Y/%m/%d"), f"historico_consumo_{stamp}.json"), json.dumps(record))
        os.remove(path)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def damage_objects(lake, chance):
    """Deletes, cuts, empties, copies, moves and changes some objects, and adds others."""
    for path in objects(lake):
        kind = chance.choice(["delete", "cut", "empty", "copy", "move", "change", "farm"]) if chance.random() < 0.1 else None
        with open(path, encoding="utf-8") as file:
            text = file.read()
        folder, name = os.path.split(path)
        elsewhere = os.path.join(os.path.dirname(folder), f"{chance.randint(1, 28):02}", name)
        if kind in ("copy", "move"):
            write(elsewhere, text)
        if kind == "farm":
            write(path.replace(os.path.relpath(path, lake).split(os.sep)[0], "fazenda_alheia", 1), text)
        if kind in ("delete", "farm") or kind == "move" and elsewhere != path:
            os.remove(path)
        elif kind == "cut":
            write(path, text[: len(text) // 2])
        elif kind == "empty":
            write(path, "{}")
        elif kind == "change":
            write(path, json.dumps(json.loads(text) | {"dia_confinamento": chance.randint(1, 200)}))
    write(os.path.join(lake, "notes.txt"), "x")
    write(os.path.join(os.path.dirname(objects(lake)[0]), "notes.txt"), "x")


def damage_rows(path, chance):
    """Deletes, changes and copies some rows, and spells some ids differently."""
    connection = sqlite3.connect(path)
    for (row_id,) in connection.execute("SELECT id_treated_data FROM historico_consumo ORDER BY 1").fetchall():
        kind = chance.choice(["delete", "change", "copy", "case"]) if chance.random() < 0.08 else None
        if kind == "delete":
            connection.execute("DELETE FROM historico_consumo WHERE id_treated_data = ?", (row_id,))
        elif kind == "change":
            connection.execute("UPDATE historico_consumo SET quantidade_animais = 9999 WHERE id_treated_data = ?", (row_id,))
        elif kind == "case":
            connection.execute("UPDATE historico_consumo SET id_treated_data = ? WHERE id_treated_data = ?", (row_id.upper(), row_id))
        elif kind == "copy":
            columns = [row[1] for row in connection.execute("PRAGMA table_info(historico_consumo)")]
            new = [f"'{uuid.UUID(int=chance.getrandbits(128), version=4)}'" if column == "id_treated_data" else column for column in columns]
            connection.execute(f"INSERT INTO historico_consumo SELECT {', '.join(new)} FROM historico_consumo WHERE id_treated_data = ?", (row_id,))
    connection.commit()
    connection.close()


def tree(folder):
    """Returns the content of all files below a folder, except for temporary files of killed processes."""
    found = {}
    for path in objects(folder):
        if not os.path.basename(path).startswith(".ruminate-"):
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def build(program, lake, seed, options):
    """Creates a damaged lake and its damaged warehouse."""
    chance = random.Random(f"{seed}-{lake}")
    flags = ["--farms", 3, "--lots", options.lots, "--days", options.days, "--start", "2024-01-20", "--seed", seed]
    program.run("generate", *flags, "--out", "history.ndjson")
    program.run("init", "--warehouse", "sqlite:warehouse.db")
    program.run("backfill", "history.ndjson", "--lake", "lake", "--warehouse", "sqlite:warehouse.db")
    folder = program.path_of("lake")
    if lake != "new":
        with_legacy_names(folder, chance, 1 if lake == "legacy" else 2)
        os.remove(program.path_of("warehouse.db"))
        program.run("init", "--warehouse", "sqlite:warehouse.db")
        program.run("replay", "--lake", "lake", "--warehouse", "sqlite:warehouse.db")
    damage_objects(folder, chance)
    damage_rows(program.path_of("warehouse.db"), chance)
    yesterday = time.time() - 86_400
    for path in objects(folder):
        os.utime(path, (yesterday, yesterday))
    return chance, len(objects(folder))
