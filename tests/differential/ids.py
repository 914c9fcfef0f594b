"""Ids of readings, computed from docs/ids.md alone: canonical form, SHA-256, UUID of version 8.

Shares no code with the program. Used by judge.py (forged ids) and by readings.py (random readings).
"""
import datetime
import hashlib
import json
import re
import unicodedata
from decimal import Decimal

FIELDS = ["id_curral", "id_raca", "id_lote", "peso_entrada", "peso_medio", "data",
          "quantidade_animais", "dia_confinamento", "consumo_real", "cod_cliente"]
IDS = {"id_curral", "id_raca", "id_lote"}
AROUND = "\0\u00a0\u1680\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\\s"
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
                  r"(?:\s*(Z(?:\[[\w/+-]+\])?|UTC|utc)|\s*([+-])(\d\d):?(\d\d)(?: UTC|\[(?P<region>[\w/+-]+)\])?)?", re.A)
ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z0-9]{2,8});")
SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d*)?\s*([eEdD]\s*[+-]?\d+|[xX×*·]\s*10\s*(?:(\^|\*\*)\s*[+-]?\d+|[⁺⁻]?[⁰¹²³⁴-⁹]+))")
LETTER = r"[^\W\d_]"
ENCODED = re.compile(rf"\\u[0-9a-fA-F]{{4}}|\\x[0-9a-fA-F]{{2}}|%20|%[89a-fA-F][0-9a-fA-F](?:%|{LETTER})|(?<={LETTER})%[89a-fA-F][0-9a-fA-F]"
                     rf"|=[89a-fA-F][0-9a-fA-F]=|(?<={LETTER})=[89a-fA-F][0-9a-fA-F]{LETTER}|{LETTER}\?+{LETTER}")
TOTAL = re.compile(r"(total|totals|totais|sub[- ]?totals?|sub[- ]?totais)([ :.\-_].*)?|(\d[\d :.\-_]*|grand|sub)[ :.\-_]+(total|totals|totais|subtotals?)[ :.]*", re.I)
TOTAL_FARM = re.compile(r"(total|total geral|totais|grand total|subtotal|sub total)[ :.]*|sub-?tota(l|ls|is)([ :.\-_].*)?", re.I)
MONTH = r"(?:jan|fev|feb|mar|abr|apr|mai|may|jun|jul|ago|aug|set|sep|out|oct|nov|dez|dec|ene)"
MONTH_REST = "|".join(sorted({month[1:] for month in MONTH[3:-1].split("|")}))
DATE = re.compile(rf"\d\d?[/-](?i:{MONTH})\.*(?:[/-]\d{{1,4}})?|[A-Za-z](?:{MONTH_REST})\.*[/-]\d{{1,4}}"
                  r"|(?:\d{4}-\d\d-\d\d|\d\d?/\d\d?/\d{4})[ T][0:.]*:[0:.]*(?:Z| UTC)?")
DAY = re.compile(r"\d{4}-\d\d-\d\d|\d\d?/\d\d?/\d{4}")
LOOKALIKE = re.compile("[АВЕЅІЈКМНОРСТУХаеорсухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυ]")
LARGEST = 340282346638528859811704183484516925440.0
END = 253402300799  # 9999-12-31 23:59:59
PLACEHOLDERS = {"null", "nan", "n/a", "none", "-", "\\n", "(vazio)", "#ref!"}


class Rejected(Exception):
    """The reading has no id, by the rules of docs/ids.md and docs/reference/input-files.md."""


# A pair of quotes around the name of a farm, which has none of them within.
QUOTED = re.compile("'([^']*)'|\"([^\"]*)\"|`([^`]*)`|‘([^‘’]*)’|’([^’]*)’|“([^“”]*)”", re.S)


def text(value):
    """Returns a text without surrounding white space, with plain spaces, in NFC."""
    value = re.sub(f"^[{AROUND}]+|[{AROUND}]+$", "", value)
    value = "".join(" " if unicodedata.category(c) == "Zs" else c for c in value)
    return unicodedata.normalize("NFC", value)


def damaged(value):
    """Returns true if a text is UTF-8 that was read as something else, or has letters that only look like Latin ones."""
    if re.search("[\u2500-\u259f]", value) or re.search("[√¬][^\0-\x7f\\s]", value):
        return True
    if re.search("Ã[\xa1-\xba\xbc-\xbf]|Â[ªº°§²³]", value):
        return True
    return any(LOOKALIKE.search(word) and re.search("[A-Za-zÀ-\u024f]", word) for word in re.findall(r"[^\W\d_]+", value))


