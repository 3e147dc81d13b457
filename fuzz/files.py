"""Targets: every reader, and the tables that no reader claims."""

import importlib
import json
import pkgutil
import shutil
import warnings
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import tests.rollouts.readers as cases
from tests.rollouts.readers.case import Case

from culpa.errors import InputError
from culpa.rollouts import Options, inputs_of, read, scan
from culpa.rollouts.files import json_frame
from culpa.training.watch.tail import Reading, Tail
from fuzz.mutate import RAW, SHAPED, fields, shaped
from fuzz.target import Target, choice

HERE = Path("in")  # inside the workplace, which is the working folder
ROWS = [
    {"prompt_id": f"q{number // 3}", "prompt": f"p{number // 3}", "response": f"r{number}", "rm_a": number / 3,
     "truth": float(number % 2), "weight": 1 / 3, "length": 7, "logprob": -1.5, "note": "x"}
    for number in range(6)
]  # fmt: skip
_TYPES: dict[str, Callable[[Any], Any]] = {
    "date": lambda number: date(2026, 1, 1) + timedelta(int(number) % 999),
    "datetime": lambda number: datetime(2026, 1, 1) + timedelta(int(number) % 999),
    "duration": lambda number: timedelta(int(number) % 999),
    "decimal": lambda number: Decimal(str(number)),
    "list": lambda number: [number],
    "struct": lambda number: {"a": number},
    "binary": lambda number: str(number).encode(),
    "bool": bool,
    "text": str,
    "object": lambda number: [[number, None]],
}
_CASTS = {
    "uint64": pl.UInt64, "int128": pl.Int128, "float32": pl.Float32, "category": pl.Categorical, "null": pl.Null,
    "int8": pl.Int8, "time": pl.Time, "array": pl.Array(pl.Float64, 1),
}  # fmt: skip


def targets() -> Iterator[Target]:
    """One for each reader, and those of the plain tables."""
    for module in sorted(one.name for one in pkgutil.iter_modules(cases.__path__)):
        if module.startswith("test_") and module != "test_contract":
            case = importlib.import_module(f"tests.rollouts.readers.{module}").CASE
            yield _reader(case)
    yield Target("csv", "CSV tables", lambda data: _file("t.csv", data), _csv_seeds, 30_000, fields, 2048)
    yield Target("tsv", "tables with tabs", lambda data: _file("t.tsv", data), _tsv_seeds, 10_000, fields, 2048)
    yield Target("jsonl", "JSON lines", _lines, _row_seeds, 20_000, shaped)
    yield Target("json", "JSON documents", _document, _row_seeds, 20_000, shaped)
    yield Target("parquet", "Parquet: types and bytes", _parquet, _parquet_seeds, 20_000, shaped)
    yield Target("zip", "zip archives by their bytes", lambda data: _file("t.eval", data), _zip_seeds, 20_000)
    yield Target("naming", "what the user says of the columns", _naming, _naming_seeds, 20_000, shaped)
    yield Target("join", "scores in a second file", _join, _join_seeds, 15_000, shaped)
    yield Target("folder", "several files and names", _folder, _folder_seeds, 15_000, shaped)
    yield Target("watch.tail", "the dump of a run that grows", _tail, _folder_seeds, 15_000, shaped)


def fresh(folder: Path = HERE) -> Path:
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _reader(case: Case) -> Target:
    def run(data: bytes) -> None:
        source = _written(case, data)
        reader = case.reader if choice(data, 2) else None
        options = Options(text=choice(data, 3) > 0, reader=reader, group=2 if choice(data, 5) == 0 else None)
        _consume([str(path) for path in source], options, choice(data, 7))

    return Target(f"reader.{case.reader}", f"dumps of {case.reader}", run, lambda: _case_seeds(case), 15_000, shaped)


def _written(case: Case, data: bytes) -> tuple[Path, ...]:
    """Records as the format's own writer lays them out; bytes in place of its main file."""
    folder = fresh()
    if data[:1] == SHAPED:
        try:
            with warnings.catch_warnings(action="ignore"):
                return case.write(folder, json.loads(data[1:]))
        except Exception:  # the writer is not under test
            fresh(folder)
    paths = case.write(folder, list(case.records))
    _target(case, folder).write_bytes(data[1:])
    return paths


