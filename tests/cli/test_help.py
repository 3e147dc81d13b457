"""Each verb's help ends with an example, and the example runs."""

import shlex
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest
from tests.cli import case, stage

from culpa.cli.app import app

SHORTER = {"sample": ("--max-tokens", 4), "train": ("--max-tokens", 4, "--steps", 2, "--step-prompts", 2)}
VERBS = [command.name for command in app.registered_commands]


def test_the_verbs():
    assert VERBS == [
        "demo", "audit", "rehearse", "advise", "check", "sample", "score", "train", "watch", "convert",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_the_example_and_every_flag_with_words(culpa, verb, flag):
    ran = culpa(verb, flag)
    assert (ran.code, ran.err) == (0, "")
    words = " ".join(ran.out.split())
    assert import_module(f"culpa.cli.{verb}").EXAMPLE in words
    described = [line for line in ran.out.splitlines() if line.startswith("  --")]
    assert described or verb == "demo"
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.usefixtures("audited_demo")
@pytest.mark.parametrize("verb", VERBS)
def test_the_example_runs(culpa, verb):
    stage.model(Path("my-model"))
    stage.prompts(Path("prompts.jsonl"))
    stage.rewards(Path("rewards.py"))
    Path("runs/completions").mkdir(parents=True)
    Path("outputs/completions").mkdir(parents=True)
    table = case.frame()
    table.drop("rm_bad").write_parquet("rollouts.parquet")
    if verb == "advise":
        bits = [(pl.int_range(pl.len()) % every == 0).cast(pl.Float64).alias(f"check_{every}") for every in (2, 3)]
        table.select("prompt_id", "prompt", "response", *bits).write_parquet("rollouts.parquet")
    dump = table.select(pl.lit(1).alias("step"), "prompt", pl.col("response").alias("completion"), "rm_good")
    dump.with_columns(advantage=0.0).write_parquet("runs/completions/completions_00001.parquet")
    watched = dump.with_columns(advantage=0.0, oracle=pl.col("rm_good"))
    watched.write_parquet("outputs/completions/completions_00001.parquet")
    example = import_module(f"culpa.cli.{verb}").EXAMPLE
    assert example.startswith("Example: culpa ")
    ran = culpa(*shlex.split(example)[2:], *SHORTER.get(verb, ()))
    assert ran.code == 0, ran.err
    assert ran.out


def test_without_a_verb_the_list_of_verbs(culpa):
    ran = culpa()
    for verb in VERBS:
        assert f"\n  {verb} " in ran.out + ran.err
    assert ran.code == 2


def test_version(culpa):
    assert culpa("--version").out == "culpa 0.1.0\n"
