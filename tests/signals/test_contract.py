"""The contract of steps: one row for each, what leaves it unchanged, and its answer to hard groups.

A step is tried on one small world. A public function that gives a step and has no row fails the last test.
"""

import inspect
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from culpa import signals
from culpa.signals import Group, Tokens, Transform, apply
from culpa.signals.tokens import ANY

P, S, K, T = 4, 5, 2, 2
NAN = np.nan
SAME = "same"  # the value that came in


def shown_as(value):
    """A name that is the same in every process: a function's own, no address."""
    return re.sub(r" at 0x[0-9a-f]+", "", getattr(value, "__name__", str(value)))


@dataclass(frozen=True)
class Row:
    """A step; what it is free of: `level` per prompt, `shift` of all, `scale`; `linear`: scaling scales.

    `several`: rewards stand on the first axis; `steps`: steps do, and stay there; their sum is then looked at, and so
    is that of `tokens`, which come first in what is given.
    `single` and `equal` are the values of every cell in groups of one output, and of equal ones (all 0.1).
    """

    make: Callable[..., Transform]
    free: str
    single: object
    equal: object
    arguments: tuple = ()
    options: tuple = ()
    several: bool = False
    steps: bool = False
    tokens: bool = False

    @property
    def step(self):
        return self.make(*self.arguments, **dict(self.options))

    @property
    def name(self):
        shown = [value for value in (*self.arguments, *self.options) if not isinstance(value, Transform)]
        return " ".join([self.make.__name__, *map(shown_as, shown)])


def row(make, free, single, equal, *arguments, several=False, steps=False, tokens=False, **options):
    return Row(make, free, single, equal, arguments, tuple(options.items()), several, steps, tokens)


CENTER = signals.center()


def long(_signal, group):
    return group.length > 6


def half(_time):
    return 0.5


def thrice(signal, _group):
    return 3 * signal


def likely(group):
    return group.logprob[None]


def nowhere(group):
    return np.zeros((1, *group.length.shape))


def by_length(group):
    return group.length[None, ..., None]


def by_score(_signal, tokens):
    return tokens.score


