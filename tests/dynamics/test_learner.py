"""Learners: presets by name, and what no trainer would run."""

import pytest

from culpa.dynamics import ClosedForm, Path, best_of_n, grpo, learner, ppo, reinforce, rloo, tilt
from culpa.errors import InputError
from culpa.signals import clip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reinforce", reinforce()),
        (" REINFORCE ", reinforce()),
        ("rloo", rloo(4)),
        ("rloo:2", rloo(2)),
        ("grpo", grpo(8)),
        ("GRPO:64", grpo(64)),
        ("ppo", ppo(4)),
        ("ppo:2", ppo(2)),
        ("best_of_n", best_of_n(16)),
        ("best_of_n:3", best_of_n(3)),
        ("tilt", tilt(1.0)),
        ("tilt:0.5", tilt(0.5)),
        ("tilt:1e-3", tilt(0.001)),
    ],
)
def test_a_learner_by_its_name(text, expected):
    assert learner(text) == expected
    assert learner(expected.name) == expected


@pytest.mark.parametrize(
    "text",
    ["tilde", "", "reinforce:", "reinforce:4", "grpo:", "grpo:-8", "grpo:1.5", "rloo:4:4", "tilt:", "tilt:x", "ppo:a"],
)
def test_an_unknown_name_is_refused(text):
    with pytest.raises(InputError) as caught:
        learner(text)
    known = "reinforce, rloo:K, grpo:K, ppo:EPOCHS, best_of_n:N, tilt:BETA"
    assert str(caught.value) == f"no learner is called {text!r}. Known: {known}."


@pytest.mark.parametrize("make", [rloo, grpo])
@pytest.mark.parametrize("group", [1, 0, -3])
def test_a_group_of_one_is_refused(make, group):
    with pytest.raises(InputError) as caught:
        make(group)
    assert str(caught.value) == f"a group needs at least 2 outputs, got {group}. Without a group: reinforce()."


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_kl_weight_below_zero_is_refused(weight):
    with pytest.raises(InputError) as caught:
        reinforce().with_kl(weight)
    assert str(caught.value) == f"the KL weight must be zero or more, got {weight}. 0 leaves it out."


@pytest.mark.parametrize("eps", [-1e-9, float("nan"), float("inf")])
def test_an_eps_below_zero_is_refused(eps):
    with pytest.raises(InputError) as caught:
        grpo(8, eps=eps)
    assert str(caught.value) == f"eps must be zero or more, got {eps}. TRL adds 1e-4, verl 1e-6."


def test_variants_leave_the_learner_as_it_is():
    first = grpo(8, eps=1e-4)
    assert first.with_kl(0.5) == Path("grpo:8", True, 8, False, 1e-4, 0.5)
    assert first.in_the_limit() == Path("grpo:8", True, None, False, 1e-4, 0.0)
    assert first == grpo(8, eps=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ppo(0), "a round needs at least one step, got 0. ppo() takes 4."),
        (lambda: ppo(2, clip=0.0), "the clip must be positive, got 0.0. 0.2 is usual."),
        (lambda: ppo(2, clip=float("nan")), "the clip must be positive, got nan. 0.2 is usual."),
        (lambda: best_of_n(1), "the best of 1 is not chosen from anything. Draw at least 2: best_of_n(16)."),
        (lambda: tilt(0.0), "beta must be positive, got 0.0. Small is far from the start: tilt(0.5)."),
        (lambda: tilt(float("inf")), "beta must be positive, got inf. Small is far from the start: tilt(0.5)."),
        (lambda: ClosedForm("x"), "a closed form is best_of or beta, one of them. best_of_n(16) or tilt(0.5)."),
        (
            lambda: ClosedForm("x", best_of=3, beta=1.0),
            "a closed form is best_of or beta, one of them. best_of_n(16) or tilt(0.5).",
        ),
        (
            lambda: tilt(0.5).with_kl(0.1),
            "tilt:0.5 takes no KL weight, got 0.1. tilt(BETA) is the policy of highest reward minus BETA times the KL.",
        ),
        (
            lambda: tilt(0.5).with_signal(clip(1), "clip:1"),
            "tilt:0.5 takes no signal, got 'clip:1'. "
            "Transform the scores before, or take a learner that walks: reinforce().",
        ),
    ],
)
def test_refused(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


FLOWLESS = (
    "a gradient flow is known for learners without a signal, a clip or rounds of several steps. "
    "Take the learner without as_flow(): it walks step by step."
)


@pytest.mark.parametrize("path", [ppo(), grpo(8).with_rounds(2), reinforce().with_signal(clip(1), "clip:1")])
def test_no_flow_through_signals_and_rounds(path):
    with pytest.raises(InputError) as caught:
        path.as_flow()
    assert str(caught.value) == FLOWLESS


def test_names_say_what_was_changed():
    assert rloo(4).with_signal(clip(1), "clip:1").name == "clip:1 > rloo:4"
    assert grpo(8).with_rounds(4).name == "grpo:8 in rounds of 4"
    assert reinforce().as_flow().as_flow().name == "reinforce as a flow"


def test_only_plain_learners_are_plain():
    plain = [reinforce(), rloo(4), grpo(8).with_kl(0.1), ppo(1)]
    others = [ppo(2), reinforce().as_flow(), reinforce().with_signal(clip(1), "clip:1"), grpo(8).with_rounds(2, None)]
    assert [one.plain for one in (*plain, *others)] == [True] * 4 + [False] * 4


def test_parts_of_the_way_of_a_closed_form():
    assert (best_of_n(5).parts, tilt(0.1).parts) == (4, 40)
    assert tilt(0.1).with_kl(0.0) == tilt(0.1).in_the_limit() == tilt(0.1)
