"""Signals: rewards, what is done to them, and advantages, in numpy; steps that chain.

Axes: p prompts, s samples, t tokens, k rewards; any leading axes before them.
"""

from culpa.signals.baseline import center, leave_one_out
from culpa.signals.calibrate import calibrate_low
from culpa.signals.contrast import contrast_weights
from culpa.signals.dead import drop_dead
from culpa.signals.deviation import divide_std, whiten
from culpa.signals.entropy import dcpo
from culpa.signals.envelope import length_band
from culpa.signals.flips import flip
from culpa.signals.gates import layered, only_valid, valid_mask
from culpa.signals.likelihood import (
    answer_likelihood,
    answer_weights,
    marginal_gain,
    perplexity_rank,
    token_probability_gain,
)
from culpa.signals.likely import unlikeliness
from culpa.signals.next_token import next_token_reward
from culpa.signals.novelty import count_bonus, novelty_bonus
from culpa.signals.occupancy import LogRatio, fit_log_ratio, occupancy_penalty
from culpa.signals.pairs import balanced_pairs
from culpa.signals.parse import KNOWN, parse
from culpa.signals.patterns import pattern_reward, pattern_score
from culpa.signals.penalty import kl_penalty, length_penalty, overlong
from culpa.signals.pointwise import clip, scale
from culpa.signals.presets import openrlhf, trl_gdpo, trl_grpo, trl_rloo, verl_grpo, verl_rloo
from culpa.signals.quantile import gaussian_rank
from culpa.signals.redistribute import Redistribution, check_factors, fit_redistribution
from culpa.signals.running import Running, normalise_running
from culpa.signals.saturate import clip_running, minmax_running, par, squash
from culpa.signals.selected import add_selected, selection_ratio
from culpa.signals.several import normalise_then_sum, weighted_sum
from culpa.signals.shaping import difference_rewards, look_back, potential
from culpa.signals.steps import clip_steps, delta_steps
from culpa.signals.tiers import block_share, gaussian_closeness, outcome_plus, tiers
from culpa.signals.tokens import Tokens, process_weights, spread_tokens, token_gate, token_weights
from culpa.signals.transform import (
    Group,
    Transform,
    apply,
    by_token,
    chain,
    equal_group,
    group_of,
    masked,
    scheduled,
    stateless,
)

__all__ = [
    "KNOWN",
    "Group",
    "LogRatio",
    "Redistribution",
    "Running",
    "Tokens",
    "Transform",
    "add_selected",
    "answer_likelihood",
    "answer_weights",
    "apply",
    "balanced_pairs",
    "block_share",
    "by_token",
    "calibrate_low",
    "center",
    "chain",
    "check_factors",
    "clip",
    "clip_running",
    "clip_steps",
    "contrast_weights",
    "count_bonus",
    "dcpo",
    "delta_steps",
    "difference_rewards",
    "divide_std",
    "drop_dead",
    "equal_group",
    "fit_log_ratio",
    "fit_redistribution",
    "flip",
    "gaussian_closeness",
    "gaussian_rank",
    "group_of",
    "kl_penalty",
    "layered",
    "leave_one_out",
    "length_band",
    "length_penalty",
    "look_back",
    "marginal_gain",
    "masked",
    "minmax_running",
    "next_token_reward",
    "normalise_running",
    "normalise_then_sum",
    "novelty_bonus",
    "occupancy_penalty",
    "only_valid",
    "openrlhf",
    "outcome_plus",
    "overlong",
    "par",
    "parse",
    "pattern_reward",
    "pattern_score",
    "perplexity_rank",
    "potential",
    "process_weights",
    "scale",
    "scheduled",
    "selection_ratio",
    "spread_tokens",
    "squash",
    "stateless",
    "tiers",
    "token_gate",
    "token_probability_gain",
    "token_weights",
    "trl_gdpo",
    "trl_grpo",
    "trl_rloo",
    "unlikeliness",
    "valid_mask",
    "verl_grpo",
    "verl_rloo",
    "weighted_sum",
    "whiten",
]