TABLE = [
    row(signals.center, "level shift linear", 0.0, 0.0),
    row(signals.center, "level shift linear", SAME, 0.0, singleton=0.0),
    row(signals.center, "shift linear", None, 0.0, "batch"),
    row(signals.leave_one_out, "level shift linear", NAN, 0.0),
    row(signals.leave_one_out, "level shift linear", SAME, 0.0, singleton=0.0),
    row(signals.divide_std, "scale", 0.0, 0.0),
    row(signals.divide_std, "scale", NAN, 0.0, ddof=1),
    row(signals.divide_std, "scale", SAME, 0.0, ddof=1, singleton=1.0),
    row(signals.divide_std, "scale", None, 0.0, "batch", ddof=1),
    row(signals.divide_std, "", None, 0.1 / 0.5, eps=0.25, eps_at="variance"),
    row(signals.divide_std, "", None, 0.1 / 0.5, eps=0.25, eps_at="floor"),
    row(signals.whiten, "shift scale", None, 0.0),
    row(signals.whiten, "level shift scale", NAN, 0.0, "group", ddof=1),
    row(signals.whiten, "", None, 0.1, eps=0.1, keep_mean=True),
    row(signals.normalise_running, "shift scale", None, 0.0),
    row(signals.normalise_running, "scale", None, 0.0, keep_mean=True),
    row(signals.clip, "", None, 0.1, 0.5),
    row(signals.clip, "", None, 0.1, -1.0, 0.25),
    row(signals.scale, "linear", None, 0.2, 2.0),
    row(signals.drop_dead, "linear", SAME, 0.0),
    row(signals.drop_dead, "linear", SAME, NAN, fill=NAN),
    row(signals.length_penalty, "", None, None, 0.25),
    row(signals.overlong, "", None, None, 9.0, 5.0),
    row(signals.kl_penalty, "", None, None, 0.25),
    row(signals.weighted_sum, "linear", None, 0.05, 1.0, -0.5, several=True),
    row(signals.normalise_then_sum, "level shift scale", 0.0, 0.0, several=True),
    row(signals.trl_grpo, "level shift", NAN, 0.0),
    row(signals.trl_grpo, "level shift linear", 0.0, 0.0, "none"),
    row(signals.trl_grpo, "shift", 0.0, 0.0, "batch"),
    row(signals.trl_gdpo, "level shift", 0.0, 0.0, several=True),
    row(signals.trl_rloo, "level shift linear", NAN, 0.0),
    row(signals.trl_rloo, "level shift", NAN, 0.0, normalise=True),
    row(signals.verl_grpo, "level shift", None, 0.0),
    row(signals.verl_grpo, "level shift linear", SAME, 0.0, std=False),
    row(signals.verl_rloo, "level shift linear", SAME, 0.0),
    row(signals.openrlhf, "", None, 0.0, "reinforce"),
    row(signals.openrlhf, "level shift", 0.0, 0.0, "reinforce_baseline"),
    row(signals.openrlhf, "level shift", NAN, 0.0, "rloo", bound=1.0),
    row(signals.openrlhf, "level shift", NAN, 0.0, "group_norm"),
    row(signals.openrlhf, "level shift", 0.0, 0.0, "dr_grpo", bound=1.0),
    row(signals.par, "", None, 0.5, 0.1),
    row(signals.par, "", None, 1 / (1 + np.exp(-2 * (0.1 - 3 - 0.25))), 0.25, k=2.0, shift=3.0),
    row(signals.squash, "", None, np.tanh(0.1), "tanh"),
    row(signals.squash, "", None, -np.log(2), "log_sigmoid", reference=0.1, quantile=0.85),
    row(signals.clip_running, "linear", None, 0.1),
    row(signals.minmax_running, "shift scale", None, 0.0),
    row(signals.clip_steps, "shift linear", None, 0.0, several=True, steps=True),
    row(signals.clip_steps, "", None, -0.8, 0.5, several=True, steps=True),
    row(signals.delta_steps, "linear", None, 0.1, several=True, steps=True),
    row(signals.gaussian_rank, "level shift scale", 0.0, 0.0),
    row(signals.unlikeliness, "linear", SAME, None),
    row(signals.unlikeliness, "linear", SAME, None, -0.5, per_token=False),
    row(signals.length_band, "", None, None, 4.0, 6.0, 7.0, 10.0, factor=2.0),
    row(signals.dcpo, "", None, None, 3.0),
    row(signals.dcpo, "level shift", None, None, 5.0, advantage=CENTER, correct=-10.0),
    row(signals.answer_likelihood, "linear", None, 0.2, several=True),
    row(signals.answer_likelihood, "linear", None, 0.1, "mean_logprob", several=True),
    row(signals.answer_likelihood, "", None, np.exp(0.2), "probability", several=True),
    row(signals.answer_likelihood, "", None, np.exp(0.1), "token_probability", several=True),
    row(signals.token_probability_gain, "", None, np.exp(0.1) - 0.25, 0.25, several=True),
    row(signals.perplexity_rank, "scale", 1.0, None, several=True),
    row(signals.marginal_gain, "level shift", NAN, None, several=True),
    row(signals.answer_weights, "level shift scale", 2.0, 2.0, several=True, steps=True),
    row(signals.answer_weights, "", None, 2 * np.exp(0.2), "probability", several=True, steps=True),
    row(signals.answer_weights, "level shift", 2.0, 2.0, "marginal", several=True, steps=True),
    row(signals.flip, "", None, 0.9, 1.0),
    row(signals.calibrate_low, "", None, 0.14, 0.4),
    row(signals.tiers, "", None, 0.0, 4),
    row(signals.outcome_plus, "", None, 0.1, 0.5, several=True),
    row(signals.layered, "", None, 0.0, several=True),
    row(signals.only_valid, "linear", NAN, SAME, True),
    row(signals.add_selected, "", None, 0.0, 0.1),
    row(signals.add_selected, "level shift", 0.1, None, 0.1, "shortest", advantage=CENTER),
    row(signals.selection_ratio, "level shift scale", 1.0, None, "shortest"),
    row(signals.balanced_pairs, "scale", 0.0, 0.0, correct=0.0, draw=False),
    row(signals.spread_tokens, "linear", None, 0.2, tokens=True),
    row(signals.token_weights, "linear", None, None, by_score, tokens=True),
    row(signals.process_weights, "linear", None, None, tokens=True),
    row(signals.token_gate, "linear", None, None, middle=0.0, tokens=True),
    row(signals.potential, "", None, None, likely, 0.9, several=True, steps=True),
    row(signals.look_back, "", None, None, likely, 0.9, several=True, steps=True),
    row(signals.count_bonus, "", None, None, nowhere, 1, several=True, steps=True),
    row(signals.novelty_bonus, "", None, None, by_length, by_length, several=True, steps=True),
    row(signals.occupancy_penalty, "", None, None, 0.25),
    row(signals.occupancy_penalty, "", None, None, 0.25, "chi2"),
    row(signals.contrast_weights, "linear", None, 0.2, tokens=True),
    row(signals.contrast_weights, "linear", None, 0.2, 1.0, "top", share=0.5, tokens=True),
    row(signals.chain, "linear", SAME, SAME),
    row(signals.chain, "level shift scale", 0.0, 0.0, CENTER, signals.divide_std()),
    row(signals.masked, "linear", None, None, CENTER, long),
    row(signals.scheduled, "linear", None, 0.05, CENTER, half),
    row(signals.by_token, "level shift linear", 0.0, 0.0, CENTER),
    row(signals.stateless, "linear", None, 0.3, thrice),
    row(signals.parse, "level shift linear", 0.0, 0.0, "center | scale:2"),
]  # fmt: skip
by_name = pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)


