"""The table of measures: names, chance levels, and quotients without observations."""

import numpy as np
import pytest

from culpa.audit.measures import BY_NAME, GAIN, MEASURES, PARTS, ratio


def test_ratio_without_observation_is_nan():
    assert ratio(np.array([1.0, 0.0, 2.0]), np.array([2.0, 0.0, 4.0])) == pytest.approx([0.5, np.nan, 0.5], nan_ok=True)


def test_names_and_titles_are_unique():
    assert len({measure.name for measure in MEASURES}) == len({measure.title for measure in MEASURES}) == len(MEASURES)
    assert list(BY_NAME) == [measure.name for measure in MEASURES]
    assert {"pairs", "scores"} < PARTS


# name -> sums of one proxy, its value, its chance level
ROWS = {
    "rehearsal": ({"outcome": 3, "start": 2, "rehearsed": 4}, 0.75, 0.5),
    "hacc": ({"ordered": 4, "concordant": 2, "excused": 1, "shuffled_harm": 3, "ordered_pairs": 9}, 0.75, 0.75),
    "hacc_half": (
        {"ordered": 4, "concordant": 1, "excused": 1, "tied": 2, "excused_tied": 1, "ordered_pairs": 9},
        0.625,
        np.nan,
    ),
    "acc": ({"ordered": 4, "concordant": 2, "shuffled_plain": 1, "ordered_pairs": 9}, 0.5, 0.25),
    "acc_half": ({"ordered": 4, "concordant": 2, "tied": 1, "ordered_pairs": 9}, 0.625, 0.5),
    "acc_halved": ({"paired": 8, "ordered": 4, "concordant": 2, "shuffled_plain": 1, "pairs": 9}, 0.5, 0.375),
    "hacc_halved": (
        {"paired": 8, "ordered": 4, "concordant": 2, "excused": 1, "shuffled_harm": 3, "pairs": 9},
        0.625,
        0.625,
    ),
    "truth_ties": ({"paired": 8, "ordered": 2, "pairs": 9}, 0.75, np.nan),
    "best_acc": ({"groups_ordered": 4, "best": 3, "shuffled_best": 1}, 0.75, 0.25),
    "best_hacc": ({"groups_ordered": 4, "best_harm": 3}, 0.75, np.nan),
    "correlation": ({"cov": 1, "var_proxy": 4, "var_truth": 1, "judged": 9}, 0.5, 0.0),
    "covariance": ({"cov": 3, "groups_judged": 4, "judged": 9}, 0.75, 0.0),
    "kendall": ({"kendall": -1, "kendall_n": 4}, -0.25, 0.0),
    "mean": ({"mean": 3, "groups_scored": 2, "verdicts": 9}, 1.5, np.nan),
    "variance": ({"variance": 3, "groups_scored": 2, "verdicts": 9}, 1.5, np.nan),
    "spread": ({"spread": 3, "groups_many": 2}, 1.5, np.nan),
    "dead": ({"dead": 1, "groups_many": 2}, 0.5, np.nan),
    "ties": ({"score_ties": 1, "score_pairs": 4}, 0.25, np.nan),
    "missing": ({"missing": 1, "cells": 4}, 0.25, np.nan),
    "calibration": ({f"excess{n}": -1 if n < 2 else 0 for n in range(10)} | {"calibration_n": 4}, 0.5, np.nan),
    "length_correlation": ({"len_cov": -1, "len_proxy": 4, "len_var": 1, "len_n": 9}, -0.5, 0.0),
    "markdown_correlation": ({"md_cov": 1, "md_proxy": 4, "md_var": 1, "md_n": 9}, 0.5, 0.0),
}


@pytest.mark.parametrize("name", list(BY_NAME))
def test_value_and_chance(name):
    """Also: a second proxy without any observation has neither a value nor a chance level of its own scores."""
    given, value, chance = ROWS[name]
    sums = {key: np.array([number, 0.0]) for key, number in given.items()}
    assert BY_NAME[name].value(sums) == pytest.approx([value, np.nan], nan_ok=True)
    level = BY_NAME[name].chance_level(sums)
    assert level[0] == pytest.approx(chance, nan_ok=True)
    assert not callable(BY_NAME[name].chance) or np.isnan(level[1])


def test_the_gain_is_what_training_adds_and_no_column():
    sums = {"outcome": np.array([3.0, 0.0]), "start": np.array([2.0, 0.0]), "rehearsed": np.array([4.0, 0.0])}
    assert GAIN.value(sums) == pytest.approx([0.25, np.nan], nan_ok=True)
    assert GAIN.chance_level(sums).tolist() == [0.0, 0.0]
    assert GAIN.name not in BY_NAME


def test_values_keep_leading_axes():
    sums = {name: np.ones((5, 2, 3)) for name in ("ordered", "concordant")}
    assert BY_NAME["acc"].value(sums).shape == (5, 2, 3)
