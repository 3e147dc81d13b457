import sys
from types import SimpleNamespace

import pytest
from tests.rollouts.readers.case import Case, write_jsonl

from culpa.errors import InputError
from culpa.rollouts.dump import Options
from culpa.rollouts.files import peek
from culpa.rollouts.readers import open_instruct

META = {"run_name": "run", "git_commit": "abc1", "model_name": "some/model", "timestamp": "2026-01-01T00:00:00"}


def trace(prompt, response, reward, step=1, **fields):
    return {
        "step": step,
        "sample_idx": 0,
        "prompt_idx": prompt,
        "prompt_tokens": [1, 2, prompt],
        "response_tokens": response,
        "reward": reward,
        "advantage": 0.5,
        "finish_reason": "stop",
        "dataset": "gsm8k",
        "ground_truth": "007",
        "request_info": {"num_calls": 0, "timeouts": 0, "tool_errors": ""},
        "logprobs": [-0.5] * len(response),
    } | fields


RECORDS = (trace(0, [5, 6], 10.0), trace(0, [7], None), trace(1, [8, 9, 9], 0.0), trace(1, [], float("nan"), step=2))


def write(folder, records):
    write_jsonl(folder / "run_metadata.jsonl", [META])
    for shard, part in enumerate((records[:2], records[2:])):
        write_jsonl(folder / f"run_rollouts_{shard:06d}.jsonl", part)
    return (folder,)


def write_first(folder, records):
    """All traces in one shard, so that the damaged file is the one with the first record."""
    write_jsonl(folder / "run_metadata.jsonl", [META])
    write_jsonl(folder / "run_rollouts_000000.jsonl", records)
    return (folder,)


CASE = Case(
    reader="open_instruct",
    records=RECORDS,
    write=write_first,
    rows=4,
    proxies={"reward": [10.0, None, 0.0, None]},
    number=("reward",),
    column="reward",
    needed=("prompt_idx",),
    target="*_rollouts_*.jsonl",
)


def read(folder, records, **options):
    dump = open_instruct.read(write(folder, records), Options(**options))
    return dump.whole(), dump.notes


def test_a_group_is_a_prompt_of_a_step(tmp_path):
    frame, notes = read(tmp_path, RECORDS)
    assert frame["prompt_id"].to_list() == ["1/0", "1/0", "1/1", "2/1"]
    assert frame["length"].to_list() == [2.0, 1.0, 3.0, 0.0]
    assert frame["logprob"].to_list() == [-1.0, -0.5, -1.5, 0.0]
    assert frame["advantage"].to_list() == [0.5] * 4
    assert frame["ground_truth"].to_list() == ["007"] * 4
    assert not {"prompt", "response", "prompt_tokens", "request_info"} & set(frame.columns)
    assert notes == [
        "a group is one prompt_idx of one step; each step is a policy of its own",
        "one reward in the dump; its parts are lost",
        "model some/model, commit abc1",
        "token ids only: no text without a tokenizer (--tokenizer)",
    ]


def test_shards_metadata_and_folder_are_known(tmp_path):
    (folder,) = write(tmp_path, RECORDS)
    for path in (folder, *folder.iterdir()):
        assert open_instruct.sniff(peek(path)), path
    shards = tuple(sorted(folder.glob("*_rollouts_*")))
    whole = open_instruct.read((folder,), Options()).whole()
    assert open_instruct.read(shards, Options()).whole().equals(whole)


def test_a_folder_without_shards_is_refused(tmp_path):
    write_jsonl(tmp_path / "run_metadata.jsonl", [META])
    with pytest.raises(InputError) as caught:
        open_instruct.read((tmp_path,), Options()).whole()
    assert str(caught.value) == (
        f"{tmp_path}: there are no shards of rollouts. Looked for *_rollouts_000000.jsonl and so on."
    )


@pytest.mark.parametrize(("logprobs", "total"), [([-1, None], None), (None, None), ([-1, -0.25], -1.25), ([], 0.0)])
def test_a_log_probability_with_a_gap_is_unknown(logprobs, total, tmp_path):
    frame, _ = read(tmp_path, [trace(0, [5, 6], 1.0), trace(0, [5, 6], 1.0), trace(0, [5, 6], 1.0, logprobs=logprobs)])
    assert frame["logprob"].to_list() == [-1.0, -1.0, total]


def test_logprobs_may_be_missing(tmp_path):
    frame, _ = read(tmp_path, [{k: v for k, v in record.items() if k != "logprobs"} for record in RECORDS])
    assert "logprob" not in frame.columns


def test_tokens_are_decoded_where_a_tokenizer_is_named(tmp_path, monkeypatch):
    class Words:
        @staticmethod
        def from_pretrained(name, **_):
            assert name == "folder"
            return Words()

        @staticmethod
        def batch_decode(sequences, *, skip_special_tokens):
            assert skip_special_tokens
            return [" ".join(map(str, ids)) for ids in sequences]

    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=Words))
    frame, notes = read(tmp_path, RECORDS, tokenizer="folder")
    assert frame["prompt"].to_list() == ["1 2 0", "1 2 0", "1 2 1", "1 2 1"]
    assert frame["response"].to_list() == ["5 6", "7", "8 9 9", ""]
    assert not any("token ids only" in note for note in notes)


def test_without_transformers_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError) as caught:
        read(tmp_path, RECORDS, tokenizer="folder")
    assert str(caught.value) == (
        'decoding tokens needs transformers. Install it with: pip install "culpa[hf]", or leave --tokenizer out.'
    )


def test_a_tokenizer_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    def fail(name, **_):
        raise OSError(f"no such {name}")

    fake = SimpleNamespace(AutoTokenizer=SimpleNamespace(from_pretrained=fail))
    monkeypatch.setitem(sys.modules, "transformers", fake)
    with pytest.raises(InputError) as caught:
        read(tmp_path, RECORDS, tokenizer="folder")
    assert str(caught.value) == (
        "the tokenizer 'folder' cannot be loaded (no such folder). "
        "Give the folder of the model that wrote the rollouts."
    )


def test_tokens_that_are_no_list_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"column 'response_tokens': expected lists of token ids, got String\."):
        read(tmp_path, [trace(0, [5], 1.0) | {"response_tokens": "5 6"}] * 3)


def test_a_trace_without_prompt_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"row 2, column 'prompt_idx': there is no value\. Every row needs one here\."):
        read(tmp_path, [trace(0, [5], 1.0), trace(None, [5], 1.0) | {"prompt_tokens": [1]}])
