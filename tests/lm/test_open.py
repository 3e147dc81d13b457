"""From NAME=SPEC to a scorer, and what tells one run from another."""

import dataclasses
import sys

import numpy as np
import polars as pl
import pytest
from tests.lm.classifiers import classifier, reward_model, tokenizer
from tests.lm.models import llama
from tests.lm.server import ok, serving

from culpa.errors import InputError
from culpa.lm.endpoints import TEMPLATE, Judge, RewardServer
from culpa.lm.functions import FunctionScorer
from culpa.lm.model import save
from culpa.lm.open import (
    Judging,
    Spec,
    Way,
    check_spec,
    folder_of,
    identity,
    opened,
    parse_spec,
    template_of,
)
from culpa.lm.reward_model import reward_scores

COLUMNS = pl.DataFrame({"prompt_id": ["0", "1"]})


@pytest.mark.parametrize(
    ("text", "kind", "source"),
    [
        ("rm=org/model", "model", "org/model"),
        (" rm = org/model ", "model", "org/model"),
        ("rm=rewards.py:score", "function", "rewards.py:score"),
        ("rm=my.module:Class.method", "function", "my.module:Class.method"),
        ("rm=http://host:8/get?a=b", "server", "http://host:8/get?a=b"),
        ("rm=https://host", "server", "https://host"),
        ("rm=judge:http://h#org/m", "judge", "judge:http://h#org/m"),
    ],
)
def test_specs(text, kind, source):
    assert parse_spec(text) == Spec("rm", kind, source)


def test_a_folder_is_a_model_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    assert parse_spec("rm=a:b").kind == "model"


@pytest.mark.parametrize("text", ["org/model", "=org/model", "rm=", " = ", ""])
def test_specs_without_a_name_or_a_source(text):
    with pytest.raises(InputError, match=r"does not say what the score is called .* Write NAME=MODEL, NAME=file\.py"):
        parse_spec(text)


@pytest.mark.parametrize(
    ("spec", "way", "said"),
    [
        ("a=nothing.py:score", {}, "nothing.py: there is no such file."),
        ("a=rewards.py", {}, "the reward is 'rewards.py'."),
        ("a=http://", {}, "'http://' is no address of a server."),
        ("a=judge:http://h", {}, "the judge 'http://h' names no model."),
        ("a=judge:h#m", {}, "'h/v1/chat/completions' is no address of a server."),
        ("a=http://h", {"key_env": "CULPA_NO_KEY"}, "the environment variable 'CULPA_NO_KEY' is not set."),
    ],
)
def test_what_could_not_be_asked_is_refused_at_once(spec, way, said):
    with pytest.raises(InputError) as error:
        check_spec(parse_spec(spec), Way(**way))
    assert str(error.value).startswith(said)


def test_every_kind_opens(tmp_path, monkeypatch):
    monkeypatch.setenv("CULPA_KEY", "sk-1")
    (tmp_path / "f.py").write_text("def score(response): return float(len(response))\n")
    with opened(parse_spec(f"f={tmp_path}/f.py:score")) as scorer:
        assert isinstance(scorer, FunctionScorer)
        assert scorer(["a", "b"], ["c", "dd"], COLUMNS).values.tolist() == [1.0, 2.0]
    with serving(lambda *_: ok({"rewards": [1.0, 2.0]})) as (url, seen):
        with opened(parse_spec(f"f={url}"), Way(key_env="CULPA_KEY", seconds=2.0)) as scorer:
            assert isinstance(scorer, RewardServer)
            assert scorer.line.timeout == 2.0
            assert scorer(["a", "b"], ["c", "dd"], COLUMNS).values.tolist() == [1.0, 2.0]
        assert seen.headers[0]["Authorization"] == "Bearer sk-1"
    with opened(parse_spec("f=judge:http://h#m"), Way(judging=Judging("{response}", "json:s", 7))) as scorer:
        assert isinstance(scorer, Judge)
        assert (scorer.model, scorer.template, scorer.pattern, scorer.max_tokens) == ("m", "{response}", "json:s", 7)


