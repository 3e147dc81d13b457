"""Every step that a line can name, wherever a user can name it: training, TRL, verl, the rehearsal.

The steps are those that `parse` knows; one that is new has to find its place in these lists, or fails here.
"""

from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from culpa import Rollouts
from culpa.cli.rehearse import learners_of
from culpa.dynamics import Horizon, grpo, rloo, simulate
from culpa.dynamics.estimated import advantage_of
from culpa.errors import InputError
from culpa.signals import (
    KNOWN,
    Tokens,
    apply,
    chain,
    contrast_weights,
    equal_group,
    leave_one_out,
    parse,
    process_weights,
    spread_tokens,
    stateless,
    token_gate,
    token_weights,
)
from culpa.training.adapters import verl
from culpa.training.adapters.reward import reward
from culpa.training.adapters.trl import SignalMixin
from culpa.training.batch import advantages

OPTIONS = {
    "add_selected": "0.1", "clip": "0.8", "dcpo": "1", "flip": "0.2", "kl_penalty": "0.1", "length_band": "0,1,2,9",
    "length_penalty": "0.1", "occupancy_penalty": "0.1", "overlong": "4,2", "par": "0.5", "scale": "2",
    "selection_ratio": "correct",
}  # fmt: skip
LINES = {name: f"{name}:{OPTIONS[name]}" if name in OPTIONS else name for name in KNOWN}
MERGING = {"layered", "normalise_then_sum", "outcome_plus", "trl_gdpo", "weighted_sum"}
POINTWISE = {
    "clip", "clip_running", "flip", "length_band", "length_penalty", "minmax_running", "normalise_running", "overlong",
    "par", "scale", "squash", "tiers", "whiten",
}  # fmt: skip
SHAPE, STEPS = (3, 4), 5  # prompts x outputs, tokens
ONE = [name for name in KNOWN if name not in MERGING]

rng = np.random.default_rng(0)
REWARD = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, np.nan], [1.0, 1.0, 1.0, 0.0]])
SECOND = rng.random(SHAPE).round(2)
LENGTH = rng.integers(1, STEPS + 1, size=SHAPE)
MASK = np.arange(STEPS)[:, None, None] < LENGTH  # (t, p, s)
LOGP = np.where(MASK, -rng.random(MASK.shape), np.nan)
HELD = LOGP - 0.1
GROUP = equal_group(
    SHAPE,
    length=LENGTH.astype(float),
    logprob=np.nansum(LOGP, axis=0),
    reference=np.nansum(HELD, axis=0),
    tokens=Tokens(MASK, logprob=LOGP, reference=HELD),
)


def seeded():
    return np.random.default_rng(0)


def rows(values):
    """(t, p, s) as a trainer has it, (n, t), 0 where an output has ended."""
    return torch.tensor(np.nan_to_num(values, nan=0.0).reshape(STEPS, -1).T)


def told(step, signal=REWARD):
    """What the step gives by itself."""
    return apply(step, signal, GROUP, rng=seeded())


def step_of(name):
    return parse(LINES[name])


def test_steps_that_merge_say_so():
    assert {name for name in KNOWN if step_of(name).output((2, *SHAPE)) == SHAPE} == MERGING
    assert not (POINTWISE | MERGING).difference(KNOWN)


class TestTrain:
    """`culpa train --signal`: the learner's advantage of what the line makes of one step's rewards."""

    BATCH = Rollouts(
        np.array(["a", "b", "c"], dtype=object),
        np.ones(SHAPE, dtype=bool),
        np.full(SHAPE, 0.25),
        {"rm": REWARD},
        length=LENGTH.astype(float),
        logprob=GROUP.logprob,
    )

    @pytest.mark.parametrize("name", ONE)
    @pytest.mark.parametrize("learner", [rloo(4), grpo(4)], ids=["rloo", "grpo"])
    def test_every_step(self, name, learner):
        how = advantage_of(learner.with_signal(step_of(name), LINES[name]))
        found, _ = advantages(self.BATCH, "rm", how, how.init(SHAPE, seeded()), GROUP.tokens)
        assert np.array_equal(found, told(chain(step_of(name), advantage_of(learner))), equal_nan=True)
        assert np.isfinite(found).any()


