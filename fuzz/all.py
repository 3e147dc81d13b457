"""Every target by its name."""

import importlib
import pkgutil

import culpa
from fuzz import files, lines, pages, verbs
from fuzz.target import Target


def known() -> dict[str, Target]:
    """The targets, in a fixed order; what they call is imported before, so that it is watched."""
    for module in pkgutil.walk_packages(culpa.__path__, "culpa."):
        if module.name.split(".")[1] in ("rollouts", "report", "cli", "advice", "audit", "signals", "predictors"):
            importlib.import_module(module.name)
    found = [one for part in (lines, files, pages, verbs) for one in part.targets()]
    return {one.name: one for one in found}