def _target(case: Case, folder: Path) -> Path:
    return max((path for path in folder.rglob(case.target) if path.is_file()), key=str)


def _case_seeds(case: Case) -> list[bytes]:
    folder = fresh()
    case.write(folder, list(case.records))
    return [SHAPED + json.dumps(list(case.records)).encode(), RAW + _target(case, folder).read_bytes()]


def _consume(source: Any, options: Options, way: int, **how: Any) -> None:
    """Read whole, or as a stream, with what is asked of the same files beside it."""
    if way == 0:
        for _ in scan(source, options=options, rows=2, **how):
            pass
    elif way == 1:
        read(source, truth="truth", proxies=["*"], options=options)
    else:
        read(source, options=options, **how)
        inputs_of(source, options)


def _file(name: str, data: bytes) -> None:
    path = fresh() / name
    path.write_bytes(data)
    _consume(str(path), Options(text=choice(data, 3) > 0), choice(data, 5))


def _shape(data: bytes) -> Any:
    """The JSON behind `SHAPED`; None where it is none."""
    try:
        return json.loads(data[1:]) if data[:1] == SHAPED else None
    except (ValueError, RecursionError):
        return None


def _lines(data: bytes) -> None:
    rows = _shape(data)
    raw = data[1:] if not isinstance(rows, list) else b"\n".join(json.dumps(row).encode() for row in rows)
    _file("t.jsonl", raw)


def _document(data: bytes) -> None:
    _file("t.json", data[1:])


def _parquet(data: bytes) -> None:
    given = _shape(data)
    path = fresh() / "t.parquet"
    if isinstance(given, dict):
        try:
            _typed(given).write_parquet(path)
        except Exception:  # polars as a writer is not under test
            return
    else:
        path.write_bytes(data[1:])
    _consume(str(path), Options(text=choice(data, 3) > 0), choice(data, 5))


def _typed(given: dict[str, Any]) -> pl.DataFrame:
    rows, types = given.get("rows"), given.get("types", {})
    frame = json_frame([row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else [])
    for name, kind in types.items() if isinstance(types, dict) else ():
        if name not in frame.columns or not isinstance(kind, str):
            continue
        if kind in _CASTS:
            frame = frame.with_columns(pl.col(name).cast(_CASTS[kind], strict=False))
        elif kind in _TYPES:
            values = [None if value is None else _TYPES[kind](value) for value in frame[name].to_list()]
            frame = frame.with_columns(pl.Series(name, values, strict=False))
    return frame


def _naming(data: bytes) -> None:
    given = _shape(data)
    if not isinstance(given, dict):
        return
    path = fresh() / "t.jsonl"
    rows = given.get("rows")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) if isinstance(rows, list) else "x")
    names = given.get("names")
    names = {str(key): str(value) for key, value in names.items()} if isinstance(names, dict) else {}
    known = {key: value for key, value in names.items() if key in ("prompt_id", "prompt", "response", "weight")}
    proxies = given.get("proxies")
    read(
        str(path),
        truth=None if given.get("truth") is None else str(given["truth"]),
        proxies=[str(one) for one in proxies] if isinstance(proxies, list) else [],
        names=known | {key: names[key] for key in names if key in ("logprob", "length")},
        options=Options(reader=None if given.get("reader") is None else str(given["reader"])),
    )


def _join(data: bytes) -> None:
    given = _shape(data)
    if not isinstance(given, dict):
        return
    folder = fresh()
    for name in ("left", "right"):
        rows = given.get(name)
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows) if isinstance(rows, list) else ""
        )
    read(str(folder / "left.jsonl"), options=Options(join=(str(folder / "right.jsonl"),), text=choice(data, 2) > 0))


def _folder(data: bytes) -> None:
    folder = _filled(data)
    _consume(str(folder), Options(text=choice(data, 3) > 0), choice(data, 5))


def _tail(data: bytes) -> None:
    folder = _filled(data)
    files = [path for path in folder.rglob("*") if path.is_file()]
    source = files[0] if files and choice(data, 4) == 0 else folder
    truth = "truth" if choice(data, 3) else None
    Tail(source, Reading(truth, None, settle=0.0)).look()