class TestRewardFunction:
    """`reward(function, line)`: a trainer's reward function knows neither its groups nor the policy."""

    @pytest.mark.parametrize("name", ONE)
    def test_pointwise_steps_pass_and_others_are_refused(self, name):
        if name not in POINTWISE:
            with pytest.raises(InputError, match="Use the mixin"):
                reward(lambda completions: [0.0] * len(completions), LINES[name])
            return
        asked = {"prompts": ["?"] * 12, "completions": ["!"] * 12}
        asked["completion_ids"] = [[0] * count for count in LENGTH.ravel()]
        said = [None if np.isnan(one) else one for one in REWARD.ravel().tolist()]
        given = reward(lambda **_: said, LINES[name])(**asked)
        group = equal_group((12, 1), length=LENGTH.reshape(-1, 1).astype(float))
        due = apply(step_of(name), REWARD.reshape(-1, 1), group, rng=seeded()).ravel().tolist()
        assert given == pytest.approx([None if np.isnan(one) else one for one in due])

    @pytest.mark.parametrize(
        ("line", "scores", "due"),
        [
            ("weighted_sum", [[1.0, 2.0], [3.0, 4.0]], [3.0, 7.0]),
            ("weighted_sum:1,0.5", [[1.0, 2.0], [3.0, 4.0]], [2.0, 5.0]),
            ("weighted_sum:1,1,1,1,1", [[1.0] * 5, [2.0] * 5], [5.0, 10.0]),
            ("layered", [[1.0, 0.0], [1.0, 1.0]], [0.3, 1.0]),
            ("outcome_plus:0.5", [[1.0, 0.9], [0.0, 0.9]], [1.5, 0.5]),
        ],
    )
    def test_merging_ones_take_several_scores_of_an_output(self, line, scores, due):
        given = reward(lambda **_: scores, line)
        assert given(prompts=["?"] * 2, completions=["!"] * 2) == pytest.approx(due)


class Plain:
    """What the mixin knows of a trainer of TRL, whose one batch is that of this file."""

    def __init__(self, rewards):
        self.rewards = torch.tensor(np.stack(rewards, axis=-1).reshape(-1, len(rewards)))
        self.reward_funcs, self.reward_weights = [None] * len(rewards), torch.ones(len(rewards))
        self.num_generations = self.num_generations_eval = SHAPE[1]
        self.beta, self.loss_type, self.scale_rewards = 0.1, "grpo", "none"
        self.args = SimpleNamespace(
            generation_batch_size=12, reward_weights=None, per_device_train_batch_size=12, per_device_eval_batch_size=12
        )
        self.model = SimpleNamespace(training=True)
        self.accelerator = SimpleNamespace(
            process_index=0, gather=lambda tensor: tensor, pad_across_processes=lambda tensor, **_: tensor
        )
        self._metrics, self._logs = {"train": defaultdict(list)}, {"advantages": []}

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        del inputs, prompts, completions, completion_ids_list
        return self.rewards

    def _get_per_token_logps_and_entropies(self, model, input_ids, attention_mask, logits_to_keep, batch_size=None):
        del input_ids, attention_mask, logits_to_keep, batch_size
        return rows(LOGP if model is self.model else HELD), None

    def _generate_and_score_completions(self, inputs):
        ids = torch.zeros(12, STEPS, dtype=torch.long)
        self._calculate_rewards(inputs, None, None, [[0] * count for count in LENGTH.ravel()])
        for model in (self.model, "reference"):
            self._get_per_token_logps_and_entropies(model, ids, ids, STEPS)
        mask = rows(MASK).long()
        return {"completion_ids": ids, "completion_mask": mask, "advantages": torch.zeros(12, dtype=torch.float64)}


