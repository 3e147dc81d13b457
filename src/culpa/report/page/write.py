"""The page of a verdict: one file that asks the network for nothing."""

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from culpa._version import __version__
from culpa.audit import Outlook, Verdict
from culpa.predictors.ground import SHARED
from culpa.report.ahead import ahead_sections, exploits_section
from culpa.report.page import data, words
from culpa.report.section import Section
from culpa.report.view import label_first, sections
from culpa.rollouts import Rollouts, write_text

PARTS = ("walk.js", "page.js", "playground.js")


def page_of(verdict: Verdict, rollouts: Rollouts | None = None) -> str:
    """The verdict as one HTML page with its figures, its worst errors and a playground.

    rollouts: what was audited; only needed for outputs and texts where the verdict has no forecast.

    The page holds texts of at most 300 prompts and stays under 4 MB, however large the record. What came from the data
    is escaped, and a content security policy forbids the network and every script but the page's own.
    """
    from jinja2 import Environment  # noqa: PLC0415 - takes time to start

    from culpa.report.page.figures import figures  # noqa: PLC0415 - loads altair

    outlook = data.outlook_of(verdict)
    sample = rollouts if outlook is None else outlook.sample
    drawn = figures(verdict, outlook)
    held = data.Cells({"proxies": [], "prompts": []}, {}, ())
    if sample is not None:
        held = data.cells(sample, data.shown_prompts(sample, drawn.errors), drawn.errors)
    place = (held.place.get(name) for name in drawn.errors["prompt_id"])
    content = held.content | {
        "specs": {one.name: one.spec for one in drawn.figures},
        "errors": [row | {"prompt": where} for row, where in zip(drawn.rows, place, strict=True)],
        **_settings(verdict, outlook),
    }
    first = label_first(verdict)
    scripts = [_chart_library(), *map(_part, PARTS)]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_part("page.html")).render(
        title=words.answer(verdict, outlook),
        beside=words.beside(verdict, outlook),
        policy=_policy(scripts),
        css=_part("page.css"),
        scripts=scripts,
        content=data.safe_json(content),
        figures={one.name: one for one in drawn.figures},
        facts=words.facts(verdict, outlook),
        measures=_measures(verdict),
        relabel=words.relabel_table(verdict.relabel) if verdict.relabel.height else None,
        relabel_about=first.below[0] if first is not None else "",
        exploits=None if outlook is None else next(exploits_section(outlook), None),
        unknowns=[*words.unknowns(verdict, outlook), *(("note", line) for line in (*held.left_out, *drawn.left_out))],
        playground=bool(held.content["prompts"] and held.content["proxies"]),
        truth=sample is not None and sample.truth is not None,
        outlook=outlook is not None,
        shared=outlook is not None and outlook.facts.get("mode") == SHARED,
        foot=f"culpa {__version__} · seed {verdict.seed}" + _asked(verdict.args),
    )


def write_page(verdict: Verdict, path: str | PathLike[str], rollouts: Rollouts | None = None) -> Path:
    """Write `page_of` to a file, whole or not at all."""
    return write_text(page_of(verdict, rollouts), path)


def _measures(verdict: Verdict) -> list[Section]:
    """The tables of the other reports that the page does not show in its own way."""
    ahead = () if verdict.outlook is None else ahead_sections(verdict.outlook)
    shown = {"Label first", *(one.title for one in ahead)}
    return [one for one in sections(verdict) if one.table is not None and one.title not in shown]


def _settings(verdict: Verdict, outlook: Outlook | None) -> dict[str, Any]:
    ranking = verdict.ranking["proxy"].to_list() if verdict.ranking.height else []
    if outlook is None:
        return {"learner": "", "ranking": ranking, "whose": ""}
    whose = "all prompts together" if outlook.facts.get("mode") == SHARED else "its prompt"
    return {"learner": str(outlook.facts.get("learner", "")), "ranking": ranking, "whose": whose}


def _asked(args: dict[str, Any]) -> str:
    names = ("replicates", "level")
    return "".join(f" · {name} {args[name]}" for name in names if name in args)


@lru_cache(maxsize=8)
def _part(name: str) -> str:
    return (files("culpa.report.page") / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _chart_library() -> str:
    import vl_convert  # noqa: PLC0415 - takes time to start

    return _inside(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _inside(script: str) -> str:
    r"""A script that may stand inside its element: nothing in it ends the element.

    >>> _inside("'</script>'")
    "'<\\/script>'"
    """
    return re.sub("</(script)", r"<\\/\1", script, flags=re.IGNORECASE).replace("<!--", "<\\!--")


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; base-uri 'none'"
