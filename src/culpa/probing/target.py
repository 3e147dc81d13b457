"""The reward's name as it is written: `module:function` or `file.py:function`."""

from os.path import isfile
from pathlib import Path

from culpa.errors import InputError, shorten
from culpa.verifiers.process import Target


def parse_target(text: str) -> Target:
    """The function of a module or of a file. Nothing is imported here.

    >>> parse_target("my.rewards:score")
    Target(module='my.rewards', file=None, function='score')
    """
    place, colon, function = text.rpartition(":")
    parts = function.split(".")
    if not colon or not place or not all(part.isidentifier() for part in parts):
        problem = f"the reward is {shorten(text)!r}."
        raise InputError(problem, remedy="Write module:function or file.py:function.")
    if place.endswith(".py") or "/" in place:
        path = Path(place)
        if not isfile(place):
            raise InputError("there is no such file.", path=path, remedy="Check the path of the reward.")
        return Target("", path, function)
    if not all(part.isidentifier() for part in place.split(".")):
        problem = f"{shorten(place)!r} is neither a module nor a file that ends with .py."
        raise InputError(problem, remedy="Write module:function or file.py:function.")
    return Target(place, None, function)
