"""Scorers and policies opened by workers: the same scores and the same rollouts as in this process."""

import os

import numpy as np
import polars as pl
import pytest
from tests.cli import case
from tests.lm.classifiers import classifier, tokenizer
from tests.lm.models import llama
from tests.lm.scored import Lengths, record

from culpa.engines import Local, Ray
from culpa.errors import InputError
from culpa.lm.collect import Plan, sample
from culpa.lm.generate import Sampling
from culpa.lm.model import context_of, load, save
from culpa.lm.open import Spec, Way, opened
from culpa.lm.parts import Keep, finished
from culpa.lm.pool import Home, _settled, policy, scorers, with_devices
from culpa.lm.prompts import prompts_of
from culpa.lm.score import Pool, score
from culpa.rollouts import read, write

ALONE, TWO = Local(), Local(2)
ASKED = prompts_of(["abc=", "a=", "defgh=", "b=", "cc="], pl.DataFrame({"answer": list("12345")}))
PLAN = Plan(samples=3, sampling=Sampling(max_tokens=8))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    classifier().float().save_pretrained(folder / "rm")
    tokenizer().save_pretrained(folder / "rm")
    save(llama(context=64), folder / "lm")
    case.frame(20, 4).write_parquet(folder / "rollouts.parquet")
    (folder / "rewards.py").write_text("def length(response):\n    return float(len(response))\n")
    return folder


@pytest.fixture
def inside(models, monkeypatch):
    """Relative paths are those of the folder of models."""
    monkeypatch.chdir(models)


@pytest.mark.slow
@pytest.mark.usefixtures("inside")
def test_a_reward_model_in_two_processes_gives_the_bytes_of_one(tmp_path):
    spec, rollouts = Spec("rm", "model", "rm"), read("rollouts.parquet")
    with opened(spec) as scorer:
        plainly = score(rollouts, scorer, "rm", block=8)
    keep = Keep(tmp_path / "o.parts", {"run": 1})
    found = [
        score(rollouts, scorers(spec, Way(), ALONE), "rm", block=8),
        score(rollouts, scorers(spec, Way(), TWO), "rm", block=8, keep=keep),
    ]
    paths = [write(one, tmp_path / f"{place}.parquet") for place, one in enumerate([plainly, *found])]
    assert len({path.read_bytes() for path in paths}) == 1
    assert np.isfinite(plainly.proxies["rm"]).all()
    assert finished(keep.folder) == set(range(10))


@pytest.mark.slow
@pytest.mark.usefixtures("inside")
def test_a_llama_in_two_processes_gives_the_rollouts_of_one(monkeypatch, tmp_path):
    monkeypatch.setattr("culpa.lm.collect.BLOCK", 6)
    found = [sample(load("lm"), ASKED, PLAN), *(sample(policy("lm", where), ASKED, PLAN) for where in (ALONE, TWO))]
    paths = [write(one, tmp_path / f"{place}.parquet") for place, one in enumerate(found)]
    assert len({path.read_bytes() for path in paths}) == 1


@pytest.mark.usefixtures("inside")
def test_a_stopped_run_goes_on_with_any_number_of_processes(tmp_path):
    spec, rollouts = Spec("n", "function", "rewards.py:length"), read("rollouts.parquet")
    keep = Keep(tmp_path / "o.parts", {"run": 1})

    def stop(seen):
        if seen.outputs >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(rollouts, scorers(spec, Way(), ALONE), "n", block=8, keep=keep, tell=stop)
    assert finished(keep.folder) == set(range(5))
    told = []
    found = score(rollouts, scorers(spec, Way(), TWO), "n", block=8, keep=keep, tell=told.append)
    assert told[-1].fresh == 40
    assert found.proxies["n"].tolist() == score(rollouts, scorers(spec, Way(), ALONE), "n").proxies["n"].tolist()


@pytest.mark.usefixtures("inside")
def test_what_cannot_be_opened_is_said_and_leaves_no_parts(tmp_path):
    keep = Keep(tmp_path / "o.parts", {"run": 1})
    nothing = scorers(Spec("n", "function", "rewards.py:nothing"), Way(), TWO)
    with pytest.raises(InputError, match="the reward cannot be loaded: AttributeError"):
        score(read("rollouts.parquet"), nothing, "n", block=8, keep=keep)
    assert not keep.folder.exists()


def test_nothing_is_opened_where_all_is_there(tmp_path):
    keep = Keep(tmp_path / "o.parts", {"run": 1})
    score(record(), Lengths(), "n", keep=keep)

    def never():
        raise AssertionError

    assert score(record(), Pool(never), "n", keep=keep).proxies["n"][0].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.usefixtures("inside")
def test_a_policy_knows_tokenizer_and_context_without_its_weights():
    lm = load("lm")
    known = policy("lm", TWO)
    assert known.context == lm.context == context_of(lm.model.config) == 64
    assert known.tokenizer("abc=")["input_ids"] == lm.tokenizer("abc=")["input_ids"]
    assert known.engine == TWO
    with pytest.raises(InputError, match="there is no such folder"):
        policy("./nowhere", TWO)


def test_on_ray_a_model_on_cuda_takes_a_gpu():
    assert with_devices(Ray(2, "h:1"), "cuda") == Ray(2, "h:1", gpus=1)
    assert with_devices(Ray(2), "auto") == with_devices(Ray(2), "cpu") == Ray(2)
    assert with_devices(TWO, "cuda") == TWO
    assert scorers(Spec("rm", "model", "rm"), Way(device="cuda"), Ray(2)).engine == Ray(2, gpus=1)
    assert scorers(Spec("n", "function", "m:f"), Way(device="cuda"), Ray(2)).engine == Ray(2)


def test_a_worker_takes_folder_and_threads_over(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    try:
        assert _settled(Home("/", before + 1), "cpu") == "cpu"
        assert os.getcwd() == "/"
        assert torch.get_num_threads() == before + 1
        assert _settled(Home(str(tmp_path / "elsewhere"), None), "auto") == "auto"
        assert os.getcwd() == "/"
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
