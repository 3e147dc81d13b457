import sys

from culpa.cli import progress


def test_progress_is_for_terminals(monkeypatch, capsys):
    with progress.telling() as tell:
        tell("scores")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    with progress.telling() as tell:
        tell("null answers")
    assert "null answers, 0 s" in capsys.readouterr().err


def test_parts_are_counted(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    with progress.counting() as tell:
        tell(3, 20)
    assert "3 of 20 parts, 0 s" in capsys.readouterr().err
