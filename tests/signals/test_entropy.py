"""The controller of entropy: its formula by loops, the identity it rests on, both modes, edges, messages."""

import numpy as np
import pytest

from culpa import InputError
from culpa.signals import (
    Group,
    apply,
    center,
    chain,
    dcpo,
    divide_std,
    equal_group,
    normalise_running,
    weighted_sum,
)

NAN, INF = np.nan, np.inf
PI = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
REWARD = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
ENTROPY = -(PI * np.log(PI)).sum() / 2


def enumerated(pi, logprob=None, **known):
    given = np.log(pi) if logprob is None else logprob
    return Group(weight=pi, present=np.ones(pi.shape, dtype=bool), logprob=given, enumerated=True, **known)


@pytest.mark.parametrize(
    ("target", "temperature"), [(ENTROPY + 0.05, 1.2), (3.0, 1.2), (ENTROPY - 0.02, 0.8), (0.0, 0.8)]
)
def test_it_is_the_formula(target, temperature):
    base = apply(chain(center(), divide_std()), REWARD, enumerated(PI))
    pull = min(abs(target - ENTROPY), 0.1) / ((PI * REWARD).sum() / 2)
    share = pull / (1 + pull)
    expected = np.empty(PI.shape)
    for p in range(2):
        whole = sum(x ** (1 / temperature) for x in PI[p])
        for s in range(4):
            ratio = PI[p, s] ** (1 / temperature) / whole / PI[p, s]
            expected[p, s] = (1 - share) * base[p, s] + share * REWARD[p, s] * ratio
    assert apply(dcpo(target), REWARD, enumerated(PI)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("target", "temperature"), [(3.0, 1.2), (0.0, 0.8), (3.0, 2.0), (0.0, 0.3)])
def test_its_second_part_is_the_gradient_on_right_outputs_of_the_tempered_policy(target, temperature):
    """sum_y pi rho r grad log pi = sum_y pi_T r grad log pi, with grad log pi = e_y - pi for a table of logits."""
    warm, cool = max(temperature, 1.0), min(temperature, 1.0)
    step = dcpo(target, warm=warm, cool=cool, cap=INF_CAP, advantage=dead())
    value = apply(step, REWARD, enumerated(PI))
    pull = abs(target - ENTROPY) / ((PI * REWARD).sum() / 2)
    tempered = PI ** (1 / temperature) / (PI ** (1 / temperature)).sum(axis=1, keepdims=True)
    for p in range(2):
        score = np.eye(4) - PI[p]
        assert (PI[p] * value[p]) @ score * (1 + pull) / pull == pytest.approx(
            (tempered[p] * REWARD[p]) @ score, abs=1e-12
        )


INF_CAP = 1e9


def dead():
    return chain(center(), weightless())


def weightless():
    from culpa.signals import scale

    return scale(0.0)


def test_at_the_target_it_is_the_advantage():
    for inner in (center(), chain(center(), divide_std(ddof=1))):
        value = apply(dcpo(ENTROPY, advantage=inner), REWARD, enumerated(PI))
        assert value == pytest.approx(apply(inner, REWARD, enumerated(PI)), abs=1e-12)


def test_without_a_right_output_it_is_the_advantage():
    wrong = np.where(REWARD > 0, 0.4, 0.1)
    expected = apply(chain(center(), divide_std()), wrong, enumerated(PI))
    assert np.array_equal(apply(dcpo(3.0), wrong, enumerated(PI)), expected)
    assert not np.allclose(apply(dcpo(3.0, correct=0.2), wrong, enumerated(PI)), expected)


def test_groups_where_all_is_right_are_pushed_towards_the_target():
    """Up where H is low: the likely output is weighed down. Down where it is high."""
    ones = np.ones((1, 4))
    for target, sign in ((3.0, -1), (0.0, 1)):
        value = apply(dcpo(target), ones, enumerated(PI[:1]))[0]
        assert (sign * np.diff(value) > 0).all()  # PI rises


def test_drawn_groups_estimate_what_enumerated_ones_are():
    drawn = np.repeat(np.arange(4), (PI[0] * 10).astype(int))
    logprob = np.log(PI[:1])
    sampled = apply(dcpo(2.0), REWARD[:1, drawn], equal_group((1, 10), logprob=logprob[:, drawn]))
    exact = apply(dcpo(2.0), REWARD[:1], enumerated(PI[:1]))
    assert sampled == pytest.approx(exact[:, drawn])


def test_outputs_of_unknown_likelihood_or_without_a_verdict_have_no_part():
    logprob = np.log([[0.1, 0.2, 0.3, 0.4, 1.0, 1.0]])
    logprob[0, 4] = NAN
    reward = np.array([[1.0, 0.0, 1.0, 0.0, 1.0, NAN]])
    value = apply(dcpo(3.0), reward, equal_group((1, 6), logprob=logprob))
    alone = apply(dcpo(3.0), reward[:, :4], equal_group((1, 4), logprob=logprob[:, :4]))
    assert value[:, :4] == pytest.approx(alone)
    assert np.isnan(value[0, 4:]).all()
    logprob[0, 4] = -INF
    assert np.isnan(apply(dcpo(3.0), reward, equal_group((1, 6), logprob=logprob))[0, 4])


def test_extreme_likelihoods_stay_numbers():
    pi = np.array([[0.5, 0.5, 0.0]])
    for scale in (1.0, 1e3):
        logprob = scale * np.array([[-1.0, -2.0, -1e4]])
        for target in (0.0, 1e9):
            assert np.isfinite(apply(dcpo(target), np.ones((1, 3)), enumerated(pi, logprob))).all()


def test_a_memory_of_the_advantage_is_kept():
    step, group = dcpo(ENTROPY, advantage=normalise_running()), enumerated(PI)
    state = step.init(PI.shape, None)
    for _ in range(2):
        _, state = step.apply(REWARD, group, state)
    assert state.mass.item() == pytest.approx(4.0)


MESSAGES = [
    (lambda: dcpo(-1.0), "target must be zero or more, got -1.0. It is an entropy, in nats."),
    (lambda: dcpo(1, warm=0.9), "cool must be above 0 and at most 1, warm 1 or more, got 0.8 and 0.9. Temperatures."),
    (lambda: dcpo(1, cool=0.0), "cool must be above 0 and at most 1, warm 1 or more, got 0.0 and 1.2. Temperatures."),
    (
        lambda: dcpo(1, cap=-0.1),
        "cap must be zero or more and correct a finite number, got -0.1 and 0.5. 0.1 and 0.5 suit rewards of 0 and 1.",
    ),
    (
        lambda: dcpo(1, correct=NAN),
        "cap must be zero or more and correct a finite number, got 0.1 and nan. 0.1 and 0.5 suit rewards of 0 and 1.",
    ),
    (
        lambda: apply(dcpo(1), [[1.0]]),
        "dcpo needs the group's logprob, which is not there. "
        "Read rollouts with a logprob column, or set logprob=... in the group.",
    ),
    (
        lambda: apply(dcpo(1, advantage=weighted_sum()), np.ones((1, 1, 1))),
        "dcpo needs an advantage that keeps the shape, got one from (1, 1, 1) to (1, 1). "
        "Merge rewards in a step of its own, before it.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