def _filled(data: bytes) -> Path:
    """A folder with files of any names, each of records, of a frame, or of a text."""
    folder = fresh()
    given = _shape(data)
    for name, rows in list(given.items())[:6] if isinstance(given, dict) else (("t.jsonl", data[1:].decode("latin1")),):
        plain = name.encode("utf-8", "replace")[:150].decode("utf-8", "replace").replace("\0", "_").replace("/", "_")
        path = folder / (plain.strip(".") or "_")
        if path.exists():
            continue
        if isinstance(rows, str):
            path.write_bytes(rows.encode("utf-8", "surrogatepass"))
        elif isinstance(rows, list) and path.suffix == ".parquet":
            try:
                json_frame([row for row in rows if isinstance(row, dict)]).write_parquet(path)
            except (pl.exceptions.PolarsError, InputError, ValueError, OSError):
                path.write_bytes(b"PAR1")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows) if isinstance(rows, list) else str(rows))
    return folder


def _csv_seeds() -> list[bytes]:
    return [
        pl.DataFrame(ROWS).write_csv().encode(),
        b'prompt_id,score\nx,"1"\nx,nan\n',
        b"\xef\xbb\xbfprompt,reward\na,1\n",
    ]


def _tsv_seeds() -> list[bytes]:
    return [pl.DataFrame(ROWS).write_csv(separator="\t").encode()]


def _row_seeds() -> list[bytes]:
    text = json.dumps(ROWS)
    nested = [{"prompt_id": 1, "score": [0.5], "features": [0.1, 0.2], "prompt": [{"role": "user", "content": "x"}]}]
    lines = "\n".join(json.dumps(row) for row in ROWS[:3])
    return [SHAPED + text.encode(), SHAPED + json.dumps(nested * 2).encode(), RAW + lines.encode()]


def _parquet_seeds() -> list[bytes]:
    HERE.mkdir(exist_ok=True)
    path = HERE / "seed.parquet"
    pl.DataFrame(ROWS[:3]).write_parquet(path, metadata={"culpa.schema": "1", "culpa.notes": '["a"]'})
    shapes = [
        {"rows": ROWS, "types": {"rm_a": kind, "truth": other}}
        for kind, other in zip((*_TYPES, *_CASTS), (*_CASTS, *_TYPES), strict=True)
    ]
    ids = [{"rows": ROWS, "types": {"prompt_id": kind, "prompt": kind}} for kind in ("date", "int8", "category")]
    return [RAW + path.read_bytes(), *(SHAPED + json.dumps(one).encode() for one in shapes + ids)]


def _zip_seeds() -> list[bytes]:
    case = importlib.import_module("tests.rollouts.readers.test_inspect_eval").CASE
    folder = fresh()
    case.write(folder, list(case.records))
    return [_target(case, folder).read_bytes()]


def _naming_seeds() -> list[bytes]:
    one = {
        "rows": ROWS,
        "truth": "truth",
        "proxies": ["rm_*"],
        "names": {"prompt_id": "prompt_id", "length": "length"},
    }
    two = {"rows": ROWS, "truth": None, "proxies": ["note", "rm_a"], "names": {}, "reader": "table"}
    return [SHAPED + json.dumps(given).encode() for given in (one, two)]


def _join_seeds() -> list[bytes]:
    right = [{"prompt": row["prompt"], "response": row["response"], "rm_b": row["rm_a"]} for row in ROWS]
    return [SHAPED + json.dumps({"left": ROWS, "right": right}).encode()]


def _folder_seeds() -> list[bytes]:
    verl = [{"input": "a", "output": str(number), "score": number, "step": 1} for number in range(3)]
    trl = [
        {"step": 2, "prompt": "a", "completion": str(number), "rm": 0.5, "advantage": 0.0} for number in range(2)
    ]  # fmt: skip
    log = '{"step": 1, "reward": 0.5, "alarms": []}\n'
    given = (
        {"t_1.jsonl": ROWS[:3], "t_2.jsonl": ROWS[3:]},
        {"1.jsonl": verl, "10.jsonl": verl[::-1]},
        {"completions_00002.parquet": trl, "completions_00003.parquet": trl},
        {"log.jsonl": log},
        {"a.csv": "prompt_id,score\nx,1\n", "b.json": "[]"},
    )
    return [SHAPED + json.dumps(one).encode() for one in given]
