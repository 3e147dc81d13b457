"""`culpa score`: scores beside the outputs, a stop that costs nothing, and nothing half-written."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from tests.cli import case

REWARDS = """
import os, time
def length(response): return float(len(response))
def some(response):
    if "1" in response: raise ValueError("no")
    return None if "2" in response else 1.0
def slow(response):
    open("asked", "a").write(".")
    time.sleep(0.01)
    return float(len(response))
"""
LINE = re.compile(
    r"culpa: (\w+): (\d+) outputs in [\d.]+ s, [\d,]+ outputs/s(, [\d,]+ tokens/s)?(; (\d+) from an earlier run)?"
)


@pytest.fixture
def rollouts(tmp_path):
    (tmp_path / "rewards.py").write_text(REWARDS)
    return case.saved(case.frame(), tmp_path / "rollouts.parquet")


def files():
    return {path.name for path in Path().iterdir()}


def test_scores_stand_beside_the_outputs(culpa, rollouts):
    ran = culpa(
        "score", rollouts, "--with", "n=rewards.py:length", "--with", "some=rewards.py:some", "--output", "o.parquet"
    )
    assert ran.code == 0, ran.err
    assert ran.out == "o.parquet: 40 prompts, 160 outputs; proxies: rm_good, rm_bad, rm_mid, n, some; truth: complete\n"
    before, found = case.frame(), pl.read_parquet("o.parquet")
    assert found["response"].to_list() == before["response"].to_list()
    assert found["proxy.n"].to_list() == [float(len(text)) for text in before["response"]]
    assert found["proxy.rm_good"].to_list() == before["rm_good"].to_list()
    for text, value, reason in found.select("response", "proxy.some", "proxy.some.reason").rows():
        kind = "raised" if "1" in text else "none" if "2" in text else None
        assert (value, reason and reason.split(":")[0]) == (None if kind else 1.0, kind)


def test_what_is_said_on_the_way(culpa, rollouts):
    err = culpa("score", rollouts, "--with", "some=rewards.py:some", "--output", "o.csv").err.splitlines()
    assert LINE.fullmatch(err[0]).groups() == ("some", "160", None, None, None)
    assert err[1] == (
        "culpa: some: 96 of 160 outputs have no score (raised 79, none 17); "
        "the first: raised: ValueError: no (rewards.py, line 5)"
    )
    assert err[2] == "culpa: written: o.csv, o.config.yaml"


def test_the_settings_beside_the_output_do_it_again(culpa, rollouts):
    culpa("score", rollouts, "--with", "n=rewards.py:length", "--output", "o.parquet", "--block", 7)
    first = Path("o.parquet").read_bytes()
    ran = culpa("score", "--config", "o.config.yaml", rollouts, "--output", "o.parquet")
    assert ran.code == 0, ran.err
    assert Path("o.parquet").read_bytes() == first


def test_scores_are_audited(culpa, rollouts):
    culpa("score", rollouts, "--with", "n=rewards.py:length", "--output", "o.parquet")
    ran = culpa("audit", "o.parquet", "--format", "json")
    assert ran.code == 0
    assert "n" in {row["proxy"] for row in json.loads(ran.out)["ranking"]}


def command(*arguments):
    return [sys.executable, *case.COMMAND, "score", *map(str, arguments)]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(culpa, rollouts):
    case.frame(10, 4).write_parquet(rollouts)
    culpa("score", rollouts, "--with", "s=rewards.py:slow", "--output", "whole.parquet", "--block", 1)
    Path("asked").unlink()
    asked = (rollouts, "--with", "s=rewards.py:slow", "--output", "o.parquet", "--block", 1)
    child = subprocess.Popen(command(*asked), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    place = Path("o.parquet.parts")
    deadline = time.monotonic() + 20
    while not len(list(place.glob("*/00000*.parquet"))) > 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not Path("o.parquet").exists()
    done = 4 * len(list(place.glob("*/*.parquet")))
    assert 0 < done < 40
    Path("asked").unlink()
    ran = culpa("score", *asked)
    assert ran.code == 0, ran.err
    assert LINE.fullmatch(ran.err.splitlines()[0]).groups() == (
        "s",
        str(40 - done),
        None,
        f"; {done} from an earlier run",
        str(done),
    )
    assert len(Path("asked").read_text()) == 40 - done
    assert Path("o.parquet").read_bytes() == Path("whole.parquet").read_bytes()
    assert not place.exists()


@pytest.fixture
def stopped(culpa, rollouts):
    """A run of which the second score could not be loaded, so that the first one's parts are there."""
    ran = culpa(
        "score", rollouts, "--with", "n=rewards.py:length", "--with", "b=rewards.py:nothing", "--output", "o.parquet"
    )
    assert ran.code == 2
    assert "culpa: the reward cannot be loaded: AttributeError" in ran.err
    assert not Path("o.parquet").exists()
    return rollouts


