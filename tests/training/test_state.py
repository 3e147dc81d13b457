"""The memory of a chain, to JSON and back."""

import json

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.signals import parse
from culpa.signals.running import Running
from culpa.training.state import from_json, to_json


def there_and_back(state):
    return from_json(json.loads(json.dumps(to_json(state))))


@pytest.mark.parametrize("value", [None, True, 3, "word", 0.1, float("inf"), (1, (2.5, None)), [1, "a"], {"a": (1,)}])
def test_plain_values_to_the_last_bit(value):
    assert there_and_back(value) == value
    assert type(there_and_back(value)) is type(value)


def test_nan_and_arrays():
    assert np.isnan(there_and_back(float("nan")))
    for array in (np.arange(6.0).reshape(2, 3) / 7, np.array([True]), np.array([], dtype=np.int32), np.array(np.nan)):
        found = there_and_back(array)
        assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")
        assert found.dtype == array.dtype
        assert found.shape == array.shape


def test_generators_go_on_where_they_were():
    rng = np.random.default_rng(3)
    rng.random(5)
    copy = there_and_back(rng)
    assert np.array_equal(copy.random(4), rng.random(4))


@pytest.mark.parametrize("text", ["normalise_running", "minmax_running | center", "clip_running", "dcpo:0.5"])
def test_the_memory_of_every_chain(text):
    step = parse(text)
    state = step.init((3, 4), np.random.default_rng(0))
    found = there_and_back(state)
    assert repr(found) == repr(state)


def test_named_tuples_keep_their_class():
    state = Running(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    assert isinstance(there_and_back(state), Running)


def test_what_is_not_known_is_refused():
    with pytest.raises(InputError, match="holds a set"):
        to_json({1, 2})
    with pytest.raises(InputError, match="which is not known"):
        from_json({"code": "import os"})
    with pytest.raises(InputError, match="array of objects"):
        from_json({"array": "", "dtype": "|O", "shape": [0]})
    with pytest.raises(InputError, match="unknown generator"):
        from_json({"generator": {"dict": {"bit_generator": "Mine"}}})
