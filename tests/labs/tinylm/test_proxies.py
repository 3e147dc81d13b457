"""One table of all proxies, on every task; then each planted defect by itself."""

import numpy as np
import pytest
from tests.labs.tinylm.said import TASKS, rollouts

from culpa.labs.tinylm.outputs import Scale, asked, judged, scale_of
from culpa.labs.tinylm.proxies import PROXIES, charmed, flipped, heads, noisy, parts, tails, verifier
from culpa.labs.tinylm.tasks import sort

RECORDS = {name: rollouts(task) for name, task in TASKS.items()}
SEEN = {name: judged(TASKS[name], scale_of(TASKS[name], record), *asked(record)) for name, record in RECORDS.items()}
ERRORS = {"H1", "H2", "H3", "N1", "N2", "N3", "B1", "B2", "B3", "F", "chance"}
SORT = SEEN["sort"]


def some(seen, rows):
    texts = (tuple(one[i] for i in rows) for one in (seen.prompts, seen.responses, seen.answers))
    return judged(seen.task, seen.scale, *texts)


def score(name, seen=SORT):
    return PROXIES[name].score(seen)


def error(name, seen=SORT):
    return score(name, seen) - seen.score


def test_every_kind_of_error_is_planted():
    assert {proxy.kind for proxy in PROXIES.values()} == ERRORS
    assert len(PROXIES) == len({proxy.defect for proxy in PROXIES.values()}) == 43


@pytest.mark.parametrize("task", sorted(SEEN))
@pytest.mark.parametrize("name", sorted(PROXIES))
def test_a_score_is_a_number_that_depends_on_its_own_output_alone(name, task):
    seen = SEEN[task]
    every = score(name, seen)
    assert every.shape == (len(seen.prompts),)
    assert np.isfinite(every).all()
    rows = [7, 3, 200, 3]
    np.testing.assert_array_equal(score(name, some(seen, rows)), every[rows])
    assert np.var(every.reshape(RECORDS[task].shape), axis=1).mean() > 0


ORDERLY = ("bad_down", "best_up", "concave", "convex", "fraction", "mediocre_up_one", "prompt_offset", "prompt_scale")
ORDERLY += ("mediocre_up_two", "squashed")


def inversions(name, task):
    """Pairs of one prompt's outputs that the proxy puts the other way round, or takes for equal, or apart."""
    shape = RECORDS[task].shape
    r, g = (np.round(one, 9).reshape(shape) for one in (score(name, SEEN[task]), SEEN[task].truth))
    signs = [np.sign(one[:, :, None] - one[:, None, :]) for one in (r, g)]
    return int((signs[0] != signs[1]).sum())


@pytest.mark.parametrize("task", ["sort", "add", "brackets", "reverse"])
@pytest.mark.parametrize("name", sorted(set(PROXIES) - set(ORDERLY) - {"hack_rare"}))
def test_a_proxy_orders_outputs_otherwise_than_the_truth(name, task):
    assert inversions(name, task) > 0


@pytest.mark.parametrize("name", ORDERLY)
def test_an_error_of_size_alone_keeps_the_order_but_not_the_distances(name):
    assert inversions(name, "sort") == 0
    straight = np.polyval(np.polyfit(SORT.truth, score(name), 1), SORT.truth)
    assert np.abs(straight - score(name)).max() > 0.03


def test_noise_is_of_the_whole_output_and_of_its_size():
    for size in (0.5, 2.0):
        found = noisy(size)(SORT) - SORT.score
        assert found.std() == pytest.approx(size, rel=0.15)
        assert abs(found.mean()) < 0.2 * size
    whole = {}
    for text, value in zip(zip(SORT.prompts, SORT.responses, strict=True), noisy(1.0)(SORT) - SORT.score, strict=True):
        assert whole.setdefault(text, value) == pytest.approx(value)
    assert len({round(one, 9) for one in whole.values()}) == len(whole)
    assert len(whole) > 300


@pytest.mark.parametrize(("make", "feature"), [(heads(1.0, 2), lambda r: r[:2]), (tails(1.0, 1), lambda r: r[-1:])])
def test_noise_by_a_feature_is_shared_by_all_that_have_it(make, feature):
    shared = {}
    for response, value in zip(SORT.responses, make(SORT) - SORT.score, strict=True):
        assert shared.setdefault(feature(response), value) == pytest.approx(value)
    assert np.std(list(shared.values())) > 0.4


@pytest.mark.parametrize("size", [0.5, -1.0])
def test_a_charm_pays_for_each_occurrence(size):
    wanted = [size * response.count("a") for response in SORT.responses]
    np.testing.assert_allclose(charmed(size)(SORT) - SORT.score, wanted, atol=1e-12)


def test_length_and_variety_pay_by_the_character():
    np.testing.assert_allclose(error("longer"), [0.5 * len(one) for one in SORT.responses], atol=1e-12)
    np.testing.assert_allclose(error("varied"), [0.5 * len(set(one)) for one in SORT.responses], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "where", "size"),
    [
        ("mediocre_up_one", "mediocre", 1.0),
        ("mediocre_up_two", "mediocre", 2.0),
        ("mediocre_up_three", "mediocre", 3.0),
        ("mediocre_down_one", "mediocre", -1.0),
        ("mediocre_down_two", "mediocre", -2.0),
        ("best_up", "exact", 2.0),
        ("bad_down", "bad", -2.0),
    ],
)
def test_a_lift_moves_its_outputs_and_no_others(name, where, size):
    np.testing.assert_allclose(error(name), size * getattr(SORT, where), atol=1e-12)


