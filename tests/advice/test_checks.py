"""From a record to patterns of passed checks."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.advice.worlds import record

from culpa.advice.checks import checks_of
from culpa.errors import InputError

A = [[1, 1, 0, 0], [1, 0, 0, 0]]
B = [[1, 0, 1, 0], [0, 0, 0, 0]]
NAN = np.nan


def test_masses_by_pattern():
    found = checks_of(record(a=A, b=B))
    assert found.names == ("a", "b")
    assert found.patterns.astype(int).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert found.mass.tolist() == [[0.25] * 4, [0.75, 0.25, 0, 0]]
    assert found.pattern.tolist() == [[3, 1, 2, 0], [1, 0, 0, 0]]
    assert found.outputs.tolist() == [4, 4]
    assert found.success.tolist() == [0, 0, 0, 1]
    assert found.sampled


def test_weights_are_the_policys_mass():
    found = checks_of(record(a=A, b=B, weight=[[0.1, 0.2, 0.3, 0.4]] * 2))
    np.testing.assert_allclose(found.mass, [[0.4, 0.2, 0.3, 0.1], [0.9, 0.1, 0, 0]])
    assert not found.sampled


def test_outputs_that_are_not_the_policys_do_not_count():
    found = checks_of(record(a=A, b=B, weight=[[0.0, 0.5, 0.5, 0.0]] * 2))
    assert found.outputs.tolist() == [2, 2]
    np.testing.assert_allclose(found.mass[0], [0, 0.5, 0.5, 0])


def test_an_output_without_a_verdict_is_left_out_and_said_to_be():
    found = checks_of(record(a=[[1, NAN, 0, 0], A[1]], b=B))
    np.testing.assert_allclose(found.mass[0], [1 / 3, 0, 1 / 3, 1 / 3])
    assert found.pattern[0, 1] == -1
    assert found.sampled
    assert found.notes == (
        "1 outputs lack the verdict of a check and are left out, the others of their prompt count more",
    )


def test_a_prompt_without_verdicts_is_left_out_and_said_to_be():
    found = checks_of(record(a=[A[0], [NAN] * 4], b=B))
    assert found.prompts.tolist() == [0]
    assert "1 prompts have no output with a verdict of every check" in found.notes


def test_checks_that_tell_nothing_are_named():
    notes = checks_of(record(a=[[1, 1]], b=[[0, 0]], c=[[0, 1]])).notes
    assert notes == (
        "the check a passes every output: it tells none apart",
        "the check b passes no output: what would is unknown",
    )


def test_names_are_patterns_and_may_be_columns():
    table = pl.DataFrame({"fine": [True, False] * 4, "number": [1, 0] * 4, "word": ["x"] * 8})
    both = replace(record(a=A, ab=B), table=table)
    assert checks_of(both).names == ("a", "ab")
    assert checks_of(both, ["a*"]).names == ("a", "ab")
    assert checks_of(both, ["a", "fine", "number"]).names == ("a", "fine", "number")
    assert checks_of(both, ["fine", "a"]).mass[0].tolist() == [0.25] * 4


def test_many_checks_are_listed_by_the_patterns_that_were_seen():
    rows = {f"check{number}": [[number % 2, 1, 0]] for number in range(9)}
    found = checks_of(record(**rows))
    assert found.patterns.shape == (3, 9)
    assert found.patterns[-1].all()
    assert found.mass[0].tolist() == pytest.approx([1 / 3] * 3)
    one = checks_of(record(**{name: [[0, 0]] for name in rows}))
    assert one.patterns.sum(axis=1).tolist() == [0, 9]  # all passed is listed, though never seen
    assert one.mass.tolist() == [[1.0, 0.0]]


def test_of_few_checks_every_pattern_is_listed():
    found = checks_of(record(**{f"check{number}": [[number % 2, 1, 0]] for number in range(6)}))
    assert len({tuple(row) for row in found.patterns.tolist()}) == 64
    assert found.patterns[-1].all()
    assert (found.mass > 0).sum() == 3


def test_a_truth_says_what_succeeds():
    found = checks_of(record(a=A, b=B, truth=[[0, 1, 0, 0], [1, 0, 0, NAN]]))
    assert found.success.tolist() == [0, 1, 0, 0]
    unseen = checks_of(record(a=[[1, 0]], b=[[0, 0]], truth=[[0.5, 0]]))
    assert unseen.success.tolist() == [0, 0.5, 0, 1]  # what was never seen succeeds by the rule


@pytest.mark.parametrize(
    ("made", "names", "message"),
    [
        ({"a": A}, [], "there is one check only, 'a'. Partial credit needs two or more: --check 'check_*', or"),
        ({"a": A, "b": B}, ["a"], "there is one check only, 'a'."),
        ({"a": A, "b": B}, ["c*"], "no check is called 'c*'. Found: a, b."),
        ({"a": A, "b": [[1, 0, 0.5, 0]] * 2}, [], "the check 'b' is not 0 or 1: 0.5 for prompt 'q0'. Name checks that"),
        ({"a": [[NAN]], "b": [[1]]}, [], "no output of the policy's own has a verdict of every check. Leave out"),
        ({"a": A, "b": B, "truth": [[2, 0, 0, 0]] * 2}, [], "the truth is 2 somewhere; here it says whether an output"),
        ({"a": [[1, NAN]], "b": [[1, 1]], "truth": [[NAN, 1]]}, [], "no output has both a truth and its checks."),
        ({"a": A, "b": B, "truth": [[NAN] * 4] * 2}, [], "no output has both a truth and its checks. Leave --truth"),
    ],
)
def test_what_cannot_be_used_is_refused(made, names, message):
    with pytest.raises(InputError) as error:
        checks_of(record(**made), names)
    assert message in str(error.value)


def test_a_record_without_scores_has_no_checks():
    bare = replace(record(a=A, b=B), proxies={})
    with pytest.raises(InputError, match="there are no checks"):
        checks_of(bare)
