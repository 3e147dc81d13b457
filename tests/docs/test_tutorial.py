"""The tutorial's commands run as they stand, in their order, and print what the page shows."""

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

import culpa as package

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
DEMO = "src/culpa/cli/demo.parquet"


def command(block):
    """The command line of a block and the parts of its output that are shown; a backslash ends a line that goes on."""
    line, _, shown = block.removeprefix("$ ").replace("\\\n", "").partition("\n")
    parts = [part.strip("\n") for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)]
    return line, [part for part in parts if part]


def play(blocks, culpa):
    """Run a session; what it prints must hold every part that is shown, as it stands."""
    known: dict[str, object] = {}
    printed: dict[str, str] = {}
    for kind, block in blocks:
        if kind == "python":
            test = doctest.DocTestParser().get_doctest(block, known, "tutorial.md", None, None)
            assert doctest.DocTestRunner(verbose=False).run(test, clear_globs=False).failed == 0
            known = test.globs
            continue
        line, parts = command(block)
        if line not in printed:
            arguments, asked, _ = line.partition("; echo $?")
            ran = culpa(*shlex.split(arguments)[1:])
            assert ran.code == 0 or asked, ran.err
            printed[line] = f"\n{ran.err}{ran.out}" + (f"{ran.code}\n" if asked else "")
        for part in parts:
            assert f"\n{part}\n" in printed[line], f"{line} shows {part!r} and prints {printed[line]}"


@pytest.mark.slow
def test_the_session(culpa, tmp_path):
    (tmp_path / DEMO).parent.mkdir(parents=True)
    shutil.copy(Path(package.__file__).parent / "cli" / "demo.parquet", tmp_path / DEMO)
    play(BLOCKS, culpa)


def test_the_page_has_no_other_sort_of_block():
    shown = [command(block) for kind, block in BLOCKS if kind == "console"]
    assert len(shown) >= 6
    assert all(line.startswith("culpa ") for line, _ in shown)
    assert all(parts for _, parts in shown)
    assert len(re.findall("^```", PAGE, re.MULTILINE)) == 2 * len(BLOCKS)


@pytest.mark.parametrize(
    "block",
    [
        ("console", "$ culpa --version\nculpa 9\n"),
        ("console", "$ culpa --version; echo $?\nculpa 0.1.0\n1\n"),
        ("console", "$ culpa audit nothing.parquet\n...\n"),
        ("python", ">>> 1 + 1\n3\n"),
    ],
)
def test_a_page_that_is_wrong_would_be_seen(culpa, block):
    with pytest.raises(AssertionError):
        play([block], culpa)
