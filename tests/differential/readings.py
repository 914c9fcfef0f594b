"""Random readings with strange numbers, texts and times; their ids by the program and by ids.py."""
import json
import os
import random
import shutil
import struct
import subprocess
import sys

import ids

BATCH = 5_000
NUMBERS = ["1e21", "1e-7", "0.30000000000000004", "-0", "-0.0", "0", "0.0", "1E+2", "450.50", "9007199254740993", "123456789012345680000",
           "1e20", "999999999999999999999", "1e22", "5e-324", "2.2250738585072014e-308", "0.000001", "0.0000011", "1.5e-6", "4.35",
           "340282346638528860000000000000000000000", "1234567890123456789012345678901234567890"]
NOT_NUMBERS = ['"0x10"', '"1_000"', '"inf"', '"NaN"', '"9.5%"', "-1", '"-1"', "true", "null", "[1]", '""', '"--1"', '"1 2"', "1e400"]
SPACES = ["", "", "", " ", "\t", "\n", "  ", "\u00a0", "\u2003"]
AROUND = ["", "", "", " ", "  ", "\t", "\u00a0", "\ufeff", "\u200b", "\0", "\n", "\u2003"]
LETTERS = "abcXYZ019 -_.éãçÉñßøΩж中日本🐄🌽ﬁ"
PIECES = ["e\u0301", "a\u0303", "\u00a0", "\u2003", "c\u0327", "A\u030a", "\u212b", "\u1e9b\u0323"]
NOT_IDS = ['"2.5994E+13"', '"-2.5994E+13"', '"2.5994 E+13"', '"2.5994D+13"', '"2.5994x10^13"', '"2.5994\u00d710^13"', '"NULL"', '"N/A"', '"-"', "1e13",
           '""', '" "', '"25.994.051"', '"1.000"', '"25 994 051"', '"1\\u20072"', "null",
           "true", "{}", '"25994051003275123.0"', '"-1.000"', "-1", '"a\\u0000b"', '"a\\u200bb"', '"a\\tb"', '"a\\ufffdb"',
           '"Total"', '"Subtotal X"', '"F\\u0430zenda"', '"S\\u251c\\u00fao"', '"03/jan"', '"1-Mar"', '"2023-03-01 00:00:00"',
           '"S\\\\u00e3o"', '"S%C3%A3o"', '"S=C3=A3o"', '"S?o"', '"Fazenda%20Um"']


