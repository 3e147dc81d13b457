"""Inputs too large or too slow to be drawn at random, each through the command in a process of its own, measured."""

import gzip
import io
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

SECONDS, MEGABYTES = 120.0, 4096  # the bounds of a process
GIGABYTE = 1 << 30
_HEADER = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}}
_SAMPLE = {"id": 1, "epoch": 1, "input": "a", "output": {}, "scores": {"s": {"value": 1}}}


class Case(NamedTuple):
    """A file of a stranger, and whether it is refused (2) or read (0)."""

    name: str
    make: Callable[[Path], list[str]]
    codes: tuple[int, ...] = (2,)


def cases() -> Iterator[Case]:  # noqa: PLR0915 - a table
    """All of them."""
    yield Case("zip bomb: one member of 1 GB", _bomb)
    yield Case("zip bomb: 4,000 members of 1 MB", _many_members)
    yield Case("zip bomb: the header says 10 bytes, 1 GB come", _lying)
    yield Case("zip in zip in zip", _nested_zip)
    yield Case("pickle in .pt that would run a command", _pickle)
    yield Case("pickle bomb in .pt", _pickle_bomb)
    yield Case("100,000 columns, JSON lines", lambda f: _wide(f, "jsonl"), (0, 2))
    yield Case("100,000 columns, CSV", lambda f: _wide(f, "csv"), (0, 2))
    yield Case("100,000 columns, Parquet", lambda f: _wide(f, "parquet"), (0, 2))
    yield Case("9,000 columns, JSON lines", lambda f: _wide(f, "jsonl", 9_000), (0,))
    yield Case("9,000 columns, CSV", lambda f: _wide(f, "csv", 9_000), (0,))
    yield Case("another key in each of 1,000,000 lines", _keys)
    yield Case("100,000 scores, JSON lines, audit", lambda f: ["audit", *_scores(f)], (0, 2))
    yield Case("a line of 1 GB, JSON lines", lambda f: _long(f, "t.jsonl", b'{"prompt_id": "', b"a"))
    yield Case("a line of 1 GB, CSV", lambda f: _long(f, "t.csv", b"prompt_id,score\n", b"a"), (0, 2))
    yield Case("a first line of 1 GB, CSV", lambda f: _long(f, "t.csv", b"prompt_id,", b"a"), (0, 2))
    yield Case("1 GB of NUL bytes, JSON lines", lambda f: _long(f, "t.jsonl", b"", b"\0"))
    yield Case("1 GB of NUL bytes, CSV", lambda f: _long(f, "t.csv", b"", b"\0"))
    yield Case("1 GB of line ends, JSON lines", lambda f: _long(f, "t.jsonl", b"", b"\n"))
    yield Case("1 GB of commas, CSV", lambda f: _long(f, "t.csv", b"prompt_id,score\n", b","), (0, 2))
    yield Case("JSON of 60 MB that is 20 times as large as objects, a line", lambda f: _heavy(f, "t.jsonl"))
    yield Case("JSON of 400 MB that is 20 times as large as objects", lambda f: _heavy(f, "t.json", 400 << 20))
    yield Case("a JSON document of 1 GB", lambda f: _long(f, "t.json", b'[{"prompt_id": "', b"a"))
    yield Case("Parquet bomb: 100,000,000 rows in 200 kB", _parquet_bomb)
    yield Case("Parquet whose footer is longer than the file", _footer)
    yield Case("nested 10^6 deep, JSON lines", lambda f: _deep(f, "t.jsonl"))
    yield Case("nested 10^6 deep, JSON", lambda f: _deep(f, "t.json"))
    yield Case("an id of 1 MB", lambda f: _id(f, "a" * (1 << 20)), (0, 2))
    yield Case("an id of control characters and half pairs", lambda f: _id(f, "\x00\x1b[2J\u202e\ud800"), (0, 2))
    yield Case("a message about a value of 1 MB", lambda f: _rows(f, [{"prompt_id": "a", "score": "x" * (1 << 20)}]))
    yield Case("a column of a name of 1 MB", lambda f: _rows(f, [{"prompt_id": "a", "score_" + "x" * (1 << 20): "no"}]))
    yield Case("duplicate columns, CSV", lambda f: _text(f, "t.csv", "prompt_id,score,score\na,1,2\n"))
    twice = '{"prompt_id": 1, "score": 1, "score": 2}\n' * 2
    yield Case("duplicate keys, JSON lines", lambda f: _text(f, "t.jsonl", twice),
               (0, 2))  # fmt: skip
    yield Case("integers over 64 bit", lambda f: _rows(f, [{"prompt_id": 2**70, "score": 2**70}] * 2), (0, 2))
    yield Case(
        "an integer of 100,000 digits",
        lambda f: _text(f, "t.jsonl", '{"prompt_id": 1, "score": ' + "9" * 10**5 + "}\n"),
    )
    yield Case("dates as rewards, Parquet", _dates)
    yield Case("invalid UTF-8, CSV", lambda f: _text(f, "t.csv", b"prompt_id,score\n\xff\xfe,1\n"))
    yield Case(
        "invalid UTF-8, JSON lines", lambda f: _text(f, "t.jsonl", b'{"prompt_id": "\xff", "score": 1}\n'), (0, 2)
    )
    yield Case("UTF-16", lambda f: _text(f, "t.csv", "prompt_id,score\na,1\n".encode("utf-16")))
    yield Case("gzip under a wrong name", lambda f: _text(f, "t.jsonl", gzip.compress(b'{"prompt_id": "a"}\n')))
    yield Case("one prompt of 2,000,000 outputs, stream", _one_prompt)
    yield Case("one long prompt among 200,000 short ones", _uneven)
    yield Case("YAML that names itself a billion times", _yaml, (2,))


