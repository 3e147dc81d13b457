"""Exact policy gradient on finite outputs: what a reward does to a policy."""

from culpa.dynamics.advantage import Advantage
from culpa.dynamics.closed import advantages
from culpa.dynamics.effect import effects
from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.influence import adjoint, first_order, second_order
from culpa.dynamics.labels import labelled
from culpa.dynamics.learner import ClosedForm, Learner, Path, best_of_n, grpo, learner, ppo, reinforce, rloo, tilt
from culpa.dynamics.shapley import Split, integrated, split
from culpa.dynamics.shared import SharedForecast
from culpa.dynamics.simulate import Forecast, Horizon, simulate
from culpa.dynamics.stall import escape_steps, stalls
from culpa.dynamics.walk import Columns

__all__ = [
    "Advantage",
    "ClosedForm",
    "Columns",
    "Forecast",
    "Horizon",
    "Learner",
    "Path",
    "SharedForecast",
    "Split",
    "adjoint",
    "advantages",
    "best_of_n",
    "effects",
    "escape_steps",
    "first_order",
    "grpo",
    "integrated",
    "labelled",
    "learner",
    "parse_horizon",
    "ppo",
    "reinforce",
    "rloo",
    "second_order",
    "simulate",
    "split",
    "stalls",
    "tilt",
]
