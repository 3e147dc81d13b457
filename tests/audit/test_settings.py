"""How thoroughly an audit is done: defaults, limits, and what is written of them."""

import pytest

from culpa.audit import Settings
from culpa.errors import InputError

BAD = [
    ({"level": 0.4}, "got level 0.4 and 2000 replicates. Use .5 <= level < 1, and >= 100."),
    ({"level": 1.0}, "got level 1.0 and 2000 replicates. Use .5 <= level < 1, and >= 100."),
    ({"replicates": 99}, "got level 0.95 and 99 replicates. Use .5 <= level < 1, and >= 100."),
    ({"budget": -1}, "got a budget of -1 and 12 errors to repeat. Use zero or more."),
    ({"repeat": -1}, "got a budget of 10 and -1 errors to repeat. Use zero or more."),
]


@pytest.mark.parametrize(("given", "said"), BAD, ids=str)
def test_what_gives_no_interval_or_no_list_is_refused(given, said):
    with pytest.raises(InputError) as error:
        Settings(**given)
    assert str(error.value) == said


def test_the_limits_themselves_are_fine():
    assert Settings(replicates=100, level=0.5, budget=0, repeat=0).repeat == 0


def test_what_is_written_into_the_verdict():
    assert Settings(150, 0.9, 3).asked() == {"replicates": 150, "level": 0.9, "budget": 3}


def test_the_defaults_are_those_of_the_command():
    assert Settings() == Settings(replicates=2000, level=0.95, budget=10, features="auto", repeat=12)
