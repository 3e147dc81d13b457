"""The command run in this process, in a folder of its own."""

import sys
from dataclasses import dataclass

import pytest
from tests.audit import world

from culpa.cli import demo
from culpa.cli.app import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def command(monkeypatch, capture):
    """What runs the command line, and gives what `capture` has seen of it."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["culpa", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capture.readouterr())

    return run


@pytest.fixture
def culpa(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return command(monkeypatch, capsys)


@pytest.fixture
def audited_demo(monkeypatch):
    """`culpa demo` without its second or two: the verdict on its rollouts that other tests have as well."""
    rollouts, verdict = world.demo()

    def known(given):
        assert given.size == rollouts.size
        assert list(given.proxies) == list(rollouts.proxies)
        return verdict

    monkeypatch.setattr(demo, "audit", known)
