"""Files of strangers, through the command: a result or one clear line, never a traceback, a panic or half a file."""

import json
import pickle
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from tests.cli import case

from culpa.errors import InputError
from culpa.rollouts import archive, files, limits, read

ROWS = [{"prompt_id": "q", "response": f"r{number}", "score": float(number)} for number in range(3)]


def lines(*records, name="t.jsonl"):
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return name


def text(name, content):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def parquet(**columns):
    pl.DataFrame(columns).write_parquet("t.parquet")
    return "t.parquet"


def each(**more):
    return lines(*(row | more for row in ROWS))


def archived(**members):
    with zipfile.ZipFile("t.eval", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/"), content)
    return "t.eval"


REFUSED = {
    "NUL bytes, JSON lines": (lambda: text("t.jsonl", b"\0" * 5000), "row 1: not valid JSON"),
    "NUL bytes, CSV": (lambda: text("t.csv", b"\0" * 5000), "there are no rows"),
    "invalid UTF-8, CSV": (lambda: text("t.csv", b"prompt_id,score\n\xff\xfe,1\n"), "cannot be read (invalid utf-8"),
    "UTF-16": (lambda: text("t.csv", "prompt_id,score\na,1\n".encode("utf-16")), "t.csv: "),
    "gzip under another name": (lambda: text("t.jsonl", b"\x1f\x8b\x08" + bytes(range(99))), "row 1: not valid JSON"),
    "nested too deep": (
        lambda: text("t.jsonl", '{"prompt_id": "a", "score": ' + "[" * 99_999 + "]" * 99_999 + "}\n"),
        "row 1: not valid JSON (maximum recursion",
    ),
    "an integer of 5,000 digits": (
        lambda: text("t.jsonl", '{"prompt_id": 1, "score": ' + "9" * 5000 + "}\n"), "t.jsonl, row 1: not valid JSON ("
    ),
    "dates as rewards": (
        lambda: parquet(prompt_id=["a"], score=[date(2026, 1, 1)]), "column 'score': datetime.date(2026, 1, 1) is"
    ),
    "a score of 1 MB": (lambda: each(score="x" * (1 << 20)), "row 1, column 'score': 'xxx"),
    "a name of 1 MB": (lambda: each(**{"score_" + "x" * (1 << 20): "no"}), "is not a number"),
    "duplicate columns, CSV": (lambda: text("t.csv", "prompt_id,score,score\na,1,2\n"), "two columns have the same"),
    "a column called as a pattern": (
        lambda: each(**{"^.*$": 1.0}), "t.jsonl, column '^.*$': a column is called like a pattern. Rename it."
    ),
    "a column called as a pattern in a later record": (
        lambda: text("t.json", json.dumps([ROWS[0], ROWS[1] | {"*": 1}])), "t.json, column '*': a column is called like"
    ),
    "features of single numbers": (lambda: each(features=0.5), "the features are no lists of equally many numbers."),
    "features of lists of lists": (lambda: each(features=[[0.5], [1.0]]), "the features are no lists of equally many"),
    "native names beside the format's own": (
        lambda: lines(*({"input": "a", "output": "b", "score": 1, "step": 1, "response": "c"} for _ in "ab")),
        "t.jsonl: cannot be read (column 'response' is duplicate",
    ),
    "10,001 columns, JSON lines": (lambda: each(**{f"c{n}": 1 for n in range(10_000)}), "the limit is 10,000"),
    "10,001 columns, CSV": (
        lambda: text("t.csv", "prompt_id" + "".join(f",c{n}" for n in range(10_000)) + "\n"), "the limit is 10,000"
    ),
    "10,001 columns, Parquet": (
        lambda: parquet(prompt_id=["a"], **{f"c{n}": [1] for n in range(10_000)}), "the limit is 10,000"
    ),
    "another key in every line": (
        lambda: lines(*({"prompt_id": "a", "score": 1, f"key {n}": 1} for n in range(12_000))), "the limit is 10,000"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_dump_is_refused_in_one_line(culpa, make, said):
    ran = culpa("convert", make(), "out.parquet")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("culpa: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert len(ran.err) < 1200
    assert not case.controls(ran.err)
    assert not list(Path().glob("*out*"))


READ = {
    "half characters and control characters in an id": lambda: each(prompt_id="\ud800\x00\x1b[2J\u202e"),
    "half characters in a name": lambda: each(**{"\udfff": 1}),
    "an id of 1 MB": lambda: each(prompt_id="x" * (1 << 20)),
    "integers over 64 bit": lambda: each(prompt_id=2**70, score=2**70),
    "lists beside numbers inside one column": lambda: lines(*(ROWS[0] | {"x": [[1], 2]}, ROWS[1] | {"x": [[[1]]]})),
    "objects of other kinds inside one column": lambda: lines(
        *(ROWS[0] | {"x": {"a": [1, [2]]}}, ROWS[1] | {"x": {"a": [{"b": float("nan")}]}})
    ),
    "nothing in a list beside an object": lambda: lines(
        *(ROWS[0] | {"x": {"a": [None]}}, ROWS[1] | {"x": {"a": [{"b": None}]}}, ROWS[2] | {"y": float("nan")})
    ),
    "nested 900 deep": lambda: text("t.jsonl", f'{{"prompt_id": "q", "score": 1, "x": {"[" * 900}1{"]" * 900}}}\n' * 3),
    "nested fifty deep": lambda: each(x=json.loads("[" * 50 + "1" + "]" * 50), y=float("nan")),
    "duplicate keys": lambda: text("t.jsonl", '{"prompt_id": 1, "score": 1, "score": 2}\n' * 3),
    "names of polars": lambda: each(**{"literal": 1, "\0here": 2, "len": 3, "": 4}),
}


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_what_is_odd_and_whole_is_read(culpa, make):
    ran = culpa("convert", make(), "out.parquet")
    assert ran.code == 0, ran.err
    assert not case.controls(ran.err + ran.out)
    again = read("out.parquet")
    assert again.size in (2, 3)


def test_files_that_do_not_fit_together_are_refused(culpa):
    lines(ROWS[0] | {"x": [{"a": [1]}]}, name="a.jsonl")
    lines(ROWS[1] | {"x": [{"a": "b"}]}, name="b.jsonl")
    ran = culpa("convert", "a.jsonl", "b.jsonl", "out.parquet")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "a column is of other kinds in other files or blocks (" in ran.err


def test_csv_without_a_line_is_refused(culpa):
    ran = culpa("convert", text("t.csv", "\r\n\r\n"), "out.parquet")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "fault of culpa" not in ran.err


@pytest.mark.parametrize(("score", "code"), [(1.7e308, 2), (0.9e150, 0)], ids=["refused", "read"])
@pytest.mark.parametrize("how", ["--whole", "--stream"])
@pytest.mark.parametrize("verb", ["audit", "rehearse"])
def test_scores_whose_squares_are_no_numbers_are_refused(culpa, how, verb, score, code):
    rows = [{"prompt_id": f"q{n // 2}", "score": (-1) ** n * score, "truth": n % 2} for n in range(8)]
    ran = culpa(verb, lines(*rows), "--truth", "truth", "--horizon", "steps=3", how)
    assert ran.code == code, ran.err
    assert "Warning" not in ran.err
    if code:
        assert ran.err == "culpa: 'score' is 1.7e+308 for prompt 'q0'. The limit is 1e+150: scale the scores.\n"


def test_weights_near_the_largest_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the weights of prompt 'q' sum to inf"):
        read(each(weight=1.7e308))


def test_proxies_without_a_verdict_where_the_truth_is_known_are_no_fault(culpa):
    rows = [{"prompt_id": f"q{n // 3}", "response": f"r{n}", "truth": n % 2 if n < 3 else None} for n in range(6)]
    rows[4] |= {"proxy.rm": 0.5}
    ran = culpa("audit", lines(*rows), "--truth", "truth", "--replicates", "100")
    assert ran.code == 0, ran.err
    assert "no proxy has a verdict on the outputs whose truth is known" in ran.out


def test_half_of_a_character_is_a_question_mark(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read(each(prompt_id="a\ud800", **{"na\udfffme": "\U0001f600 \ud83d"}))
    assert found.prompt_id.tolist() == ["a?"]
    assert found.table["na?me"].to_list() == ["\U0001f600 ?"] * 3


def test_endless_lines_are_refused(culpa, monkeypatch):
    monkeypatch.setattr(files, "LINE_BYTES", 1 << 16)
    monkeypatch.setattr("culpa.rollouts.csv_rows.LINE_BYTES", 1 << 16)
    monkeypatch.setattr("culpa.rollouts.csv_rows._BLOCK", 1 << 12)
    monkeypatch.setattr(files, "BLOCK_BYTES", 1 << 12)
    long = "x" * (1 << 17)
    for name, content, row in (
        ("a.jsonl", f'{{"prompt_id": 1, "score": 1}}\n{{"prompt_id": "{long}', 2),
        ("b.csv", f"prompt_id,score\na,1\n{long}\n", 3),
        ("c.csv", f"prompt_id,{long}", 1),
    ):
        ran = culpa("convert", text(name, content), "out.parquet")
        assert (ran.code, ran.err) == (2, f"culpa: {name}, row {row}: a line is longer than 0 MB.\n")


def test_json_that_is_much_larger_as_objects_is_refused(culpa, monkeypatch):
    monkeypatch.setattr(limits, "OBJECT_BYTES", 1 << 20)
    monkeypatch.setattr(limits, "LINE_OBJECT_BYTES", 1 << 20)
    monkeypatch.setattr(files, "BLOCK_BYTES", 1 << 10)
    heavy = json.dumps({"prompt_id": "a", "score": 1, "x": [{"a": 1}] * 9999})
    assert "it would take 0.0 GB of memory" in culpa("convert", text("a.json", f"[{heavy}]"), "out.parquet").err
    assert "it would take 0.0 GB of memory" in culpa("convert", text("a.jsonl", f"{heavy}\n"), "out.parquet").err
    sample = json.dumps({"id": 1, "epoch": 1, "x": [{"a": 1}] * 9999})
    packed = archived(header__json="{}", samples__1_epoch_1__json=sample)
    assert archive.MEMBER_BYTES == 64 << 20
    assert culpa("convert", packed, "out.parquet").code == 2


def test_parquet_that_unpacks_to_thousands_of_times_its_size_is_refused(culpa, monkeypatch):
    path = parquet(prompt_id=["a"] * 1_000_000, score=[1.0] * 1_000_000)
    monkeypatch.setattr(limits, "DECODED_BYTES", 1 << 20)
    ran = culpa("convert", path, "out.parquet")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "bytes unpack to 1,000,000 rows." in ran.err


def test_an_archive_whose_names_are_no_text_is_refused(culpa):
    content = bytearray(Path(archived(ab="{}")).read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 9] |= 0x08  # names are UTF-8, it says
    content[at + 46 : at + 48] = b"\xff\xfe"
    ran = culpa("convert", text("t.eval", bytes(content)), "out.parquet")
    assert ran.code == 2
    assert "t.eval: not a readable zip archive" in ran.err


def test_a_zip_bomb_is_refused_before_it_is_unpacked(culpa, monkeypatch):
    bomb = archived(**{"samples/1_epoch_1.json": b" " * (65 << 20)})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    ran = culpa("convert", bomb, "out.parquet")
    assert ran.code == 2
    assert "The limits are 64 MB and a ratio of 500." in ran.err


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_in_a_torch_file_is_not_run(culpa):
    pytest.importorskip("torch")
    path = Path("per_prompt_rewards_lm=x.pt")
    path.write_bytes(pickle.dumps({"rm_name": Harmful("ran")}))
    ran = culpa("convert", path, "out.parquet")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "not loaded from strangers" in ran.err
    assert not Path("ran").exists()


@pytest.mark.parametrize("flag", ["--output", "--config", "--join", "--reader"])
def test_arguments_longer_than_a_path_are_one_line(culpa, flag):
    ran = culpa("audit", each(), flag, "x" * 5000)
    assert ran.code == 2
    assert ran.err.count("\n") <= 4
    assert "fault of culpa" not in ran.err


def test_messages_of_python_hold_no_control_characters_and_end():
    with pytest.raises(InputError) as caught:
        read("a\x1b[2J\u202e" * 1000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1300
    column = str(InputError("wrong.", path="a", column="\x1b" + "x" * (1 << 20)))
    assert column.isprintable()
    assert len(column) < 300
