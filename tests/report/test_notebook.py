"""What a notebook shows: short, without script, escaped."""

import re
from html.parser import HTMLParser

import pytest
from tests.report import case

from culpa.audit import Finding
from culpa.report.notebook import ROWS, to_notebook


class Read(HTMLParser):
    """Tags that were opened and are still open, all tags, rows of cells."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.rows = [], set(), []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert attrs == []
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1].append(data)


def test_answer_ranking_and_findings():
    text = to_notebook(case.three())
    assert "<p><b>3 prompts, 12 outputs. Best of 3 by HAcc: good (0.900), not told apart from fair.</b></p>" in text
    assert "<h4>Look at</h4>\n<ul><li><b>error</b> poor: is poor</li><li>there are few</li></ul>" in text
    assert "verdict.to_html(" in text
    rows = Read(text).rows
    assert rows[0][:4] == ["proxy", "set", "HAcc", "95%"]
    assert [row[0] for row in rows[1:]] == ["good", "fair", "poor", "(longest)"]
    assert "<td><i>(longest)</i></td>" in text


def test_no_section_but_those():
    errors = [{"proxy": "rm"}]
    text = to_notebook(case.rehearsed({"rm": {"outcome": 0.6, "harmful": 1}}, errors, notes=("a note",)))
    assert re.findall("<h4>(.*?)</h4>", text) == ["Ranking"]


@pytest.mark.parametrize("more", [0, 3])
def test_long_tables_and_lists_are_cut_and_say_so(more):
    count = ROWS + more
    rows = [case.metric(f"rm {n}", "hacc", 1 - n / 100) for n in range(count)]
    rows.append(case.metric("(longest)", "hacc", 0.5, ruler=True))
    findings = tuple(Finding("note", "ties", f"rm {n}", "x") for n in range(count))
    text = to_notebook(case.verdict(rows, warnings=findings))
    names = [row[0] for row in Read(text).rows[1:]]
    said = [f"and {more} more"] if more else []
    assert names == [*(f"rm {n}" for n in range(ROWS)), *said, "(longest)"]
    assert text.count("<li>") == ROWS + len(said)
    assert text.count(f"and {more} more") == 2 * len(said)


def test_hostile_names_stay_text():
    names = ("<script>alert(1)</script>", "\x1b[31mevil", '"><img src=x>', "L" * 10_000)
    found = tuple(Finding("error", "chance", name, f"<b>{name[:9]}") for name in names)
    text = to_notebook(case.verdict([case.metric(name, "hacc", 0.5) for name in names], warnings=found))
    tags = {"div", "p", "b", "h4", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "small"}
    assert Read(text).tags <= tags
    assert "\x1b" not in text
    assert len(text) < 4000
