"""culpa: which errors of a reward will hurt your policy-gradient run, which will not matter, and which will help."""

from culpa import report  # noqa: F401 - gives a verdict its writers
from culpa._version import __version__
from culpa.advice import Advice, advise
from culpa.audit import Outlook, Settings, Verdict, audit
from culpa.dynamics import Forecast, Horizon, best_of_n, grpo, learner, ppo, reinforce, rloo, tilt
from culpa.engines import engine, spread
from culpa.errors import InputError
from culpa.predictors import rehearse
from culpa.rollouts import Options, Rollouts, read, scan, write

__all__ = [
    "Advice",
    "Forecast",
    "Horizon",
    "InputError",
    "Options",
    "Outlook",
    "Rollouts",
    "Settings",
    "Verdict",
    "__version__",
    "advise",
    "audit",
    "best_of_n",
    "engine",
    "grpo",
    "learner",
    "ppo",
    "read",
    "rehearse",
    "reinforce",
    "rloo",
    "scan",
    "spread",
    "tilt",
    "write",
]
