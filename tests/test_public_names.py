"""The public names: importable, documented, typed, and each measure with an example that runs."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import culpa
import culpa.dynamics
import culpa.metrics
import culpa.predictors

MODULES = (culpa, culpa.dynamics, culpa.metrics, culpa.predictors)
NAMES = [(module, name) for module in MODULES for name in module.__all__ if not name.startswith("__")]
CALLED = [f"{module.__name__}.{name}" for module, name in NAMES]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_list_and_the_module_agree(module):
    defined = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert defined == {name for name in module.__all__ if not name.startswith("__")}
    assert list(module.__all__) == sorted(set(module.__all__))


@pytest.mark.parametrize(("module", "name"), NAMES, ids=CALLED)
def test_documented(module, name):
    written = getattr(module, name).__doc__ or ""
    first = written.strip().splitlines()[0] if written.strip() else ""
    assert len(first) > 10
    assert not first.startswith(f"{name}(")  # what a dataclass says when nobody has written anything


def signatures(value):
    """The function, or the public methods that a class defines and its constructor's fields."""
    if inspect.isfunction(value):
        return [value]
    if not inspect.isclass(value):  # a union of types
        return []
    methods = [one for name, one in vars(value).items() if inspect.isfunction(one) and not name.startswith("_")]
    own = [value.__init__] if "__init__" in vars(value) and inspect.isfunction(value.__init__) else []
    return methods + own


@pytest.mark.parametrize(("module", "name"), NAMES, ids=CALLED)
def test_typed(module, name):
    for function in signatures(getattr(module, name)):
        signature = inspect.signature(function)
        bare = [one.name for one in signature.parameters.values() if one.annotation is inspect.Parameter.empty]
        assert set(bare) <= {"self", "cls"}
        assert signature.return_annotation is not inspect.Signature.empty


FUNCTIONS = [
    (module, name)
    for module in (culpa.metrics, culpa.predictors)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
]


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_each_measure_has_an_example_that_shows_a_result(module, name):
    examples = doctest.DocTestParser().get_examples(getattr(module, name).__doc__)
    assert any(name in example.source for example in examples)
    assert any(example.want for example in examples)


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_a_public_function_lives_in_a_module_of_its_package(module, name):
    home = getattr(module, name).__module__
    assert home.startswith(f"{module.__name__}.")
    assert getattr(importlib.import_module(home), name) is getattr(module, name)


def test_a_user_needs_no_other_import():
    """The whole of what the tool does in Python, in the words of its first page."""
    documented = {
        "Forecast", "Horizon", "InputError", "Options", "Outlook", "Rollouts", "Settings", "Verdict",
        "Advice", "advise", "audit", "read", "rehearse", "scan", "write",
        "best_of_n", "grpo", "learner", "ppo", "reinforce", "rloo", "tilt", "engine", "spread",
    }  # fmt: skip
    assert set(culpa.__all__) - {"__version__"} == documented


def test_no_module_is_called_utils():
    names = [module.name for module in pkgutil.walk_packages(culpa.__path__, "culpa.")]
    assert len(names) > 20
    assert not [name for name in names if name.endswith(("utils", "helpers", "misc"))]
