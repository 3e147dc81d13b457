"""A reward function with a chain behind it."""

import asyncio
import functools
import pickle

import numpy as np
import pytest

from culpa import signals
from culpa.errors import InputError
from culpa.training.adapters.reward import AsyncShaped, reward
from culpa.training.watch.rewards import awaited


def lengths(completions, **_):
    return [None if not text else float(len(text)) for text in completions]


async def later(completions, **_):
    await asyncio.sleep(0)
    return lengths(completions)


def by_reference(columns):
    return signals.par(np.reshape(columns["reference"], (-1, 1)))


class Judge:
    def __call__(self, prompts, completions, **columns):
        assert set(columns) <= {"answer", "trainer_state"}
        return [float(a == b) for a, b in zip(prompts, completions, strict=True)]


class AsyncJudge:
    async def __call__(self, completions, **_):
        return [float(len(text)) for text in completions]


def batch(*completions, **columns):
    return {"prompts": ["p"] * len(completions), "completions": list(completions), **columns}


def test_values_pass_the_chain_and_none_stays_none():
    shaped = reward(lengths, "clip:2 | scale:10")
    assert shaped(**batch("abc", "", "a")) == [20.0, None, 10.0]


def test_without_a_step_that_changes_anything_it_is_the_function():
    columns = batch("abc", "", "a")
    assert reward(lengths, "scale:1")(**columns) == lengths(**columns)


def test_memory_goes_on_and_is_pickled():
    shaped = reward(lengths, "minmax_running")
    assert shaped(**batch("a", "abc")) == [0.0, 1.0]
    again = pickle.loads(pickle.dumps(shaped))
    for one in (shaped, again):
        assert one(**batch("ab", "abcde")) == [0.25, 1.0]


def test_a_chain_of_the_batchs_columns():
    shaped = pickle.loads(pickle.dumps(reward(lengths, by_reference)))
    found = shaped(**batch("abc", "abc", reference=[3.0, 1.0]))
    np.testing.assert_allclose(found, [0.5, 1 / (1 + np.exp(-2.0))])


def test_async_stays_async():
    for function in (later, functools.partial(later), AsyncJudge()):
        shaped = reward(function, "clip:2")
        assert asyncio.iscoroutinefunction(type(shaped).__call__)
        assert isinstance(shaped, AsyncShaped)
        assert awaited(shaped(**batch("abc", "a"))) == [2.0, 1.0]


def test_arguments_pass_by_position_too():
    shaped = reward(Judge(), "scale:2")
    assert shaped(["a", "b"], ["a", "c"], answer=["x", "y"]) == [2.0, 0.0]


def test_the_name_is_that_of_the_function():
    assert reward(lengths, "clip:1").__name__ == "lengths"
    assert reward(functools.partial(lengths), "clip:1").__name__ == "lengths"
    assert reward(Judge(), "clip:1").__name__ == "Judge"


def test_lengths_are_those_of_the_tokens():
    shaped = reward(lengths, "length_penalty:1")
    assert shaped(**batch("abc", "ab", completion_ids=[[1, 2], [1]])) == [1.0, 1.0]
    with pytest.raises(InputError, match="needs the group's length"):
        shaped(**batch("abc"))


def test_verdicts_before_the_chain_are_logged():
    logged = {}
    columns = batch("abc", "", log_extra=lambda name, values: logged.update({name: values}))
    reward(lengths, "clip:1")(**columns)
    assert logged == {"lengths/raw": [3.0, None]}


def test_steps_of_outputs():
    def steps(completions, **_):
        return [[0.2, 0.9], None, [0.5]][: len(completions)]

    chain = signals.chain(signals.clip_steps(0.8), signals.weighted_sum(missing="skip"))
    assert reward(steps, chain)(**batch("a", "b", "c")) == pytest.approx([-0.6, None, -0.3])
    with pytest.raises(InputError, match=r"steps gave a verdict that cannot be read.* a number or None"):
        reward(steps, "clip:1")(**batch("a", "b", "c"))
    with pytest.raises(InputError, match=r"lengths gave a verdict .* a list of step scores"):
        reward(lengths, chain)(**batch("a", "b"))


def test_arrays_are_read():
    assert reward(lambda completions, **_: np.arange(len(completions)), "scale:2")(**batch("a", "b")) == [0.0, 2.0]


def test_an_empty_batch():
    assert reward(lengths, "clip:1")(prompts=[], completions=[]) == []


def test_one_verdict_for_each():
    with pytest.raises(InputError, match="<lambda> gave 1 verdicts for 2 completions"):
        reward(lambda **_: [1.0], "clip:1")(**batch("a", "b"))


def test_group_steps_are_refused_where_it_is_made():
    with pytest.raises(InputError, match=r"Use the mixin: class Trainer\(SignalMixin, GRPOTrainer\)"):
        reward(lengths, "trl_grpo")


def test_a_model_is_the_trainers_to_call():
    class Model:
        def forward(self):
            raise AssertionError

    with pytest.raises(InputError, match=r"the reward is a model.* with the chain as signal="):
        reward(Model(), "clip:1")
    with pytest.raises(InputError, match="a reward is a function, got str"):
        reward("lengths", "clip:1")


def test_a_chain_made_in_python_is_not_pickled():
    with pytest.raises(InputError, match="Write it as text"):
        pickle.dumps(reward(lengths, signals.clip(1.0)))
