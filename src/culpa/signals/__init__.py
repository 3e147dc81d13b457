"""Signals: rewards, what is done to them, and advantages, in numpy; steps that chain.

Axes: p prompts, s samples, t tokens, k rewards; any leading axes before them.
"""

from culpa.signals.baseline import center, leave_one_out
from culpa.signals.dead import drop_dead
from culpa.signals.deviation import divide_std, whiten
from culpa.signals.entropy import dcpo
from culpa.signals.envelope import length_band
from culpa.signals.likely import unlikeliness
from culpa.signals.parse import KNOWN, parse
from culpa.signals.penalty import kl_penalty, length_penalty, overlong
from culpa.signals.pointwise import clip, scale
from culpa.signals.presets import openrlhf, trl_gdpo, trl_grpo, trl_rloo, verl_grpo, verl_rloo
from culpa.signals.quantile import gaussian_rank
from culpa.signals.running import Running, normalise_running
from culpa.signals.saturate import clip_running, minmax_running, par, squash
from culpa.signals.several import normalise_then_sum, weighted_sum
from culpa.signals.steps import clip_steps, delta_steps
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
    "Running",
    "Transform",
    "apply",
    "by_token",
    "center",
    "chain",
    "clip",
    "clip_running",
    "clip_steps",
    "dcpo",
    "delta_steps",
    "divide_std",
    "drop_dead",
    "equal_group",
    "gaussian_rank",
    "group_of",
    "kl_penalty",
    "leave_one_out",
    "length_band",
    "length_penalty",
    "masked",
    "minmax_running",
    "normalise_running",
    "normalise_then_sum",
    "openrlhf",
    "overlong",
    "par",
    "parse",
    "scale",
    "scheduled",
    "squash",
    "stateless",
    "trl_gdpo",
    "trl_grpo",
    "trl_rloo",
    "unlikeliness",
    "verl_grpo",
    "verl_rloo",
    "weighted_sum",
    "whiten",
]
