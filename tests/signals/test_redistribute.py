"""Returns redistributed: the objective minimised against random decoders, and invariances."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.signals.redistribute import check_factors, fit_redistribution

NAN = np.nan


def episodes(seed=0, number=30, steps=8, wide=3, noise=0.5):
    rng = np.random.default_rng(seed)
    factors = rng.normal(1.0, 2.0, size=(steps, number, wide))
    length = rng.integers(1, steps + 1, size=number)
    factors[np.arange(steps)[:, None] >= length] = NAN
    returns = np.nansum(factors @ [1.0, -2.0, 0.5] + 0.3, axis=0) + noise * rng.normal(size=number)
    return factors, returns, length


def objective(fit, factors, returns, ridge, subset):
    """By a loop over episodes."""
    total, flat = 0.0, factors[~np.isnan(factors).any(axis=-1)]
    for e, pay in enumerate(returns):
        known = ~np.isnan(factors[:, e]).any(axis=-1)
        if np.isnan(pay) or not known.any():
            continue
        step = fit(factors[known, e])
        total += (step.mean() - pay / known.sum()) ** 2 + (0.0 if subset is None else step.var() / subset)
    return total / (~np.isnan(returns)).sum() + ridge * np.square(fit.slope * flat.std(axis=0)).sum()


@pytest.mark.parametrize("subset", [None, 1, 4])
@pytest.mark.parametrize("ridge", [1e-3, 0.5])
def test_no_decoder_does_better(subset, ridge):
    factors, returns, _ = episodes()
    fit = fit_redistribution(factors, returns, ridge=ridge, subset=subset)
    best, rng = objective(fit, factors, returns, ridge, subset), np.random.default_rng(1)
    for size in (1.0, 0.1, 0.01, 1e-3):
        for _ in range(10):
            other = type(fit)(fit.slope + size * rng.normal(size=3), fit.level + size * rng.normal())
            assert objective(other, factors, returns, ridge, subset) >= best - 1e-12


def test_without_noise_the_step_rewards_come_out():
    factors, returns, _ = episodes(noise=0.0)
    fit = fit_redistribution(factors, returns, ridge=1e-10)
    assert fit.slope == pytest.approx([1.0, -2.0, 0.5], abs=1e-6)
    assert fit.level == pytest.approx(0.3, abs=1e-6)
    assert np.isnan(fit([[NAN, 0.0, 0.0]])).all()


def test_a_subset_evens_rewards_out_within_an_episode():
    factors, returns, _ = episodes()
    spread = []
    for subset in (None, 64, 1):
        rewards = fit_redistribution(factors, returns, subset=subset)(factors)
        known = ~np.isnan(rewards)
        count = known.sum(axis=0)
        gap = np.where(known, rewards - np.nansum(rewards, axis=0) / count, 0.0)
        spread.append((gap**2).sum())
    assert spread[0] > spread[1] > spread[2]


def test_units_of_factors_do_not_matter():
    factors, returns, _ = episodes()
    scale = np.array([1e4, 1e-4, 1.0])
    plain = fit_redistribution(factors, returns, ridge=0.1)(factors)
    assert fit_redistribution(factors * scale + 7, returns, ridge=0.1)(factors * scale + 7) == pytest.approx(
        plain, nan_ok=True
    )


def test_an_episode_without_a_return_is_as_if_it_were_not_there():
    factors, returns, _ = episodes()
    left = np.arange(30) != 4
    holed = np.where(left, returns, NAN)
    fit, alone = fit_redistribution(factors, holed), fit_redistribution(factors[:, left], returns[left])
    # factors are scaled by the steps that are used
    assert fit.slope == pytest.approx(alone.slope)
    assert fit.level == pytest.approx(alone.level)


def test_axes_between_steps_and_factors_are_episodes():
    factors, returns, _ = episodes()
    square = fit_redistribution(factors.reshape(8, 5, 6, 3), returns.reshape(5, 6))
    assert square.slope == pytest.approx(fit_redistribution(factors, returns).slope)


def test_a_factor_that_never_changes_gets_nothing():
    factors, returns, _ = episodes()
    constant = np.where(np.isnan(factors[..., :1]), NAN, 3.0)
    fit = fit_redistribution(np.concatenate([factors, constant], axis=-1), returns)
    assert fit.slope[3] == 0.0
    assert fit.slope[:3] == pytest.approx(fit_redistribution(factors, returns).slope)


def test_factors_of_one_step_at_a_time_pass():
    sample = np.random.default_rng(0).normal(size=(5, 4))
    assert check_factors(lambda steps: np.stack([steps[:, 0], steps.sum(axis=1)], axis=1), sample) == 2


STEPS = np.ones((2, 3, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fit_redistribution(STEPS, [1.0]),
         "factors have shape (2, 3, 1) and returns (1,). "
         "Give factors (t, ..., d) and one return for each episode (...)."),
        (lambda: fit_redistribution(STEPS, [NAN] * 3),
         "no episode has both steps and a return. Give finished episodes."),
        (lambda: fit_redistribution(STEPS, [np.inf] * 3),
         "returns has an infinite value at index 0. Write NaN where there is no verdict."),
        (lambda: fit_redistribution(STEPS / 0.0, [1.0] * 3),
         "factors has an infinite value at index (0, 0, 0). Guard divisions and logarithms."),
        (lambda: fit_redistribution(np.array([[[1.0, NAN]]]), [1.0]),
         "factors has a step known in part at index (0, 0). Fill it, or end there."),
        (lambda: fit_redistribution(STEPS, [1.0] * 3, ridge=0.0),
         "ridge must be above 0 and subset at least 1, got 0.0 and None. See help."),
        (lambda: fit_redistribution(STEPS, [1.0] * 3, subset=0),
         "ridge must be above 0 and subset at least 1, got 0.001 and 0. See help."),
        (lambda: check_factors(lambda x: x, [[1.0]]), "sample has 1 steps. Give two at least."),
        (lambda: check_factors(lambda x: x[:, 0], STEPS[:, :, 0]),
         "for 2 steps the factors have shape (2,). Return (n, d)."),
        (lambda: check_factors(lambda x: x - x.mean(axis=0), np.arange(6.0).reshape(3, 2)),
         "the factors of a step depend on the steps beside it. Take each row by itself."),
        (lambda: check_factors(lambda x: x * NAN, STEPS[:, :, 0]),
         "the factors has a value that is not finite at index (0, 0). Guard divisions and logarithms."),
    ],
    ids=["shape", "none", "endless", "factor", "part", "ridge", "subset", "sample", "flat", "batch", "number"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_cannot_be_fitted_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
