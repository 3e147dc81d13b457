"""Values against explicit pairs, intervals that cover, paired comparisons, tied sets."""

import numpy as np
import polars as pl
import pytest
from tests.audit.world import drawn, explicit_pairs, record

from culpa.audit import sums as sums_module
from culpa.audit.collect import collect
from culpa.audit.evaluate import compare, evaluate, tied
from culpa.audit.measures import BY_NAME, MEASURES
from culpa.audit.sums import Sums, merge
from culpa.metrics import correlation, effective_sample_size, kendall, mcnemar, mean, pairwise_accuracy

ACC = (BY_NAME["acc"],)


def evaluation_of(world, *names, seed=0, replicates=400):
    rulers = {"len": world.length, "md": world.length} if world.length is not None else {}
    known = {measure.part for measure in MEASURES} - (set() if rulers else {"rulers"})
    sums = collect(world, dict(world.proxies), rulers, known)
    measures = tuple(BY_NAME[name] for name in names) or tuple(m for m in MEASURES if m.count in sums.values)
    return evaluate(sums, measures, np.random.default_rng(seed), replicates)


def of_counts(values, masses=None, proxies=("a", "b")):
    """An evaluation of accuracy from what each prompt adds: concordant mass (k, u), of ordered mass 1 each."""
    right = np.array(values, dtype=float)
    mass = np.ones_like(right) if masses is None else np.array(masses, dtype=float)
    table = np.stack([mass, right * mass, mass, np.zeros_like(mass)])
    names = ("ordered", "concordant", "ordered_pairs", "shuffled_plain")
    sums = Sums(names, table, proxies, right.shape[1], np.arange(right.shape[1], dtype=np.uint64))
    return evaluate(sums, ACC, np.random.default_rng(0), 400)


@pytest.mark.parametrize("ties", [0.0, 0.5])
@pytest.mark.parametrize("harm_aware", [False, True])
@pytest.mark.parametrize("uniform", [True, False])
def test_accuracies_are_those_of_explicit_pairs(harm_aware, ties, uniform):
    rng = np.random.default_rng(3)
    scores = {name: rng.integers(0, 5, (30, 5)).astype(float) for name in "ab"}
    scores["b"][rng.random((30, 5)) < 0.2] = np.nan
    weight = np.ones((30, 5)) if uniform else rng.random((30, 5))
    world = record(scores, rng.integers(0, 3, (30, 5)), weight=weight / weight.sum(axis=1, keepdims=True))
    name = ("hacc" if harm_aware else "acc") + ("_half" if ties else "")
    values, _ = evaluation_of(world, name).of(name)
    for got, score in zip(values, world.proxies.values(), strict=True):
        columns = zip(*explicit_pairs(score, world.truth, world.weight), strict=True)
        rows, better, worse, mass = (np.array(column) for column in columns)
        centre = mean(score, world.weight)[rows] if harm_aware else None
        expected = pairwise_accuracy(score[rows, better], score[rows, worse], mean=centre, weights=mass, ties=ties)
        assert got == pytest.approx(expected, abs=1e-12)


def test_correlation_and_kendall_are_the_plain_ones():
    world = drawn(4, unknown=0.2)
    evaluation = evaluation_of(world)
    for place, name in enumerate(world.proxies):
        plain = correlation(world.proxies[name], world.truth, world.weight)
        assert evaluation.of("correlation")[0][place] == pytest.approx(plain, nan_ok=True)
        taus = kendall(world.proxies[name], world.truth, world.weight)
        tau = np.nan if np.isnan(taus).all() else np.nanmean(taus)
        assert evaluation.of("kendall")[0][place] == pytest.approx(tau, nan_ok=True)


def test_frame_has_a_row_for_every_measure_and_proxy():
    evaluation = evaluation_of(drawn(4))
    frame = evaluation.frame(0.95)
    assert frame.height == len([measure for measure in MEASURES if measure.part != "outlook"]) * 3
    assert frame.columns == ["proxy", "metric", "value", "low", "high", "chance", "n", "ess"]
    assert not any(frame[name].is_nan().any() for name in ("value", "low", "high", "chance"))
    known = frame.drop_nulls(["value", "low"])
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()


def test_frame_counts_observations_and_effective_prompts():
    counts = of_counts([[0.5, 1.0], [0.5, 0.0]], [[1.0, 3.0], [2.0, 0.0]])
    rows = counts.frame(0.95).to_dicts()
    assert [row["n"] for row in rows] == [4, 2]
    assert [row["ess"] for row in rows] == pytest.approx([effective_sample_size([1, 3]), 1.0])


def test_constant_proxy_without_correlation_is_null():
    frame = evaluation_of(drawn(4)).frame(0.95).filter(pl.col("proxy") == "constant")
    assert frame.filter(pl.col("metric") == "correlation")["value"].to_list() == [None]
    assert frame.filter(pl.col("metric") == "hacc")["value"].to_list() == [0.0]


def test_intervals_cover():
    """95% intervals of HAcc over 300 data sets of 60 prompts, against the value of 30,000 prompts."""
    rng = np.random.default_rng(11)

    def world(prompts):
        truth = rng.normal(size=(prompts, 5))
        return record({"rm": truth + rng.normal(size=(prompts, 1)) ** 2 * rng.normal(size=truth.shape)}, truth)

    target = evaluation_of(world(30_000), "hacc", replicates=100).of("hacc")[0][0]
    frames = [evaluation_of(world(60), "hacc", seed=draw, replicates=200).frame(0.95) for draw in range(300)]
    inside = [frame["low"][0] <= target <= frame["high"][0] for frame in frames]
    assert 0.88 <= np.mean(inside) <= 0.99


