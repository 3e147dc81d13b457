"""Published systems: one file each, with its claim, its experiment, a control that must fail, and the verdict.

There is no list to keep: the modules of this package are the list. A module has `experiment(rng, size) -> Outcome` and
`holds(outcome) -> list[Check]`, its docstring opens with the title and states claim and departures, and `SYSTEM` says
which of the eighteen systems it belongs to; 0 is the paper that this library grew from. The module NAME_lm is the
second check of NAME, on a language model.
"""

import importlib
import pkgutil
from types import ModuleType

from culpa.errors import InputError

_SHARED = {"outcome", "reproduce", "table", "tiny_runs"}
_SECOND = "_lm"


def names() -> list[str]:
    """The papers there are.

    >>> "imperfect_rewards" in names(), "imperfect_rewards_lm" in names()
    (True, False)
    """
    return [name for name in _modules() if not name.endswith(_SECOND)]


def second_checks() -> list[str]:
    """The modules of second checks, which need a language model.

    >>> "unlikeliness_lm" in second_checks()
    True
    """
    return [name for name in _modules() if name.endswith(_SECOND)]


def second_check(name: str) -> str:
    """The module of a paper's second check.

    >>> second_check("unlikeliness")
    'unlikeliness_lm'
    """
    paper(name)
    if f"{name}{_SECOND}" not in second_checks():
        known = ", ".join(one.removesuffix(_SECOND) for one in second_checks())
        raise InputError(f"{name} has no check on a language model.", remedy=f"These have one: {known}.")
    return f"{name}{_SECOND}"


def paper(name: str) -> ModuleType:
    """One paper's module, or that of a second check."""
    if name not in _modules():
        raise InputError(f"no paper is called {name!r}.", remedy=f"Known: {', '.join(names())}.")
    return importlib.import_module(f"{__name__}.{name}")


def system(name: str) -> int:
    """Which of the eighteen systems a paper or second check belongs to, by its place in the list; 0: the first paper.

    >>> system("unlikeliness"), system("unlikeliness_lm")
    (7, 7)
    """
    return int(paper(name.removesuffix(_SECOND)).SYSTEM)


def title(name: str) -> str:
    """The first line of a paper's docstring."""
    return (paper(name).__doc__ or "").strip().splitlines()[0]


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED)