class Readings:
    """Raw JSON messages of random readings."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def quoted(self, text):
        return json.dumps(text, ensure_ascii=self.random.random() < 0.5)

    def around(self, text, spaces=tuple(AROUND)):
        return self.random.choice(spaces) + text + self.random.choice(spaces)

    def number(self):
        r = self.random
        kind = r.randrange(8)
        if kind < 3:
            text = repr(round(r.uniform(0, 800), r.randint(0, 12)))
        elif kind == 3:
            text = r.choice(NUMBERS)
        elif kind == 4:  # any double up to the largest FLOAT
            text = repr(struct.unpack("<d", struct.pack("<Q", r.getrandbits(63) % 0x47EFFFFFE0000000))[0])
        elif kind == 5:  # many digits, close to the middle of two doubles
            value = r.getrandbits(53) | 1 << 53
            text = f"{value}.{r.choice(['5', '50000000000000000001', '49999999999999999999', '0'])}"
        elif kind == 6:
            text = f"{r.randint(0, 999)}.{''.join(r.choice('0123456789') for _ in range(r.randint(1, 30)))}"
        else:
            text = f"{r.randint(1, 9)}.{r.randint(0, 10**6)}e{r.randint(-12, 25)}"
        return self.quoted(self.around(text, SPACES)) if r.random() < 0.4 else text

    def count(self):
        r = self.random
        value = r.choice([0, 1, r.randint(1, 300), r.randint(1, 300), 2147483647])
        return r.choice([str(value), f"{value}.0", f'"{value}"', f'"{value}.0"', self.quoted(self.around(str(value), SPACES)), "1e2", '"1e2"'])

    def text(self, more=""):
        r = self.random
        parts = [r.choice(PIECES) if r.random() < 0.15 else r.choice(LETTERS + more) for _ in range(r.randint(1, 12))]
        return f"{r.choice('abcXYZ')}{''.join(parts)}{r.choice('abcXYZ')}"

    def identifier(self):
        r = self.random
        digits = str(r.choice([r.randint(1, 10**14), r.randint(1, 10**6), r.randint(2**53, 10**18), f"00{r.randint(1, 99)}"]))
        small = str(r.randint(1, 2**53))
        form = r.choice(["{}", "{}", "{}", "+{}", "'{}", "'{}'", '="{}"', '"{}"', "{}.", "-{}"])
        return r.choice([self.quoted(self.around(form.format(digits))), self.quoted(self.around(digits)), str(int(digits)),
                         f"{small}.0", self.quoted(f"{small}.00"), self.quoted(f"-{small}.0"), self.quoted(self.around(self.text()))])

    def time(self):
        r = self.random
        year = r.choice([r.randint(2020, 2026), r.randint(1971, 9998), 1970, 9999, 2000, 2100])
        date = f"{year:04}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
        if r.random() < 0.02:  # with an offset, some of these are out of range
            date = r.choice(["1970-01-01", "9999-12-31"])
        if r.random() < 0.1:
            return self.quoted(self.around(r.choice([date, f"{year // 4 * 4 + 4:04}-02-29" if 1970 < year < 9990 else date]), SPACES))
        clock = f"{r.randint(0, 23):02}:{r.randint(0, 59):02}"
        if r.random() < 0.9:
            clock += f":{r.randint(0, 59):02}"
            if r.random() < 0.5:
                clock += "." + r.choice(["0", "5", "500", "999999", "9999999", "000001", "0000009", "123456789",
                                         str(r.randint(0, 10**r.randint(1, 9) - 1))])
        hours = f"{r.randint(0, 14):02}{r.choice([':', ''])}{r.choice(['00', '30', '45'])}"
        zone = r.choice(["", "", "Z", " UTC", " UTC", f"{r.choice('+-')}{hours}", f" {r.choice('+-')}{hours}", " +0000 UTC", " utc", "Z[UTC]",
                         f"{r.choice('+-')}{hours}[America/Sao_Paulo]"])
        return self.quoted(self.around(f"{date}{r.choice(['T', ' '])}{clock}{zone}", SPACES))

    def message(self, number):
        r = self.random
        fields = {field: self.identifier() for field in ids.IDS}
        fields |= {"peso_entrada": self.number(), "peso_medio": self.number(), "consumo_real": self.number(), "data": self.time(),
                   "quantidade_animais": self.count(), "dia_confinamento": self.count(),
                   "cod_cliente": self.quoted(self.around(self.text(more="\"\\/'<>&;:%")))}
        if r.random() < 0.03:
            field = r.choice(ids.FIELDS)
            fields[field] = r.choice(NOT_IDS if field in ids.IDS | {"cod_cliente"} else NOT_NUMBERS if field != "data" else
                                     ['"31/12/23"', "1672531200", '"2023-02-30"', '""', '"2023-13-01 00:00:00"', '"2023-01-01 25:00:00"'])
        items = list(fields.items())
        r.shuffle(items)
        return "{" + ",".join([f'"{name}":{value}' for name, value in items] + [f'"n":{number}']) + "}"


def expected(message):
    try:
        return ids.record_id(ids.parse(ids.load(message)))
    except ids.Rejected:
        return None


def stored(program, messages, folder):
    """Returns the ids that the program stores for messages, by their number."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    history, database = os.path.join(folder, "h.json"), f"sqlite:{folder}/warehouse.db"
    with open(history, "w", encoding="utf-8") as file:
        file.write("\n".join(messages) + "\n")
    subprocess.run([program, "init", "--warehouse", database, "-q"], check=True, capture_output=True)
    run = subprocess.run([program, "backfill", history, "--lake", os.path.join(folder, "lake"), "--warehouse", database, "-q",
                          "--no-progress"], check=False, capture_output=True)
    if run.returncode not in (0, 1):
        sys.exit(f"backfill ended with {run.returncode}: {run.stderr.decode()}")
    found = {}
    for place, _, names in os.walk(os.path.join(folder, "lake")):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                body = json.load(file)
            if not name.endswith(f"_{body['id_treated_data']}.json"):
                sys.exit(f"the name {name} has another id than its object")
            found[body["n"]] = body["id_treated_data"]
    return found


def vectors(root):
    """Checks ids.py against the vectors of docs/ids.md."""
    with open(os.path.join(root, "docs", "ids.md"), encoding="utf-8") as page:
        for message, canonical, record_id in ids.vectors(page.read()):
            reading = ids.parse(ids.load(message))
            if (ids.canonical(reading), ids.record_id(reading)) != (canonical, record_id):
                sys.exit(f"ids.py does not agree with docs/ids.md: {message}")


def compare(program, count, seed, folder, root):
    """Compares the ids of random readings, or exits at the first batch with a difference."""
    vectors(root)
    totals = {"ids": 0, "rejected": 0}
    for start in range(0, count, BATCH):
        source = Readings(seed * 1_000_003 + start)
        messages = [source.message(n) for n in range(min(BATCH, count - start))]
        place = os.path.join(folder, f"readings-{start}")
        found = stored(program, messages, place)
        wrong = [(n, wanted) for n, message in enumerate(messages) if (wanted := expected(message)) != found.get(n)]
        for n, wanted in wrong[:20]:
            print(f"reading {n} of seed {seed}, batch {start}: ids.py {wanted}, program {found.get(n)}\n  {messages[n]}")
        if wrong:
            sys.exit(f"{len(wrong)} of {len(messages)} readings differ: {place}")
        totals["ids"] += len(found)
        totals["rejected"] += len(messages) - len(found)
        shutil.rmtree(place)
    return totals
