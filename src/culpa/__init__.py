"""culpa: which errors of a reward will hurt your policy-gradient run, which will not matter, and which will help."""

from culpa._version import __version__
from culpa.audit import Outlook, Settings, Verdict, audit
from culpa.dynamics import Forecast, Horizon, best_of_n, grpo, learner, ppo, reinforce, rloo, tilt
from culpa.errors import InputError
from culpa.predictors import rehearse
from culpa.rollouts import Options, Rollouts, read, scan, write

__all__ = [
    "Forecast",
    "Horizon",
    "InputError",
    "Options",
    "Outlook",
    "Rollouts",
    "Settings",
    "Verdict",
    "__version__",
    "audit",
    "best_of_n",
    "grpo",
    "learner",
    "ppo",
    "read",
    "rehearse",
    "reinforce",
    "rloo",
    "scan",
    "tilt",
    "write",
]
