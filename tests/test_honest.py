"""The honest test's own machinery: its plan, its files, its progress, and tables that say what the files say."""

import json
from itertools import pairwise

import numpy as np
import pytest
from benchmarks.honest import credit, plan, report, store
from benchmarks.honest.columns import Column, column, columns
from benchmarks.honest.plan import (
    CREDIT_PLACES,
    LEARNERS,
    MARKS,
    PLACES,
    SEEDS,
    TRUE,
    Place,
    Run,
    chosen,
    fingerprint,
    runs,
)

from culpa.metrics import spearman

PLACE = Place("reverse", 0.1)
PROXIES = tuple(f"p{number}" for number in range(20))


def test_every_place_learner_proxy_and_seed_is_run_once_and_the_truth_beside_them():
    found = runs(["a", "b"])
    assert len(found) == len(set(found)) == (len(PLACES) * 3 + len(CREDIT_PLACES) * 2) * len(LEARNERS) * len(SEEDS)
    assert len({run.name for run in found}) == len(found)
    assert {run.proxy for run in found if run.place in PLACES} == {TRUE, "a", "b"}
    assert {run.proxy for run in found if run.place in CREDIT_PLACES} == {"binary", "partial"}
    assert all(first.seed <= second.seed for first, second in pairwise(found))


def test_the_plan_is_as_wide_as_promised():
    assert len(plan.TASKS) >= 2
    assert len(plan.TARGETS) >= 2
    assert {one.partition(":")[0] for one in LEARNERS} == {"rloo", "grpo"}
    assert len(SEEDS) >= 2


def test_runs_are_chosen_by_name():
    everything = runs(["a", "b"])
    assert chosen(everything, []) == everything
    some = chosen(everything, [f"{PLACES[0].name}/grpo/a-*", "*/b-1"])
    assert len(some) == len(SEEDS) + len(PLACES) * len(LEARNERS)
    assert all(run.proxy == "b" or (run.place, run.proxy) == (PLACES[0], "a") for run in some)