def world(seed=0, prompts=P, samples=S):
    """Signals of K rewards, multiples of 1/64 so that the maps below are exact, and a group of equal weights."""
    rng = np.random.default_rng(seed)
    signal = np.round(64 * rng.normal(size=(K, prompts, samples))) / 64
    shape = signal.shape[1:]
    length = 5.0 + (np.arange(prompts * samples).reshape(shape) * 7 % 9) / 2
    group = Group(
        weight=np.full(shape, 1 / samples),
        present=np.ones(shape, dtype=bool),
        length=length,
        logprob=rng.normal(-4, 1, shape),
        reference=rng.normal(-4, 1, shape),
        tokens=known(np.ones((T, *shape), dtype=bool), rng.uniform(0.1, 0.9, (T, *shape))),
    )
    return signal, group


def known(mask, score):
    return Tokens(mask, score, logprob=np.log(score), other=np.log1p(-score))


def view(group, cut):
    """The group with every array cut."""
    mask, score = (np.stack([cut(one) for one in array]) for array in (group.tokens.mask, group.tokens.score))
    return replace(group, tokens=known(mask, score), **{name: cut(getattr(group, name)) for name in FIELDS})


FIELDS = ("weight", "present", "length", "logprob", "reference")


def of(case, signal):
    return signal if case.several else signal[0]


def run(case, signal, group):
    value = apply(case.step, of(case, signal), group)
    return value.sum(axis=0) if case.steps or case.tokens else value


def close(value, expected, scale=1.0):
    assert value == pytest.approx(expected, nan_ok=True, rel=1e-9, abs=1e-11 * scale)


def differs(value, expected):
    return not np.allclose(value, expected, rtol=1e-6, atol=0, equal_nan=True)


MAPS = {
    "level": (lambda x: x + np.arange(P)[:, None], 1.0),
    "shift": (lambda x: x + 2.0**20, 1.0),  # the large offset
    "scale": (lambda x: x * 2.0**-40, 1.0),  # the tiny spread
    "linear": (lambda x: x * 2.0**-40, 2.0**-40),
}


@by_name
@pytest.mark.parametrize("map_", MAPS)
def test_shifts_and_scales(case, map_):
    signal, group = world()
    change, factor = MAPS[map_]
    value, expected = run(case, change(signal), group), factor * run(case, signal, group)
    if map_ in case.free.split():
        close(value, expected, factor)
    else:
        assert differs(value, expected)  # a row must not claim less than what holds


@by_name
def test_the_order_of_samples_and_prompts(case):
    signal, group = world()
    samples, prompts = [3, 0, 4, 1, 2], [2, 0, 3, 1]
    turned = run(case, signal[..., prompts, :][..., samples], view(group, lambda a: a[prompts][:, samples]))
    close(turned, run(case, signal, group)[prompts][:, samples])


@by_name
def test_a_missing_verdict_stays_missing_and_is_as_if_it_were_not_there(case):
    signal, group = world()
    left = [0, 1, 3, 4]
    ragged = run(case, np.where(np.arange(S) == 2, NAN, signal), group)
    assert np.isnan(ragged[:, 2]).all()
    assert np.isfinite(ragged[:, left]).all()
    close(ragged[:, left], run(case, signal[..., left], view(group, lambda a: a[:, left])))


