"""From a record to columns: what is kept, what is left out, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from tests.dynamics.slow import record

from culpa.dynamics.problem import problem
from culpa.errors import InputError
from culpa.rollouts import Rollouts

NAN = np.nan


def ragged(weight, truth, **proxies):
    weight = np.array(weight)
    ids = np.array([f"p{number}" for number in range(len(weight))], dtype=object)
    cells = {name: np.array(values, dtype=float) for name, values in proxies.items()}
    return Rollouts(ids, np.ones(weight.shape, dtype=bool), weight, cells, np.array(truth, dtype=float))


def test_outputs_become_columns_samples_first():
    case = problem(record([[0.25, 0.75], [0.5, 0.5]], [[1, 0], [2, 3]], a=[[5, 6], [7, 8]], b=[[0, 0], [1, 1]]))
    np.testing.assert_allclose(np.exp(case.start), [[0.25, 0.5], [0.75, 0.5]])
    assert case.truth.tolist() == [[1, 2], [0, 3]]
    assert case.rewards.tolist() == [[[5, 7], [6, 8]], [[0, 1], [0, 1]]]
    assert case.proxies == ("a", "b")
    assert case.prompt_id.tolist() == ["p0", "p1"]


def test_only_the_named_proxies_in_their_order():
    rollouts = record([0.5, 0.5], [1, 0], a=[1, 0], b=[0, 1])
    assert problem(rollouts, ["b"]).rewards.tolist() == [[[0], [1]]]
    assert problem(rollouts, ("b", "a")).proxies == ("b", "a")


def test_a_prompt_with_something_unknown_is_left_out():
    half = [[0.5, 0.5]] * 4
    truth = [[1, 0], [NAN, 0], [1, 0], [1, 0]]
    case = problem(ragged(half, truth, a=[[1, 2], [1, 2], [NAN, 2], [3, 4]], b=[[1, 2]] * 4))
    assert case.prompts.tolist() == [0, 3]
    assert problem(ragged(half, truth, a=[[NAN, 2]] * 4, b=[[1, 2]] * 4), ["b"]).prompts.tolist() == [0, 2, 3]


def test_what_is_not_the_policys_is_of_no_account():
    case = problem(ragged([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], [[1, 0, NAN], [1, 0, 2]], a=[[1, 2, NAN], [1, 2, 3]]))
    assert case.prompts.tolist() == [0]
    assert case.present.tolist() == [[True], [True], [False]]
    assert case.start[2, 0] == -np.inf
    assert (case.truth[2, 0], case.rewards[0, 2, 0]) == (0, 0)


def test_best_and_range():
    case = problem(ragged([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], [[-1, -2, 9], [0, 3, 3]], a=[[1, 2, 3], [1, 2, 3]]))
    assert case.best.T.tolist() == [[True, False, False], [False, True, True]]
    assert case.truth_range == 5.0


def test_mass_that_is_a_rounding_error_off_is_brought_to_one():
    case = problem(ragged([[0.5, 0.5 + 9e-7]], [[1, 0]], a=[[1, 0]]))
    np.testing.assert_allclose(np.exp(case.start).sum(axis=0), 1.0, atol=1e-15)


@pytest.mark.parametrize(
    ("rollouts", "names", "message"),
    [
        (record([1.0], [1], a=[1]), ["c"], "no proxy is called 'c'. Found: a."),
        (record([1.0], [1]), [], "the rollouts have no proxy. Name them: read(..., proxies=[COLUMN, ...])."),
        (
            record([1.0], [1], a=[1]).with_truth(None),
            [],
            "the rollouts have no truth. Name it: read(..., truth=COLUMN).",
        ),
        (
            record([1.0], [1], a=[NAN]),
            [],
            "no prompt has the policy's own outputs, all with a truth and a verdict. "
            "Leave out the proxies without a verdict: proxies=[...].",
        ),
    ],
)
def test_refused(rollouts, names, message):
    with pytest.raises(InputError) as caught:
        problem(rollouts, names)
    assert str(caught.value) == message


HALF = [[0.5, 0.25, 0.25]]


def test_a_missing_verdict_takes_the_mean_of_the_known_ones():
    case = problem(ragged(HALF, [[1, 0, 2]], a=[[4, NAN, 1]], b=[[NAN, NAN, NAN]]), missing="mean")
    np.testing.assert_allclose(case.rewards[0, :, 0], [4, 3, 1])
    assert case.rewards[1].tolist() == [[0], [0], [0]]
    np.testing.assert_allclose(np.exp(case.start[:, 0]), HALF[0])


def test_an_unknown_truth_leaves_its_output_out():
    case = problem(ragged(HALF, [[1, 0, NAN]], a=[[NAN, 6, 100]]), missing="mean")
    np.testing.assert_allclose(np.exp(case.start[:, 0]), [2 / 3, 1 / 3, 0])
    assert case.present[:, 0].tolist() == [True, True, False]
    assert case.rewards[0, :, 0].tolist() == [6, 6, 0]  # the mean of what is kept
    assert case.truth[:, 0].tolist() == [1, 0, 0]


def test_a_prompt_needs_two_outputs_of_known_truth():
    truth = [[1, NAN, NAN], [1, 0, NAN], [NAN, NAN, NAN]]
    case = problem(ragged(HALF * 3, truth, a=[[1, 2, 3]] * 3), missing="mean")
    assert case.prompts.tolist() == [1]


def test_a_whole_record_is_the_same_either_way():
    rollouts = ragged(HALF, [[1, 0, 2]], a=[[4, 5, 1]])
    for one, other in zip(problem(rollouts), problem(rollouts, missing="mean"), strict=True):
        np.testing.assert_equal(one, other)


def test_outputs_that_are_not_the_policys_lend_no_score():
    case = problem(ragged([[0.5, 0.5, 0.0]], [[1, 0, 0]], a=[[4, NAN, 100]]), missing="mean")
    assert case.rewards[0, :, 0].tolist() == [4, 4, 0]


def test_lengths_come_along():
    length = np.array([[3.0, 4.0], [5.0, 6.0]])
    rollouts = replace(ragged([[0.5, 0.5]] * 2, [[1, 0], [NAN, 0]], a=[[1, 2]] * 2), length=length)
    assert problem(rollouts).length.tolist() == [[3], [4]]
    assert problem(ragged([[0.5, 0.5]], [[1, 0]], a=[[1, 2]])).length is None


def test_the_mean_needs_two_known_truths_somewhere():
    with pytest.raises(InputError) as caught:
        problem(ragged(HALF, [[1, NAN, NAN]], a=[[1, 2, 3]]), missing="mean")
    assert str(caught.value) == (
        "no prompt has two of the policy's own outputs with a truth. Label more outputs of the same prompts."
    )


def test_another_way_with_missing_verdicts_is_refused():
    with pytest.raises(InputError) as caught:
        problem(record([1.0], [1], a=[1]), missing="zero")
    assert str(caught.value) == (
        "missing must be one of drop, mean, got 'zero'. "
        "drop leaves the prompt out, mean gives a missing verdict the mean of the prompt's others."
    )
