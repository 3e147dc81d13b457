"""The mixin on the real trainers."""

import importlib.metadata
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from packaging.specifiers import SpecifierSet
from scipy.special import ndtri
from tests.training.tiny_trainer import gaps, made, model, vowels, words
from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from culpa import signals
from culpa.errors import InputError
from culpa.signals.tokens import spread_tokens, token_weights
from culpa.training.adapters import contract
from culpa.training.adapters.trl import SUPPORTED, SignalMixin

# transformers 5 renamed it, and both names are read.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),
]
GRPO, RLOO = {"scale_rewards": "none"}, {"beta": 0.0}


class Watching:
    """Keeps what the loss is given, and what was generated."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.made, self.lost = [], []

    def _generate_and_score_completions(self, inputs):
        out = super()._generate_and_score_completions(inputs)
        self.made.append({name: value.clone() for name, value in out.items() if torch.is_tensor(value)})
        return out

    def _compute_loss(self, model, inputs):
        self.lost.append({name: value.clone() for name, value in inputs.items() if torch.is_tensor(value)})
        return super()._compute_loss(model, inputs)


class PlainGRPO(Watching, GRPOTrainer):
    pass


class PlainRLOO(Watching, RLOOTrainer):
    pass


class OurGRPO(Watching, SignalMixin, GRPOTrainer):
    pass


class OurRLOO(Watching, SignalMixin, RLOOTrainer):
    pass


def advantages(trainer):
    run(trainer)
    return [one["advantages"].numpy() for one in trainer.made]


def run(trainer):
    """From the same draws, whatever was made before."""
    set_seed(0)
    trainer.train()


def weights_of(trainer):
    return torch.cat([one.detach().ravel() for one in trainer.model.parameters()]).numpy()


TWO = {"reward_weights": [1.0, 0.5]}
RIVALS = {
    "grpo": (GRPOConfig, TWO, TWO, "trl_grpo"),
    "batch": (GRPOConfig, TWO | {"scale_rewards": "batch"}, TWO, "trl_grpo:batch"),
    "none": (GRPOConfig, TWO | {"scale_rewards": "none"}, TWO, "trl_grpo:none"),
    "gdpo": (GRPOConfig, {"multi_objective_aggregation": "normalize_then_sum"}, {}, "trl_gdpo:1,1"),
    "rloo": (RLOOConfig, TWO | RLOO, TWO | RLOO, "trl_rloo"),
    "rloo, clipped": (RLOOConfig, RLOO | {"reward_clip_range": (1.0, 2.0)}, RLOO, "clip:1,2 | trl_rloo"),
    "rloo, whitened": (RLOOConfig, RLOO | {"normalize_advantages": True}, RLOO, "trl_rloo:normalise=true"),
    "rloo, KL": (RLOOConfig, {"beta": 2.0}, {"beta": 2.0}, "trl_rloo:2"),
}


@pytest.mark.parametrize("rival", RIVALS)
def test_a_trainers_own_formula_as_a_chain_changes_nothing(rival, tmp_path):
    config, own, other, chain = RIVALS[rival]
    plain, ours = (PlainGRPO, OurGRPO) if config is GRPOConfig else (PlainRLOO, OurRLOO)
    other = other | (GRPO if config is GRPOConfig else {})
    one = made(plain, config, [gaps, vowels], tmp_path, settings=own)
    two = made(ours, config, [gaps, vowels], tmp_path, settings=other, signal=chain)
    theirs, mine = np.array(advantages(one)), np.array(advantages(two))
    assert np.abs(theirs[0]).max() > 0.1
    np.testing.assert_allclose(mine, theirs, rtol=3e-5, atol=3e-6)
    np.testing.assert_allclose(weights_of(two), weights_of(one), atol=2e-5)
    np.testing.assert_allclose(two._logs["advantages"], one._logs["advantages"], rtol=3e-5, atol=3e-6)


def rewards_made(trainer):
    """The rewards of the last batch as (p, s)."""
    return np.array(next(iter(trainer._logs["rewards"].values()))).reshape(-1, 4)


def scored(out, temperature=1.0):
    """Log-probabilities of an untrained trainer's completions, by the model alone."""
    ids = torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1)
    seen = torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1)
    with torch.no_grad():
        logits = model()(ids, attention_mask=seen).logits[:, :-1] / temperature
    chosen = torch.log_softmax(logits, -1).gather(2, ids[:, 1:, None])[..., 0]
    return chosen[:, -out["completion_ids"].size(1) :].numpy() * out["completion_mask"].numpy()


