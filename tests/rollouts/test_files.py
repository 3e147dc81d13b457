import json
import math
import zipfile
import zlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rollouts.records import refused

from culpa.rollouts import files
from culpa.rollouts.files import blocks, json_document, kind_of, peek, readable, records, zip_members
from culpa.rollouts.json_frame import json_frame

JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text('ab"\\é\n', max_size=3)
NESTED = JSON | st.lists(JSON, max_size=2) | st.dictionaries(st.sampled_from("xy"), JSON, max_size=2)


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path, **options):
    return [row for block in blocks(path, **options) for row in block.to_dicts()]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.parquet", "", "parquet"),
        ("a.PARQUET", "", "parquet"),
        ("a.jsonl", "", "jsonl"),
        ("a.ndjson", "", "jsonl"),
        ("a.csv", "", "csv"),
        ("a.tsv", "", "csv"),
        ("a.eval", "", "zip"),
        ("a.zip", "", "zip"),
        ("a.pt", "", "torch"),
        ("a.json", '[{"a": 1}]', "json"),
        ("a.json", '{"a": 1}\n', "json"),
        ("a.json", '{\n"a": 1\n}\n', "json"),
        ("a.json", '{"a": 1}\n{"a": 2}\n', "jsonl"),
        ("a.json", '\ufeff{"a": 1}\r\n{"a": 2}', "jsonl"),
    ],
)
def test_kinds(tmp_path, name, content, kind):
    assert kind_of(put(tmp_path, name, content)) == kind
    assert kind_of(tmp_path) == "folder"


def test_the_kind_is_not_guessed(tmp_path):
    path = put(tmp_path, "a.xlsx", "x")
    known = ".csv, .eval, .json, .jsonl, .ndjson, .parquet, .pt, .pth, .tsv, .zip"
    assert refused(kind_of, path) == f"{path}: the file type is not known by its name. Rename it; known are {known}."


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.csv", "a,b\n1,\n", {"a": "1", "b": None}),
        ("a.tsv", "a\tb\n1,5\t2\n", {"a": "1,5", "b": "2"}),
        ("a.csv", "a,b\n", {"a": None, "b": None}),
        ("a.jsonl", '\n{"a": 1}\n{"b": 1}\n', {"a": 1}),
        ("a.jsonl", "\n \n", {}),
        ("a.json", '[{"a": [1]}]', {"a": [1]}),
        ("a.json", "[]", {}),
        ("a.json", "5", {}),
    ],
)
def test_peeks_at_the_first_record(tmp_path, name, content, columns):
    found = peek(put(tmp_path, name, content))
    assert found.first == columns
    assert found.columns == set(columns)


def test_peeks_into_what_has_no_records(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.json", "{}")
    assert peek(tmp_path / "a.zip").columns == {"inside.json"}
    assert peek(tmp_path).columns == {"a.zip"}
    assert peek(put(tmp_path, "a.pt", "x")).columns == set()
    pl.DataFrame({"a": [1]}).clear().write_parquet(tmp_path / "a.parquet")
    assert peek(tmp_path / "a.parquet").first == {"a": None}


def test_peek_refuses_what_is_not_there(tmp_path):
    path = tmp_path / "a.jsonl"
    assert refused(peek, path) == f"{path}: there is no such file. Check the path; quote globs."
    put(tmp_path, "a.jsonl", "")
    assert refused(peek, path) == f"{path}: the file is empty. Check that the run that writes it got so far."


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv", "a.tsv", "a.json"])
def test_a_block_is_bounded_and_blocks_add_up(tmp_path, monkeypatch, name):
    monkeypatch.setattr(files, "BLOCK_ROWS", 7)
    monkeypatch.setattr(files, "BLOCK_BYTES", 64)
    frame = pl.DataFrame({"id": [f"{i:03}" for i in range(50)], "x": ["a\tb,c", 'q"'] * 25, "y": ["drop"] * 50})
    path = tmp_path / name
    if name == "a.parquet":
        frame.write_parquet(path)
    elif name == "a.jsonl":
        frame.write_ndjson(path)
    elif name == "a.json":
        path.write_text(json.dumps(frame.to_dicts()))
    else:
        frame.write_csv(path, separator="\t" if name == "a.tsv" else ",")
    parts = list(blocks(path, strings=["id"], drop=["y", "not there"]))
    assert pl.concat(parts).equals(frame.drop("y"))
    if name in ("a.parquet", "a.jsonl"):
        assert len(parts) > 5
        assert max(part.height for part in parts) <= 7


@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON, min_size=1), min_size=1, max_size=6), st.integers(1, 40))
def test_json_lines_say_the_same_as_python(tmp_path_factory, found, size):
    """The fast parser, the slow one it falls back on, and any cut into blocks."""
    path = tmp_path_factory.mktemp("j") / "a.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BLOCK_BYTES", size)
        got = rows(path, strings=["a"])
        assert [record for _, record in records(path)] == found or any(map(_has_nan, found))
    assert len(got) == len(found)
    for record, row in zip(found, got, strict=True):
        for name in record:
            assert _alike(row[name], record[name]), (name, row, record)


