"""What a proxy adds to the truth: which outputs count, and the residual by hand."""

import numpy as np
import pytest

from culpa import Rollouts
from culpa.advice.residual import Judged, judged, scored
from culpa.errors import InputError


def record(truth, proxy, **more):
    cells = np.asarray(truth, dtype=float)
    present = more.pop("present", np.ones(cells.shape, dtype=bool))
    weight = more.pop("weight", np.where(present, 1.0 / np.maximum(present.sum(axis=1, keepdims=True), 1), 0.0))
    names = np.array([f"q{row}" for row in range(len(cells))], dtype=object)
    return Rollouts(names, present, weight, {"rm": np.asarray(proxy, dtype=float)}, cells, **more)


def test_outputs_without_truth_verdict_or_mass_and_prompts_with_less_than_two_are_left_out():
    nan = np.nan
    truth = [[0.0, 1.0, nan, 2.0], [0.0, nan, nan, 1.0], [0.0, 1.0, 2.0, 3.0], [5.0, 6.0, 7.0, 8.0]]
    proxy = [[0.0, 1.0, 9.0, nan], [0.0, 1.0, 2.0, nan], [0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]]
    weight = np.array([[0.25] * 4, [0.25] * 4, [0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]])
    found = judged(record(truth, proxy, weight=weight), "rm")
    assert found.weight == pytest.approx(np.array([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0.1, 0.2, 0.3, 0.4]]))
    assert found.truth[1].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert (found.length, found.logprob) == (None, None)


def test_a_length_that_is_unknown_for_a_judged_output_is_no_length():
    truth, known = [[0.0, 1.0], [0.0, 1.0]], np.array([[3.0, 4.0], [5.0, 6.0]])
    assert judged(record(truth, truth, length=known), "rm").length.tolist() == known.tolist()
    nan = np.nan
    partly = record(
        [[0.0, 1.0, nan], [0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]] * 2, length=np.array([[3.0, 4.0, nan], [1, 2, 3]])
    )
    assert judged(partly, "rm").length.tolist() == [[3.0, 4.0, 0.0], [1.0, 2.0, 3.0]]
    holed = np.array([[3.0, np.nan], [5.0, 6.0]])
    assert judged(record(truth, truth, length=holed), "rm").length is None


def test_the_residual_is_free_of_the_scale_and_levels_of_the_proxy():
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    weight = rng.dirichlet(np.ones(6), 50)
    plain = scored(Judged(weight, truth, truth + noise, None, None))
    moved = scored(Judged(weight, truth, 5.0 * (truth + noise) + rng.normal(size=(50, 1)), None, None))
    assert moved.residual == pytest.approx(plain.residual)
    assert moved.slope == pytest.approx(5.0 * plain.slope)
    assert (weight * plain.ahead**2).sum(axis=1).mean() == pytest.approx(1.0)
    assert (weight * plain.residual).sum(axis=1) == pytest.approx(0.0, abs=1e-12)
    assert (weight * plain.residual * plain.ahead).sum() == pytest.approx(0.0, abs=1e-9)


def test_the_residual_of_an_exact_proxy_is_nothing_and_units_are_the_truths():
    truth = np.array([[0.0, 10.0], [0.0, 30.0]])
    found = scored(Judged(np.full((2, 2), 0.5), truth, truth * 0.1 + 3.0, None, None))
    assert found.residual == pytest.approx(0.0)
    assert found.unit == pytest.approx(np.sqrt((25 + 225) / 2))
    assert found.graded


def test_effective_outputs():
    weight = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    found = scored(Judged(weight, np.array([[0.0, 1.0, 0.0]] * 2), np.array([[0.0, 1.0, 0.0]] * 2), None, None))
    assert found.effective.tolist() == [2.0, 1.0]
    assert found.shrunk == pytest.approx(np.sqrt((0.5 + 0.0) / 2))
    assert found.own.tolist() == [[True, True, False], [True, False, False]]
    assert not found.graded


def test_exact_masses_are_not_taken_for_few_draws():
    weight = np.array([[0.6, 0.4, 0.0], [0.5, 0.5, 0.0]])
    cells = Judged(weight, np.array([[0.0, 1.0, 0.0]] * 2), np.array([[0.0, 1.0, 0.0]] * 2), None, None)
    assert scored(cells).shrunk == pytest.approx(np.sqrt((1.0 + 0.5) / 2))
    assert scored(cells.drawn(np.array([0]))).shrunk == 1.0


EVEN = [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("rollouts", "proxy", "message"),
    [
        (record(EVEN, EVEN), "other", r"no proxy is called 'other'\. Found: rm\."),
        (
            record([[0.0, np.nan], [1.0, 2.0]], EVEN),
            "rm",
            "fewer than two prompts have two of the policy's own outputs",
        ),
        (record([[1.0, 1.0], [2.0, 2.0]], EVEN), "rm", "the truth is the same for all outputs of every prompt"),
        (record(EVEN, [[1.0, 0.0], [0.0, 1.0]]), "rm", "the proxy does not rise with the truth"),
    ],
    ids=["name", "few", "flat", "against"],
)
def test_what_cannot_be_measured_on_is_refused(rollouts, proxy, message):
    with pytest.raises(InputError, match=message):
        scored(judged(rollouts, proxy))


def test_a_truth_is_needed():
    plain = record(EVEN, EVEN)
    bare = Rollouts(plain.prompt_id, plain.present, plain.weight, plain.proxies)
    with pytest.raises(InputError, match="the rollouts have no truth"):
        judged(bare, "rm")