def identifier(value, is_farm=False, field=None):
    """Returns an id or a farm: the digits of a number in any accepted form, or the text. The name of a farm may be digits with spaces."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise Rejected("neither a text nor a number")
    if isinstance(value, str) and ENTITY.search(value):
        raise Rejected("an HTML entity")
    if isinstance(value, str) and ENCODED.search(value):
        raise Rejected("encoded or lost letters")
    if isinstance(value, str) and damaged(value):
        raise Rejected("damaged text, or letters that look like others")
    is_number, value = not isinstance(value, str), text(str(value))
    if is_farm and (match := QUOTED.fullmatch(value)):
        value = text(next(group for group in match.groups() if group is not None))
    if (TOTAL_FARM if is_farm else TOTAL).fullmatch(value):
        raise Rejected("the label of a total")
    if not is_farm and (DATE.fullmatch(value) or field != "id_lote" and DAY.fullmatch(value)):
        raise Rejected("a date in place of an id")
    if match := re.fullmatch(r"""(?:="(.+)"|'(.+)'|"(.+)"|'(.+))""", value):
        inner = next(group for group in match.groups() if group)
        if re.fullmatch(r"\+?\d+(\.0*)?", inner):
            value = inner
    if is_number and value.startswith("-"):
        raise Rejected("a negative number")
    if not is_number and re.fullmatch(r"[+-]?\d{1,3}\.000", value):
        raise Rejected("digits that may be grouped")
    if match := re.fullmatch(r"(?:\+(?=\d))?(-?\d+)(\.0*)?", value, re.A):
        if match[2] and abs(int(match[1])) > 2**53:
            raise Rejected("a fraction of zeros above 2^53")
        return match[1]
    if re.fullmatch(r"-?\d{7,}[.,]\d+", value, re.A) and not re.fullmatch(r"-?\d+,0+", value, re.A):
        raise Rejected("a fraction of an id")
    if not value or value.lower() in PLACEHOLDERS:
        raise Rejected("a placeholder")
    if SCIENTIFIC.fullmatch(value) or re.fullmatch(rf"-?\d{{1,3}}([.,'{'' if is_farm else ' '}]\d{{3}})+", value):
        raise Rejected("scientific notation, or grouped digits")
    if any(unicodedata.category(c) in ("Cc", "Cf") or c == "\ufffd" for c in value):
        raise Rejected("a control or invisible character")
    return value


def farm(value):
    """Returns the name of a farm, which is the name of a folder too."""
    name = identifier(value, is_farm=True)
    if ".." in (part.strip() for part in re.split(r"[/\\]", name)):
        raise Rejected("it leaves its folder")
    return name


def number(value):
    """Returns a number, or the number that a text has, as a double that is not negative."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise Rejected("not a number")
    if isinstance(value, str):
        value = value.strip()
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.A):
            raise Rejected("not a number")
    try:
        value = float(value)
    except (ValueError, OverflowError) as error:
        raise Rejected("not a number") from error
    if not 0 <= value <= LARGEST:
        raise Rejected("negative, or larger than a FLOAT holds")
    return value


def instant(value):
    """Returns microseconds since 1970, truncated."""
    match = TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        raise Rejected("not a time")
    if match["region"] in ("UTC", "Etc/UTC", "GMT", "Z") and int(match[10] + match[11]) != 0:
        raise Rejected("two offsets")
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    try:
        seconds = (datetime.datetime(year, month, day, hour, minute, second) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    except ValueError as error:
        raise Rejected("an impossible time") from error
    if match[9]:
        seconds -= int(match[9] + "1") * (int(match[10]) * 3600 + int(match[11]) * 60)
    if not 0 <= seconds <= END:
        raise Rejected("before 1970 or after 9999")
    return seconds * 1_000_000 + int((match[7] or "")[:6].ljust(6, "0"))


def parse(body):
    """Returns the ten values of a reading (and what else it has), or raises Rejected."""
    reading = {}
    for field in FIELDS:
        if body.get(field) is None:
            raise Rejected(f"no {field}")
        kind = farm if field == "cod_cliente" else instant if field == "data" else number
        reading[field] = identifier(body[field], field=field) if field in IDS else kind(body[field])
    for field in ("quantidade_animais", "dia_confinamento"):
        if reading[field] != int(reading[field]) or reading[field] >= 2**31:
            raise Rejected(f"{field} is no 32-bit integer")
    return reading


def ecmascript(value):
    """Returns a double as ECMAScript's Number::toString writes it."""
    if value == 0:
        return "0"
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, digits))
    count, point = len(digits), len(digits) + exponent
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def rfc3339(micros):
    """Returns a time in UTC with Z, its fraction without trailing zeros."""
    whole = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=micros // 1_000_000)
    fraction = f".{micros % 1_000_000:06}".rstrip("0").rstrip(".")
    return f"{whole.year:04}-{whole:%m-%dT%H:%M:%S}{fraction}Z"


def canonical(reading):
    """Returns the canonical form: a JSON array by RFC 8785."""
    parts = []
    for field in FIELDS:
        value = reading[field]
        if field == "data":
            value = rfc3339(value)
        parts.append(json.dumps(value, ensure_ascii=False) if isinstance(value, str) else ecmascript(float(value)))
    return f"[{','.join(parts)}]"


def record_id(reading):
    """Returns the id of a parsed reading."""
    digest = int.from_bytes(hashlib.sha256(canonical(reading).encode()).digest(), "big") >> (256 - 74)
    bits = (reading["data"] // 1000) << 80 | 8 << 76 | (digest >> 62) << 64 | 2 << 62 | digest & (2**62 - 1)
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def vectors(page):
    """Yields the vectors of docs/ids.md: message, canonical form, id."""
    blocks = re.findall(r"```\n(.*?)\n```", page.split("## Vector 1", 1)[1], re.S)
    yield from zip(blocks[::3], blocks[1::3], blocks[2::3])


def load(data):
    """Parses JSON without a loss: numbers are int or Decimal."""
    def unknown(name):
        raise ValueError(name)
    return json.loads(data, parse_float=Decimal, parse_constant=unknown)
