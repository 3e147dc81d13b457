"""Weights by contrast: by hand, their mean and sign, and roles by themselves."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.signals import apply, equal_group
from culpa.signals.contrast import contrast_weights
from culpa.signals.tokens import Tokens

NAN = np.nan


def world(seed=0, tokens=6, shape=(2, 4)):
    rng = np.random.default_rng(seed)
    length = rng.integers(1, tokens + 1, size=shape)
    mask = np.arange(tokens)[:, None, None] < length
    known = Tokens(
        mask,
        logprob=rng.normal(-2, 1, size=mask.shape),
        other=rng.normal(-2, 1, size=mask.shape),
        segment=rng.integers(0, 2, size=mask.shape),
    )
    return rng.normal(size=shape), known


def weigh(known, signal, **options):
    return apply(contrast_weights(**options), signal, equal_group(signal.shape, tokens=known))


FORMS = pytest.mark.parametrize("options", [{}, {"strength": 3.0}, {"form": "top"}, {"form": "top", "share": 0.5}])


@FORMS
@pytest.mark.parametrize("roles", [False, True])
def test_the_mean_weight_of_an_output_is_one_and_none_is_negative(options, roles):
    signal, known = world()
    weight = weigh(known, np.ones(signal.shape), roles=roles, **options)
    assert np.nansum(weight, axis=0) == pytest.approx(known.mask.sum(axis=0))
    assert (weight[known.mask] >= 0).all()
    assert np.isnan(weight[~known.mask]).all()
    assert weigh(known, signal, roles=roles, **options) == pytest.approx(signal * weight, nan_ok=True)
    if roles:
        for one in (0, 1):
            part = known.mask & (known.segment == one)
            assert np.where(part, weight, 0.0).sum(axis=0) == pytest.approx(part.sum(axis=0))


def test_exp_is_the_formula():
    signal, known = world(1)
    weight = weigh(known, np.ones(signal.shape), strength=1.7)
    for cell in np.ndindex(*signal.shape):
        here = known.mask[(slice(None), *cell)]
        s = np.abs(known.logprob - known.other)[(slice(None), *cell)][here]
        raw = np.exp(1.7 * (s - s.mean()))
        assert weight[(slice(None), *cell)][here] == pytest.approx(raw / raw.mean())


def test_top_keeps_the_tokens_of_the_largest_divergence():
    signal, known = world(2)
    weight = weigh(known, np.ones(signal.shape), form="top", share=0.4)
    for cell in np.ndindex(*signal.shape):
        here = known.mask[(slice(None), *cell)]
        d = (known.other - known.logprob)[(slice(None), *cell)][here]
        k3 = np.exp(d) - d - 1
        kept = int(np.ceil(0.4 * here.sum()))
        expected = np.where(k3 >= np.sort(k3)[-kept], here.sum() / kept, 0.0)
        assert weight[(slice(None), *cell)][here] == pytest.approx(expected)


def test_top_counts_a_rise_for_more_than_a_fall():
    mask = np.ones((2, 1, 1), dtype=bool)  # e - 2 = .72 for the rise by 1, .50 for the fall by 1.2
    known = Tokens(mask, logprob=np.zeros((2, 1, 1)), other=np.array([-1.2, 1.0]).reshape(2, 1, 1))
    assert weigh(known, np.ones((1, 1)), form="top", share=0.5).ravel().tolist() == [0.0, 2.0]


@FORMS
def test_where_nothing_depends_all_bear_the_same(options):
    signal, known = world(3)
    same = Tokens(known.mask, logprob=known.logprob, other=known.logprob)
    value = weigh(same, signal, **options)
    assert value[known.mask] == pytest.approx(np.broadcast_to(signal, value.shape)[known.mask], abs=0)


def test_no_strength_and_a_full_share_change_nothing():
    signal, known = world(4)
    for options in ({"strength": 0.0}, {"form": "top", "share": 1.0}):
        value = weigh(known, signal, **options)
        assert value[known.mask] == pytest.approx(np.broadcast_to(signal, value.shape)[known.mask])


def test_a_token_without_a_logprob_bears_what_the_mean_does():
    mask = np.ones((3, 1, 1), dtype=bool)
    other = np.array([-1.0, NAN, -3.0]).reshape(3, 1, 1)
    weight = weigh(Tokens(mask, logprob=np.full((3, 1, 1), -1.0), other=other), np.ones((1, 1)))
    rest = weigh(Tokens(mask[:2], logprob=np.full((2, 1, 1), -1.0), other=other[[0, 2]]), np.ones((1, 1)))
    assert weight.ravel() == pytest.approx([rest[0, 0, 0], 1.0, rest[1, 0, 0]])


def test_a_contrast_beyond_all_bounds_is_cut():
    mask = np.ones((2, 1, 1), dtype=bool)
    other = np.array([900.0, 0.0]).reshape(2, 1, 1)
    weight = weigh(Tokens(mask, logprob=np.zeros((2, 1, 1)), other=other), np.ones((1, 1)))
    assert weight.ravel() == pytest.approx([2.0, 0.0], abs=1e-6)
    assert np.isfinite(weigh(Tokens(mask, logprob=other, other=0 * other), np.ones((1, 1)), strength=30.0)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: contrast_weights(form="mean"), "form must be one of exp, top, got 'mean'. See its help."),
        (lambda: contrast_weights(share=0.0),
         "share must be above 0 and up to 1 and strength finite, got 0.0 and 1.0. "
         "strength 0 or share 1: every token bears the same."),
        (lambda: weigh(Tokens(np.ones((1, 1, 1), dtype=bool)), np.ones((1, 1))),
         "contrast_weights needs the tokens' logprob and other. "
         "Score the same tokens in the corrupted context: Tokens(other=...)."),
        (lambda: weigh(Tokens(np.ones((1, 1, 1), dtype=bool), logprob=np.zeros((1, 1, 1)), other=np.zeros((1, 1, 1))),
                       np.ones((1, 1)), roles=True),
         "roles need the tokens' segment, which is not there. Set Tokens(segment=...)."),
    ],
    ids=["form", "share", "other", "segment"],
)  # fmt: skip
def test_what_cannot_be_weighted_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
