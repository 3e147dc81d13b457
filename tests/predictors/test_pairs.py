"""Accuracies on the policy's own pairs: against the audit's, and against loops over every pair."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from tests.predictors.panel_world import world

from culpa.audit.collect import collect
from culpa.audit.measures import BY_NAME
from culpa.errors import InputError
from culpa.predictors.pairs import accuracies

AUDIT = {"Acc": "acc", "Acc, tie ½": "acc_half", "HAcc": "hacc", "HAcc, tie ½": "hacc_half"}
KINDS = ("raw", "per token", "tempered", "per prompt")


def slow(rollouts, name, kind, harm):
    """One pair at a time, in the words of the formula; the exponent of a pair gives its weight."""
    score, truth = rollouts.proxies[name], rollouts.truth
    rows = []
    for p in range(len(truth)):
        for i, j in combinations(range(truth.shape[1]), 2):
            if truth[p, i] == truth[p, j]:
                continue
            best, worst = (i, j) if truth[p, i] > truth[p, j] else (j, i)
            right = score[p, best] > score[p, worst] or (harm and score[p, worst] < score[p].mean() - 1e-9)
            logp = [
                rollouts.logprob[p, one] / (rollouts.length[p, one] if kind == "per token" else 1) for one in (i, j)
            ]
            rows.append((p, sum(logp), float(right)))
    prompt, exponent, right = map(np.array, zip(*rows, strict=True))
    if kind == "per prompt":
        top = np.array([exponent[prompt == p].max() for p in prompt])
        mass = np.exp(exponent - top)
        mass = mass / np.array([mass[prompt == p].sum() for p in prompt])
    else:
        mass = np.exp(exponent - exponent.max())
    return float(mass @ right / mass.sum())


@pytest.mark.parametrize("samples", [2, 6])
def test_plain_forms_are_those_of_the_audit(samples):
    rollouts = world(samples=samples)
    sums = collect(rollouts, rollouts.proxies, {}, {"pairs"}).totals
    found = accuracies(rollouts, weighted=False)
    assert set(found) == set(AUDIT)
    for name, theirs in AUDIT.items():
        np.testing.assert_allclose(found[name], BY_NAME[theirs].value(sums), atol=1e-12)


def test_ties_count_a_half_where_that_is_asked_for():
    found = {name: value[3] for name, value in accuracies(world(), weighted=False).items()}  # the binary proxy
    assert found["Acc"] < found["Acc, tie ½"] < 1
    assert found["Acc"] < found["HAcc"] < found["HAcc, tie ½"]


@pytest.mark.parametrize("kind", ["raw", "per token", "per prompt"])
@pytest.mark.parametrize("harm", [False, True])
def test_weighted_forms_are_sums_over_pairs(kind, harm):
    rollouts = world()
    found = accuracies(rollouts)[f"{'H' if harm else ''}Acc-W {kind}"]
    np.testing.assert_allclose(found, [slow(rollouts, name, kind, harm) for name in rollouts.proxies], atol=1e-12)


def test_all_weights_alike_are_no_weights():
    rollouts = world()
    flat = replace(rollouts, logprob=np.full(rollouts.shape, -3.0), length=np.full(rollouts.shape, 2.0))
    found = accuracies(flat)
    for kind in KINDS:
        for name in ("Acc", "HAcc"):
            np.testing.assert_allclose(found[f"{name}-W {kind}"], found[name], atol=1e-12)


def test_pairs_tied_in_truth_and_outputs_of_unknown_truth_have_no_mass():
    rollouts = world()
    truth = rollouts.truth.copy()
    truth[0, 0] = np.nan
    truth[1] = 2.0
    truth[2, 0] = truth[2, 1]
    less = rollouts.with_truth(truth)
    found = accuracies(less)
    for kind in ("raw", "per prompt"):
        expected = [slow_known(less, name, kind) for name in less.proxies]
        np.testing.assert_allclose(found[f"Acc-W {kind}"], expected, atol=1e-12)


def slow_known(rollouts, name, kind):
    rows = np.array([0, 2, *range(3, len(rollouts.truth))])
    parts = []
    for p in rows:
        own = ~np.isnan(rollouts.truth[p])
        cells = [np.flatnonzero(own)]
        exponent, right = [], []
        for i, j in combinations(cells[0], 2):
            gap = rollouts.truth[p, i] - rollouts.truth[p, j]
            if gap:
                exponent.append(rollouts.logprob[p, i] + rollouts.logprob[p, j])
                right.append((rollouts.proxies[name][p, i] - rollouts.proxies[name][p, j]) * gap > 0)
        parts.append((np.array(exponent), np.array(right)))
    if kind == "per prompt":
        return np.mean([np.exp(e - e.max()) @ r / np.exp(e - e.max()).sum() for e, r in parts])
    e, r = (np.concatenate(column) for column in zip(*parts, strict=True))
    return np.exp(e - e.max()) @ r / np.exp(e - e.max()).sum()


def test_what_the_record_does_not_have_is_not_there():
    rollouts = world()
    assert set(accuracies(replace(rollouts, logprob=None))) == set(AUDIT)
    assert not any("per token" in name for name in accuracies(replace(rollouts, length=None)))
    empty = rollouts.length.copy()
    empty[0, 0] = 0.0
    assert not any("per token" in name for name in accuracies(replace(rollouts, length=empty)))


def test_a_missing_verdict_leaves_the_weighted_form_of_that_proxy_out():
    rollouts = world()
    holes = rollouts.proxies["good"].copy()
    holes[0, 0] = np.nan
    found = accuracies(replace(rollouts, proxies=dict(rollouts.proxies) | {"good": holes}))
    assert np.isnan(found["Acc-W raw"][0])
    assert np.isfinite(found["Acc-W raw"][1:]).all()
    assert np.isfinite(found["Acc"]).all()


def test_where_the_truth_orders_nothing_there_is_no_accuracy():
    rollouts = world().with_truth(np.zeros((10, 6)))
    found = accuracies(rollouts)
    assert set(found) == set(AUDIT)
    assert np.isnan(list(found.values())).all()


def test_refused():
    rollouts = world()
    with pytest.raises(InputError, match=r"no truth\. Name it"):
        accuracies(rollouts.with_truth(None))
    with pytest.raises(InputError, match=r"no proxy\. Name them"):
        accuracies(replace(rollouts, proxies={}))


def test_outputs_that_are_not_the_policys_or_of_unknown_probability_are_in_no_weighted_pair():
    rollouts = world()
    found = accuracies(without_first(rollouts))
    weight, logprob = rollouts.weight.copy(), rollouts.logprob.copy()
    weight[0] = [0.0, *[0.2] * 5]
    logprob[0, 0] = 9.0
    foreign = accuracies(replace(rollouts, weight=weight, logprob=logprob))
    logprob[0, 0] = np.nan
    unknown = accuracies(replace(rollouts, logprob=logprob))
    for kind in KINDS:
        for harm in ("", "H"):
            name = f"{harm}Acc-W {kind}"
            np.testing.assert_allclose(foreign[name], found[name], atol=1e-12)
        np.testing.assert_allclose(unknown[f"Acc-W {kind}"], found[f"Acc-W {kind}"], atol=1e-12)


def without_first(rollouts):
    """The first output of the first prompt is not there."""

    def hole(values, blank):
        copy = values.copy()
        copy[0, 0] = blank
        return copy

    weight = hole(rollouts.weight, 0.0)
    return replace(
        rollouts,
        present=hole(rollouts.present, False),
        weight=weight / weight.sum(axis=1, keepdims=True),
        proxies={name: hole(one, np.nan) for name, one in rollouts.proxies.items()},
        truth=hole(rollouts.truth, np.nan),
        logprob=hole(rollouts.logprob, np.nan),
        length=hole(rollouts.length, np.nan),
        features=None,
        table=rollouts.table[1:],
    )
