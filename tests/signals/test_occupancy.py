"""The penalty of an occupancy: its gradient against differences of the objective, and ratios fitted from draws."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.signals import Group, apply, equal_group, kl_penalty
from culpa.signals.occupancy import fit_log_ratio, occupancy_penalty

KINDS = {
    "sqrt_chi2": lambda p, q: ((p * p / q).sum() - 1.0) ** 0.5,
    "chi2": lambda p, q: (p * p / q).sum() - 1.0,
    "kl": lambda p, q: (p * np.log(p / q)).sum(),
}


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def enumerated(prob, reference):
    return Group(
        weight=prob,
        present=np.ones(prob.shape, dtype=bool),
        logprob=np.log(prob),
        reference=np.log(reference),
        enumerated=True,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_its_policy_gradient_is_that_of_the_objective(kind):
    rng = np.random.default_rng(0)
    logits, reference, pay = rng.normal(size=(1, 6)), rng.dirichlet(np.ones(6), size=1), rng.normal(size=(1, 6))

    def objective(moved):
        prob = softmax(moved)
        return (prob * pay).sum() - 0.7 * KINDS[kind](prob, reference)

    prob = softmax(logits)
    signal = apply(occupancy_penalty(0.7, kind), pay, enumerated(prob, reference))
    found = prob * (signal - (prob * signal).sum())
    for i in range(6):
        move = 1e-5 * np.eye(6)[i]
        assert found[0, i] == pytest.approx((objective(logits + move) - objective(logits - move)) / 2e-5, abs=1e-8)


def test_chi_squared_is_over_all_prompts():
    rng = np.random.default_rng(1)
    prob, reference = rng.dirichlet(np.ones(4), size=3), rng.dirichlet(np.ones(4), size=3)
    value = apply(occupancy_penalty(1.0), np.zeros((3, 4)), enumerated(prob, reference))
    chi2 = (prob * (prob / reference - 1)).sum() / 3
    assert value == pytest.approx(-(prob / reference - 1) / chi2**0.5)


def test_kl_is_the_kl_penalty():
    rng = np.random.default_rng(2)
    group = equal_group((2, 3), logprob=rng.normal(size=(2, 3)), reference=rng.normal(size=(2, 3)))
    signal = rng.normal(size=(2, 3))
    assert apply(occupancy_penalty(0.3, "kl"), signal, group) == pytest.approx(apply(kl_penalty(0.3), signal, group))


def test_at_the_reference_nothing_is_lost():
    logprob = np.log(np.random.default_rng(3).dirichlet(np.ones(4), size=2))
    group = equal_group((2, 4), logprob=logprob, reference=logprob)
    for kind in KINDS:
        assert apply(occupancy_penalty(5.0, kind), np.ones((2, 4)), group) == pytest.approx(1.0)


def test_trimming_is_by_mass_at_both_ends():
    values = np.array([[0.1, 0.5, 1.0, 2.0, 90.0]])
    group = equal_group((1, 5), logprob=np.log1p(values), reference=np.zeros((1, 5)))
    for trim, mean in ((0.0, values.mean()), (0.2, 3.5 / 3), (0.3, (0.25 + 1.0 + 1.0) / 2.0)):
        found = apply(occupancy_penalty(1.0, trim=trim), np.zeros((1, 5)), group)
        assert found == pytest.approx(-values / mean**0.5)


def test_a_ratio_beyond_all_bounds_is_cut():
    group = equal_group((1, 2), logprob=np.array([[900.0, -900.0]]), reference=np.zeros((1, 2)))
    value = apply(occupancy_penalty(1.0, "chi2", most=3.0), np.zeros((1, 2)), group)
    assert value == pytest.approx(-2 * np.expm1([[3.0, -3.0]]))


def test_no_verdict_and_no_logprob_leave_the_mean():
    logprob = np.log([[2.0, 3.0, 50.0, 4.0]])
    group = equal_group((1, 4), logprob=logprob, reference=np.zeros((1, 4)))
    whole = apply(occupancy_penalty(1.0, trim=0.0), [[0.0, 0.0, np.nan, 0.0]], group)
    gap = np.array([1.0, 2.0, 3.0])
    assert whole[0, [0, 1, 3]] == pytest.approx(-gap / gap.mean() ** 0.5)
    hidden = equal_group((1, 4), logprob=np.where(logprob > 3, np.nan, logprob), reference=np.zeros((1, 4)))
    assert apply(occupancy_penalty(1.0, trim=0.0), np.zeros((1, 4)), hidden) == pytest.approx(whole, nan_ok=True)


def test_leading_axes_are_a_loop():
    rng = np.random.default_rng(4)
    group = equal_group((3, 2, 5), logprob=rng.normal(size=(3, 2, 5)), reference=rng.normal(size=(3, 2, 5)))
    signal = rng.normal(size=(3, 2, 5))
    many = apply(occupancy_penalty(0.5, trim=0.1), signal, group)
    for i in range(3):
        one = equal_group((2, 5), logprob=group.logprob[i], reference=group.reference[i])
        assert many[i] == pytest.approx(apply(occupancy_penalty(0.5, trim=0.1), signal[i], one))


def test_one_hot_features_give_the_ratio_of_counts():
    rng = np.random.default_rng(5)
    current, reference = rng.integers(0, 3, size=400), rng.integers(0, 3, size=900)
    reference[:300] = 0
    fit = fit_log_ratio(np.eye(3)[current], np.eye(3)[reference], ridge=1e-10)
    ratio = (np.bincount(current) / 400) / (np.bincount(reference) / 900)
    assert fit(np.eye(3)) == pytest.approx(np.log(ratio), abs=1e-6)


def test_two_gaussians_give_their_line():
    rng = np.random.default_rng(6)
    current, reference = rng.normal(1.0, 1.0, size=(20_000, 1)), rng.normal(0.0, 1.0, size=(30_000, 1))
    fit = fit_log_ratio(current, reference, ridge=1e-6)
    assert fit.slope[0] == pytest.approx(1.0, abs=0.04)
    assert fit.level == pytest.approx(-0.5, abs=0.04)
    same = fit_log_ratio(reference, reference)
    assert same(reference) == pytest.approx(0.0, abs=1e-9)


def test_separable_draws_do_not_run_away():
    fit = fit_log_ratio([[1.0]] * 5, [[0.0]] * 5, ridge=1e-2)
    assert 1.0 < fit([1.0]) < 20.0
    assert fit([1.0]) == pytest.approx(-fit([0.0]))


def test_units_and_constants_do_not_matter():
    rng = np.random.default_rng(7)
    one, other = rng.normal(0.5, 1.0, size=(50, 2)), rng.normal(size=(60, 2))
    plain = fit_log_ratio(one, other)(one)
    stretched = fit_log_ratio(one * [1e3, 1e-3] + 5, other * [1e3, 1e-3] + 5)(one * [1e3, 1e-3] + 5)
    assert stretched == pytest.approx(plain, abs=1e-6)
    padded = [np.hstack([part, np.full((len(part), 1), 4.0)]) for part in (one, other)]
    assert fit_log_ratio(*padded)(padded[0]) == pytest.approx(plain, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: occupancy_penalty(np.nan), "weight must be a finite number, got nan. 0 leaves the reward as it is."),
        (lambda: occupancy_penalty(1.0, "tv"), "kind must be one of sqrt_chi2, chi2, kl, got 'tv'. See its help."),
        (lambda: occupancy_penalty(1.0, trim=0.5), "trim must be from 0 to .5, got 0.5. It is a share at each end."),
        (lambda: apply(occupancy_penalty(1.0), [[0.0]], equal_group((1, 1), logprob=np.zeros((1, 1)))),
         "occupancy_penalty needs the group's reference, which is not there. "
         "Score the same outputs under the reference policy: group_of(rollouts, reference=...)."),
        (lambda: fit_log_ratio([[1.0]], [[1.0, 2.0]]),
         "current and reference must be (n, d) and (n', d), got (1, 1) and (1, 2). One row of features for each draw."),
    ],
    ids=["weight", "kind", "trim", "reference", "features"],
)  # fmt: skip
def test_what_cannot_be_penalised_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