def test_wider_level_wider_interval():
    evaluation = evaluation_of(drawn(4), "hacc")
    narrow, wide = (evaluation.frame(level)["high"][0] for level in (0.5, 0.99))
    assert narrow < wide


def test_same_generator_same_replicates():
    one, again = (evaluation_of(drawn(4), seed=5).replicates for _ in range(2))
    assert np.array_equal(one, again, equal_nan=True)
    assert not np.array_equal(one, evaluation_of(drawn(4), seed=6).replicates, equal_nan=True)


def test_selection_of_measures_changes_no_interval():
    alone, all_of_them = evaluation_of(drawn(4), "acc"), evaluation_of(drawn(4))
    assert np.array_equal(alone.of("acc")[1], all_of_them.of("acc")[1])


def test_difference_is_paired():
    """Two proxies that differ by the same on every prompt differ for sure, however much the prompts vary."""
    right = np.random.default_rng(0).random(50) * 0.8
    frame = compare(of_counts([right + 0.1, right]), "acc", ("a", "b"), 0.95)
    row = frame.row(0, named=True)
    assert (row["proxy"], row["other"], row["measure"]) == ("a", "b", "acc")
    for name in ("difference", "low", "high"):
        assert row[name] == pytest.approx(0.1)
    assert row["p"] < 1e-11
    assert row["detectable"] == pytest.approx(0.0, abs=1e-12)


def test_equal_proxies_are_not_told_apart():
    right = np.random.default_rng(0).random(50)
    row = compare(of_counts([right, right]), "acc", ("a", "b"), 0.95).row(0, named=True)
    assert (row["difference"], row["p"]) == (0.0, 1.0)


@pytest.mark.parametrize(("prompts", "least"), [(2, 0.5), (5, 0.0625), (200, 1e-12)])
def test_few_prompts_show_no_more_than_their_signs(prompts, least):
    right = np.random.default_rng(0).random(prompts) * 0.5
    assert compare(of_counts([right + 0.5, right]), "acc", ("a", "b"), 0.95)["p"][0] == pytest.approx(least)


def test_p_values_are_corrected_for_their_number():
    rng = np.random.default_rng(1)
    right = rng.random((3, 40))
    frame = compare(of_counts(right, proxies=("a", "b", "c")), "acc", ("a", "b", "c"), 0.95)
    assert frame.height == 3
    assert frame["p"].min() * 3 == pytest.approx(frame["p_holm"].min())
    assert (frame["p_holm"] >= frame["p"]).all()


def test_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(2)
    p = [compare(of_counts(rng.random((2, 40))), "acc", ("a", "b"), 0.95)["p"][0] for _ in range(200)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.10
    assert 0.4 <= np.mean(p) <= 0.6


def test_one_prompt_has_values_but_no_p():
    evaluation = of_counts([[1.0], [0.5]])
    row = compare(evaluation, "acc", ("a", "b"), 0.95).row(0, named=True)
    assert row["difference"] == 0.5
    assert [row[name] for name in ("low", "high", "p", "p_holm", "detectable")] == [None] * 5
    assert evaluation.frame(0.95)["low"].to_list() == [None, None]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_fewer_than_two_proxies_have_no_comparison(names):
    frame = compare(of_counts([[1.0, 0.0], [0.5, 0.5]]), "acc", names, 0.95)
    assert frame.height == 0
    assert frame.schema["p_holm"] == pl.Float64


def test_mcnemar_is_that_of_the_best_of_each_group():
    world = drawn(4, prompts=60, missing=0.0)
    evaluation = evaluation_of(world)
    groups, best = evaluation.sums.values["groups_ordered"], evaluation.sums.values["best"]
    use = groups[0] > 0
    expected = mcnemar(best[0, use] >= 0.5, best[1, use] >= 0.5)
    assert expected < 0.05
    assert compare(evaluation, "acc", ("good", "noise"), 0.95)["p_mcnemar"].to_list() == pytest.approx([expected])


def test_binned_prompts_have_no_mcnemar(monkeypatch):
    world = drawn(4)
    monkeypatch.setattr(sums_module, "KEPT_VALUES", 0)
    sums = merge([collect(world, dict(world.proxies), {})])
    frame = compare(evaluate(sums, ACC, np.random.default_rng(0), 100), "acc", ("good", "noise"), 0.95)
    assert frame["p_mcnemar"].to_list() == [None]
    assert frame["p"][0] is not None


@pytest.mark.parametrize(
    ("p_holm", "expected"),
    [
        ([0.01, 0.01, 0.01], [["a"], ["b"], ["c"]]),
        ([0.5, 0.01, 0.5], [["a", "b"], ["b", "c"]]),
        ([0.5, None, 0.5], [["a", "b", "c"]]),
        ([0.051, 0.051, 0.049], [["a", "b"], ["a", "c"]]),
    ],
)
def test_tied_sets(p_holm, expected):
    frame = pl.DataFrame({"proxy": ["a", "a", "b"], "other": ["b", "c", "c"], "p_holm": p_holm})
    assert tied(frame, ("a", "b", "c"), 0.95) == expected
