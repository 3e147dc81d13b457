"""Prompts from files of all kinds, and their tokens."""

import json

import polars as pl
import pytest
from tests.lm.models import llama

from culpa.errors import InputError
from culpa.lm.prompts import encode, prompts_of, read_prompts

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}={% endif %}"
)
CHAT = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_every_kind_of_file_gives_the_same(tmp_path):
    rows = [{"prompt": "ab=", "answer": "ba", "level": 1}, {"prompt": "cd=", "answer": "dc", "level": 2}]
    jsonl(tmp_path / "p.jsonl", rows)
    (tmp_path / "p.json").write_text(json.dumps(rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "p.parquet")
    pl.DataFrame(rows).write_csv(tmp_path / "p.csv")
    found = [read_prompts(tmp_path / f"p.{kind}") for kind in ("jsonl", "json", "parquet", "csv")]
    for one in found:
        assert one.texts == ("ab=", "cd=")
        assert one.ids == found[0].ids
        assert one.columns.columns == ["answer", "level"]
        assert one.columns["answer"].to_list() == ["ba", "dc"]


def test_a_line_of_text_each(tmp_path):
    (tmp_path / "p.txt").write_text("first\n\nsecond\n", encoding="utf-8-sig")
    assert read_prompts(tmp_path / "p.txt").texts == ("first", "second")


def test_ids_and_columns_by_name(tmp_path):
    path = jsonl(tmp_path / "p.jsonl", [{"uid": 7, "q": "ab="}, {"uid": 8, "q": "cd="}])
    assert read_prompts(path, column="q").ids == ("7", "8")
    assert read_prompts(path, column="q", id_column="uid").ids == ("7", "8")
    with pytest.raises(InputError, match=r"--prompt. Found: uid, q"):
        read_prompts(path)
    with pytest.raises(InputError, match="there is no such column"):
        read_prompts(path, column="q", id_column="id")
    with pytest.raises(InputError, match="there is no such column"):
        read_prompts(path, column="prompt")


def test_a_prompt_that_comes_again_is_one(tmp_path):
    rows = [{"prompt": "ab=", "n": 0}, {"prompt": "cd=", "n": 1}, {"prompt": "ab=", "n": 2}]
    found = read_prompts(jsonl(tmp_path / "p.jsonl", rows))
    assert found.texts == ("ab=", "cd=")
    assert found.columns["n"].to_list() == [0, 1]


def test_two_prompts_of_one_id_are_an_error(tmp_path):
    rows = [{"id": "x", "prompt": "ab="}, {"id": "x", "prompt": "cd="}]
    with pytest.raises(InputError, match="two prompts have the id 'x'"):
        read_prompts(jsonl(tmp_path / "p.jsonl", rows))


def test_chats_go_through_the_models_own_template(tmp_path):
    lm = llama()
    found = read_prompts(jsonl(tmp_path / "p.jsonl", [{"messages": CHAT}]))
    assert "a" in found.texts[0]
    with pytest.raises(InputError, match="no chat template"):
        encode(lm, found)
    lm.tokenizer.chat_template = TEMPLATE
    said = lm.tokenizer.decode(encode(lm, found)[0])
    assert said.replace("<unk>", "").endswith("b=")
    wrapped = lm.tokenizer.decode(encode(lm, prompts_of(["c"]).as_chats())[0]).replace("<unk>", "")
    assert wrapped.endswith("c=")


def test_texts_are_not_ended():
    lm = llama()
    ids = encode(lm, prompts_of(["ab="]))[0]
    assert ids[0] == lm.tokenizer.bos_token_id
    assert lm.tokenizer.eos_token_id not in ids


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no prompts in it|file is empty|no rows"),
        ([{"prompt": ""}], "its prompt is ''"),
        ([{"prompt": 3}], "its prompt is 3"),
        ([{"prompt": None, "n": 1}], "its prompt is None"),
        ([{"messages": [{"role": "user"}]}], "A prompt is a text, or a list of messages"),
    ],
)
def test_what_is_no_prompt(tmp_path, rows, words):
    with pytest.raises(InputError, match=words):
        read_prompts(jsonl(tmp_path / "p.jsonl", rows))


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_prompts(tmp_path / "p.jsonl")
