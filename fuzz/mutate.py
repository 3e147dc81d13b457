"""Changes to inputs that know their structure: values, keys and records of JSON, fields of CSV, words of a line."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Mutate = Callable[[bytes, int, Random], bytes]

RAW, SHAPED = b"R", b"S"  # the first byte of an input: bytes of a file, or JSON from which one is made
_TWICE = "@@twice"
_HUGE = "@@huge"

NUMBERS: tuple[Any, ...] = (
    0, -0.0, 1, -1, 0.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), -float("inf"), 2**31, 2**53 + 1, 2**63 - 1,
    2**63, -(2**63) - 1, 2**64, 10**30, 10**400, _HUGE, True, False, None,
)  # fmt: skip
TEXTS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e999", "1_0", "١", "0x10", "true", "null", "None", "007", "1,5", "[1]",
    "[[0.5]]", "maybe", "2024-02-30", "2024-01-01T00:00:00Z", "\0", "a\0b", "\x1b[31mred", "\x1b]0;title\x07", "\x9b2J",
    "\u202eevil", "\u2066x", "\u2028", "\ufeff", "\ud800", "\udfff\ud800", "e\u0301" * 40, "\r\n", "\n", "\t", "a|b",
    "</script><script>alert(1)</script>", "<!--", "-->", "]]>", "<img src=x onerror=alert(1)>", "&lt;", "'\"`",
    "${7*7}", "{{7*7}}",
    "{prompt}", "%s%n", "../../x", "=1+1", "@x", "[link](javascript:alert(1))", "L" * 3000,
    "9" * 5000,
    "_duplicated_0", "proxy.", ".reason", "proxy.x.reason", "proxy.proxy.x", "\0here", "\0key", "*",
    "^.*$", "^rm_a$", "proxy.^.*$", "proxy.*", "?", "[", "[!a]",
    "attachment://0123456789abcdef0123456789abcdef", "A>B", "C", "I", "N", "unscored", "score",
)  # fmt: skip
NAMES = (
    "prompt_id", "prompt", "response", "weight", "truth", "logprob", "length", "features", "chosen", "proxy.rm",
    "proxy.rm.reason", "score", "reward", "step", "uid", "id", "input", "output", "gold", "question", "text", "epoch",
    "completion", "advantage", "rejected", "scores", "metrics", "error", "rewards", "query", "prompts", "labels",
)  # fmt: skip


def shaped(data: bytes, most: int, rng: Random, plain: Callable[[bytes, int], bytes]) -> bytes:
    """A change of the JSON behind `SHAPED`; of the bytes where there is none, and sometimes where there is."""
    if data[:1] == SHAPED and rng.random() < 0.85:
        try:
            document = json.loads(data[1:])
        except (ValueError, RecursionError):
            return SHAPED + plain(data[1:], most - 1)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            document = _changed(document, rng)
        return (SHAPED + _text(document, rng).encode("utf-8", "surrogatepass"))[:most]
    kind = data[:1] if data[:1] in (RAW, SHAPED) else RAW
    return kind + plain(data[1:], most - 1)


def fields(data: bytes, most: int, rng: Random, plain: Callable[[bytes, int], bytes]) -> bytes:
    """A change of one field of a table of lines, or of the bytes."""
    if rng.random() < 0.4:
        return plain(data, most)
    lines = data.split(b"\n")
    row = rng.randrange(len(lines))
    sign = b"\t" if b"\t" in lines[0] else b","
    cells = lines[row].split(sign)
    value = str(rng.choice((*NUMBERS, *TEXTS))).encode("utf-8", "surrogatepass")
    kind = rng.randrange(6)
    place = rng.randrange(len(cells))
    if kind == 0:
        cells.insert(place, value)
    elif kind == 1:
        del cells[place]
    elif kind == 2:
        cells[place] = b'"' + value.replace(b'"', b'""') + b'"'
    else:
        cells[place] = rng.choice(NAMES).encode() if row == 0 else value
    lines[row] = sign.join(cells)
    if kind == 5:
        lines.insert(row, lines[rng.randrange(len(lines))])
    return b"\n".join(lines)[:most]


def words(data: bytes, most: int, rng: Random, plain: Callable[[bytes, int], bytes]) -> bytes:
    """A word put in, or the bytes changed."""
    if rng.random() < 0.6:
        return plain(data, most)
    value = str(rng.choice((*NUMBERS, *TEXTS))).replace(_HUGE, "1e400").encode("utf-8", "surrogatepass")
    place = rng.randrange(len(data) + 1)
    gone = rng.choice((0, 0, 1, 4, 16))
    return (data[:place] + value + data[place + gone :])[:most]


def _text(document: Any, rng: Random) -> str:
    text = json.dumps(document, ensure_ascii=rng.random() < 0.3)
    return text.replace(_TWICE, "").replace(f'"{_HUGE}"', rng.choice(("1e400", "-1e400", "1" + "0" * 400)))


def _changed(document: Any, rng: Random) -> Any:  # noqa: C901, PLR0912 - a list of changes
    """The document with one change somewhere in it."""
    places = list(_places(document))
    if not places:
        return _value(rng)
    holder, key = rng.choice(places)
    kind = rng.randrange(10)
    if kind < 4:
        holder[key] = _value(rng)
    elif kind == 4:
        del holder[key]
    elif kind == 5:
        holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, [holder[key]] * 2, _deep(holder[key], rng)))
    elif kind == 6:
        other, name = rng.choice(places)
        holder[key] = other[name] if not isinstance(other[name], list | dict) else json.loads(json.dumps(other[name]))
    elif isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    elif kind == 7:
        holder[rng.choice((*NAMES, *TEXTS))] = holder.pop(key)
    elif kind == 8:
        holder[f"{key}{_TWICE}"] = _value(rng)
    else:
        holder[rng.choice(NAMES)] = _value(rng)
    return document


def _places(document: Any, depth: int = 0) -> Any:
    if depth > 40:
        return
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in list(pairs):
        yield document, key
        yield from _places(value, depth + 1)


def _value(rng: Random) -> Any:
    return rng.choice(rng.choice((NUMBERS, TEXTS, ([], {}, [[]], [None], {"": None}, [{}], [1, "a"], {"a": [1]}))))


def _deep(value: Any, rng: Random) -> Any:
    for _ in range(rng.choice((3, 30, 300))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value
