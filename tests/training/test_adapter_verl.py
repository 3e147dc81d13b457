"""verl's signatures: the estimator against the chain on dense groups, the registry as verl documents it."""

import sys
import types

import numpy as np
import pytest
import torch

from culpa import signals
from culpa.errors import InputError
from culpa.signals.tokens import token_weights
from culpa.training.adapters import verl
from culpa.training.adapters.grid import grid

INDEX = np.array(["b", "a", "b", "c", "a", "b"], dtype=object)
MASK = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]])


def rewards_of(*values):
    """Each at the last token of its response."""
    table = torch.zeros(len(values), 3)
    table[torch.arange(len(values)), MASK[: len(values)].sum(1) - 1] = torch.tensor(values, dtype=torch.float32)
    return table


def plain_grpo(rewards, index, eps=1e-6):
    """The advantages of GRPO as verl documents them, prompt by prompt: a prompt of one output keeps its reward."""
    found = np.zeros(len(rewards))
    for name in set(index):
        own = np.flatnonzero(index == name)
        values = rewards[own]
        mean, std = (values.mean(), values.std(ddof=1)) if len(own) > 1 else (0.0, 1.0)
        found[own] = (values - mean) / (std + eps)
    return found


def test_uneven_groups_in_any_order():
    values = np.array([1.0, 0.0, 0.25, 3.0, 1.0, -1.0])
    advantages, returns = verl.Estimator("verl_grpo")(
        token_level_rewards=rewards_of(*values), response_mask=MASK, index=INDEX, config={"adv_estimator": "x"}
    )
    want = plain_grpo(values, INDEX)[:, None] * MASK.numpy()
    np.testing.assert_allclose(advantages, want, rtol=1e-6)
    assert returns is advantages
    assert advantages.dtype == torch.float32


def test_a_missing_verdict_does_not_spread():
    nan = float("nan")
    advantages, _ = verl.Estimator("verl_grpo")(rewards_of(1.0, 0.0, nan, nan, 1.0, 0.0), MASK, INDEX)
    half = np.sqrt(0.5)
    want = np.array([half, -half, 0.0, 0.0, half, -half])
    np.testing.assert_allclose(advantages, want[:, None] * MASK.numpy(), atol=2e-6)


