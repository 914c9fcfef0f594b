"""Random small stores, damaged at random: a directory lake and a SQLite warehouse from one seed.

    python3 stores.py SEED DIR     # writes DIR/lake, DIR/warehouse.db and DIR/damage.txt
"""
import datetime
import gzip
import json
import os
import random
import shutil
import sqlite3
import struct
import sys
import uuid

import ids
from judge import COLUMNS, KEY, slug

FARMS = ["FazendaUm", "FazendaDois", "FazendaTres", "Fazenda São João", "BoaVista"]
FLOATS = ["peso_entrada", "peso_medio", "consumo_real", "consumo_meta"]
TEXTS = ["id_curral", "id_raca", "id_lote", "cod_cliente"]
TABLE = ("CREATE TABLE historico_consumo (id_treated_data VARCHAR(255) NOT NULL, id_curral VARCHAR(255), id_raca VARCHAR(255), "
         "id_lote VARCHAR(255), peso_entrada {0}, peso_medio {0}, quantidade_animais INT, dia_confinamento INT, "
         "consumo_real {0}, consumo_meta {0}, data DATETIME, cod_cliente VARCHAR(255), row_ts DATETIME, PRIMARY KEY (id_treated_data))")
EPOCH = datetime.datetime(1970, 1, 1)


def micros(time):
    return (time - EPOCH) // datetime.timedelta(microseconds=1)


def sql_time(value):
    """Returns a time as the program writes it into SQLite."""
    text = (EPOCH + datetime.timedelta(microseconds=value)).strftime("%Y-%m-%d %H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") if value % 1_000_000 == 0 else text


