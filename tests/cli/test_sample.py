"""`culpa sample`: from a model's folder and a file of prompts to rollouts."""

import numpy as np
import polars as pl
import pytest
from tests.cli import stage

import culpa as library

SHORT = ("--max-tokens", 6, "--samples", 3)


@pytest.fixture
def ready(culpa, tmp_path):
    stage.model(tmp_path / "my-model")
    stage.prompts(tmp_path / "prompts.jsonl")
    stage.rewards(tmp_path / "rewards.py")
    return culpa


def test_rollouts_with_all_that_is_known_of_them(ready):
    ran = ready("sample", "my-model", "prompts.jsonl", "--output", "r.parquet", *SHORT)
    assert ran.code == 0, ran.err
    assert "8 prompts, 24 outputs" in ran.out
    assert "drawn: 24 outputs in" in ran.err
    assert "tokens/s" in ran.err
    frame = pl.read_parquet("r.parquet")
    assert frame.columns[:3] == ["prompt_id", "prompt", "response"]
    assert {"logprob", "length", "features", "answer", "ended", "weight"} <= set(frame.columns)
    assert frame["features"].dtype == pl.Array(pl.Float32, 16 + 256)


def test_the_same_seed_gives_the_same_bytes(ready, tmp_path):
    for name in ("a", "b"):
        assert ready("sample", "my-model", "prompts.jsonl", "--output", f"{name}.parquet", *SHORT).code == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    ready("sample", "my-model", "prompts.jsonl", "--output", "c.parquet", "--seed", 1, *SHORT)
    assert (tmp_path / "a.parquet").read_bytes() != (tmp_path / "c.parquet").read_bytes()


def test_the_number_of_processes_and_the_place_change_no_part(ready):
    import culpa.cli.sample as verb

    def stop(*_given, **_more):
        raise KeyboardInterrupt

    asked = ("sample", "my-model", "prompts.jsonl", "--output", "r.parquet", *SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "write", stop)
        assert ready(*asked).code == 130
    ran = ready(*asked, "--processes", 2, "--engine", "local")
    assert ran.code == 0, ran.err
    assert "drawn: 0 outputs in" in ran.err
    assert "; 24 from an earlier run" in ran.err


def test_then_scored_then_audited(ready):
    ready("sample", "my-model", "prompts.jsonl", "--output", "r.parquet", *SHORT)
    functions = ("--with", "truth=rewards.py:score", "--with", "short=rewards.py:short", "--answer", "answer")
    assert ready("score", "r.parquet", *functions, "--output", "s.parquet").code == 0
    ran = ready("audit", "s.parquet", "--truth", "truth", "--format", "json")
    assert ran.code == 0, ran.err
    rollouts = library.read("s.parquet", truth="truth")
    assert np.isfinite(rollouts.truth).all()


def test_parts_of_other_settings_are_not_taken_up(ready):
    import culpa.cli.sample as verb

    def stop(*_given, **_more):
        raise KeyboardInterrupt

    asked = ("sample", "my-model", "prompts.jsonl", "--output", "r.parquet", *SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "write", stop)
        assert ready(*asked).code == 130
    ran = ready(*asked, "--seed", 3)
    assert ran.code == 2
    assert "--restart" in ran.err
    assert ready(*asked, "--seed", 3, "--restart").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere/model", "prompts.jsonl"), "no model can be loaded from nowhere/model"),
        (("./nowhere", "prompts.jsonl"), "there is no such folder"),
        (("my-model", "none.jsonl"), "there is no such file"),
        (("my-model", "prompts.jsonl", "--temperature", 0), "temperature must be positive"),
        (("my-model", "prompts.jsonl", "--device", "abacus"), "the device 'abacus' cannot be used"),
        (("my-model", "prompts.jsonl", "--dtype", "int8"), "no number format is called 'int8'"),
        (("my-model", "prompts.jsonl", "--max-tokens", 99), "exceeds the model's 64"),
        (("my-model", "prompts.jsonl", "--prompt", "question"), "there is no such column"),
        (("my-model", "prompts.jsonl", "--chat"), "no chat template"),
    ],
)
def test_one_clear_error_and_no_output(ready, tmp_path, arguments, words):
    usual = () if "--max-tokens" in arguments else SHORT
    ran = ready("sample", *arguments, "--output", "r.parquet", *usual)
    assert ran.code == 2
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    assert not (tmp_path / "r.parquet").exists()


def test_csv_cannot_hold_features(ready):
    ran = ready("sample", "my-model", "prompts.jsonl", "--output", "r.csv")
    assert ran.code == 2
    assert "Use .parquet or .jsonl" in ran.err
