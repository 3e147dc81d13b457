"""The command run in this process, in a folder of its own; what libraries print behind Python's back counts as well."""

import pytest
from tests.cli.conftest import command


@pytest.fixture
def culpa(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return command(monkeypatch, capfd)