def main() -> None:
    """`python -m fuzz.big RECORD.json`."""
    found = []
    for case in cases():
        if len(sys.argv) > 2 and sys.argv[2] not in case.name:
            continue
        facts = measured(case)
        found.append(facts)
        used = f"{facts['seconds']:6.1f} s {facts['megabytes']:6} MB  exit {facts['code']}"
        print(f"{'ok ' if facts['ok'] else 'BAD'} {used}  "
              f"{case.name}: {facts['said'][:150]}", flush=True)  # fmt: skip
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1), encoding="utf-8")


def measured(case: Case, seconds: float = SECONDS) -> dict[str, Any]:
    """What the command did: its exit code, last line, time and greatest memory."""
    with tempfile.TemporaryDirectory(prefix="culpa-big-") as name:
        folder = Path(name)
        argv = _made(case, folder)
        argv = argv if argv[0] in ("audit", "convert") else ["convert", *argv, "out.parquet"]
        began = time.monotonic()
        command = [sys.executable, "-m", "culpa.cli.app", *argv]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=(folder / "err").open("wb"),
                                   preexec_fn=_limit)  # fmt: skip  # noqa: PLW1509 - there is one thread
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not done and time.monotonic() - began < seconds:
            time.sleep(0.02)
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not done:
            process.kill()
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said = (folder / "err").read_text(encoding="utf-8", errors="replace")
        ran = (folder / "ran").exists()
        left = [one.name for one in folder.iterdir() if one.name.endswith(".part")]
    clear = process.returncode == 0 or (said.count("\n") == 1 and said.startswith("culpa: ") and len(said) < 1200)
    fault = "fault of culpa" in said or "Traceback" in said or "panicked" in said
    megabytes = usage.ru_maxrss >> 10
    ok = process.returncode in case.codes and clear and not fault and not ran and not left and megabytes < MEGABYTES
    return {"name": case.name, "ok": ok, "code": process.returncode, "seconds": round(time.monotonic() - began, 1),
            "megabytes": megabytes, "said": said.strip()[-300:]}  # fmt: skip


def _made(case: Case, folder: Path) -> list[str]:
    """The arguments; made in another process, whose memory would else count for the command's."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(case.make(folder)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        argv: list[str] = json.loads(answer.read())
    return argv


def _limit() -> None:
    """More than this the process cannot have, so that a fault does not take the machine with it."""
    resource.setrlimit(resource.RLIMIT_AS, (24 * GIGABYTE, 24 * GIGABYTE))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))


def _bomb(folder: Path) -> list[str]:
    return _archive(folder, {"header.json": json.dumps(_HEADER), "samples/1_epoch_1.json": b" " * GIGABYTE})


def _many_members(folder: Path) -> list[str]:
    members: dict[str, str | bytes] = {f"samples/{number}_epoch_1.json": b" " * (1 << 20) for number in range(4000)}
    return _archive(folder, {"header.json": json.dumps(_HEADER)} | members)


def _lying(folder: Path) -> list[str]:
    given = _archive(folder, {"header.json": json.dumps(_HEADER), "samples/1_epoch_1.json": b" " * GIGABYTE})
    path = Path(given[0])
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")  # of the last member in the directory: its size unpacked stands 24 bytes on
    content[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    return given


def _nested_zip(folder: Path) -> list[str]:
    inside = b"x"
    for _ in range(3):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("samples/1_epoch_1.json", inside)
        inside = packed.getvalue()
    (folder / "t.eval").write_bytes(inside)
    return [str(folder / "t.eval")]


def _archive(folder: Path, members: dict[str, Any]) -> list[str]:
    path = folder / "t.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return [str(path)]


class _Runs:
    """Unpickled, it would leave a file."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickle calls."""
        return os.system, (self.command,)


