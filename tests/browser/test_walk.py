"""The playground's mathematics against the simulator's, on random problems."""

from importlib.resources import files

import numpy as np
import pytest

from culpa.dynamics import grpo, reinforce
from culpa.dynamics.closed import parts
from culpa.dynamics.learner import best_of_n, tilt
from culpa.dynamics.walk import Columns, walk

STEPS = (0, 1, 2, 7, 60, 400)
LEARNERS = {
    "reinforce": (reinforce(), {"kind": "reinforce"}),
    "reinforce with KL": (reinforce().with_kl(0.2), {"kind": "reinforce", "kl": 0.2}),
    "grpo": (grpo(8), {"kind": "grpo", "group": 8}),
    "grpo of two": (grpo(2), {"kind": "grpo", "group": 2}),
    "grpo of many": (grpo(200), {"kind": "grpo", "group": 200}),
    "grpo with eps and KL": (grpo(5, eps=0.01).with_kl(0.05), {"kind": "grpo", "group": 5, "eps": 0.01, "kl": 0.05}),
    "grpo, sample deviation": (grpo(4, sample_std=True), {"kind": "grpo", "group": 4, "sampleStd": True}),
    "grpo in the limit": (grpo().in_the_limit(), {"kind": "grpo"}),
}


@pytest.fixture(scope="module")
def blank(browser):
    context = browser.new_context()
    page = context.new_page()
    script = (files("culpa.report.page") / "walk.js").read_text(encoding="utf-8")
    page.set_content("<!doctype html><title>walk</title>")
    page.evaluate(f"{script}; window.culpaWalk = culpaWalk;")
    yield page
    context.close()


def problems(seed):
    """Scores of many levels, of two, all equal, far from 0; masses even, peaked and next to nothing."""
    rng = np.random.default_rng(seed)
    for number in range(8):
        size = int(rng.integers(2, 12))
        mass = rng.dirichlet(np.full(size, 0.3 if number % 2 else 3.0))
        mass = np.maximum(mass, 1e-12)
        scores = rng.normal(size=size) if number % 3 else (rng.random(size) < 0.4).astype(float) * 2.5
        yield mass / mass.sum(), scores * (1.0 if number != 5 else 0.0) + (1e6 if number in (3, 4) else 0.0)


def run(blank, mass, reward, learner, **more):
    asked = {"mass": mass.tolist(), "reward": reward.tolist(), "learner": learner, "eta": 0.1} | more
    return blank.evaluate("asked => culpaWalk.run(asked)", asked)


@pytest.mark.parametrize("name", LEARNERS)
def test_the_page_walks_as_the_simulator_does(blank, name):
    path, learner = LEARNERS[name]
    for mass, reward in problems(len(name)):
        found = run(blank, mass, reward, learner, at=list(STEPS))
        start = np.log(mass)[:, None]
        for step, prob in zip(STEPS, found["probs"], strict=True):
            exact = np.exp(walk(Columns(start, start, reward[:, None]), path, steps=step, eta=0.1))[:, 0]
            np.testing.assert_allclose(prob, exact, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("learner", "asked"),
    [(best_of_n(16), {"kind": "best_of_n", "number": 16}), (tilt(0.5), {"kind": "tilt", "number": 0.5})],
)
def test_closed_forms_are_those_of_the_simulator(blank, learner, asked):
    for mass, reward in problems(3):
        found = run(blank, mass, reward, asked)
        start = np.log(mass)[:, None]
        way = parts(Columns(start, start, reward[:, None]), learner)
        assert len(found["probs"]) == learner.parts + 1
        for prob, exact in zip(found["probs"], way, strict=False):
            np.testing.assert_allclose(prob, np.exp(exact)[:, 0], atol=1e-6, rtol=0)


def test_divergence_is_that_from_the_start(blank):
    mass, reward = next(problems(1))
    found = run(blank, mass, reward, {"kind": "reinforce"}, at=[0, 100])
    prob = np.array(found["probs"][1])
    assert found["kl"][0] == pytest.approx(0.0, abs=1e-12)
    assert found["kl"][1] == pytest.approx((prob * np.log(prob / mass)).sum(), abs=1e-9)


def test_steps_are_recorded_from_none_to_the_last(blank):
    steps = blank.evaluate("culpaWalk.recorded(955)")
    assert steps[:4] == [0, 1, 2, 3]
    assert steps[-1] == 955
    assert steps == sorted(set(steps))
