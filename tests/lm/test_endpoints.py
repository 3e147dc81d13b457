"""Reward servers and judges: what they are sent, and what is made of what they say."""

import json
import math
import re

import numpy as np
import polars as pl
import pytest
from tests.lm.server import ok, serving

from culpa.errors import InputError
from culpa.lm.endpoints import (
    TEMPLATE,
    Judge,
    RewardServer,
    chat_url,
    checked_pattern,
    checked_template,
    filled,
    load_template,
    verdict,
)
from culpa.lm.line import Line

PROMPTS, RESPONSES = ["p1 ", "p1 ", "p2 "], ["a", "bb", "ccc"]
COLUMNS = pl.DataFrame({"answer": ["x", None, "z"], "prompt_id": ["1", "1", "2"], "level": [1, 2, 3]})


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def line(url, **how):
    return Line(url, **({"tries": 2, "timeout": 2.0, "wait": lambda _: None, "threads": 2} | how))


def rewarded(reply, columns=COLUMNS, **how):
    with serving(reply) as (url, seen):
        return RewardServer(line(url), **how)(PROMPTS, RESPONSES, columns), seen


def lengths(body, _):
    return ok({"rewards": [len(one) for one in body["query"]], "scores": [0.0], "extra_logs": {}})


# --- OpenRLHF's reward server -------------------------------------------------------------------------------------


def test_a_reward_server_is_sent_queries_prompts_and_labels():
    found, seen = rewarded(lengths)
    assert seen.bodies == [
        {"query": ["p1 a", "p1 bb", "p2 ccc"], "prompts": PROMPTS, "labels": ["x", None, "z"]},
    ]
    assert found.values.tolist() == [4.0, 5.0, 6.0]
    assert found.reasons == [None] * 3


def test_requests_hold_a_batch():
    found, seen = rewarded(lengths, batch=2)
    assert sorted(len(body["query"]) for body in seen.bodies) == [1, 2]
    assert found.values.tolist() == [4.0, 5.0, 6.0]


def test_labels_are_the_column_asked_for_or_null():
    assert rewarded(lengths, answer="level")[1].bodies[0]["labels"] == [1, 2, 3]
    assert rewarded(lengths, COLUMNS.drop("answer"))[1].bodies[0]["labels"] == [None] * 3
    odd = COLUMNS.with_columns(answer=pl.Series([math.nan, 1.0, None]))
    assert rewarded(lengths, odd)[1].bodies[0]["labels"] == [None, 1.0, None]
    with pytest.raises(InputError, match=r"column 'gold': there is no such column of answers\. Found: answer, "):
        rewarded(lengths, answer="gold")


@pytest.mark.parametrize(
    ("rewards", "reasons"),
    [
        ([[1.0], [2.0], [3.0]], [None] * 3),
        ([1.0, None, 2.0], [None, "none", None]),
        ([1.0, "high", math.nan], [None, "type: a text where a number is due", "nan"]),
        ([1.0, 2.0], ["length: 2 scores for 3 outputs"] * 3),
        (1.0, ["type: the number 1.0 where a list is due"] * 3),
    ],
)
def test_rewards_that_are_no_numbers(rewards, reasons):
    found, _ = rewarded(lambda *_: ok({"rewards": rewards}))
    assert found.reasons == reasons
    assert np.isnan(found.values).tolist() == [one is not None for one in reasons]


@pytest.mark.parametrize("bad", [(500, ""), (200, "garbage"), ok({"scores": [1, 2, 3]}), ok([1, 2, 3]), None])
def test_a_failed_request_costs_its_outputs_their_scores_and_no_others(bad):
    def answer(body, _):
        return bad if "p2 ccc" in body["query"] else lengths(body, 0)

    found, seen = rewarded(answer, batch=2)
    assert found.values[:2].tolist() == [4.0, 5.0]
    assert math.isnan(found.values[2])
    assert re.match(r"HTTP 500|reply: no JSON|reply: no rewards|no connection: ", found.reasons[2])
    assert len(seen.bodies) == 3


# --- judges ---------------------------------------------------------------------------------------------------


def said(text):
    return ok({"choices": [{"message": {"role": "assistant", "content": text}}]})


def judged(answer, responses=RESPONSES, **how):
    with serving(answer) as (url, seen):
        address, model = chat_url(f"{url}#m/1")
        found = Judge(line(address), model, **how)(PROMPTS, responses, COLUMNS)
        return found, seen


def test_a_judge_is_shown_the_template_at_temperature_0():
    found, seen = judged(lambda body, _: said(f"Score: {len(body['messages'][0]['content'])}"), template="{response}!")
    assert sorted(body["messages"][0]["content"] for body in seen.bodies) == ["a!", "bb!", "ccc!"]
    assert seen.paths[0] == "/v1/chat/completions"
    rest = {key: value for key, value in seen.bodies[0].items() if key != "messages"}
    assert rest == {"model": "m/1", "temperature": 0, "max_tokens": 1024}
    assert found.values.tolist() == [2.0, 3.0, 4.0]


