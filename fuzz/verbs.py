"""Targets: the command line, called as a user calls it, in this process and in a folder of its own."""

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import typer

from culpa.cli import app
from culpa.training.watch import tail
from fuzz.bounds import HangError, WrongError
from fuzz.files import ROWS, fresh
from fuzz.mutate import SHAPED, shaped
from fuzz.target import Target

tail.time = SimpleNamespace(sleep=lambda _: None, time=time.time)  # nobody waits for a file that will not grow
LINES = 60  # of notes on stderr
_ERRORS: list[BaseException] = []
_LARGEST = 300  # what numbers on the line are cut to, that ask for time
_COSTLY = ("--replicates", "--max-steps", "--sampled", "--horizon", "--errors", "--stalls", "--budget")
_CHECKS = [
    {"prompt_id": f"q{number // 3}", "response": f"r{number}", "check_a": number % 2, "check_b": int(number % 3 == 0)}
    for number in range(9)
]


def targets() -> Iterator[Target]:
    """The verbs that read files of strangers and run none of the user's code."""
    for verb, executions, given in (
        ("audit", 3_000, (["in/r.jsonl", "--truth", "truth", "--replicates", "100"],
                          ["in/r.jsonl", "--format", "json"])),
        ("rehearse", 3_000, (["in/r.jsonl", "--truth", "truth", "--horizon", "steps=3", "--signal", "center"],
                             ["in/r.jsonl", "--truth", "truth", "--mix", "rm_a + rm_a", "--horizon", "steps=2"])),
        ("advise", 3_000, (["in/r.jsonl", "--check", "check_*", "--horizon", "steps=3"], ["--defect", "hack_rare:2"])),
        ("convert", 6_000, (["in/r.jsonl", "out.parquet"], ["in/r.jsonl", "out.csv", "--proxy", "rm_*"])),
        ("watch", 4_000, (["in", "--truth", "truth", "--reward", "rm_a"], ["in", "--jsonl", "w.jsonl"])),
        ("", 5_000, (["papers", "list"], ["--version"], ["audit", "--help"], ["nope"], ["convert", "a"])),
    ):  # fmt: skip
        yield Target(f"cli.{verb or 'usage'}", f"culpa {verb}".strip(), _of(verb), lambda given=given: _seeds(given),
                     executions, shaped)  # fmt: skip


def _of(verb: str) -> Any:
    def run(data: bytes) -> None:
        argv, rows, config = _given(data)
        folder = fresh()
        (folder / "r.jsonl").write_bytes(rows)
        (folder / "r_1.jsonl").write_bytes(rows)
        if config:
            Path("c.yaml").write_bytes(config)
            argv = [*argv, "--config", "c.yaml"]
        argv = [*([verb] if verb else []), *(["--once"] if verb == "watch" else []), *argv]
        if not verb and argv and argv[0] in ("check", "score", "sample", "train", "demo", "papers"):
            argv = [argv[0], "--no-such-flag", *argv[1:]]  # these run code, models or long work
        _called(argv)

    return run


def _seeds(given: tuple[list[str], ...]) -> list[bytes]:
    rows = _CHECKS if "check_*" in given[0] else ROWS
    plain = [{"argv": argv, "rows": rows, "config": ""} for argv in given]
    plain += [{"argv": given[0][:1], "rows": rows, "config": "truth: truth\nseed: 1\n"}]
    return [SHAPED + json.dumps(one).encode() for one in plain]


def _given(data: bytes) -> tuple[list[str], bytes, bytes]:
    try:
        given = json.loads(data[1:]) if data[:1] == SHAPED else {}
    except (ValueError, RecursionError):
        given = {}
    given = given if isinstance(given, dict) else {}
    argv, rows = given.get("argv", ["in/r.jsonl"]), given.get("rows", data[1:].decode("latin1"))
    text = "".join(json.dumps(row) + "\n" for row in rows) if isinstance(rows, list) else str(rows)
    config = str(given.get("config", "")).encode("utf-8", "replace").replace(b"/", b"")
    return _tame(argv if isinstance(argv, list) else [argv]), text.encode("utf-8", "replace"), config


def _tame(argv: list[Any]) -> list[str]:
    """Arguments as a shell can give them, which stay in this folder, and numbers that ask for no hours."""
    tame: list[str] = []
    for one in argv[:20]:
        text = (one if isinstance(one, str) else json.dumps(one)).replace("\0", "").replace("..", "")
        text = text.encode("utf-8", "replace").decode() if not text.startswith("in/") else text
        tame.append(text.replace("=/", "=").lstrip("/")[:5000].encode("utf-8", "replace").decode())
    for place, text in enumerate(tame[1:], start=1):
        number = text.rpartition("=")[2]
        if tame[place - 1] in _COSTLY and number.isdigit() and len(number) < 4000 and int(number) > _LARGEST:
            tame[place] = text.replace(number, str(_LARGEST))
    return tame


def _called(argv: list[str]) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    kept = sys.argv, sys.stdout, sys.stderr
    sys.argv, sys.stdout, sys.stderr = ["culpa", *argv], out, err
    app._fault = _remembered
    _ERRORS.clear()
    code: object = 0
    try:
        app.main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv, sys.stdout, sys.stderr = kept
    _judge(code, _said(out), _said(err), argv)


_plain_fault = app._fault
app.app = typer.main.get_command(app.app)  # as each call makes it anew


def _remembered(error: BaseException) -> str:
    _ERRORS.append(error)
    return _plain_fault(error)


def _said(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode("utf-8", "backslashreplace") if not stream.closed else ""  # type: ignore[attr-defined]


def _judge(code: object, out: str, err: str, argv: list[str]) -> None:
    if _ERRORS:
        raise _ERRORS[0] if not isinstance(_ERRORS[0], HangError) else WrongError("hang")
    what = f"culpa {' '.join(map(repr, argv))[:300]}: {err[-600:]!r}"
    if code not in (0, 1, 2):
        raise WrongError(f"exit code {code}: {what}")
    if "Traceback" in err or "Warning" in err or err.count("\n") > LINES:
        raise WrongError(f"stderr {what}")
    odd = {sign for sign in err if not sign.isprintable() and sign != "\n"} if "Error: " not in err else set()
    odd |= {sign for sign in out if not sign.isprintable() and sign not in "\n"} if "--format" not in argv else set()
    if odd:  # what is wrong with an argument is told in the words of who typed it
        raise WrongError(f"printed {sorted(odd)!r}: {what}")
    last = err.rstrip("\n").rpartition("\n")[2]
    if code == 2 and not last.startswith(("culpa: ", "Error: ")) and "Usage: " not in err + out:
        raise WrongError(f"exit code 2 without a message: {what}")