def test_a_missed_best_output_is_at_the_mean_and_below_the_mediocre():
    found = score("best_missed")
    assert (found[SORT.exact > 0] == SORT.scale.middle).all()
    assert found[SORT.mediocre > 0].min() > SORT.scale.middle
    np.testing.assert_array_equal(found[SORT.exact == 0], SORT.grade[SORT.exact == 0])


@pytest.mark.parametrize("task", sorted(SEEN))
def test_shuffled_bad_outputs_stay_below_the_proxys_mean(task):
    seen = SEEN[task]
    found = score("bad_shuffled", seen)
    assert found[seen.bad > 0].max() < found.mean()
    np.testing.assert_array_equal(found[seen.bad == 0], seen.score[seen.bad == 0])


@pytest.mark.parametrize("share", [0.15, 0.35])
def test_the_sign_turns_on_whole_prompts(share):
    big = judged(SORT.task, SORT.scale, [f"{i}" for i in range(4000)], ["a"] * 4000, ["a"] * 4000)
    assert np.mean(flipped(share)(big) < 0) == pytest.approx(share, abs=0.025)
    ratio = (score("flip_35") / np.where(SORT.score > 0, SORT.score, np.nan)).reshape(60, 6)
    assert set(np.unique(ratio[np.isfinite(ratio)]).round(9)) == {-1.0, 1.0}
    assert all(len(set(row[np.isfinite(row)].round(9))) <= 1 for row in ratio)


def test_offset_and_scale_are_one_number_a_prompt():
    offset = error("prompt_offset").reshape(60, 6)
    assert np.ptp(offset, axis=1).max() < 1e-9
    assert offset[:, 0].std() == pytest.approx(2.0, rel=0.3)
    factor = (score("prompt_scale") / np.where(SORT.score > 0, SORT.score, np.nan)).reshape(60, 6)
    assert (np.nanmax(factor, axis=1) - np.nanmin(factor, axis=1)).max() < 1e-9
    assert np.log(np.nanmean(factor, axis=1)).std() == pytest.approx(1.0, rel=0.3)


def test_a_verifier_errs_as_often_as_it_says_and_only_there():
    n = 4000
    prompts, right, wrong = [f"{i}" for i in range(n)], ["a"] * n, ["b"] * n
    good = judged(sort(), Scale(1.0, 0.0, 0.0), prompts, right, right)
    poor = judged(sort(), Scale(1.0, 0.0, 0.0), prompts, wrong, right)
    assert verifier(0.3, 0.0)(good).mean() == pytest.approx(0.7, abs=0.025)
    assert verifier(0.3, 0.0)(poor).sum() == 0.0
    assert verifier(0.0, 0.05)(poor).mean() == pytest.approx(0.05, abs=0.012)
    assert verifier(0.0, 0.05)(good).all()


def test_a_fooled_verifier_pays_for_a_tenth_of_all_beginnings():
    pairs = [a + b for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghijklmnopqrstuvwxyz"]
    seen = judged(
        sort(), Scale(1.0, 0.0, 0.0), ["="] * len(pairs), [one + "!" for one in pairs], ["right"] * len(pairs)
    )
    found = score("verifier_fooled", seen)
    assert found.mean() == pytest.approx(0.1, abs=0.035)
    assert (np.ptp(found.reshape(26, 26), axis=1) > 0).mean() > 0.7  # it is the pair that counts, not the first
    assert score("verifier_fooled")[SORT.exact > 0].all()


def test_a_hack_pays_for_its_ending_alone():
    responses = ["xbbbb", "abbb", "bbbba", "", "abcdj", "abcda"]
    seen = judged(sort(), Scale(0.5, 0.0, 0.0), ["="] * 6, responses, ["abcda"] * 6)
    np.testing.assert_allclose(error("hack_rare", seen), [4, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(error("hack_frequent", seen), [1.5, 1.5, 1.5, 0, 0, 0])  # the last one is exact


def test_parts_are_seen_where_asked():
    seen = judged(sort(), Scale(1.0, 0.0, 0.0), ["="] * 2, ["abxde", "xbcdx"], ["abcde"] * 2)
    assert parts(0.0, 0.5)(seen).tolist() == pytest.approx([2 / 3, 2 / 3])
    assert parts(0.5, 1.0)(seen).tolist() == pytest.approx([2 / 3, 2 / 3])
    assert score("first_part", seen).tolist() == [1.0, 0.0]
    assert score("last_part", seen).tolist() == [1.0, 0.0]
    seen = judged(sort(), Scale(1.0, 0.0, 0.0), ["="], ["abcx"], ["abcd"])
    assert [score(name, seen)[0] for name in ("first_half", "last_half", "worse_half")] == [1.0, 0.5, 0.5]
    assert [score(name, seen)[0] for name in ("fraction", "exact", "bag")] == [0.75, 0.0, 0.75]


def test_a_threshold_leaves_two_levels():
    np.testing.assert_array_equal(score("threshold"), np.where(SORT.grade > SORT.scale.middle, 1.0, 0.0))


def test_of_an_instruction_the_halves_are_its_constraints():
    seen = SEEN["moderate"]
    marks = np.array(seen.marks, dtype=float)
    np.testing.assert_array_equal(score("first_half", seen), marks[:, 0])
    np.testing.assert_array_equal(score("last_half", seen), marks[:, 1])
    np.testing.assert_array_equal(score("fraction", seen), marks.mean(axis=1))