@pytest.mark.parametrize("steps", [1, 2])  # with 2 the trainer scores old outputs itself
def test_unlikeliness_by_hand(steps, tmp_path):
    settings = GRPO | {"steps_per_generation": steps, "max_steps": 1, "temperature": 0.7}
    settings |= {"per_device_train_batch_size": 16 // steps}
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=settings, signal="unlikeliness:0.5")
    trainer.train()
    out = trainer.made[0]
    assert ("old_per_token_logps" in out) == (steps == 2)
    logp = scored(out, 0.7).sum(axis=1) / out["completion_mask"].sum(dim=1).numpy()
    rewards = rewards_made(trainer)
    rank = np.array(
        [
            [sum(b < a for b in row) + 0.5 * (sum(b == a for b in row) - 1) for a in row]
            for row in logp.reshape(-1, 4).round(5)
        ]
    )
    np.testing.assert_allclose(out["advantages"].numpy().reshape(-1, 4), rewards * (1 - 0.5 * rank / 4), atol=1e-6)
    assert np.ptp(rank) == 3


def test_gaussian_rank_by_hand(tmp_path):
    trainer = made(OurRLOO, RLOOConfig, vowels, tmp_path, settings=RLOO, signal=signals.gaussian_rank())
    found = advantages(trainer)[-1].reshape(-1, 4)
    for row, own in zip(rewards_made(trainer), found, strict=True):
        order = np.sort(row)
        quantiles = ndtri((np.arange(4) + 0.5) / 4)
        want = [quantiles[order == one].mean() if np.ptp(row) else 0.0 for one in row]
        np.testing.assert_allclose(own, want, atol=1e-6)
    assert np.abs(found).max() > 0.5


def test_no_verdict_has_no_advantage_and_no_say(tmp_path):
    trainer = made(OurGRPO, GRPOConfig, gaps, tmp_path, settings=GRPO, signal="center")
    found = advantages(trainer)[-1].reshape(-1, 4)
    rewards = rewards_made(trainer)
    silent = np.isnan(rewards)
    assert silent.any()
    assert not silent.all()
    assert (found[silent] == 0).all()
    want = rewards - np.nansum(rewards, axis=1, keepdims=True) / (~silent).sum(axis=1, keepdims=True).clip(1)
    np.testing.assert_allclose(found[~silent], want[~silent], atol=1e-6)
    log = trainer.state.log_history[-2]
    assert log["signal/no_verdict"] == pytest.approx(silent.mean())
    assert log["signal/dead_groups"] == pytest.approx((found == 0).all(axis=1).mean())


def test_the_loss_gets_every_outputs_own_advantage(tmp_path):
    settings = GRPO | {"steps_per_generation": 2, "per_device_train_batch_size": 8, "max_steps": 2}
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=settings, signal="scale:1")
    trainer.train()
    rows = [row for one in trainer.lost for row in zip(one["completion_ids"], one["advantages"], strict=True)]
    assert len(rows) == 16
    for ids, advantage in rows:
        assert vowels([words().decode(ids, skip_special_tokens=True)]) == [float(advantage)]
    first = [float(one) for _, one in rows]
    assert first != trainer.made[0]["advantages"].tolist()  # shuffled in between


def test_token_signals(tmp_path):
    by_place = token_weights(lambda _signal, tokens: np.cumsum(tokens.mask, axis=0) / 4.0)
    chain = signals.chain(signals.center(), by_place)
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=GRPO, signal=chain)
    found = advantages(trainer)[-1]
    mask = trainer.made[-1]["completion_mask"].numpy()
    rewards = rewards_made(trainer)
    flat = (rewards - rewards.mean(axis=1, keepdims=True)).ravel()[:, None]
    np.testing.assert_allclose(found, flat * np.cumsum(mask, axis=1) / 4.0 * mask, atol=1e-6)
    mean = (found * mask).sum(axis=1) / mask.sum(axis=1)
    np.testing.assert_allclose(trainer._logs["advantages"], mean, atol=1e-6)
    assert mask.min() == 0


def test_spread_over_tokens_is_the_advantage_of_the_output(tmp_path):
    chain = signals.chain(signals.trl_grpo(), spread_tokens())
    one = made(OurGRPO, GRPOConfig, gaps, tmp_path, settings=GRPO, signal="trl_grpo")
    two = made(OurGRPO, GRPOConfig, gaps, tmp_path, settings=GRPO, signal=chain)
    run(one)
    run(two)
    np.testing.assert_allclose(weights_of(one), weights_of(two), atol=1e-6)
    assert two.state.log_history[-2]["signal/dead_groups"] == one.state.log_history[-2]["signal/dead_groups"]


