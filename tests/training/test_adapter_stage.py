"""A chain with its memory, what it asks for, and what a reward function may hold."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from culpa import signals
from culpa.errors import InputError
from culpa.signals.tokens import spread_tokens
from culpa.training.adapters.stage import Stage, asked, refuse_groups

STEADY = ["clip:3", "scale:2 | par:0.5", "squash:tanh", "length_penalty:0.1", "overlong:40,10", "length_band:1,5,20,40"]
MEMORIES = ["normalise_running", "minmax_running", "clip_running | scale:2"]
GROUPS = ["center", "leave_one_out", "divide_std", "gaussian_rank", "drop_dead", "trl_grpo", "trl_rloo", "verl_grpo"]


@pytest.mark.parametrize("text", STEADY + MEMORIES + ["center:batch", "whiten"])
def test_what_knows_no_prompts_may_stand_in_a_reward(text):
    refuse_groups(Stage(text))


@pytest.mark.parametrize("text", [*GROUPS, "clip:3 | center", "whiten:group", "openrlhf"])
def test_what_compares_the_outputs_of_a_prompt_may_not(text):
    with pytest.raises(InputError, match=r"compares the outputs of one prompt.* Use the mixin"):
        refuse_groups(Stage(text))


@pytest.mark.parametrize("text", ["unlikeliness", "kl_penalty:0.1", "dcpo:1"])
def test_what_needs_log_probabilities_may_not(text):
    with pytest.raises(InputError, match=r"cannot stand in a reward function: .* logprob.* Use the mixin"):
        refuse_groups(Stage(text))


def test_references_of_fixed_prompts_may_not():
    with pytest.raises(InputError, match="reference has 2 prompts"):
        refuse_groups(Stage(signals.par(np.zeros((2, 3)))))


def test_token_signals_may_not():
    with pytest.raises(InputError, match="needs the group's tokens"):
        refuse_groups(Stage(spread_tokens()))
    wide = signals.stateless(lambda signal, _group: signal[None])
    with pytest.raises(InputError, match=r"gives shape \(1, 48, 2\).* Use the mixin"):
        refuse_groups(Stage(wide))


def test_steps_that_merge_may():
    refuse_groups(Stage(signals.chain(signals.clip_steps(0.5), signals.delta_steps(), signals.weighted_sum())))


@pytest.mark.parametrize("text", MEMORIES)
def test_memory_goes_on(text):
    stage, step = Stage(text), signals.parse(text)
    state = step.init((4, 1), None)
    for seed in range(3):
        rewards = np.random.default_rng(seed).normal(size=(4, 1))
        want, state = step.apply(rewards, signals.equal_group((4, 1)), state)
        np.testing.assert_array_equal(stage(rewards), want)


def test_a_look_leaves_the_memory_as_it_was():
    stage = Stage("minmax_running")
    stage([[0.0, 1.0]])
    assert stage([[0.0, 2.0]], remember=False).tolist() == [[0.0, 1.0]]
    assert stage([[0.0, 0.5]]).tolist() == [[0.0, 0.5]]


def test_a_pickled_stage_goes_on():
    stage = Stage("minmax_running", seed=3)
    stage([[0.0, 4.0]])
    again = pickle.loads(pickle.dumps(stage))
    assert again.seed == 3
    assert again([[1.0, 2.0]]).tolist() == [[0.25, 0.5]]


def test_a_chain_of_functions_says_how_it_could_be_pickled():
    with pytest.raises(InputError, match=r"cannot be pickled. Write it as text"):
        pickle.dumps(Stage(signals.center()))


def test_the_seed_makes_the_draws():
    noise = signals.Transform(lambda _shape, rng: rng, lambda signal, _group, rng: (signal + rng.normal(), rng))
    one, two, three = (Stage(noise, seed=seed)([[0.0, 0.0]])[0, 0] for seed in (1, 1, 2))
    assert one == two
    assert one != three


def test_absent_cells_are_no_verdicts():
    group = signals.equal_group((1, 3))
    group.present[0, 2] = False
    np.testing.assert_array_equal(Stage("center")([[1.0, 3.0, 99.0]], group), [[-1.0, 1.0, np.nan]])


def test_infinite_values_are_refused_at_both_ends():
    with pytest.raises(InputError, match="the reward has an infinite value"):
        Stage("center")([[np.inf, 0.0]])
    with pytest.raises(InputError, match=r"the signal has an infinite value. End the chain with clip"):
        Stage(signals.stateless(lambda signal, _group: signal + np.inf))([[1.0, 0.0]])


def test_what_is_no_chain():
    with pytest.raises(InputError, match="a chain or its text, got int"):
        Stage(3)
    with pytest.raises(InputError, match="no step is called 'centre'"):
        Stage("centre")


def test_batches_of_several_threads_do_not_mix():
    def count(signal, _group, before):
        threading.Event().wait(0.005)
        return signal + before, before + 1

    stage, found = Stage(signals.Transform(lambda _shape, _rng: 0, count)), []
    threads = [threading.Thread(target=lambda: found.append(stage([[0.0]]).item())) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("trl_grpo", set()),
        ("clip:3", set()),
        ("length_penalty:0.1", {"length"}),
        ("unlikeliness", {"length", "logprob"}),
        ("unlikeliness:per_token=false", {"logprob"}),
        ("kl_penalty:0.1 | center", {"logprob", "reference"}),
        ("weighted_sum:1,2 | dcpo:1", {"logprob"}),
    ],
)
def test_what_a_chain_asks_for(text, fields):
    found = asked(Stage(text), (3, 4), rewards=2)
    assert found.fields & {"length", "logprob", "reference", "tokens"} == fields
    assert not found.by_token


def test_a_token_signal_asks_for_tokens():
    found = asked(Stage(signals.chain(signals.weighted_sum(), spread_tokens())), (3, 4), rewards=2)
    assert found.by_token
    assert "tokens" in found.fields


@pytest.mark.parametrize(
    ("chain", "merges"),
    [
        (signals.center(), False),
        (signals.weighted_sum(), True),
        (signals.clip_steps(), False),
        (spread_tokens(), False),
        (signals.chain(signals.weighted_sum(), spread_tokens()), True),
    ],
    ids=["center", "sum", "steps", "tokens", "sum to tokens"],
)
def test_whether_a_chain_merges(chain, merges):
    assert Stage(chain).merges is merges


def test_a_trial_leaves_no_memory():
    stage = Stage("minmax_running")
    asked(stage, (2, 3))
    refuse_groups(stage)
    assert stage([[5.0, 7.0]]).tolist() == [[0.0, 1.0]]


def test_no_trainer_is_imported_before_it_is_needed():
    names = ", ".join(f"culpa.training.adapters.{one}" for one in ("trl", "verl", "openrlhf", "server"))
    code = (
        f"import sys, {names}; print(sorted({{'torch', 'trl', 'transformers', 'verl', 'aiohttp'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
