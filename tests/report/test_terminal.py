"""On a terminal: no line too long, columns dropped by name; in a pipe: nothing dropped, no colour."""

import io
import re

import pytest
from tests.report import case

from culpa.audit import BY_NAME
from culpa.report import print_verdict, to_text, view
from culpa.report.section import Section, Table
from culpa.report.terminal import sections_text
from culpa.report.terminal import to_text as same

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    def shown(verdict, width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)
        stream = Terminal()
        print_verdict(verdict, stream)
        return stream.getvalue()

    return shown


def wide(**parts):
    """A verdict with every column of the ranking."""
    rows = [case.metric(name, metric, 0.5, 0.25, 0.75, 0.5) for metric in view.COLUMNS for name in ("a", "b" * 50)]
    return case.verdict(rows, **parts)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(terminal, width):
    text = COLOURS.sub("", terminal(wide(relabel=case.labels("a" * 40, "b", response="c" * 90)), width))
    assert max(map(len, text.splitlines())) <= width


def test_columns_that_do_not_fit_are_named(terminal):
    text = COLOURS.sub("", terminal(wide(), 80))
    headers = next(line for line in text.splitlines() if line.startswith("proxy"))
    shown = re.split(r"\s{2,}", headers.strip())
    missing = [BY_NAME[name].title for name in view.COLUMNS if BY_NAME[name].title not in shown]
    assert "~ length" in missing
    said = " ".join(text.split("A wider terminal, md or json also has: ")[1].split(".")[0].split())
    assert said == ", ".join(missing)


def test_a_pipe_gets_every_column_and_no_colour():
    text = to_text(wide())
    headers = next(line for line in text.splitlines() if line.startswith("proxy"))
    assert all(BY_NAME[name].title in headers for name in view.COLUMNS)
    assert "wider terminal" not in text
    assert "\x1b" not in text


def test_a_pipe_gets_sentences_uncut_and_no_trailing_blanks():
    found = case.Finding("warning", "x", "", "word " * 60 + "end")
    lines = to_text(case.three(warnings=(found,), relabel=case.labels("a"))).splitlines()
    assert "! " + found.message in lines
    assert all(line == line.rstrip() for line in lines)


def test_a_terminal_gets_colour_and_the_words_of_the_pipe(terminal):
    text = terminal(case.three(), 200)
    assert "\x1b[1;31m✗" in text
    assert COLOURS.sub("", text).split() == to_text(case.three()).split()


def test_wrapped_findings_stand_under_their_first_line(terminal):
    found = case.Finding("warning", "x", "", "word " * 30)
    lines = COLOURS.sub("", terminal(case.three(warnings=(found,)), 60)).splitlines()
    place = lines.index(next(line for line in lines if line.startswith("! ")))
    assert len(lines) > place + 1
    assert all(line.startswith("  word") for line in lines[place + 1 :])


def test_wide_signs_count_twice(terminal):
    rows = [case.metric("字" * 16, metric, 0.5, 0.25, 0.75) for metric in view.COLUMNS]
    text = COLOURS.sub("", terminal(case.verdict(rows), 80))
    row = next(line for line in text.splitlines() if line.startswith("字"))
    assert len(row) + 16 <= 80
    assert "字" * 16 in row


def test_printing_is_one_write(monkeypatch):
    written = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, "write", written.append)
    print_verdict(case.three(), stream)
    assert written == [to_text(case.three())]
    assert same is to_text


def test_markup_in_names_is_text():
    rows = [case.metric("[red]x[/red]", "hacc", 0.5), case.metric("[link=a]y", "hacc", 0.4)]
    text = to_text(case.verdict(rows))
    assert "\n[red]x[/red] " in text
    assert "\n[link=a]y " in text


def test_words_stand_left_and_numbers_right():
    table = Table(("remedy", "size 1", "price"), (("par", "+.1", "nothing"), ("half_time", "-.1234", "0.5 x updates")))
    lines = sections_text([Section("Found", table=table)]).splitlines()[-3:]
    assert lines == [
        "remedy     size 1  price",
        "par           +.1  nothing",
        "half_time  -.1234  0.5 x updates",
    ]
