"""The page of reproductions is what `culpa papers table --lm` writes: its rows follow from its checks, none by hand."""

import re
from itertools import groupby
from pathlib import Path

import pytest

from culpa.papers import names, second_checks, system
from culpa.papers.outcome import Check
from culpa.papers.reproduce import Result, reproduced
from culpa.papers.table import HEADERS, OWN, reproduction_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reproductions.md").read_text(encoding="utf-8")
SYSTEMS = range(1, 19)
COMMAND = "culpa papers table --lm"


def cells(line):
    """Of a row, with the signs that are guarded from Markdown as they were."""
    return [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def part(title):
    """The rows under a heading of the page."""
    text = PAGE.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]
    return [cells(line) for line in text.splitlines() if line.startswith("| ")]


def checks():
    """Paper -> what its part of the page says of each claim and control."""
    found = {}
    for section in PAGE.split("\n### ")[1:]:
        rows = [cells(line) for line in section.splitlines() if line.startswith("| ")]
        assert rows[0] == ["claim or control", "figure", "verdict"]
        found[section.split("`")[1]] = [
            Check(claim, figure, {"holds": True, "**fails**": False}[verdict], claim.startswith("control"))
            for claim, figure, verdict in rows[2:]
        ]
    return found


def timeless(text):
    """Without seconds: those of one run are not those of the next."""
    text = re.sub(r"\| \d+ \|$", "| s |", text, flags=re.MULTILINE)
    return re.sub(r"\d+ for all papers, \d+ for", "s for all papers, s for", text)


def wordless(text):
    return re.sub(r"[-+]?\d[\d.,e+-]*", "#", text)


def test_each_of_the_eighteen_systems_has_one_row_with_all_that_is_asked_of_it():
    header, _, *rows = part("The systems")
    assert tuple(header) == HEADERS
    assert [int(row[0]) for row in rows] == list(SYSTEMS)
    for _, title, claim, figure, control, verdict, seconds in rows:
        assert all((title, claim, figure, control)), title
        assert re.fullmatch(r"(reproduced: (\d+) of \2|\*\*not reproduced\*\*: \d+ of \d+(<br>fails: .+)+)", verdict)
        assert seconds.isdigit()


def test_each_second_check_has_a_row_as_well():
    rows = part("Second checks, on a language model")[2:]
    assert [row[0] for row in rows] == [str(system(one) or "") for one in sorted(second_checks(), key=system)]
    assert {2, 3, 7, 10, 11, 16, 17, 18} == {system(one) for one in second_checks()} - {OWN}
    assert all("reproduced" in row[5] for row in rows)


def test_every_paper_has_its_claims_and_controls_on_the_page():
    found = checks()
    assert list(found) == [*names(), *second_checks()]
    for name, some in found.items():
        assert any(one.control for one in some), name
        assert any(not one.control for one in some), name
        assert all(one.figure for one in some), name


def test_the_page_is_what_its_own_checks_are_written_as():
    results = [Result(name, {}, tuple(some), 0.0) for name, some in checks().items()]
    assert timeless(reproduction_table(results, COMMAND)) == timeless(PAGE)


def test_a_claim_that_fails_is_named_in_the_row_of_its_system():
    failing = [(name, one.claim) for name, some in checks().items() for one in some if not one.holds]
    rows = {
        kind: {row[0]: row[5] for row in part(title)[2:]}
        for kind, title in ((False, "The systems"), (True, "Second checks, on a language model"))
    }
    for name, claim in failing:
        assert f"fails: {claim}" in rows[name in second_checks()][str(system(name) or "")], name


@pytest.mark.parametrize("name", ["gaussian_rank", "outcome_pairs"])
def test_a_fresh_run_says_the_same_of_the_same_claims(name):
    fresh, shown = reproduced(name), checks()[name]
    assert [(one.claim, one.holds, one.control) for one in fresh.checks] == [
        (one.claim, one.holds, one.control) for one in shown
    ]
    assert [wordless(one.figure) for one in fresh.checks] == [wordless(one.figure) for one in shown]


def test_several_papers_of_a_system_share_its_row():
    rows = part("The systems")[2:]
    grouped = {number: list(some) for number, some in groupby(sorted(names(), key=system), key=system)}
    for row in rows:
        assert re.findall(r"`(\w+)`", row[1]) == sorted(grouped[int(row[0])])


def test_the_command_that_wrote_it_stands_on_it():
    assert f"Written by `{COMMAND}`; none of it by hand." in PAGE
