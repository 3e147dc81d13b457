"""Targets: what is written of a stranger's names, ids and texts, for a terminal, a page, Markdown and machines."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import yaml

from culpa.audit import Settings, Verdict, audit
from culpa.report import print_verdict, to_card, to_junit, to_sarif, to_text
from culpa.rollouts import Rollouts, read, write
from fuzz.bounds import WrongError
from fuzz.files import fresh
from fuzz.mutate import SHAPED, shaped
from fuzz.target import Target, choice

PROMPTS, SAMPLES = 6, 3
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PLAIN = {"names": ["rm_a", "rm_b"], "ids": ["a", "b"], "texts": ["one", "two words"], "notes": ["a note"]}
_HOSTILE = {
    "names": ["</script><script>alert(1)</script>", "\x1b[31m|\u202e"],
    "ids": ["<img src=x onerror=alert(1)>", "'\"--><!--"],
    "texts": ["]]></textarea><svg onload=alert(1)>", "\u2028\ud800\x00\x9b"],
    "notes": ["{{7*7}}\r\n::set-output name=x::y"],
}


def targets() -> Iterator[Target]:
    """Reports of a verdict; the page apart, since it takes longer."""
    seeds = [SHAPED + json.dumps(one).encode() for one in (_PLAIN, _HOSTILE)]
    yield Target("report.page", "the HTML page", _page, lambda: seeds, 2_000, shaped)
    yield Target("report.texts", "terminal, Markdown, JSON, SARIF, JUnit, card", _texts, lambda: seeds, 4_000, shaped)
    yield Target("report.files", "rollouts written and read again", _files, lambda: seeds, 15_000, shaped)


class _Tags(HTMLParser):
    """The elements of a page, those with a handler or an address among them."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: dict[str, int] = {}
        self.odd: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count it, and note what could act or load."""
        self.kinds[tag] = self.kinds.get(tag, 0) + 1
        for name, value in attrs:
            if name.startswith("on") or (name in ("src", "href") and not (value or "").startswith(("#", "data:"))):
                self.odd.append(f"{tag} {name}={value}")


def _strings(data: bytes) -> dict[str, list[str]]:
    try:
        given = json.loads(data[1:]) if data[:1] == SHAPED else {}
    except (ValueError, RecursionError):
        given = {}
    found = {}
    for kind, usual in _PLAIN.items():
        values = given.get(kind) if isinstance(given, dict) else None
        texts = [one if isinstance(one, str) else json.dumps(one) for one in values] if isinstance(values, list) else []
        found[kind] = (texts or [data[1:].decode("utf-8", "surrogateescape")]) if usual else texts
    return found


def _rollouts(found: dict[str, list[str]]) -> Rollouts:
    """Prompts with the ids, proxies with the names, outputs with the texts; numbers are always the same."""
    rng = np.random.default_rng(0)
    shape = (PROMPTS, SAMPLES)
    truth = rng.normal(size=shape).round(2)
    texts = [found["texts"][number % len(found["texts"])] for number in range(PROMPTS * SAMPLES)]
    ids = [f"{found['ids'][number % len(found['ids'])]}{number}" for number in range(PROMPTS)]
    clean = [text.encode("utf-8", "replace").decode() for text in texts]  # as every reader does
    return Rollouts(
        prompt_id=np.array([one.encode("utf-8", "replace").decode() for one in ids], dtype=object),
        present=np.ones(shape, dtype=bool),
        weight=np.full(shape, 1 / SAMPLES),
        proxies={
            f"{name.encode('utf-8', 'replace').decode()}": (truth * (-1) ** place + rng.normal(size=shape)).round(2)
            for place, name in enumerate(dict.fromkeys(found["names"][:3]))
        },
        truth=truth,
        table=pl.DataFrame({"prompt": [one for one in clean[:PROMPTS] for _ in range(SAMPLES)], "response": clean}),
        notes=tuple(found["notes"][:3]),
    )


def _verdict(rollouts: Rollouts) -> Verdict:
    return audit(rollouts, settings=Settings(replicates=100), horizon="steps=3")


@cache
def _kinds() -> dict[str, int]:
    """Elements that the page of plain strings has, by tag."""
    rollouts = _rollouts(_PLAIN)
    return _tags(_verdict(rollouts).to_html(rollouts=rollouts)).kinds


def _tags(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    return tags


def _page(data: bytes) -> None:
    found = _strings(data)
    found["names"] = [f"{name}{place}" for place, name in enumerate([*found["names"], "x", "y"][:2])]
    rollouts = _rollouts(found)
    page = _verdict(rollouts).to_html(rollouts=rollouts)
    tags = _tags(page)
    new = sorted(set(tags.kinds) - set(_kinds()))
    scripts = tags.kinds["script"] - _kinds()["script"]
    if new or scripts or tags.odd:
        raise WrongError(f"the page has elements of its data: {new} {scripts} {tags.odd}")
    if len(page) > 5_000_000:
        raise WrongError(f"the page has {len(page)} characters")


def _texts(data: bytes) -> None:
    verdict = _verdict(_rollouts(_strings(data)))
    _visible(to_text(verdict), "text")
    screen = _Screen()
    print_verdict(verdict, screen)
    _visible(_COLOURS.sub("", screen.getvalue()), "terminal")
    markdown = verdict.to_markdown()
    if re.search(r"(?<!\\)<(?!br)", markdown):
        raise WrongError("HTML in Markdown")
    _visible(markdown, "Markdown")
    json.loads(verdict.to_json())
    json.loads(to_sarif(verdict))
    ElementTree.fromstring(to_junit(verdict))
    yaml.safe_load(to_card(verdict).strip("-\n").split("\n---")[0])


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        """A terminal, for which colours are written."""
        return True


def _visible(text: str, what: str) -> None:
    odd = sorted({sign for sign in text if not sign.isprintable() and sign != "\n"})
    if odd:
        raise WrongError(f"{what} has {odd!r}")


def _files(data: bytes) -> None:
    rollouts = _rollouts(_strings(data))
    ending: Sequence[str] = (".parquet", ".jsonl", ".csv")
    path = fresh() / f"t{ending[choice(data, 3)]}"
    write(rollouts, path)
    _same(rollouts, read(path, options=None))


def _same(one: Rollouts, other: Rollouts) -> None:
    for name, given, found in (
        ("ids", list(one.prompt_id), list(other.prompt_id)),
        ("proxies", list(one.proxies), list(other.proxies)),
        ("texts", one.table["response"].to_list(), other.table["response"].to_list()),
    ):
        if given != found:
            raise WrongError(f"{name} are others when read again: {_first(given, found)}")


def _first(given: list[Any], found: list[Any]) -> str:
    pairs = ((a, b) for a, b in zip(given, found, strict=False) if a != b)
    return repr(next(pairs, (len(given), len(found))))[:200]