def test_another_setting_is_another_fingerprint():
    assert fingerprint("a", {"x": 1, "y": 2}) == fingerprint("a", {"y": 2, "x": 1})
    assert len({fingerprint("a", {"x": 1}), fingerprint("a", {"x": 2}), fingerprint("b", {"x": 1})}) == 3


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "one.json"
    assert store.read(path, "f") is None
    store.write(path, "f", {"truth": [0.5, None]})
    assert store.read(path, "f") == {"fingerprint": "f", "truth": [0.5, None]}
    assert store.read(path, "other settings") is None
    with pytest.raises(ValueError, match="Out of range"):
        store.write(path, "f", {"truth": float("nan")})
    assert store.read(path, "f")["truth"] == [0.5, None]
    assert [one.name for one in path.parent.iterdir()] == ["one.json"]
    monkeypatch.setattr(store.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        store.write(path, "f", {"truth": [9.0]})
    assert store.read(path, "f")["truth"] == [0.5, None]
    path.write_text('{"fingerprint": "f", "tru')
    assert store.read(path, "f") is None
    path.write_text("[1]")
    assert store.read(path, "f") is None


def truth_of(seed, number):
    rng = np.random.default_rng(number)
    final = rng.uniform(0.1, 0.7) + 0.01 * seed
    return [0.3 + (final - 0.3) * mark for mark in MARKS]


@pytest.fixture
def folder(tmp_path):
    """Runs of 20 proxies at one place, by one learner; the last proxy has no second seed, the truth one run."""
    for run in written():
        number = PROXIES.index(run.proxy) if run.proxy != TRUE else 99
        document = {
            "truth": truth_of(run.seed, number),
            "kl": [0.1 * number] * len(MARKS),
            "length": [1.0] * len(MARKS),
        }
        store.write(tmp_path / "runs" / f"{run.name}.json", f"f-{run.name}", document | {"start": 0.3, "seconds": 7.0})
    return tmp_path


def written():
    everything = [Run(PLACE, "rloo:8", name, seed) for seed in SEEDS for name in PROXIES]
    return [*(run for run in everything if (run.proxy, run.seed) != ("p19", 1)), Run(PLACE, "rloo:8", TRUE, 0)]


def marks_of():
    return {run: f"f-{run.name}" for run in [*written(), Run(PLACE, "rloo:8", "p19", 1)]}


def measured():
    rng = np.random.default_rng(5)
    final = [np.mean([truth_of(seed, number)[-1] for seed in SEEDS]) for number in range(20)]
    values = {
        "HAcc": [*rng.uniform(size=19), None],
        "cosine, text": final,
        "wrong way": [-one for one in final],
    }
    return {"proxies": list(PROXIES), "values": values, "shuffled": {"HAcc": rng.uniform(size=(30, 20)).tolist()}}


def test_a_column_holds_what_the_files_say(folder):
    one = column(folder, PLACE, "rloo:8", measured(), marks_of())
    assert one.name == "reverse-10 RLOO"
    assert one.truth.shape == one.kl.shape == (len(SEEDS), len(MARKS), 20)
    np.testing.assert_allclose(one.truth[1, :, 3], truth_of(1, 3))
    np.testing.assert_allclose(one.kl[0, :, 7], 0.7)
    assert np.isnan(one.truth[1, :, 19]).all()
    assert one.outcome[3] == pytest.approx(np.mean([truth_of(seed, 3)[-1] for seed in SEEDS]))
    assert one.outcome[19] == pytest.approx(truth_of(0, 19)[-1])
    assert (one.start, one.ideal) == (0.3, pytest.approx(truth_of(0, 99)[-1]))
    assert np.isnan(one.values["HAcc"][19])


def test_files_of_other_settings_are_not_read(folder):
    assert column(folder, PLACE, "rloo:8", measured(), dict.fromkeys(marks_of(), "new")) is None
    assert columns(folder, {(PLACE, "grpo:8"): measured()}, marks_of()) == []
    assert len(columns(folder, {(PLACE, "rloo:8"): measured()}, marks_of())) == 1


def rows_of(table):
    """Cells by their first."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {cells[0]: cells[1:] for cells in lines}


def test_the_page_says_what_the_columns_say(folder):
    found = columns(folder, {(PLACE, "rloo:8"): measured()}, marks_of())
    set_up, correlations, means, regrets, control, parted = report.sections(found)
    assert rows_of(set_up)["reverse-10 RLOO"][:4] == ["20", "39", "0.30", f"{truth_of(0, 99)[-1]:.2f}"]
    by = rows_of(correlations)
    one = found[0]
    known = one.values["HAcc"][:19], one.outcome[:19]
    expected = spearman(*(row[None] for row in known))[0]
    assert by["HAcc"][0].startswith(f"{expected:.2f} [")
    assert by["HAcc"][1] == f"{expected:.2f}"
    assert by["cosine, text"][1] == "1.00"
    assert by["wrong way"][1] == "-1.00"
    assert by["micro-run, 50%"][1] == "1.00"  # lines from one start that do not cross, the seeds apart by a constant
    assert by[report.CEILING][1] == "1.00"
    assert rows_of(means)["cosine, text"][2] == "0.000"
    assert rows_of(means)["cosine, text"][-1] == "1 of 1"
    assert rows_of(means)["wrong way"][-1] == "0 of 1"
    assert rows_of(regrets)["cosine, text"] == ["0.000 [0.000 0.000]"]
    assert "±" in rows_of(control)["HAcc"][0]
    assert parted.count("reverse-10 RLOO") == 10
    assert "by cosine, text" in parted


def test_misses_show_places(folder):
    one = columns(folder, {(PLACE, "rloo:8"): measured()}, marks_of())[0]
    table = report.misses([one]).splitlines()[2:]
    for line in table:
        _, name, end, place, _, other = (cell.strip() for cell in line.strip("|").split("|"))
        at = PROXIES.index(name)
        assert float(end) == pytest.approx(one.outcome[at], abs=0.005)
        assert int(place) == int(other) == 1 + (one.outcome > one.outcome[at]).sum()


def test_parts_of_a_run_are_judged_by_the_end_of_the_other_seed(folder):
    one = columns(folder, {(PLACE, "rloo:8"): measured()}, marks_of())[0]
    mixed = one._replace(truth=np.random.default_rng(8).uniform(size=one.truth.shape))
    found = {row["measure"]: row["spearman"] for row in report.judged(mixed).rows(named=True)}
    for place, mark in enumerate(MARKS[:-1]):
        expected = spearman(mixed.truth[0, place][None], mixed.truth[1, -1][None])[0]
        assert found[f"micro-run, {mark:.0%}"] == pytest.approx(expected)
    assert found[report.CEILING] == pytest.approx(spearman(mixed.truth[0, -1][None], mixed.truth[1, -1][None])[0])


def test_equal_values_share_a_place():
    assert report._places(np.array([2.0, 5.0, 2.0, 1.0])).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_without_a_second_seed_nothing_is_said_of_it(folder):
    one = columns(folder, {(PLACE, "rloo:8"): measured()}, marks_of())[0]
    alone = one._replace(truth=np.where(np.arange(2)[:, None, None] == 1, np.nan, one.truth))
    names = report.judged(alone)["measure"].to_list()
    assert report.CEILING not in names
    assert isinstance(alone, Column)


def test_figures_are_plain():
    assert report.interval({}) == "–"
    assert report.interval({"spearman": 0.5, "spearman_low": -0.1, "spearman_high": 0.8}) == "0.50 [-0.10 0.80]"
    assert report.number([{}, {"gap": 0.25}, {"gap": 0.75}], "gap") == "0.50"
    assert report.quotient([{"regret": 0.01}], [{"regret": 0.02}]) == "0.50"
    assert report.quotient([{"regret": 0.01}], [{}]) == "–"
    assert report.surely([{"gap_low": 0.1}, {"gap_low": -0.1}, {"gap_low": None}]) == "1 of 2"
    json.dumps(report.grid(["a"], [["b"]]))


def advice(kind, named, **leans):
    rows = [
        {"model": world, "prior": prior, "credit": name, "success": value if prior == "main" else 1.0 - value}
        for prior in ("main", "other")
        for world, (binary, partial) in leans.items()
        for name, value in (("binary", binary), ("partial", partial), ("staged", 2.0))
    ]
    return {"kind": kind, "credit": named, "outcomes": rows, "p": 0.1, "q": 0.4, "r": 0.5, "rule": None}


def case(kind="use", named="partial", binary=(0.2, 0.3), partial=(0.5, 0.4), **leans):
    told = advice(kind, named, **(leans or {"skills": (0.3, 0.9)}))
    return credit.Case("both_rare GRPO", told, {"binary": binary, "partial": partial}, 0.01)


def test_a_credit_is_right_where_it_is_as_good_as_the_best():
    assert case().right == ("partial",)
    assert case(binary=(0.4, 0.42)).right == ("binary", "partial")
    assert case(partial=(0.1, 0.1)).right == ("binary",)


def test_advice_is_held_against_what_happened():
    assert credit.verdict(case()) == "right"
    assert credit.verdict(case(named="binary")) == "wrong"
    assert credit.verdict(case(binary=(0.4, 0.42), named="binary")) == "right"
    assert credit.verdict(case("no difference", None)) == "wrong"
    assert credit.verdict(case("no difference", None, binary=(0.44, 0.44))) == "right"
    assert credit.verdict(case("cannot tell", "binary")) == "none given"
    assert credit.verdict(case(named="staged")) == "staged: not trained"


def test_a_world_leans_by_the_main_prior_and_beyond_the_tolerance():
    one = case(skills=(0.3, 0.9), alike=(0.5, 0.54), other=(0.9, 0.2))
    assert [credit.lean(one, world) for world in ("skills", "alike", "other", "none")] == [
        "partial",
        None,
        "binary",
        None,
    ]


def test_the_table_counts():
    found = [case(), case(named="binary"), case("cannot tell", None, skills=(0.9, 0.1))]
    text = credit.tables(found)
    assert rows_of(text)["advice"] == ["1", "1", "1"]
    assert rows_of(text)["world: skills"] == ["2", "1", "0"]
    assert rows_of(text)["rule of thumb"] == ["0", "0", "3"]
    ruled = [one._replace(advised=one.advised | {"rule": rule}) for one, rule in zip(found, plan.CREDITS, strict=False)]
    assert rows_of(credit.tables(ruled))["rule of thumb"] == ["1", "1", "0"]
    assert rows_of(text)["always binary"] == ["0", "3", "0"]
    assert rows_of(text)["both_rare GRPO"][-1] == "none given"


def test_cases_are_those_with_every_seed(tmp_path):
    pair, how = CREDIT_PLACES[0], LEARNERS[0]
    asked = [Run(pair, how, name, seed) for name in plan.CREDITS for seed in SEEDS]
    marks = dict.fromkeys(runs([]), "f")
    store.write(
        tmp_path / "advice" / f"{pair.name}-{how.partition(':')[0]}.json",
        credit.mark_of(pair, how),
        advice("use", "partial", skills=(0.1, 0.9)),
    )
    for number, run in enumerate(asked):
        assert credit.cases(tmp_path, marks) == []
        document = {"truth": [0.0, 0.1 * number], "start": 0.02}
        store.write(tmp_path / "runs" / f"{run.name}.json", "f", document)
    (found,) = credit.cases(tmp_path, marks)
    assert found.ends == {"binary": (0.0, 0.1), "partial": (pytest.approx(0.2), pytest.approx(0.3))}
    assert (found.name, found.start, credit.verdict(found)) == (f"{pair.name} RLOO", 0.02, "right")