@by_name
def test_padding_stays_out_whatever_it_holds(case):
    signal, group = world()
    present = np.broadcast_to(np.arange(S) != 2, (P, S))
    padded = replace(group, present=present, weight=np.where(present, 0.25, 0.0))
    close(run(case, signal, padded), run(case, np.where(present, signal, NAN), group))


@by_name
def test_a_cell_without_weight_has_no_say_but_gets_a_value(case):
    signal, group = world()
    left = [0, 1, 3, 4]
    offline = replace(group, weight=np.where(np.arange(S) == 2, 0.0, group.weight))
    value = run(case, signal, offline)
    assert np.isfinite(value).all()
    close(value[:, left], run(case, signal[..., left], view(group, lambda a: a[:, left])))


@by_name
@pytest.mark.parametrize("weight", [1 / S, 1.0, 7.0])
def test_equal_weights_are_no_weights(case, weight):
    signal, group = world()
    close(run(case, signal, replace(group, weight=np.full((P, S), weight))), run(case, signal, group))


@by_name
def test_leading_axes_are_a_loop(case):
    seeds = (0, 1, 2)
    group = world()[1]
    many = np.stack([world(seed)[0] for seed in seeds], axis=1)  # (k, seeds, p, s)
    close(run(case, many, group), np.stack([run(case, many[:, i], group) for i in range(len(seeds))]))
    weights = np.random.default_rng(3).dirichlet(np.ones(S), size=(len(seeds), P))
    value = run(case, many, replace(group, weight=weights))
    for i, weight in enumerate(weights):
        close(value[i], run(case, many[:, i], replace(group, weight=weight)))


@by_name
def test_a_state_survives_storage_and_is_never_changed(case):
    batches = [world(seed) for seed in (0, 1, 2)]
    step = case.step
    kept = stored = step.init(of(case, batches[0][0]).shape, np.random.default_rng(0))
    for signal, group in batches:
        cells, frozen = of(case, signal), pickle.dumps(kept)
        before = cells.copy()
        value, after = step.apply(cells, group, kept)
        again, stored = step.apply(cells, group, pickle.loads(pickle.dumps(stored)))
        assert value.tobytes() == again.tobytes()
        assert pickle.dumps(kept) == frozen
        assert cells.tobytes() == before.tobytes()
        kept = after


@by_name
def test_the_shape_is_the_one_announced(case):
    signal, group = world()
    cells = of(case, signal)
    kept, announced = apply(case.step, cells, group).shape, case.step.output(cells.shape)
    if case.tokens:
        assert (kept, announced) == ((T, P, S), (ANY, P, S))
    else:
        assert kept == announced == ((K, P, S) if case.steps else (P, S))


def expected_of(answer, cells):
    return cells if answer is SAME else np.full((P, cells.shape[-1]), answer)


@by_name
def test_a_group_of_one(case):
    signal, group = world(samples=1)
    value = run(case, signal, group)
    if case.single is None:
        assert np.isfinite(value).all()
        assert value.any()
    else:
        close(value, expected_of(case.single, of(case, signal)))


@by_name
@pytest.mark.parametrize("number", [0.1, np.float32(0.1)])
def test_equal_values(case, number):
    signal, group = world()
    constant = np.full_like(signal, number)
    value = run(case, constant, group)
    if case.equal is None:
        assert np.isfinite(value).all()
    elif case.equal == 0.0:
        assert not value.any()  # 0, not nearly 0
    else:
        assert value == pytest.approx(expected_of(case.equal, of(case, constant)), rel=1e-6, nan_ok=True)


@by_name
def test_a_tie_is_treated_alike(case):
    signal, group = world()
    tied = signal.copy()
    tied[..., 1] = tied[..., 3]
    same = view(group, lambda a: np.where(np.arange(S) == 1, a[:, 3:4], a))
    value = run(case, tied, same)
    assert np.array_equal(value[:, 1], value[:, 3])
    assert np.isfinite(value).all()


def test_every_step_has_a_row():
    functions = {name: value for name in signals.__all__ if inspect.isfunction(value := getattr(signals, name))}
    makers = {name for name, value in functions.items() if value.__annotations__.get("return") is Transform}
    assert makers == {case.make.__name__ for case in TABLE}
    assert set(signals.KNOWN) <= makers
