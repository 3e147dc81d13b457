"""SECURITY.md names a test for each promise; it is there."""

import re
from pathlib import Path

import pytest

from culpa.rollouts import archive, limits

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
PROMISES = re.split(r"^\*\*(?=\d+\. )", TEXT.split("## What is not promised", maxsplit=1)[0], flags=re.MULTILINE)[1:]


@pytest.mark.parametrize(("file", "test"), NAMED, ids=[test for _, test in NAMED])
def test_every_named_test_exists(file, test):
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_promise_names_a_test():
    assert [int(promise.split(".")[0]) for promise in PROMISES] == list(range(1, len(PROMISES) + 1))
    assert all("`tests/" in promise for promise in PROMISES)


def test_the_limits_are_those_of_the_code():
    assert f"| {limits.LINE_BYTES >> 20} MB, and about {limits.LINE_OBJECT_BYTES >> 30} GB" in TEXT
    assert f"| about {limits.OBJECT_BYTES >> 30} GB as" in TEXT
    assert f"| {limits.COLUMNS:,}; above 1,000, {limits.CELLS:,} cells" in TEXT
    assert f"| {archive.MEMBER_BYTES >> 20} MB, and {archive.RATIO} times" in TEXT
    assert f"| {archive.TOTAL_BYTES >> 30} GB unpacked" in TEXT
    assert (
        f"| {limits.DECODED_RATIO:,} times its size, where it unpacks to more than {limits.DECODED_BYTES >> 30} GB"
        in TEXT
    )