class Store:
    """Objects (key to bytes) and rows (id to values) of a store, and how to damage them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.objects, self.rows, self.future, self.damage = {}, {}, set(), []
        r = self.random
        self.legacy = r.choice([0, 0, 0.3, 1])
        self.farms = r.sample(FARMS, r.randint(1, 4))
        self.start = datetime.datetime(2026, r.randint(1, 6), r.randint(1, 27))
        self.float_type = r.choice(["FLOAT", "FLOAT", "DOUBLE", "REAL"])
        for _ in range(r.choice([0, 1, 2, 3, 5, r.randint(5, 60), r.randint(5, 60), r.randint(20, 60)])):
            self.add(self.reading())
        for _ in range(r.choice([0, 1, 1, 2, 3, 5, 8])):
            damage = r.choice(DAMAGES)
            if damage(self):
                self.damage.append(damage.__name__)

    def reading(self):
        r = self.random
        day = self.start + datetime.timedelta(days=r.randint(0, 3))
        if r.random() < 0.3:
            day += datetime.timedelta(seconds=r.randint(0, 86399), microseconds=r.choice([0, 500_000, 123_456]))
        return {"id_curral": str(r.randint(1, 10**14)), "id_raca": r.choice(["9000001", "28551700000020"]),
                "id_lote": str(r.randint(1, 10**14)), "peso_entrada": round(r.uniform(170, 500), 3),
                "peso_medio": r.choice([450, round(r.uniform(290, 710), 3)]), "data": day.strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
                "quantidade_animais": str(r.randint(1, 90)), "dia_confinamento": str(r.randint(1, 200)),
                "consumo_real": round(r.uniform(2, 20), 6), "cod_cliente": r.choice(self.farms)}

    def add(self, reading, new_id=None):
        """Adds a reading to both sides, as the Lambda or the legacy Lambda would have stored it; returns its id."""
        r = self.random
        values = ids.parse(reading)
        legacy = r.random() < self.legacy
        processed = self.start + datetime.timedelta(days=r.choice([0, 1, 4, 40]), microseconds=r.randint(0, 86_399_999_999))
        record_id = new_id or (str(uuid.UUID(int=r.getrandbits(128), version=4)) if legacy else ids.record_id(values))
        values |= {"id_treated_data": record_id, "consumo_meta": values["peso_medio"] * 0.0176, "row_ts": micros(processed)}
        body = reading | {"consumo_meta": values["consumo_meta"], "id_treated_data": record_id, "row_ts": processed.isoformat()}
        farm = slug(reading["cod_cliente"])
        time = processed if legacy else EPOCH + datetime.timedelta(microseconds=values["data"])
        if legacy and farm != "fazenda_um":
            farm = "fazenda_dois"
        stamp = f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03}"
        key = f"{farm}/{time:%Y/%m/%d}/historico_consumo_{stamp}{'' if legacy else '_' + record_id}.json"
        self.objects[key] = json.dumps(body, ensure_ascii=r.random() < 0.5).encode()
        self.rows[record_id] = {c: sql_time(values[c]) if c in ("data", "row_ts") else values[c] for c in COLUMNS}
        return record_id

    def row(self):
        return self.random.choice(sorted(self.rows)) if self.rows else None

    def key(self):
        """Returns the key of an object whose name is that of a record."""
        keys = sorted(key for key in self.objects if KEY.fullmatch(key))
        return self.random.choice(keys) if keys else None

    def edit(self, change):
        """Changes the body of an object that is JSON."""
        key = self.key()
        try:
            body = json.loads(self.objects[key])
            change(body)
        except (KeyError, ValueError, AttributeError, TypeError):
            return False
        self.objects[key] = json.dumps(body).encode()
        return True

    def write(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(os.path.join(folder, "lake"))
        for key, data in self.objects.items():
            path = os.path.join(folder, "lake", key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
            if key in self.future:
                os.utime(path, (4102444800, 4102444800))
        with open(os.path.join(folder, "damage.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.damage) + "\n")
        connection = sqlite3.connect(os.path.join(folder, "warehouse.db"))
        connection.execute(TABLE.format(self.float_type))
        connection.executemany(f"INSERT INTO historico_consumo VALUES ({', '.join('?' * 13)})",
                               [[row[c] for c in COLUMNS] for row in self.rows.values()])
        connection.commit()
        connection.close()


DAMAGES = []


def damage(function):
    DAMAGES.append(function)
    return function


def of_row(change):
    """Makes a damage of a change to one row."""
    def damage_row(store):
        row_id = store.row()
        return row_id is not None and change(store.random, store.rows[row_id]) is not False
    damage_row.__name__ = change.__name__
    return damage(damage_row)


@damage
def row_deleted(store):
    return store.rows.pop(store.row(), None)


@of_row
def last_place(r, row):
    column = r.choice(FLOATS)
    if not isinstance(row[column], float) or row[column] <= 0:
        return False
    bits, = struct.unpack("<q", struct.pack("<d", row[column]))
    row[column], = struct.unpack("<d", struct.pack("<q", bits + r.choice([1, -1])))


@of_row
def rounded_to_f32(r, row):
    column = r.choice(FLOATS)
    if not isinstance(row[column], float):
        return False
    row[column], = struct.unpack("<f", struct.pack("<f", row[column]))


@of_row
def six_digits(r, row):
    column = r.choice(FLOATS)
    if not isinstance(row[column], float):
        return False
    row[column] = float(f"{row[column]:.6g}")


@of_row
def number_changed(r, row):
    row[r.choice(FLOATS + ["quantidade_animais", "dia_confinamento"])] = r.choice([0, 1, 12.5, 1000, 45359237])


@of_row
def text_case(r, row):
    row["cod_cliente"] = (row["cod_cliente"] or "x").swapcase()


@of_row
def text_spaces(r, row):
    column = r.choice(TEXTS)
    row[column] = r.choice([" {}", "{} ", "{}\t", "\u00a0{}", "{}\n"]).format(row[column])


@of_row
def text_changed(r, row):
    row[r.choice(TEXTS)] = r.choice(["", "1", "FazendaUm", "FazendaUm\u0301", "🐄", "'; DROP TABLE x"])


@of_row
def null(r, row):
    row[r.choice(COLUMNS[1:])] = None


@of_row
def invalid_value(r, row):
    column, value = r.choice([("data", "2026-02-31 00:00:00"), ("data", "hello"), ("peso_medio", "abc"),
                              ("quantidade_animais", "many"), ("row_ts", ""), ("consumo_meta", "")])
    row[column] = value


@of_row
def date_changed(r, row):
    row["data"] = r.choice(["2026-01-01 00:00:00", "2026-03-05 03:00:00", "1969-12-31 23:59:59", "9999-12-31 00:00:00"])


@of_row
def processing_changed(r, row):
    if row["row_ts"] is None:
        return False
    row["row_ts"] = r.choice([row["row_ts"][:19], "2026-01-01 00:00:00", row["row_ts"] + "0"])


@damage
def row_id_changed(store):
    old = store.row()
    if old is None:
        return False
    new = store.random.choice([old.upper(), f" {old}", f"{old} ", f"{old}x", "", "not an id", str(uuid.UUID(int=store.random.getrandbits(128), version=4))])
    if new in store.rows:
        return False
    store.rows[new] = store.rows.pop(old) | {"id_treated_data": new}
    return True


@damage
def row_twice(store):
    old = store.row()
    if old is None:
        return False
    new = store.random.choice([str(uuid.UUID(int=store.random.getrandbits(128), version=4)), old.upper()])
    store.rows[new] = store.rows[old] | {"id_treated_data": new}
    return True


@damage
def rows_all_deleted(store):
    if store.random.random() < 0.8:
        return False
    store.rows.clear()
    return True


@damage
def row_of_nothing(store):
    key = store.key()
    record_id = store.add(store.reading())
    for name in set(store.objects) - ({key} if key else set()):
        if record_id.encode() in store.objects[name]:
            del store.objects[name]
    if store.random.random() < 0.3:
        store.rows[record_id]["row_ts"] = "2090-01-01 00:00:00"
    return True


@damage
def object_deleted(store):
    return store.objects.pop(store.key(), None)


@damage
def objects_all_deleted(store):
    if store.random.random() < 0.8:
        return False
    store.objects.clear()
    return True


@damage
def object_cut(store):
    key = store.key()
    if key is None or len(store.objects[key]) < 3:
        return False
    store.objects[key] = store.objects[key][:store.random.randint(1, len(store.objects[key]) - 1)]
    return True


@damage
def object_replaced(store):
    key = store.key()
    if key is None:
        return False
    store.objects[key] = store.random.choice([b"[]", b"{}", b"42", b"null", b'"text"', b"\xff\xfe", b"{}{}", b"{'a': 1}", b"NaN"])
    return True


@damage
def object_gzipped(store):
    key = store.key()
    if key is None:
        return False
    store.objects[key] = gzip.compress(store.objects[key])
    return True


@damage
def object_renamed(store, copy=False):
    key, r = store.key(), store.random
    if key is None:
        return False
    farm, year, month, day, name = key.split("/")
    new = r.choice([f"fazenda_tres/{year}/{month}/{day}/{name}", f"fazenda_dois/{year}/{month}/{day}/{name}",
                    f"{farm}/{year}/{month}/{int(day) % 28 + 1:02}/{name}", f"{farm}/2025/12/31/{name}",
                    f"{farm}/{year}/{month}/{day}/historico_consumo_{year}-{month}-{day} 11:22:33.{r.randint(0, 999):03}.json",
                    f"{farm}/{year}/{month}/{day}/historico_consumo_{year}-{month}-{day} 00:00:00.000_{uuid.UUID(int=r.getrandbits(128), version=4)}.json"])
    if new in store.objects:
        return False
    store.objects[new] = store.objects[key]
    if not copy:
        del store.objects[key]
    return True


@damage
def object_twice(store):
    return object_renamed(store, copy=True)


@damage
def object_in_future(store):
    key = store.key()
    if key is None or store.random.random() < 0.5:
        return False
    store.future.add(key)
    return True


@damage
def unknown_fields(store):
    return store.edit(lambda body: body.update({"nota": "x", "umidade": 12.5, "lista": [1, {"a": None}]}))


@damage
def other_forms(store):
    def change(body):
        body["peso_medio"], body["quantidade_animais"] = str(body["peso_medio"]), float(body["quantidade_animais"])
        body["id_curral"], body["cod_cliente"] = f" {body['id_curral']}.0", f"{body['cod_cliente']}  "
    return store.edit(change)


@damage
def field_removed(store):
    return store.edit(lambda body: body.pop(store.random.choice(COLUMNS)))


@damage
def field_invalid(store):
    field, value = store.random.choice([("peso_medio", -1), ("peso_medio", "x"), ("data", "31/12/23"), ("quantidade_animais", 1.5),
                                        ("id_lote", ""), ("id_lote", "NULL"), ("cod_cliente", None), ("id_curral", [1]),
                                        ("id_treated_data", "abc"), ("id_treated_data", None), ("row_ts", "yesterday"), ("consumo_real", True)])
    return store.edit(lambda body: body.update({field: value}))


@damage
def reading_changed(store):
    field, value = store.random.choice([("peso_medio", 451.5), ("id_lote", "77"), ("cod_cliente", "FazendaTres"), ("consumo_real", 1),
                                        ("data", "2026-01-15 00:00:00 UTC"), ("quantidade_animais", 3)])
    return store.edit(lambda body: body.update({field: value}))


@damage
def meta_changed(store):
    factor = store.random.choice([0.5, 1.01, 1.81 / 1.76, 2.20462, 1 + 1e-9])
    return store.edit(lambda body: body.update(consumo_meta=body["consumo_meta"] * factor))


@damage
def value_changed_on_both_sides(store):
    key = store.key()
    try:
        body = json.loads(store.objects[key])
        store.rows[body["id_treated_data"]]["consumo_real"] = body["consumo_real"] = store.random.choice([1.5, 12.25])
    except (KeyError, ValueError, TypeError):
        return False
    store.objects[key] = json.dumps(body).encode()
    return True


@damage
def legacy_twice(store):
    reading = store.reading()
    for _ in range(2):
        store.add(reading, str(uuid.UUID(int=store.random.getrandbits(128), version=4)))
    return True


@damage
def legacy_farm_misfiled(store):
    keys = sorted(key for key in store.objects if key.startswith("fazenda_um/") and (match := KEY.fullmatch(key)) and not match[6])
    if keys:
        key = store.random.choice(keys)
        store.objects[key.replace("fazenda_um", "fazenda_dois")] = store.objects.pop(key)
    return bool(keys)


@damage
def object_id_changed(store):
    other = store.row()
    if store.random.random() < 0.2:
        return store.edit(lambda body: body.update(id_treated_data=body["id_treated_data"].upper()))
    new = store.random.choice([other, str(uuid.UUID(int=store.random.getrandbits(128), version=4)), "01856aa0-c800-87ed-8f2c-aa36cccfd156"])
    return bool(new) and store.edit(lambda body: body.update(id_treated_data=new))


@damage
def corrected(store):
    reading = store.reading()
    store.add(reading)
    store.add(reading | {"consumo_real": 1.25})
    return True


@damage
def unrecognized_files(store):
    r = store.random
    for key in r.sample(["notes.txt", "fazenda_um/.DS_Store", "fazenda_um/2026/01/01/historico.json", "fazenda_um/2026/01/data.json",
                         "fazenda_um/2026/01/01/historico_consumo_2026-01-01 00:00:00.000.json.bak", "a/b/c/d/e/f.json",
                         "fazenda_um/2026/01/01/x/historico_consumo_2026-01-01 00:00:00.000.json"], r.randint(1, 3)):
        store.objects.setdefault(key, b"" if key.endswith(".DS_Store") else b"something")
    return True


if __name__ == "__main__":
    Store(int(sys.argv[1])).write(sys.argv[2])
