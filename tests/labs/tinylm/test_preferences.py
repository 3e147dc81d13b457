from collections import Counter
from itertools import product

import numpy as np
import pytest
from tests.labs.tinylm.said import TASKS, rollouts

from culpa.errors import InputError
from culpa.labs.tinylm.outputs import asked
from culpa.labs.tinylm.preferences import RECIPES, preferences

RECORD = {name: rollouts(task) for name, task in TASKS.items()}


def made(name, task="sort", seed=0, **other):
    return preferences(TASKS[task], RECORD[task], RECIPES[name]._replace(**other), np.random.default_rng(seed))


def values(pairs, value, task="sort"):
    """Of chosen and rejected, by a function of answer and response."""
    answers = dict(zip(*(asked(RECORD[task])[i] for i in (0, 2)), strict=True))
    rows = zip(pairs.prompts, pairs.chosen, pairs.rejected, strict=True)
    return np.array([[value(answers[p], one) for one in (a, b)] for p, a, b in rows]).T


def grade(task):
    return lambda answer, response: (
        0.5 * np.mean(TASKS[task].parts(answer, response)) + 0.5 * all(TASKS[task].parts(answer, response))
    )


@pytest.mark.parametrize("task", ["sort", "add", "moderate"])
@pytest.mark.parametrize("name", ["rm_good", "rm_few", "rm_foreign"])
def test_the_better_response_is_preferred(name, task):
    chosen, rejected = values(made(name, task), grade(task), task)
    assert len(chosen) > 20
    assert (chosen > rejected).all()


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"rm_foreign"}))
def test_both_responses_are_the_policys_own_to_that_prompt(name):
    own = set(zip(*asked(RECORD["sort"])[:2], strict=True))
    pairs = made(name)
    assert (
        set(zip(pairs.prompts, pairs.chosen, strict=True)) | set(zip(pairs.prompts, pairs.rejected, strict=True)) <= own
    )


def test_foreign_responses_are_not():
    pairs = made("rm_foreign")
    own = set(asked(RECORD["sort"])[1])
    assert np.mean([one in own for one in pairs.chosen + pairs.rejected]) < 0.5
    assert {len(one) for one in pairs.chosen + pairs.rejected} == {8}


def test_no_more_pairs_than_asked_for_and_each_once():
    assert len(made("rm_few").prompts) == 60
    some, every = made("rm_good", pairs=50), made("rm_good")
    assert len(some.prompts) == 50
    prompts, responses, answers = asked(RECORD["sort"])
    truth = TASKS["sort"].truths(answers, responses)
    by_hand = Counter(
        (prompts[a], responses[a], responses[b])
        for a, b in product(range(len(prompts)), repeat=2)
        if prompts[a] == prompts[b] and truth[a] > truth[b]
    )
    assert Counter(zip(*every, strict=True)) == by_hand
    assert list(zip(*every, strict=True)) != list(by_hand)  # in random order


def test_a_share_of_preferences_is_written_the_wrong_way_round():
    chosen, rejected = values(made("rm_noisy"), grade("sort"))
    assert np.mean(chosen < rejected) == pytest.approx(0.35, abs=0.06)


def test_a_charmed_labeller_takes_letters_for_worth():
    chosen, rejected = values(made("rm_charmed"), grade("sort"))
    charm = values(made("rm_charmed"), lambda _, response: response.count("a"))
    assert (chosen + 0.25 * charm[0] > rejected + 0.25 * charm[1]).all()
    assert (chosen < rejected).any()


def test_a_hasty_labeller_reads_the_first_half():
    chosen, rejected = values(
        made("rm_hasty"), lambda a, r: np.mean(TASKS["sort"].parts(a, r)[: (max(len(a), len(r)) + 1) // 2])
    )
    assert (chosen > rejected).all()


def test_the_seed_decides_the_pairs():
    assert made("rm_few") == made("rm_few")
    assert made("rm_few") != made("rm_few", seed=1)


def test_rollouts_without_a_preference_are_refused():
    record = RECIPES["rm_good"]._replace(labels=lambda seen: np.zeros(len(seen.prompts)))
    with pytest.raises(
        InputError, match=r"no two of 360 responses to the same prompt differ for the labeller\. Draw more"
    ):
        preferences(TASKS["sort"], RECORD["sort"], record, np.random.default_rng(0))