def test_what_the_group_knows_of_tokens(tmp_path):
    kept = []
    spy = signals.stateless(lambda signal, group: (kept.append(group), group.reference, group.tokens, signal)[-1])
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=GRPO | {"beta": 0.1}, signal=spy)
    trainer.train()
    out, group = trainer.made[0], kept[-2]
    want = scored(out)
    mask = out["completion_mask"].numpy() > 0
    np.testing.assert_allclose(group.logprob.ravel(), want.sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(group.reference, group.logprob, atol=1e-5)  # before the first step
    np.testing.assert_array_equal(group.length.ravel(), mask.sum(axis=1))
    np.testing.assert_array_equal(np.moveaxis(group.tokens.mask, 0, -1).reshape(mask.shape), mask)
    found = np.moveaxis(group.tokens.logprob, 0, -1).reshape(mask.shape)
    np.testing.assert_allclose(found[mask], want[mask], atol=1e-5)
    assert np.isnan(found[~mask]).all()
    assert trainer._signal_seen.passes == []  # those of the loss are not kept
    # The second batch is another policy's; the reference is still the first.
    np.testing.assert_allclose(kept[-1].reference.ravel(), scored(trainer.made[1]).sum(axis=1), atol=1e-5)
    assert np.abs(kept[-1].reference - kept[-1].logprob).min() > 1e-3


def test_a_hidden_output_has_no_logprob(tmp_path):
    kept = []
    spy = signals.stateless(lambda signal, group: (kept.append(group), group.logprob, signal)[-1])
    settings = GRPO | {"mask_truncated_completions": True, "max_steps": 1}
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=settings, signal=spy)
    trainer.train()
    hidden = trainer.made[0]["completion_mask"].sum(dim=1).numpy() == 0
    assert hidden.any()
    assert not hidden.all()
    np.testing.assert_array_equal(np.isnan(kept[-1].logprob.ravel()), hidden)
    assert (kept[-1].length.ravel()[hidden] == 5).all()


def test_evaluation_leaves_the_memory_alone(tmp_path):
    settings = GRPO | {"num_generations_eval": 2, "per_device_eval_batch_size": 8}
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=settings, signal="normalise_running")
    trainer.train()
    before = trainer._signal._state
    trainer.evaluate(trainer.train_dataset)
    assert trainer.state.log_history[-1]["eval_signal/no_verdict"] == 0.0
    assert trainer._signal._state is before
    assert trainer._signal._state[0].mass.item() == 8.0  # two steps of four prompts


class Two:
    """The second of two processes; the first has the same rows with other values."""

    process_index = 1

    def pad_across_processes(self, tensor, dim):
        assert dim == 1
        return torch.nn.functional.pad(tensor, (0, 1))

    def gather(self, tensor):
        return torch.cat([tensor + 10, tensor])


def test_every_process_has_its_own_slice():
    from culpa.training.adapters.batch import Seen, fields, put, rewards_of

    trainer = SimpleNamespace(accelerator=Two(), model=SimpleNamespace(training=True), num_generations=3, beta=0.0)
    trainer.reward_weights = torch.tensor([1.0, 2.0])
    nan = float("nan")
    rewards = torch.tensor([[1.0, 1.0], [nan, 2.0], [nan, nan], [0.0, nan], [5.0, 0.0], [6.0, 0.0]])
    seen = Seen(rewards, [2, 3, 1], [torch.full((3, 3), -1.0)])
    np.testing.assert_array_equal(rewards_of(trainer, seen, merged=False), [[3, 4, nan], [0, 5, 6]])
    merged = rewards_of(trainer, seen, merged=True)
    np.testing.assert_array_equal(merged, [[[1, nan, nan], [0, 5, 6]], [[1, 2, nan], [nan, 0, 0]]])
    out = {"completion_ids": torch.zeros(3, 3), "completion_mask": torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]])}
    out["advantages"] = torch.zeros(3)
    known = fields(trainer, out, seen, {"tokens"}, (2, 3))
    np.testing.assert_array_equal(known["length"], [[12, 13, 11], [2, 3, 1]])
    assert known["tokens"].mask.shape == (4, 2, 3)
    np.testing.assert_array_equal(known["logprob"][1], [-2, -3, -1])
    put(trainer, out, np.array([[1.0, 2.0, 3.0], [4.0, nan, 6.0]]))
    assert out["advantages"].tolist() == [4.0, 0.0, 6.0]
    put(trainer, out, np.arange(24.0).reshape(4, 2, 3))
    assert out["advantages"].tolist() == [[3, 9, 0], [4, 10, 16], [5, 0, 0]]