def _pickle(folder: Path) -> list[str]:
    path = folder / "per_prompt_rewards_lm=x.pt"
    path.write_bytes(pickle.dumps({"rm_name": _Runs(f"touch {folder / 'ran'}")}))
    return [str(path)]


def _pickle_bomb(folder: Path) -> list[str]:
    """Lists of lists of lists: 2^30 entries when they are counted, of which only thirty exist."""
    value: list[Any] = []
    for _ in range(30):
        value = [value, value]
    path = folder / "per_prompt_rewards_lm=x.pt"
    path.write_bytes(pickle.dumps(value))
    return [str(path)]


def _keys(folder: Path) -> list[str]:
    lines = "".join(f'{{"prompt_id": 1, "score": 1, "k{number}": 1}}\n' for number in range(1_000_000))
    return _text(folder, "t.jsonl", lines)


def _wide(folder: Path, kind: str, count: int = 100_000) -> list[str]:
    row = {"prompt_id": "a", "score": 1.0} | {f"column {number}": 0.5 for number in range(count)}
    path = folder / f"t.{kind}"
    if kind == "jsonl":
        path.write_text((json.dumps(row) + "\n") * 3)
    elif kind == "csv":
        path.write_text(",".join(row) + "\n" + (",".join(map(str, row.values())) + "\n") * 3)
    else:
        pl.DataFrame([row] * 3).write_parquet(path)
    return [str(path)]


def _scores(folder: Path) -> list[str]:
    row = {"prompt_id": "a", "truth": 1.0} | {f"rm_{number}": 0.5 for number in range(100_000)}
    path = folder / "t.jsonl"
    path.write_text((json.dumps(row) + "\n") * 3)
    return [str(path), "--truth", "truth", "--replicates", "100"]


def _long(folder: Path, name: str, begin: bytes, filling: bytes) -> list[str]:
    path = folder / name
    with path.open("wb") as file:
        file.write(begin)
        for _ in range(1024):
            file.write(filling * (1 << 20))
    return [str(path)]


def _heavy(folder: Path, name: str, size: int = 60 << 20) -> list[str]:
    path = folder / name
    part = b'{"a":1},' * (1 << 17)
    with path.open("wb") as file:
        file.write(b'{"prompt_id": "a", "score": 1, "x": [')
        for _ in range(size >> 20):
            file.write(part)
        file.write(b"{}]}\n")
    return [str(path)]


def _parquet_bomb(folder: Path) -> list[str]:
    path = folder / "t.parquet"
    rows = pl.LazyFrame({"prompt_id": ["a"]}).select(
        pl.col("prompt_id").repeat_by(100_000_000).explode(), pl.lit(1.0).alias("score")
    )
    part = rows.collect()
    part.write_parquet(path, compression="zstd", row_group_size=100_000_000)
    del part
    return [str(path)]


def _footer(folder: Path) -> list[str]:
    return _text(folder, "t.parquet", b"PAR1" + b"\0" * 100 + (2**31 - 1).to_bytes(4, "little") + b"PAR1")


def _deep(folder: Path, name: str) -> list[str]:
    return _text(folder, name, '{"prompt_id": "a", "score": 1, "x": ' + "[" * 10**6 + "]" * 10**6 + "}\n")


def _id(folder: Path, identity: str) -> list[str]:
    return _rows(folder, [{"prompt_id": identity, "score": number} for number in range(3)])


def _rows(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    return _text(folder, "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _text(folder: Path, name: str, text: str | bytes) -> list[str]:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(folder / name)]


def _dates(folder: Path) -> list[str]:
    path = folder / "t.parquet"
    days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 1, 3), eager=True)
    pl.DataFrame({"prompt_id": ["a"] * 3, "score": days}).write_parquet(path)
    return [str(path)]


def _one_prompt(folder: Path) -> list[str]:
    path = folder / "t.parquet"
    count = 2_000_000
    pl.DataFrame({"prompt_id": ["a"] * count, "score": np.zeros(count)}).write_parquet(path)
    return ["audit", str(path), "--stream"]


def _uneven(folder: Path) -> list[str]:
    path = folder / "t.parquet"
    ids = [*(str(number) for number in range(200_000)), *["long"] * 200_000]
    pl.DataFrame({"prompt_id": ids, "score": np.zeros(len(ids))}).write_parquet(path)
    return [str(path)]


def _yaml(folder: Path) -> list[str]:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (folder / "c.yaml").write_text("\n".join(lines) + "\n")
    return ["audit", *_rows(folder, [{"prompt_id": "a", "score": 1}]), "--config", str(folder / "c.yaml")]


if __name__ == "__main__":
    main()
