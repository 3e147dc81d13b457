"""From forecasts to a recommendation."""

import numpy as np
import pytest

from culpa.advice.decide import View, as_good, decide, rule_of_thumb
from culpa.advice.rates import Independence


def view(*outcome, wins=1.0, model="by prompt", draws=100):
    """Draws in which the outcome stands, and others in which it is turned round."""
    outcome = np.array(outcome)
    drawn = np.tile(outcome[:, None], (1, draws))
    drawn[:, : round((1 - wins) * draws)] = outcome[::-1, None]
    return View(model, outcome, drawn)


def test_as_good_as_the_best():
    assert as_good(np.array([[0.5, 0.0], [0.56, 0.04]])).tolist() == [[False, True], [True, True]]


def test_the_simplest_of_the_good_ones():
    found = decide([view(0.86, 0.90, 0.1, 0.89)])
    assert (found.kind, found.credit, found.confidence) == ("use", "binary", 1.0)
    assert decide([view(0.2, 0.90, 0.9, 0.89)]).credit == "partial"


def test_it_has_to_be_good_in_every_world():
    both = [view(0.9, 0.86, 0.2, 0.2), view(0.2, 0.9, 0.9, 0.9, model="skills")]
    assert decide(both).credit == "partial"


def test_worlds_that_disagree():
    found = decide([view(0.9, 0.1, 0.1, 0.1), view(0.1, 0.9, 0.1, 0.1, model="skills")])
    assert found.kind == "cannot tell"
    assert (found.credit, found.confidence) == (None, None)
    assert found.reasons == ("the worlds disagree (by prompt: binary; skills: partial)",)


def test_draws_that_do_not_agree():
    assert decide([view(0.9, 0.1, 0.1, 0.1, wins=0.8)]).kind == "use"
    found = decide([view(0.9, 0.1, 0.1, 0.1, wins=0.79)])
    assert (found.kind, found.credit, found.confidence) == ("cannot tell", "binary", 0.79)
    assert found.reasons == ("it is as good as the best in only 79% of draws of the prompts",)


def test_confidence_is_that_of_all_worlds_in_the_same_draw():
    first, second = view(0.9, 0.1, 0.1, 0.1, wins=0.9), view(0.9, 0.1, 0.1, 0.1, wins=0.9, model="skills")
    assert decide([first, second]).confidence == pytest.approx(0.9)
    turned = View("skills", second.outcome, second.drawn[:, ::-1])
    assert decide([first, turned]).confidence == pytest.approx(0.8)


def test_another_prior_can_veto():
    main = [view(0.9, 0.1, 0.1, 0.1)]
    assert decide(main, [view(0.9, 0.1, 0.1, 0.1, draws=0)]).kind == "use"
    found = decide(main, [view(0.1, 0.1, 0.9, 0.1, draws=0)])
    assert (found.kind, found.credit) == ("cannot tell", "binary")
    assert found.reasons == ("with the other guess at what was never sampled, by prompt: weighted is better",)


def test_no_difference():
    found = decide([view(0.90, 0.91, 0.92, 0.93)])
    assert (found.kind, found.credit, found.confidence) == ("no difference", None, 1.0)
    assert decide([view(0.90, 0.91, 0.92, 0.93)], [view(0.9, 0.1, 0.1, 0.1, draws=0)]).kind == "use"


def test_success_that_nothing_tells_of():
    sure = [view(0.9, 0.1, 0.1, 0.1)]
    assert decide(sure, unseen=False).kind == "use"
    found = decide(sure, unseen=True)
    assert (found.kind, found.credit, found.confidence) == ("cannot tell", "binary", 1.0)
    assert found.reasons == (GUESS,)
    even = decide([view(0.5, 0.5, 0.5, 0.5)], unseen=True)
    assert (even.kind, even.credit, even.reasons) == ("cannot tell", None, (GUESS,))


def test_credits_that_are_alike_by_chance():
    even = View("by prompt", np.array([0.5] * 4), np.array([[0.5] * 10, [0.5] * 7 + [0.9] * 3] + [[0.5] * 10] * 2))
    found = decide([even])
    assert (found.kind, found.credit, found.confidence) == ("cannot tell", None, 0.7)
    assert found.reasons == ("all credits come to the same in only 70% of draws",)


def test_one_prompt_gives_no_draws():
    found = decide([view(0.9, 0.1, 0.1, 0.1, draws=0)])
    assert (found.kind, found.credit, found.confidence) == ("cannot tell", "binary", None)
    assert found.reasons == ("one prompt says nothing of others",)


GUESS = "no output passes all checks, which do not look independent: success is only a guess"
FREE, BOUND, UNKNOWN = Independence(True, True), Independence(True, False), Independence(False, False)


@pytest.mark.parametrize(
    ("p", "q", "rates", "group", "checks", "rule"),
    [
        (0.001, 0.06, [0.03, 0.03], 8, FREE, "partial"),
        (0.001, 0.06, [0.03, 0.03], 8, UNKNOWN, "partial"),
        (0.001, 0.06, [0.03, 0.03], 8, BOUND, None),
        (0.001, 0.06, [0.03, 0.03], 600, FREE, None),
        (0.001, 0.31, [0.31, 0.01], 8, FREE, None),
        (0.018, 0.88, [0.9, 0.02], 8, FREE, "binary"),
        (0.3, 0.6, [0.9, 0.3], 8, FREE, None),
    ],
)
def test_the_rule_of_thumb(p, q, rates, group, checks, rule):
    assert rule_of_thumb(p, q, np.array(rates), group, checks) == rule
