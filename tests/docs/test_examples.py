"""The examples in Python on the pages run; what is no session is at least Python."""

import ast
import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(`{3,})python\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
BLOCKS = {
    page.relative_to(ROOT).as_posix(): [found[2] for found in BLOCK.finditer(page.read_text("utf-8"))] for page in PAGES
}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
OWN = {"docs/tutorial.md"}  # a session with files: see test_tutorial.py


def sessions(blocks):
    """What a reader would type, the blocks of a page one after the other."""
    return "\n".join(block for block in blocks if ">>>" in block)


@pytest.mark.parametrize("page", [name for name, blocks in BLOCKS.items() if sessions(blocks) and name not in OWN])
def test_sessions(page):
    test = doctest.DocTestParser().get_doctest(sessions(BLOCKS[page]), {}, page, page, 0)
    said: list[str] = []
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize(
    ("page", "block"),
    [(name, block) for name, blocks in BLOCKS.items() for block in blocks if ">>>" not in block],
)
def test_other_blocks_are_python(page, block):
    ast.parse(block, page)


def test_there_is_something_to_run():
    assert sessions(BLOCKS["docs/mathematics.md"]).count(">>>") > 60
    assert BLOCKS["README.md"]


def test_a_wrong_number_would_be_seen(monkeypatch):
    monkeypatch.setitem(BLOCKS, "made", [">>> 1\n2\n"])
    with pytest.raises(AssertionError):
        test_sessions("made")
