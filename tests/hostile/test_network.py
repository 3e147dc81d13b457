"""Verbs that read files of strangers ask nobody and start nothing."""

import socket
import subprocess

import pytest
from tests.cli import case

VERBS = (
    ("audit", "rollouts.parquet", "--truth", "gold", "--replicates", "100", "--metric", "hacc"),
    ("rehearse", "rollouts.parquet", "--truth", "gold", "--features", "none", "--horizon", "steps=3"),
    ("advise", "--defect", "hack_rare:2"),
    ("convert", "rollouts.parquet", "out.jsonl"),
)


@pytest.mark.parametrize("arguments", VERBS, ids=[one[0] for one in VERBS])
def test_the_verbs_that_read_files_open_no_connection(culpa, monkeypatch, tmp_path, arguments):
    case.saved(case.frame(12), tmp_path / "rollouts.parquet")
    for place, name in ((socket.socket, "connect"), (socket, "getaddrinfo"), (subprocess, "Popen")):
        monkeypatch.setattr(place, name, lambda *_, name=name, **__: pytest.fail(name))
    assert culpa(*arguments).code == 0