def test_what_is_finished_is_not_done_again(culpa, stopped):
    ran = culpa(
        "score", stopped, "--with", "n=rewards.py:length", "--with", "b=rewards.py:some", "--output", "o.parquet"
    )
    assert ran.code == 0
    assert [LINE.fullmatch(line).groups()[:2] for line in ran.err.splitlines()[:2]] == [("n", "0"), ("b", "160")]
    assert not Path("o.parquet.parts").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [(("--block", 9), "block, blocks"), (("--timeout", 7), "seconds"), (("--memory", 512), "memory")],
)
def test_other_settings_are_refused_until_told_to_begin_again(culpa, stopped, change, named):
    asked = ("score", stopped, "--with", "n=rewards.py:length", "--output", "o.parquet", *change)
    ran = culpa(*asked)
    assert ran.code == 2
    assert f": there are 1 parts of another run ({named}). Give the same settings" in ran.err
    assert culpa(*asked, "--restart").code == 0


def test_other_inputs_are_refused(culpa, stopped):
    case.frame().with_columns(response=pl.lit("x")).write_parquet(stopped)
    ran = culpa("score", stopped, "--with", "n=rewards.py:length", "--output", "o.parquet")
    assert ran.code == 2
    assert "parts of another run (inputs)" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is nothing to score with. Give --with NAME=SPEC, or --logprob MODEL."),
        (("--with", "rewards.py:length"), "'rewards.py:length' does not say what the score is called"),
        (("--with", "rm_good=rewards.py:length"), "the rollouts have a score called 'rm_good' already. Choose another"),
        (
            ("--with", "a=rewards.py:length", "--with", "a=org/m"),
            "two scores are called 'a'. Give each a name of its own.",
        ),
        (("--with", "a=nothing.py:f"), "nothing.py: there is no such file."),
        (("--with", "a=./nothing"), "./nothing: there is no such folder. Name the folder of a model."),
        (("--with", "a=http://h", "--key-env", "CULPA_NONE"), "the environment variable 'CULPA_NONE' is not set."),
        (("--with", "a=judge:http://h"), "the judge 'http://h' names no model."),
        (("--with", "a=rewards.py:length", "--answer", "x"), "column 'x': there is no such column of answers."),
        (("--with", "a=rewards.py:length", "--style", "x"), "no style is called 'x'."),
        (("--with", "a=rewards.py:length", "--timeout", "0"), "the time-out is 0.0 seconds."),
    ],
)
def test_what_cannot_be_done_is_said(culpa, rollouts, arguments, said):
    ran = culpa("score", rollouts, *arguments, "--output", "o.parquet")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"culpa: {said}"), ran.err
    assert "o.parquet" not in files()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("o.txt", "o.txt: cannot write this kind of file. Use .parquet, .jsonl, .csv."),
        ("nowhere/o.csv", "nowhere: the folder does not exist. Make it, or choose another."),
    ],
)
def test_targets_that_cannot_be_are_refused_before_the_work(culpa, rollouts, out, said):
    ran = culpa("score", rollouts, "--with", "s=rewards.py:slow", "--output", out)
    assert (ran.code, ran.out, ran.err) == (2, "", f"culpa: {said}\n")
    assert "asked" not in files()


def test_the_key_is_written_nowhere(culpa, monkeypatch):
    from tests.lm.server import ok, serving

    monkeypatch.setenv("MY_KEY", "sk-secret-1")
    case.frame(4, 2).write_parquet("few.parquet")
    said = '{"error": {"message": "sk-secret-1 has no credit"}}'
    verdict = ok({"choices": [{"message": {"content": "Score: 4"}}]})
    with serving(lambda _, place: (400, said) if place else verdict) as (url, seen):
        ran = culpa("score", "few.parquet", "--with", f"j=judge:{url}#m", "--key-env", "MY_KEY", "--output", "o.jsonl")
    assert ran.code == 0, ran.err
    assert {head["Authorization"] for head in seen.headers} == {"Bearer sk-secret-1"}
    assert "7 of 8 outputs have no score (HTTP 400 7); the first: HTTP 400: *** has no credit" in ran.err
    written = "".join(path.read_text(errors="replace") for path in Path().rglob("*") if path.is_file())
    assert "sk-secret-1" not in ran.out + ran.err + written
    assert "key-env: MY_KEY" in Path("o.config.yaml").read_text()


