"""`culpa advise`: the numbers of the advice, its forms, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import culpa
from culpa.advice import advise
from culpa.dynamics import Horizon, reinforce

RUN = ["advise", "rollouts.parquet", "--check", "check_*", "--learner", "reinforce", "--horizon", "steps=200"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """One easy check and a hard one, one of them boolean, beside a score that is none."""
    rng = np.random.default_rng(0)
    rows = [
        {"prompt_id": f"q{prompt}", "check_easy": int(rng.random() < 0.9), "check_hard": bool(rng.random() < 0.1)}
        for prompt in range(30)
        for _ in range(8)
    ]
    frame = pl.DataFrame(rows).with_columns(
        score=pl.lit(0.5), seen=pl.col("check_easy"), id=pl.int_range(pl.len()).cast(pl.String)
    )
    frame.write_parquet(tmp_path / "rollouts.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(culpa_run, *more):
    ran = culpa_run(*RUN, *more)
    assert ran.code == 0, ran.err
    return ran.out


def test_json_has_the_numbers_of_the_advice(culpa):
    document = json.loads(printed(culpa, "--format", "json"))
    rollouts = read()
    found = advise(rollouts, learner=reinforce(), horizon=Horizon(kl=None, steps=200))
    assert document["decision"]["kind"] == found.decision.kind
    assert [row["success"] for row in document["outcomes"]] == pytest.approx(found.outcomes["success"].to_list())
    assert document["facts"]["checks"] == ["check_easy", "check_hard"]
    assert document["args"]["check"] == ["check_*"]
    assert document["schema"] == "culpa.advice/1"


def read(**more):
    return culpa.read("rollouts.parquet", proxies=["check_*"], **more)


def test_the_table_recommends(culpa):
    text = printed(culpa)
    assert text.splitlines()[0].startswith("30 prompts, 240 outputs, 2 checks; reinforce, steps=200, eta 0.1.")
    for title in ("Forecast", "Rates under the policy, means over prompts", "Where the policy stands"):
        assert f"\n{title}\n" in text


def test_same_input_same_bytes_and_the_seed_counts(culpa):
    one, two = (printed(culpa, "--format", "json") for _ in range(2))
    assert one == two
    other = json.loads(printed(culpa, "--format", "json", "--seed", "5"))
    assert other["outcomes"] != json.loads(one)["outcomes"]


def test_markdown_and_a_file_with_its_settings(culpa, folder):
    assert printed(culpa, "--format", "md").startswith("# culpa advise")
    printed(culpa, "--output", "out.json", "--format", "json")
    again = culpa("advise", "--config", "out.config.yaml", "--output", "again.json")
    assert again.code == 0, again.err
    assert (
        json.loads((folder / "again.json").read_text())["outcomes"]
        == json.loads((folder / "out.json").read_text())["outcomes"]
    )
    printed(culpa, "--output", "out.txt")
    assert "\nForecast\n" in (folder / "out.txt").read_text()


def test_the_curves_are_drawn(culpa, folder):
    ran = culpa(*RUN, "--plot", "curves.svg")
    assert (ran.code, ran.err) == (0, "culpa: drawn: curves.svg\n")
    assert (folder / "curves.svg").read_bytes().startswith(b"<svg")


def test_what_is_asked_reaches_the_advice(culpa):
    asked = json.loads(printed(culpa, "--horizon", "kl=0.1", "--eta", "0.5", "--kl", "0.01", "--format", "json"))
    assert asked["facts"]["horizon"] == {"kl": 0.1, "steps": 10_000}
    assert asked["facts"]["eta"] == 0.5
    free = json.loads(printed(culpa, "--horizon", "kl=0.1", "--eta", "0.5", "--format", "json"))
    assert asked["outcomes"] != free["outcomes"]
    short = json.loads(printed(culpa, "--horizon", "kl=9", "--max-steps", "5", "--format", "json"))
    assert {row["step"] for row in short["outcomes"]} == {5}


def test_a_truth_is_what_counts(culpa):
    document = json.loads(printed(culpa, "--truth", "seen", "--format", "json"))
    assert document["facts"]["truth"]
    assert document["facts"]["success_before"] == pytest.approx(read(truth="seen").truth.mean())
    assert "success is the truth" in document["notes"][-1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--check", "check_easy"], "there is one check only, 'check_easy'. Partial credit needs two or more"),
        (["--check", "score", "--check", "check_easy"], "the check 'score' is not 0 or 1: 0.5 for prompt 'q0'."),
        (["--check", "nothing*"], "no score is called 'nothing*'."),
        (["--check", "check_*", "--learner", "ppo:4"], "ppo:4 is no learner for advice. Use reinforce, rloo:K or"),
        (["--check", "check_*", "--horizon", "gain=1"], "a gain is counted on the credit's own scale"),
        (["--check", "check_*", "--horizon", "soon"], "the horizon is 'soon'."),
        (["--check", "check_*", "--eta", "-1"], "the step size must be positive, got -1.0."),
        (["--check", "check_*", "--plot", "x.pdf"], "x.pdf: cannot draw into this kind of file."),
        (["--check", "check_*", "--output", "no/where.txt"], "no: the folder does not exist."),
    ],
)
def test_what_is_refused_is_one_line(culpa, more, message):
    ran = culpa("advise", "rollouts.parquet", *more)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_nothing_is_written_where_nothing_was_found(culpa):
    assert culpa("advise", "rollouts.parquet", "--check", "score", "--output", "out.txt").code == 2
    assert not Path("out.txt").exists()