def _has_nan(record):
    return any(isinstance(value, float) and math.isnan(value) for value in record.values())


def _alike(got, value):
    """Equal, but for the types a column of mixed ones has to take."""
    if value is None or got is None:
        return value is got
    if isinstance(value, str):
        return got == value
    if isinstance(got, str):
        return got in (json.dumps(value), str(value)) or float(got) == float(value)
    return got == value or float(got) == float(value) or (math.isnan(got) and math.isnan(value))


@given(st.lists(st.dictionaries(st.sampled_from("abc"), NESTED, min_size=1), min_size=1, max_size=5))
def test_any_records_make_a_frame(found):
    frame = json_frame(found, strings=["a"])
    assert frame.height == len(found)
    for name in frame.columns:
        given_values = [record.get(name) for record in found]
        assert frame[name].is_null().to_list() == [value is None for value in given_values]
        if name == "a":
            assert frame.schema[name] == pl.String


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, True], ["1", "true"]),
        ([1, "x"], ["1", "x"]),
        ([2**53 + 1], [2**53 + 1]),
        ([10**400, 0.5], [str(10**400), "0.5"]),
        ([10**400], [str(10**400)]),
        (["\ud800x", "é"], ["?x", "é"]),
        ([["\ud800"]], ['["\\ud800"]']),
        ([{"a": 1}, "x"], ['{"a": 1}', "x"]),
    ],
)
def test_columns_of_json(values, expected):
    assert json_frame([{"a": value} for value in values])["a"].to_list() == expected


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_ids_stay_as_they_are_written(tmp_path, name):
    ids = ['"007"', "9007199254740993", "36893488147419103233", "7", "null"]
    lines = [f'{{"id": {one}, "x": NaN}}' for one in ids]
    path = put(tmp_path, name, "\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]")
    got = rows(path, strings=["id"])
    assert [row["id"] for row in got] == ["007", "9007199254740993", "36893488147419103233", "7", None]
    assert all(math.isnan(row["x"]) for row in got)


def test_a_byte_order_mark_is_no_letter(tmp_path):
    mark = "\ufeff"
    for name, text in (
        ("a.jsonl", '{"a": 1}\n'),
        ("b.jsonl", '{"a": 1}'),
        ("a.json", '[{"a": 1}]'),
        ("a.csv", "a\n1\n"),
    ):
        assert list(rows(put(tmp_path, name, mark + text))[0]) == ["a"]


def test_long_lines_are_joined_and_endless_ones_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 8)
    path = put(tmp_path, "a.jsonl", '{"a": 1}\n{"a": "' + "x" * 100 + '"}\n')
    assert [len(str(row["a"])) for row in rows(path)] == [1, 100]
    monkeypatch.setattr(files, "LINE_BYTES", 1 << 20)
    monkeypatch.setattr(files, "BLOCK_BYTES", 1 << 19)
    path = put(tmp_path, "b.jsonl", '{"a": 1}\n{"a": "' + "x" * (1 << 21) + '"}\n')
    assert refused(rows, path) == f"{path}, row 2: a line is longer than 1 MB."