def test_a_template_may_use_prompt_and_columns():
    _, seen = judged(lambda *_: said("Score: 1"), template="{prompt}{response}/{answer}/{level}/{x}")
    texts = sorted(body["messages"][0]["content"] for body in seen.bodies)
    assert texts == ["p1 a/x/1/{x}", "p1 bb/null/2/{x}", "p2 ccc/z/3/{x}"]


def test_equal_questions_are_asked_once():
    found, seen = judged(lambda *_: said("Score: 5"), ["same", "same", "same"], template="{prompt}{response}")
    assert len(seen.bodies) == 2
    assert found.values.tolist() == [5.0] * 3


def test_an_output_cannot_fill_in_the_template():
    assert filled("{response} {prompt}", {"response": "{prompt}", "prompt": "P"}) == "{prompt} P"


@pytest.mark.parametrize("content", ["I cannot say.", "", "Score: high", None, "Score: 1e999"])
def test_a_reply_without_a_number_is_no_verdict(content):
    pattern = r"Score: (\S+)"
    found, seen = judged(lambda *_: said(content), pattern=pattern)
    assert np.isnan(found.values).all()
    assert {one.split(":")[0] for one in found.reasons} == {"unparsed"}
    assert len(seen.bodies) == 3


def test_a_reply_that_was_cut_off_is_no_verdict():
    cut = {"choices": [{"message": {"content": "Score: 1"}, "finish_reason": "length"}]}
    found, _ = judged(lambda *_: ok(cut))
    assert found.reasons == ["cut: it had more to say (--judge-tokens)"] * 3
    assert np.isnan(found.values).all()


@pytest.mark.parametrize("bad", [(500, ""), (200, "garbage"), ok({"choices": []}), ok({"choices": ["x"]})])
def test_a_judge_that_fails_gives_no_verdict(bad):
    found, seen = judged(lambda body, _: bad if "bb" in body["messages"][0]["content"] else said("Score: 3"))
    assert np.isnan(found.values).tolist() == [False, True, False]
    assert found.reasons[1] in ("HTTP 500", "reply: no JSON", "reply: no choices[0].message.content")
    assert len(seen.bodies) == 4


@pytest.mark.parametrize(
    ("text", "pattern", "wanted"),
    [
        ("Score: 7", None, 7.0),
        ("**SCORE**: 7.5/10", None, 7.5),
        ("Score: 3, on second thoughts score = -2", None, -2.0),
        ("score: +.5", None, 0.5),
        ("Score - 5", None, math.nan),
        ("the scores are fine", None, math.nan),
        ("I give 4 of 5", r"\d+", 5.0),
        ("[[6]]", r"\[\[(\d+)\]\]", 6.0),
        ('{"score": 8, "why": "{odd}"}', "json:score", 8.0),
        ('so:\n```json\n{"a": {"score": 1}, "score": "9"}\n```', "json:score", 9.0),
        ('{"score": 1} then {"score": 2}', "json:score", 2.0),
        ('{"other": 1}', "json:score", math.nan),
        ('{"score": null}', "json:score", math.nan),
        ("{broken", "json:score", math.nan),
        ('{"score": true}', "json:score", 1.0),
        ("{" * 5000 + '{"score": 4}', "json:score", 4.0),
    ],
)
def test_the_number_in_a_reply(text, pattern, wanted):
    found = verdict(text) if pattern is None else verdict(text, pattern)
    np.testing.assert_equal(found, wanted)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://h:1#m", "http://h:1/v1/chat/completions"),
        ("http://h/v1/#m", "http://h/v1/chat/completions"),
        ("https://h/api/v2#m", "https://h/api/v2/chat/completions"),
        ("http://h/x/chat/completions#m", "http://h/x/chat/completions"),
    ],
)
def test_where_a_judge_is_asked(address, url):
    assert chat_url(address) == (url, "m")


def test_a_judge_needs_a_model():
    with pytest.raises(InputError, match=r"the judge 'http://h' names no model\. Write judge:http://HOST:PORT#MODEL\."):
        chat_url("http://h")


def test_templates(tmp_path):
    path = tmp_path / "judge.txt"
    path.write_text("Rate: {response} — now", encoding="utf-8")
    assert load_template(path) == "Rate: {response} — now"
    with pytest.raises(InputError, match=r"template has no \{response\}\. Write \{prompt\} and \{response\} into it"):
        checked_template("Rate {respones}")
    with pytest.raises(InputError, match=r"nothing\.txt: cannot be read \(No such file or directory\)\. Name a text"):
        load_template(tmp_path / "nothing.txt")
    path.write_bytes(b"\xff{response}")
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        load_template(path)


def test_a_pattern_that_is_none():
    with pytest.raises(InputError, match=r"pattern '\(' is no regular expression .*Write one with a group around"):
        checked_pattern("(")


def test_the_plain_template_says_how_to_answer():
    assert checked_template(TEMPLATE) == TEMPLATE
    asked = filled(TEMPLATE, {"prompt": "P", "response": "R"})
    assert "\nP\n" in asked
    assert "\nR\n" in asked
    assert verdict(TEMPLATE.strip().splitlines()[-1].replace("N", "6")) == 6.0
    assert json.dumps(asked)