def test_a_server_that_is_gone_keeps_what_is_finished(culpa, monkeypatch):
    from tests.lm.server import ok, serving

    from culpa.lm import line

    monkeypatch.setattr(line, "FIRST_WAIT", 0.0)
    case.frame(30, 1).write_parquet("few.parquet")
    asked = ("score", "few.parquet", "--block", 1, "--output", "o.parquet", "--tries", 1, "--with")

    def answer(body, place):
        return ok({"rewards": [1.0] * len(body["query"])}) if place < 3 else (503, "")

    with serving(answer) as (url, _):
        ran = culpa(*asked, f"r={url}")
    assert ran.code == 2
    assert f"culpa: {url} does not answer: 8 requests in a row failed (HTTP 503). See that it runs" in ran.err
    assert len(list(Path("o.parquet.parts").glob("*/*.parquet"))) == 10
    assert not Path("o.parquet").exists()


def test_two_processes_write_the_bytes_of_one(culpa, rollouts):
    for name, more in (("a", ()), ("b", ("--processes", 2))):
        ran = culpa("score", rollouts, "--with", "n=rewards.py:length", "--output", f"{name}.parquet", *more)
        assert ran.code == 0, ran.err
        culpa("score", rollouts, "--with", "n=rewards.py:length", "--block", 9, "--output", f"{name}2.parquet", *more)
    assert len({Path(f"{name}.parquet").read_bytes() for name in ("a", "b", "a2", "b2")}) == 1
    assert re.search(r"culpa: n: 160 outputs in [\d.]+ s with loading, ", ran.err)
    assert not Path("b.parquet.parts").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--address", "h:1"), "an address is for Ray. Say --engine ray, or leave the address out."),
        (("--processes", 0), "Invalid value for '--processes': "),
        (("--engine", "spark"), "'spark' is not one of 'local', 'ray'."),
    ],
)
def test_engines_that_cannot_be(culpa, rollouts, arguments, said):
    ran = culpa("score", rollouts, "--with", "n=rewards.py:length", "--output", "o.parquet", *arguments)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_a_judge_that_fails_half_of_the_time(culpa, monkeypatch):
    """Every other request gets 500, one output only garbage, one nothing: tried again, then NaN with a reason."""
    from tests.lm.server import ok, serving

    from culpa.lm import line

    monkeypatch.setattr(line, "FIRST_WAIT", 0.0)
    case.frame(12, 1).write_parquet("few.parquet")
    Path("judge.txt").write_text("{response}")
    seen_ = {}

    def answer(body, _):
        text = body["messages"][0]["content"]
        seen_[text] = seen_.get(text, 0) + 1
        if text.startswith("answer 3"):
            return 200, "<html>"
        if text.startswith("answer 5"):
            return None
        score_ = ok({"choices": [{"message": {"content": "Score: 7"}}]})
        return (500, "") if seen_[text] % 2 else score_

    asked = ("score", "few.parquet", "--judge-template", "judge.txt", "--tries", 3, "--threads", 1, "--output")
    with serving(answer) as (url, seen):
        ran = culpa(*asked, "o.parquet", "--with", f"j=judge:{url}#m")
    assert ran.code == 0, ran.err
    found = pl.read_parquet("o.parquet").select("response", "proxy.j", "proxy.j.reason")
    for text, value, reason in found.rows():
        wanted = {"answer 3": "reply: no JSON", "answer 5": "no connection"}.get(text[:8].strip())
        assert value == (None if wanted else 7.0)
        assert (reason is None) if wanted is None else reason.startswith(wanted)
    assert "2 of 12 outputs have no score (no connection 1, reply 1); the first: reply: no JSON" in ran.err
    assert len(seen.bodies) == 10 * 2 + 2 * 3


def test_models_score_and_measure(culpa, rollouts):
    classifiers = pytest.importorskip("tests.lm.classifiers")
    from tests.lm.models import llama

    from culpa.lm.model import save

    classifiers.classifier().float().save_pretrained("rm")
    classifiers.tokenizer().save_pretrained("rm")
    save(llama(context=128), Path("lm"))
    ran = culpa(
        "score",
        rollouts,
        "--with",
        "rm=rm",
        "--logprob",
        "lm",
        "--device",
        "cpu",
        "--output",
        "o.parquet",
        "--block",
        50,
    )
    assert ran.code == 0, ran.err
    found = pl.read_parquet("o.parquet")
    assert found["proxy.rm"].null_count() == found["logprob"].null_count() == 0
    assert found["proxy.rm"].n_unique() > 10
    assert (found["logprob"] < 0).all()
    assert len(re.findall(r"culpa: (?:rm|logprob): 160 outputs in .*tokens/s", ran.err)) == 2
    again = culpa("convert", "o.parquet", "again.parquet")
    assert "note: log-probabilities are those of the texts under lm" in again.err


def test_scoring_without_models_needs_no_torch(rollouts, monkeypatch):
    monkeypatch.chdir(rollouts.parent)
    code = "import sys; sys.modules['torch'] = None; from culpa.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "score", rollouts, "--with", "n=rewards.py:length", "--output", "o.parquet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