def test_the_group_knows_lengths_and_what_the_trainer_passes_on():
    kept = []
    spy = signals.stateless(lambda signal, group: (kept.append(group), signal)[-1])
    logp = -torch.arange(1.0, 19.0).reshape(6, 3)
    verl.Estimator(spy)(rewards_of(*range(6)), MASK, INDEX, old_log_probs=logp, ref_log_prob=logp - 1, other=None)
    group = kept[-1]
    nan = np.nan
    np.testing.assert_array_equal(group.length, [[2, 1, 3], [3, 3, nan], [2, nan, nan]])
    np.testing.assert_array_equal(group.logprob, [[-3, -7, -51], [-15, -42, nan], [-21, nan, nan]])
    np.testing.assert_array_equal(group.reference, group.logprob - group.length)
    np.testing.assert_array_equal(group.present, [[1, 1, 1], [1, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(group.weight, [[1 / 3] * 3, [0.5, 0.5, 0], [1, 0, 0]])
    np.testing.assert_array_equal(group.tokens.logprob[:, 0, 1], [-7, nan, nan])
    np.testing.assert_array_equal(group.tokens.mask[:, 0], [[1, 1, 1], [1, 0, 1], [0, 0, 1]])


def test_unlikeliness_needs_what_verl_may_not_pass_on():
    estimator = verl.Estimator("unlikeliness:1 | center")
    with pytest.raises(InputError, match="unlikeliness needs the group's logprob"):
        estimator(rewards_of(1.0, 1.0, 1.0), MASK[:3], INDEX[:3])
    logp = torch.tensor([[-1.0, -3.0, -99.0], [-1.0, -1.0, -1.0], [-0.5, -99.0, -99.0]])
    found, _ = estimator(rewards_of(1.0, 1.0, 1.0), MASK[:3], INDEX[:3], old_log_probs=logp)
    np.testing.assert_allclose(found[:, 0], [0.25, 0.0, -0.25])  # mean log-probs -2 and -.5: ranks 0 and 1 of 2


def test_a_token_signal():
    chain = signals.chain(signals.center(), token_weights(lambda _signal, tokens: np.cumsum(tokens.mask, axis=0) / 2))
    found, _ = verl.Estimator(chain)(rewards_of(1.0, 0.0, 0.0, 3.0, 1.0, 0.5), MASK, INDEX)
    centred = np.array([0.5, -0.5, -0.5, 0.0, 0.5, 0.0])
    np.testing.assert_allclose(found, centred[:, None] * np.cumsum(MASK.numpy(), axis=1) / 2 * MASK.numpy(), atol=1e-6)


def test_memory_goes_on_though_shapes_change():
    estimator = verl.Estimator("minmax_running")
    estimator(rewards_of(0.0, 4.0), MASK[:2], INDEX[:2])
    found, _ = estimator(rewards_of(1.0, 2.0, 3.0), MASK[:3], torch.tensor([0, 0, 1]))
    assert found[:, 0].tolist() == [0.25, 0.5, 0.75]


def test_an_empty_batch():
    found, _ = verl.Estimator("verl_grpo")(torch.zeros(0, 3), torch.zeros(0, 3), np.array([], dtype=object))
    assert tuple(found.shape) == (0, 3)


def test_what_cannot_be_grouped():
    estimator = verl.Estimator("center")
    with pytest.raises(InputError, match=r"no index. verl takes it from the uid"):
        estimator(rewards_of(1.0), MASK[:1])
    with pytest.raises(InputError, match="index has 2 names for 1 outputs"):
        estimator(rewards_of(1.0), MASK[:1], INDEX[:2])
    with pytest.raises(InputError, match="merges several rewards"):
        verl.Estimator("weighted_sum | center")
    short = signals.stateless(lambda signal, _group: np.stack([signal] * 2))
    with pytest.raises(InputError, match=r"tokens \(1, 2\), due is \(1, 3\)"):
        verl.Estimator(short)(rewards_of(1.0), MASK[:1], INDEX[:1])


@pytest.fixture
def fake_verl(monkeypatch):
    """verl's registry, as documented: it keeps what is registered, and refuses another under the same name."""
    registry = {}

    def register_adv_est(name):
        def keep(function):
            if registry.get(name, function) is not function:
                raise ValueError(f"{name} has already been registered")
            registry[name] = function
            return function

        return keep

    module = types.ModuleType("verl.trainer.ppo.core_algos")
    module.register_adv_est = register_adv_est
    for name in ("verl", "verl.trainer", "verl.trainer.ppo"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return registry


def test_it_is_registered_where_verl_is(fake_verl):
    found = verl.register("mine", "verl_rloo")
    assert fake_verl == {"mine": found}
    assert found.__name__ == "mine"
    with pytest.raises(ValueError, match="already"):
        verl.register("mine", "center")


def test_without_verl_it_is_given_back():
    found = verl.register("mine", "verl_rloo")
    advantages, _ = found(rewards_of(1.0, 0.0, 0.0), MASK[:3], np.array([0, 0, 0]))
    np.testing.assert_allclose(advantages[:, 0], [1.0, -0.5, -0.5])


def test_a_verl_that_cannot_be_imported_says_so(fake_verl, monkeypatch):
    monkeypatch.delitem(sys.modules, "verl.trainer.ppo.core_algos")

    def broken(_name):
        raise ModuleNotFoundError("No module named 'ray'", name="ray")

    monkeypatch.setattr(verl.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="ray"):
        verl.register("mine", "center")
    assert fake_verl == {}


def test_the_grid_gives_back_what_it_took():
    place, values = grid(list(INDEX)), np.arange(6.0)
    np.testing.assert_array_equal(place.rows(place.dense(values)), values)
    table = np.arange(24.0).reshape(6, 4)
    assert place.dense(table).shape == (4, 3, 3)
    np.testing.assert_array_equal(place.rows(place.dense(table)), table)
    np.testing.assert_allclose(place.weight.sum(axis=1), 1.0)


# compute_score


def test_verls_own_signature_is_called_as_it_is():
    asked = []

    def score(data_source, solution_str, ground_truth, extra_info=None):
        asked.append((data_source, solution_str, ground_truth, extra_info))
        return {"score": 0.5, "acc": 1.0}

    found = verl.compute_score(score, "scale:4")("gsm8k", "it is 4", "4", {"split": "test"})
    assert found == {"score": 2.0, "raw": 0.5, "acc": 1.0}
    assert asked == [("gsm8k", "it is 4", "4", {"split": "test"})]


def test_a_function_gets_the_arguments_that_it_takes():
    def score(solution_str, ground_truth):
        return solution_str == ground_truth

    assert verl.compute_score(score)("gsm8k", "4", "4", {"split": "test"})["score"] == 1.0


def test_other_styles_get_what_there_is():
    def trl(prompts, completions, level, **_):
        return [float(len(prompts[0]) + 10 * len(completions[0]) + 100 * level[0])]

    found = verl.compute_score(trl)("", "abc", "4", {"question": "12", "level": 3})
    assert found == {"score": 332.0, "raw": 332.0}
    assert verl.compute_score(lambda response, answer: response == answer)("", "4", "4")["score"] == 1.0


def test_no_verdict_is_nan():
    found = verl.compute_score(lambda response: response and None, "clip:1")("", "abc", "4")
    assert np.isnan(found["score"])
    assert np.isnan(found["raw"])


def test_what_is_no_verdict_at_all():
    def broken(response):
        raise KeyError(response)

    with pytest.raises(InputError, match=r"broken raised KeyError: 'abc'. Where it has no verdict, return None"):
        verl.compute_score(broken)("", "abc", "4")
    with pytest.raises(InputError, match=r"gave a text where a number is due for output 0. It is called as plain"):
        verl.compute_score(lambda response: response)("", "abc", "4")
    with pytest.raises(InputError, match=r"Make it an advantage estimator: register\(name, signal\)"):
        verl.compute_score(len, "center", style="plain")
    with pytest.raises(InputError, match=r"parameters of len fit no known style.* style=\"plain\". Known: trl"):
        verl.compute_score(len)
    with pytest.raises(InputError, match="a reward is a function, got str"):
        verl.compute_score("reward.py")
