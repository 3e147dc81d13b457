"""Chains from a line of text: the same numbers as those written in Python, and what is said where a line is wrong."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import (
    KNOWN,
    apply,
    center,
    chain,
    clip,
    clip_running,
    divide_std,
    equal_group,
    gaussian_rank,
    minmax_running,
    par,
    parse,
    presets,
    squash,
    weighted_sum,
)
from culpa.signals.pointwise import scale
from culpa.signals.running import normalise_running

NAN = np.nan
SIGNAL = np.array([[1.0, 3.0, 8.0], [0.0, -2.0, NAN], [7.0, NAN, NAN]])

LINES = {
    "center": center(),
    " center ": center(),
    "center:": center(),
    "center | clip:3 | divide_std:ddof=1": chain(center(), clip(3), divide_std(ddof=1)),
    "center|clip:-1,2.5": chain(center(), clip(-1, 2.5)),
    "clip:low=-1,high=2": clip(-1, 2),
    "clip:1,none": clip(1),
    "scale:1e-3": scale(1e-3),
    "center:batch": center("batch"),
    "center:over=BATCH": center("batch"),
    "center : singleton = 0": center(singleton=0.0),
    "center:singleton=None": center(),
    "divide_std:group,ddof=1,eps=1e-4,eps_at=floor": divide_std(ddof=1, eps=1e-4, eps_at="floor"),
    "normalise_running:keep_mean=True": normalise_running(keep_mean=True),
    "trl_grpo:batch": presets.trl_grpo("batch"),
    "verl_grpo:std=false": presets.verl_grpo(std=False),
    "trl_rloo:normalise=true": presets.trl_rloo(normalise=True),
    "par:0.5,k=2": par(0.5, k=2.0),
    "squash:log_sigmoid,reference=1": squash("log_sigmoid", reference=1.0),
    "clip_running:2 | minmax_running": chain(clip_running(2.0), minmax_running()),
    "gaussian_rank": gaussian_rank(),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_the_chain_it_describes(line):
    assert_array_equal(apply(parse(line), SIGNAL), apply(LINES[line], SIGNAL))


def test_weights_of_rewards_stand_one_after_the_other():
    stacked = np.stack([SIGNAL, SIGNAL**2])
    for line, missing in (("weighted_sum:1,0.5", "nan"), ("weighted_sum:1,0.5,missing=skip", "skip")):
        assert_array_equal(apply(parse(line), stacked), apply(weighted_sum(1.0, 0.5, missing=missing), stacked))


NEEDS = {"clip": "3", "scale": "2", "length_penalty": "0.1", "overlong": "20,5", "kl_penalty": "0.1",
         "par": "0.5", "length_band": "1,2,3,4", "dcpo": "1",
         "occupancy_penalty": "0.1", "add_selected": "0.1", "selection_ratio": "correct", "flip": "0.2"}  # fmt: skip
SEVERAL = {"layered", "weighted_sum", "normalise_then_sum", "trl_gdpo", "outcome_plus"}


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_name_runs(name):
    shape = (2, 3, 4)
    group = equal_group(shape[1:], length=np.ones((3, 4)), logprob=np.zeros((3, 4)), reference=np.ones((3, 4)))
    signal = np.random.default_rng(0).normal(size=shape)
    value = apply(
        parse(f"{name}:{NEEDS.get(name, '')}"),
        signal if name in SEVERAL else signal[0],
        group,
        rng=np.random.default_rng(0),
    )
    assert value.shape == (3, 4)
    assert np.isfinite(value).all()


def test_what_is_known_are_steps_not_ways_to_put_them_together():
    assert {"center", "leave_one_out", "whiten", "drop_dead", "openrlhf"} <= set(KNOWN)
    assert not {"clip_steps", "delta_steps"} & set(KNOWN)  # a first axis need not be one of steps
    assert not {"chain", "masked", "scheduled", "stateless", "by_token", "parse", "apply"} & set(KNOWN)


ALL = "Known: " + ", ".join(KNOWN) + "."
ERRORS = {
    "centre": f"no step is called 'centre'. {ALL}",
    "center | | clip:3": f"'center | | clip:3' has an empty step. {ALL}",
    "": f"'' has an empty step. {ALL}",
    "divide_std:dof=1": "'divide_std:dof=1': got an unexpected keyword argument 'dof'. "
    "It takes: over, ddof, eps, eps_at, singleton.",
    "clip": "'clip': missing a required argument: 'low'. It takes: low, high.",
    "verl_rloo:1": "'verl_rloo:1': too many positional arguments. It takes: nothing.",
    "weighted_sum:weights=1": "'weighted_sum:weights=1': got an unexpected keyword argument 'weights'. "
    "It takes: *weights, missing.",
    "clip:low=1,1": "'clip:low=1,1': multiple values for argument 'low'. It takes: low, high.",
    "scale:two": "scale's factor cannot be 'two'. It is a number.",
    "divide_std:ddof=1.5": "divide_std's ddof cannot be '1.5'. It is a whole number.",
    "verl_grpo:std=yes": "verl_grpo's std cannot be 'yes'. It is true or false.",
    "center:prompt": "center's over cannot be 'prompt'. It is group, batch.",
    "center:singleton=x": "center's singleton cannot be 'x'. It is a number or none.",
    "trl_rloo:clip_range=3": "trl_rloo's clip_range cannot be '3'. It is set in Python only or none.",
    "whiten:ddof=2": "ddof must be 0 or 1, got 2. The divisor is n - ddof.",
    "scale:\x1b[31m2": "scale's factor cannot be '\\\\x1b[31m2'. It is a number.",
}


@pytest.mark.parametrize("line", ERRORS)
def test_messages(line):
    with pytest.raises(InputError) as error:
        parse(line)
    assert str(error.value) == ERRORS[line]