CUT = "Was the file cut off while it was written? Delete the line, or write the file again."


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "a.jsonl",
            '{"a": 1}\n\n{"a": 2}\n{"a": ',
            f", row 4: not valid JSON (Expecting value: line 1 column 7 (char 6)). {CUT}",
        ),
        ("a.jsonl", '{"a": 1}\n[1]\n', ", row 2: expected an object, got [1]."),
        ("a.jsonl", '{"a": 1}\nnull\n', ", row 2: expected an object, got None."),
        ("a.jsonl", '{"a": 1} {"a": 2}\n', f", row 1: not valid JSON (Extra data: line 1 column 10 (char 9)). {CUT}"),
        ("a.json", '[{"a": 1}, 5]', ", row 2: expected an object, got 5."),
        (
            "a.json",
            '[{"a": 1}',
            ": not valid JSON (Expecting ',' delimiter: line 1 column 10 (char 9)). Was it cut off?",
        ),
        (
            "a.csv",
            'a,b\n1,"x\ny"\n1,2,3\n',
            ", row 3: there are 3 fields under 2 names. Quote the fields that hold commas or quotes.",
        ),
        ("a.eval", "x", ": a zip file holds no table. Convert it to Parquet, JSON lines or CSV."),
        (
            "a.parquet",
            "x" * 50,
            ": cannot be read (parquet: File out of specification: The file must end with PAR1 or PARE).",
        ),
    ],
)
def test_refuses(tmp_path, name, content, text):
    path = put(tmp_path, name, content)
    assert refused(rows, path) == f"{path}{text}"


def test_rows_are_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 32)
    path = put(tmp_path, "a.jsonl", '{"a": 1}\n\n' * 20 + "x\n")
    assert refused(rows, path).startswith(f"{path}, row 41: not valid JSON")
    assert [row for row, _ in records(put(tmp_path, "b.jsonl", '{"a": 1}\n\n' * 3))] == [1, 3, 5]


def test_text_that_is_no_text(tmp_path):
    path = put(tmp_path, "a.jsonl", b'{"a": "\xff"}\n')
    assert refused(rows, path).startswith(f"{path}, row 1: not valid JSON ('utf-8' codec can't decode byte 0xff")
    path = put(tmp_path, "a.json", b'["\xff"]')
    assert refused(json_document, path).startswith(f"{path}: cannot be read ('utf-8' codec can't decode byte 0xff")


@pytest.mark.parametrize(
    ("error", "shown"),
    [(zlib.error("Error -3"), "Error -3"), (EOFError("short"), "short"), (OSError("bad stream"), "bad stream")],
)
def test_every_way_a_zip_can_break_is_one_error(tmp_path, error, shown):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y")

    def use():
        with zip_members(path):
            raise error

    assert refused(use) == f"{path}: not a readable zip archive ({shown}). Was it cut off?"


def test_a_damaged_member_is_one_error(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", "y" * 1000)
    content = bytearray(path.read_bytes())
    content[32:36] = b"\xff\xff\xff\xff"
    path.write_bytes(content)

    def use():
        with zip_members(path) as archive:
            archive.read("x")

    assert refused(use).startswith(f"{path}: not a readable zip archive (Error -3 while decompressing")


def test_a_panic_is_an_error_and_a_stop_is_a_stop(tmp_path):
    class PanicException(BaseException):  # as polars' own: no Exception
        pass

    def use(error):
        with readable(tmp_path):
            raise error

    assert refused(use, PanicException("boom")) == f"{tmp_path}: cannot be read: the file is damaged."
    assert refused(use, MemoryError("full")) == f"{tmp_path}: cannot be read (full)."
    with pytest.raises(KeyboardInterrupt):
        use(KeyboardInterrupt())
