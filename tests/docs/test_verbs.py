"""The pages of the verbs say what the help says now: `python docs/tools/verbs.py` writes them anew."""

import re

import pytest
from docs.tools import verbs
from typer.testing import CliRunner

from culpa.cli.app import app

WRITTEN = verbs.pages()
RUN = "run: python docs/tools/verbs.py"


def test_a_page_for_every_verb_and_no_other():
    assert {path.name for path in verbs.FOLDER.iterdir()} == set(WRITTEN), RUN
    assert set(WRITTEN) == {"index.md", "papers.md", *(f"{one.name}.md" for one in app.registered_commands)}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_page_is_what_the_help_says_now(name):
    assert (verbs.FOLDER / name).read_text(encoding="utf-8") == WRITTEN[name], RUN


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in ("index.md", "papers.md")])
def test_every_flag_of_the_help_has_its_row(name):
    """Read from what a user sees, not from what the page is made of."""
    printed = CliRunner().invoke(app, [name.removesuffix(".md"), "--help"]).stdout
    listed, _, example = printed.partition("Example: ")
    flags = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", listed, re.MULTILINE)
    rows = re.findall(r"^\| `(--[a-z-]+)", WRITTEN[name], re.MULTILINE)
    assert rows == [flag for flag in flags if flag != "--help"]
    assert f"```\n{' '.join(example.split())}\n```" in WRITTEN[name]


def test_a_verb_without_findings_has_no_code_for_them():
    assert "| 1 |" in WRITTEN["audit.md"]
    assert "| 1 |" not in WRITTEN["convert.md"]


def test_what_is_no_verb_any_more_has_no_page(tmp_path, monkeypatch):
    monkeypatch.setattr(verbs, "FOLDER", tmp_path / "verbs")
    verbs.main()
    (tmp_path / "verbs" / "gone.md").write_text("x", encoding="utf-8")
    verbs.main()
    assert {path.name for path in (tmp_path / "verbs").iterdir()} == set(WRITTEN)