def test_tools_tokens_are_not_the_policys():
    from culpa.training.adapters.batch import Seen, fields

    one = SimpleNamespace(gather=lambda tensor: tensor, pad_across_processes=lambda tensor, **_: tensor)
    trainer = SimpleNamespace(accelerator=one, beta=0.0)
    out = {"completion_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]), "tool_mask": torch.tensor([[1, 0, 1], [0, 0, 1]])}
    seen = Seen(None, [3, 2], [torch.tensor([[-1.0, -50.0, -2.0], [-3.0, -4.0, -5.0]])])
    known = fields(trainer, out, seen, {"logprob"}, (1, 2))
    np.testing.assert_array_equal(known["length"], [[2, 2]])
    np.testing.assert_array_equal(known["logprob"], [[-3, np.nan]])


@pytest.mark.parametrize(
    ("kind", "settings", "chain", "said"),
    [
        ("grpo", {}, "center", "scale_rewards is 'group': with a signal it has to be 'none'"),
        ("grpo", {"multi_objective_aggregation": "normalize_then_sum"} | GRPO, "center", "take trl_gdpo"),
        ("grpo", GRPO | {"reward_weights": [2.0]}, "weighted_sum", "Leave reward_weights out"),
        ("grpo", GRPO, "kl_penalty:0.1", "Set beta above 0"),
        ("rloo", {"normalize_advantages": True} | RLOO, "center", "end it with whiten"),
        ("rloo", {"reward_clip_range": (0.0, 1.0)} | RLOO, "center", "begin it with clip"),
        ("rloo", {"beta": 0.05}, "center", '"kl_penalty:0.05", or set beta to 0'),
    ],
)
def test_settings_that_would_act_beside_the_chain(kind, settings, chain, said, tmp_path):
    trainer, config = (OurGRPO, GRPOConfig) if kind == "grpo" else (OurRLOO, RLOOConfig)
    with pytest.raises(InputError) as caught:
        made(trainer, config, vowels, tmp_path, settings=settings, signal=chain)
    assert said in str(caught.value)


def test_tokens_are_refused_where_the_loss_is_that_of_outputs(tmp_path):
    with pytest.raises(InputError, match="Use GRPOTrainer for token-level signals"):
        made(OurRLOO, RLOOConfig, vowels, tmp_path, settings=RLOO, signal=spread_tokens())


def test_a_chain_of_another_shape_is_refused(tmp_path):
    odd = signals.stateless(lambda signal, _group: signal[..., :1])
    with pytest.raises(InputError, match=r"shape \(4, 1\) for \(4, 4\)"):
        made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=GRPO, signal=odd)


def test_evaluation_has_groups_of_its_own(tmp_path):
    settings = GRPO | {"num_generations_eval": 2, "per_device_eval_batch_size": 8}
    trainer = made(OurGRPO, GRPOConfig, vowels, tmp_path, settings=settings, signal="center")
    trainer.train()
    before = list(trainer._logs["advantages"])
    trainer.evaluate(trainer.train_dataset)
    found = trainer.made[-1]["advantages"].numpy()
    rewards = np.array(trainer._logs["rewards"]["vowels"])[-8:].reshape(4, 2)
    np.testing.assert_allclose(found.reshape(4, 2), rewards - rewards.mean(axis=1, keepdims=True), atol=1e-6)
    assert list(trainer._logs["advantages"]) == before[8:] + found.tolist()


# The contract with TRL's private methods.


def test_the_tested_release_is_the_one_installed():
    assert importlib.metadata.version("trl") in SpecifierSet(SUPPORTED)


@pytest.mark.parametrize("trainer", [GRPOTrainer, RLOOTrainer], ids=["grpo", "rloo"])
def test_the_private_methods_are_there(trainer):
    contract.check_methods(type("Ours", (SignalMixin, trainer), {}))
    assert all(name in vars(trainer) for name in contract.METHODS)


@pytest.mark.parametrize("name", contract.METHODS)
def test_a_missing_method_is_named(name):
    others = {one: vars(GRPOTrainer)[one] for one in contract.METHODS if one != name}
    with pytest.raises(InputError, match=rf"Other has no {name}\..* tested with TRL {re.escape(SUPPORTED)}"):
        type("Ours", (SignalMixin, type("Other", (), others)), {})(signal="center")


def test_a_changed_method_is_named():
    changed = {one: vars(GRPOTrainer)[one] for one in contract.METHODS}
    changed["_calculate_rewards"] = lambda _self, inputs, prompts, completions: (inputs, prompts, completions)
    with pytest.raises(InputError, match="_calculate_rewards without completion_ids_list"):
        type("Ours", (SignalMixin, type("Other", (), changed)), {})(signal="center")


def test_the_mixin_has_to_come_first():
    with pytest.raises(InputError, match="object has no _generate_and_score_completions"):
        type("Ours", (SignalMixin,), {})(signal="center")
