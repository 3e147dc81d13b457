"""The command run in this process, in a folder of its own; what libraries print behind Python's back counts as well."""

import sys

import pytest
from tests.cli.conftest import Ran

from culpa.cli.app import main


@pytest.fixture
def culpa(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["culpa", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capfd.readouterr())

    return run