def test_models_open(tmp_path):
    model = classifier().float()
    model.save_pretrained(tmp_path / "rm")
    tokenizer(chat=True).save_pretrained(tmp_path / "rm")
    for chat in (None, True, False):
        with opened(parse_spec(f"rm={tmp_path / 'rm'}"), Way(device="cpu", chat=chat)) as scorer:
            found = scorer(["ab", "ab"], ["c", "dd"], COLUMNS).values
        truth = reward_scores(reward_model(chat=True), ["ab", "ab"], ["c", "dd"], chat=chat is not False).values
        np.testing.assert_allclose(found, truth, atol=1e-4)


def test_log_probabilities_ask_whether_the_template_was_used(tmp_path):
    lm = llama()
    spec = Spec("logprob", "logprob", str(save(lm, tmp_path / "plain")))
    with opened(spec, Way(device="cpu")) as scorer:
        plain = scorer(["a", "a"], ["b", "cd"], COLUMNS).values
    lm.tokenizer.chat_template = "{{ messages[0]['content'] }}="
    spec = Spec("logprob", "logprob", str(save(lm, tmp_path / "chat")))
    with pytest.raises(InputError, match=r"has a chat template, and the rollouts do not say .* Say --chat if"):
        opened(spec, Way(device="cpu")).__enter__()
    with opened(spec, Way(device="cpu", chat=False)) as scorer:
        np.testing.assert_array_equal(scorer(["a", "a"], ["b", "cd"], COLUMNS).values, plain)
    with opened(spec, Way(device="cpu", chat=True)) as scorer:
        assert np.abs(scorer(["a", "a"], ["b", "cd"], COLUMNS).values - plain).min() > 1e-3


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"rm: language models need torch .* pip install 'culpa\[hf\]'"):
        opened(parse_spec("rm=org/model")).__enter__()


def test_what_decides_a_score_is_in_its_identity(tmp_path):
    (tmp_path / "f.py").write_text("def f(response): return 1.0\n")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    function, model = parse_spec(f"a={tmp_path}/f.py:f"), parse_spec(f"a={tmp_path / 'm'}")
    server, judge = parse_spec("a=http://h"), parse_spec("a=judge:http://h#m")
    way = Way()
    changes = {
        function: [{"style": "plain"}, {"answer": "gold"}, {"seconds": 3.0}, {"memory": 512}],
        model: [{"dtype": "bfloat16"}, {"chat": False}],
        server: [{"answer": "gold"}],
        judge: [{"judging": Judging(template="{response}")}, {"judging": Judging(pattern="x")}],
    }
    for spec, ones in changes.items():
        assert identity(spec, way) == identity(spec, dataclasses.replace(way, threads=2, tries=9, device="cuda"))
        for one in ones:
            assert identity(spec, dataclasses.replace(way, **one)) != identity(spec, way)
    before = [identity(spec, way) for spec in (function, model)]
    (tmp_path / "f.py").write_text("def f(response): return 2.0\n")
    (tmp_path / "m" / "config.json").write_text("{ }")
    after = [identity(spec, way) for spec in (function, model)]
    assert all(one != other for one, other in zip(after, before, strict=True))
    assert identity(parse_spec("a=http://h"), way) != identity(parse_spec("b=http://h"), way)


def test_no_key_is_in_the_identity(monkeypatch):
    monkeypatch.setenv("CULPA_KEY", "sk-secret")
    for text in ("a=http://h", "a=judge:http://h#m"):
        assert "sk-secret" not in str(identity(parse_spec(text), Way(key_env="CULPA_KEY")))


def test_names_become_folders_that_differ(tmp_path):
    names = ["a/b", "a_b", "a b", "é", "..", "x" * 300]
    folders = {folder_of(tmp_path, Spec(name, "model", "m")) for name in names}
    assert len(folders) == len(names)
    assert all(one.parent == tmp_path and len(one.name) < 60 for one in folders)


def test_the_template_of_a_file_or_the_plain_one(tmp_path):
    assert template_of(None) == TEMPLATE
    (tmp_path / "t.txt").write_text("{response}?")
    assert template_of(tmp_path / "t.txt") == "{response}?"


@pytest.mark.parametrize(("how", "said"), [({"pattern": "("}, "regular expression"), ({"max_tokens": 0}, "1024 is")])
def test_judging_that_cannot_be(how, said):
    with pytest.raises(InputError, match=said):
        Judging(**how)
