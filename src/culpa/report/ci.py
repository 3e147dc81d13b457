"""The verdict for machines that gate changes: SARIF 2.1.0 for code scanning, JUnit XML for test reports."""

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from culpa._version import __version__
from culpa.audit import LEVELS, Level, Verdict
from culpa.errors import shorten
from culpa.report.rules import HARMFUL, RULES, by_case, checked
from culpa.rollouts import Input

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LARGEST = 100  # harmful errors in the SARIF
NAME, TEXT = 200, 2000  # characters of a name and of a message


def to_sarif(verdict: Verdict) -> str:
    """Findings and the harmful errors of largest gain as results of one run, in SARIF 2.1.0.

    A result stands in the first input file, line 1, and names its proxy as the logical location: scores have no line.
    """
    results = chain(_findings(verdict), _errors(verdict))
    run = {
        "tool": {"driver": {"name": "culpa", "version": __version__, "rules": _rules()}},
        "columnKind": "unicodeCodePoints",
        "artifacts": [_artifact(one) for one in verdict.provenance.inputs],
        "results": [one | {"locations": [_located(verdict, one)]} for one in results],
        "properties": {"provenance": verdict.provenance.to_dict(), "facts": verdict.facts},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False)


def to_junit(verdict: Verdict, fail_on: Level = "error") -> str:
    """A test case per proxy and rule as JUnit XML: a failure from the level `fail_on` on.

    Lighter findings pass, and stand in `system-out`. A rule without what it needs, a truth say, is skipped: the list
    of cases of the same proxies is always the same.
    """
    from xml.etree import ElementTree as Tree  # noqa: PLC0415 - only for this format

    suite = Tree.Element("testsuite", name="culpa audit")
    given = {"version": __version__, "seed": verdict.seed} | {
        f"input {place}": f"{one.path} {one.sha256}" for place, one in enumerate(verdict.provenance.inputs, 1)
    }
    properties = Tree.SubElement(suite, "properties")
    for name, value in given.items():
        Tree.SubElement(properties, "property", name=name, value=shorten(value, TEXT))
    for (proxy, code), found in by_case(verdict).items():
        name = shorten(proxy, NAME) if proxy else "(data)"
        case = Tree.SubElement(suite, "testcase", classname=f"culpa.{name}", name=code)
        text = "\n".join(f"{one.level}: {shorten(one.message, TEXT)}" for one in found)
        gravest = max((LEVELS.index(one.level) for one in found), default=-1)
        if gravest >= LEVELS.index(fail_on):
            head = f"{name}: {RULES[code].short}"
            failure = Tree.SubElement(case, "failure", message=head, type=LEVELS[gravest])
            failure.text = f"{text}\n{RULES[code].help}"
        elif found:
            Tree.SubElement(case, "system-out").text = text
        elif not checked(verdict, code, proxy):
            Tree.SubElement(case, "skipped", message=f"there is no {RULES[code].needs}")
    for kind, tag in (("tests", "testcase"), ("failures", "testcase/failure"), ("skipped", "testcase/skipped")):
        suite.set(kind, str(len(suite.findall(tag))))
    suite.set("errors", "0")
    whole = Tree.Element("testsuites")
    whole.append(suite)
    Tree.indent(whole)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Tree.tostring(whole, encoding="unicode")}\n'


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": code,
            "shortDescription": {"text": rule.short},
            "fullDescription": {"text": f"{rule.short}."},
            "help": {"text": rule.help},
            "defaultConfiguration": {"level": rule.level},
        }
        for code, rule in RULES.items()
    ]


def _findings(verdict: Verdict) -> Iterator[dict[str, Any]]:
    for one in verdict.warnings:
        whose = f"{shorten(one.proxy, NAME)}: " if one.proxy else ""
        same = (one.code, one.proxy, re.sub(r"\d[\d.,]*%?", "", one.message))  # tomorrow with other numbers
        known = {"proxy": one.proxy} if one.proxy else {}
        yield _result((one.code, one.level), f"{whose}{shorten(one.message, TEXT)}", same, known)


def _errors(verdict: Verdict) -> Iterator[dict[str, Any]]:
    names = ("proxy", "prompt_id", "output", "gain", "score", "right", "truth", "mass", "reason", "learner")
    for row in verdict.repair.head(LARGEST).select(names).iter_rows(named=True):
        text = (
            f"{shorten(row['proxy'], NAME)}: the score {row['score']:.4g} of output {row['output']} of prompt "
            f"{shorten(row['prompt_id'], NAME)} costs {row['gain']:.3g} of the truth after training with "
            f"{row['learner']} ({row['reason']}); {row['right']:.4g} would be right."
        )
        same = (HARMFUL, row["proxy"], row["prompt_id"], str(row["output"]))
        yield _result((HARMFUL, RULES[HARMFUL].level), text, same, row)


def _result(kind: tuple[str, str], text: str, same: tuple[str, ...], properties: dict[str, Any]) -> dict[str, Any]:
    """A result without its place; another run has the same result where `same` is equal."""
    code, level = kind
    return {
        "ruleId": code,
        "ruleIndex": list(RULES).index(code),
        "level": level,
        "message": {"text": text},
        "partialFingerprints": {"culpa/v1": hashlib.sha256(json.dumps(same).encode()).hexdigest()},
        "properties": properties,
    }


def _located(verdict: Verdict, result: dict[str, Any]) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if verdict.provenance.inputs:
        where = {"uri": _uri(verdict.provenance.inputs[0].path), "index": 0}
        location["physicalLocation"] = {"artifactLocation": where, "region": {"startLine": 1}}
    known = result["properties"]
    if "proxy" in known:
        inside = [known["proxy"], *(str(known[name]) for name in ("prompt_id", "output") if name in known)]
        location["logicalLocations"] = [
            {"name": inside[-1], "fullyQualifiedName": "/".join(inside), "kind": "output" if inside[1:] else "proxy"}
        ]
    return location


def _artifact(one: Input) -> dict[str, Any]:
    """A file; its hash only where it is that of the whole file, as SARIF means it."""
    size = {} if one.bytes is None else {"length": one.bytes}
    digest = {"hashes": {"sha-256": one.sha256}} if one.sha256_of == "whole" else {}
    return {"location": {"uri": _uri(one.path)}} | size | digest


def _uri(path: str) -> str:
    """A path as a URI: relative ones stay relative, so that a repository finds its own files.

    >>> _uri("runs/a b.parquet"), _uri("/data/a.csv")
    ('runs/a%20b.parquet', 'file:///data/a.csv')
    """
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())