class Mixed(SignalMixin, Plain):
    pass


class TestMixin:
    @pytest.mark.parametrize("name", KNOWN)
    def test_every_step(self, name):
        signal = np.stack([REWARD, SECOND]) if name in MERGING else REWARD
        trainer = Mixed([REWARD, SECOND] if name in MERGING else [REWARD], signal=LINES[name])
        found = trainer._generate_and_score_completions([])["advantages"].reshape(SHAPE)
        assert found.numpy() == pytest.approx(np.nan_to_num(told(step_of(name), signal), nan=0.0))


class TestEstimator:
    """verl's, where the trainer passes the log-probabilities on."""

    INDEX = np.repeat(np.array(["a", "b", "c"], dtype=object), SHAPE[1])

    def asked(self, step):
        last = torch.zeros(12, STEPS, dtype=torch.float64)
        last[torch.arange(12), torch.tensor(LENGTH.ravel() - 1)] = torch.tensor(REWARD.ravel())
        return verl.Estimator(step)(last, rows(MASK), self.INDEX, old_log_probs=rows(LOGP), ref_log_prob=rows(HELD))[0]

    @pytest.mark.parametrize("name", ONE)
    def test_every_step(self, name):
        spread = np.where(MASK, told(step_of(name)), np.nan)
        assert self.asked(LINES[name]).numpy() == pytest.approx(rows(spread).numpy())

    @pytest.mark.parametrize("name", sorted(MERGING))
    def test_several_rewards_are_refused(self, name):
        with pytest.raises(InputError, match="verl has one for each output"):
            verl.Estimator(LINES[name])


def with_scores(step):
    """A step that asks for what no trainer knows, behind one that brings it."""

    def act(signal, group):
        known = replace(group.tokens, score=1.0 + group.tokens.logprob, other=group.tokens.reference)
        return apply(step, signal, replace(group, tokens=known))

    return chain(leave_one_out(), stateless(act, step.output))


BY_TOKEN = {
    "spread_tokens": chain(leave_one_out(), spread_tokens()),
    "token_weights": chain(leave_one_out(), token_weights(lambda _signal, tokens: np.exp(tokens.logprob))),
    "token_gate": with_scores(token_gate()),
    "process_weights": with_scores(process_weights()),
    "contrast_weights": with_scores(contrast_weights(2.0)),
}


@pytest.mark.parametrize("name", BY_TOKEN)
def test_steps_from_outputs_to_tokens_in_both_trainers(name):
    due = rows(told(BY_TOKEN[name])).numpy()
    assert np.ptp(due) > 0
    assert TestEstimator().asked(BY_TOKEN[name]).numpy() == pytest.approx(due)
    found = Mixed([REWARD], signal=BY_TOKEN[name])._generate_and_score_completions([])["advantages"]
    assert found.numpy() == pytest.approx(due)


class TestRehearsal:
    """`culpa rehearse --signal`: exact steps on the outputs that were seen."""

    SEEN = replace(TestTrain.BATCH, truth=REWARD)

    def forecast(self, name, **how):
        learner = learners_of("rloo:4", 0.0, [LINES[name]])[LINES[name]]
        return simulate(self.SEEN, learner=learner, horizon=Horizon(kl=None, steps=3), **how)

    @pytest.mark.parametrize("name", ONE)
    def test_every_step(self, name):
        assert np.isfinite(self.forecast(name).outcome).all()
        assert np.isfinite(self.forecast(name, rng=seeded()).outcome).all()

    def test_what_draws_does_so_at_every_step_and_the_same_each_time(self):
        often = [self.forecast("flip").outcome for _ in range(2)]
        assert np.array_equal(*often)
        assert (often[0] < self.forecast("center").outcome).all()

    @pytest.mark.parametrize("name", sorted(MERGING))
    def test_several_rewards_are_refused(self, name):
        with pytest.raises(InputError, match="Merge several rewards into one before the learner"):
            self.forecast(name)
