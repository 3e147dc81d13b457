"""The block of a model card: entries, names of the spec, metrics with their intervals, YAML that is safe."""

from dataclasses import replace

import pytest
import yaml
from tests.report import case

from culpa.errors import InputError
from culpa.report import to_card
from culpa.rollouts import Input

FILE = Input("runs/deep/rm bench.parquet", 3, "ab" * 32, "whole")


def with_inputs(verdict, *inputs):
    return replace(verdict, provenance=replace(verdict.provenance, inputs=inputs))


def index(verdict):
    text = to_card(verdict)
    assert "&id" not in text  # no references
    return yaml.safe_load(text)["model-index"]


def metrics(verdict, proxy):
    entry = next(one for one in index(verdict) if one["name"] == proxy)
    return {one["type"]: one for one in entry["results"][0]["metrics"]}


def rehearsed(**row):
    rows = [
        case.metric("rm", "hacc", 0.8, 0.7, 0.9, 0.5),
        case.metric("rm", "acc", 0.7, None, None, 0.25),
        case.metric("(longest)", "acc", 0.4, ruler=True),
    ]
    return case.rehearsed({"rm": {"outcome": 0.75} | row, "best": {"outcome": 0.875}}, rows=rows)


def test_an_entry_for_each_proxy_the_best_first_and_none_for_rulers():
    assert [one["name"] for one in index(rehearsed())] == ["best", "rm"]


def test_the_names_are_those_of_the_spec():
    for entry in index(rehearsed()):
        assert list(entry) == ["name", "results"]
        (result,) = entry["results"]
        assert list(result) == ["task", "dataset", "metrics"]
        assert result["task"] == {"type": "reward-modeling", "name": "Reward modeling"}
        assert list(result["dataset"]) == ["type", "name", "args"]
        for one in result["metrics"]:
            assert list(one) == ["type", "value", "name", "args"]


def test_metrics_with_their_intervals():
    found = metrics(rehearsed(), "rm")
    assert list(found) == ["truth_after_training", "gradient_cosine", "hacc", "accuracy"]
    ends = {"low": 0.55, "high": 0.75, "before": 0.5, "level": 0.95}
    title = "Truth after training with grpo:8 up to kl=0.4"
    after = {"type": "truth_after_training", "value": 0.75, "name": title, "args": ends}
    assert found["truth_after_training"] == after
    cosine = {"low": 0.7, "high": 0.9, "shuffled_high": 0.4, "level": 0.95}
    assert (found["gradient_cosine"]["value"], found["gradient_cosine"]["args"]) == (0.8, cosine)
    assert (found["hacc"]["value"], found["hacc"]["args"]["low"], found["hacc"]["args"]["chance"]) == (0.8, 0.7, 0.5)


def test_what_is_not_known_is_left_out():
    assert metrics(rehearsed(), "rm")["accuracy"]["args"] == {"chance": 0.25, "level": 0.95}
    assert "gradient_cosine" not in metrics(rehearsed(cosine=None), "rm")
    assert list(metrics(rehearsed(), "best")) == ["truth_after_training", "gradient_cosine"]


def test_pairs_of_the_data_have_names_of_their_own():
    found = case.verdict(
        [case.metric("rm", "acc_off", 0.6, 0.5, 0.7), case.metric("rm", "hacc_off", 0.7)], measure="acc_off"
    )
    assert {kind: one["value"] for kind, one in metrics(found, "rm").items()} == {
        "accuracy_pairs": 0.6,
        "hacc_pairs": 0.7,
    }


def test_six_digits():
    assert metrics(case.verdict([case.metric("rm", "hacc", 1 / 3)]), "rm")["hacc"]["value"] == 0.333333


def test_the_dataset_is_the_file_by_its_name():
    data = index(with_inputs(rehearsed(), FILE))[0]["results"][0]["dataset"]
    amount = {"prompts": 3, "outputs": 12, "truths": 12}
    assert data == {"type": "rm bench", "name": "rm bench.parquet", "args": amount | {"sha256": "ab" * 32}}


@pytest.mark.parametrize(
    ("inputs", "kind", "name"),
    [
        ((), "rollouts", "rollouts"),
        ((FILE, FILE._replace(path="b"), FILE._replace(path="c")), "rm bench", "rm bench.parquet and 2 more"),
        ((FILE._replace(sha256_of="ends"),), "rm bench", "rm bench.parquet"),
    ],
)
def test_several_files_no_file_and_a_large_one_have_no_hash(inputs, kind, name):
    data = index(with_inputs(rehearsed(), *inputs))[0]["results"][0]["dataset"]
    assert (data["type"], data["name"]) == (kind, name)
    assert "sha256" not in data["args"]


def test_the_first_line_says_who_wrote_it():
    assert to_card(rehearsed()).startswith(
        "# Written by culpa 0.1.0, seed 0. Keep the entry of your model.\nmodel-index:\n"
    )


def test_nothing_to_show_is_an_error():
    rows = [case.metric("rm", "dead", 0.5), case.metric("(longest)", "hacc", 0.5, ruler=True)]
    with pytest.raises(InputError) as caught:
        to_card(case.verdict(rows))
    assert str(caught.value) == (
        "a model card has nothing to show: no proxy has an accuracy or a forecast. "
        "Give a truth, and do not leave these metrics out with --metric."
    )


def test_hostile_names_stay_text():
    names = ("\x1b[31mevil", "*alias: &x\n- y", "!!python/object:os.system", "L" * 10_000, "yes", "1", "\u202e{}")
    verdict = case.verdict([case.metric(name, "hacc", 0.5) for name in names])
    verdict = with_inputs(verdict, FILE._replace(path="!!x: \x1b[2J.csv"))
    text = to_card(verdict)
    assert not {sign for sign in text if not sign.isprintable() and sign != "\n"}
    found = [one["name"] for one in index(verdict)]
    assert len(found) == len(names)
    assert {r"\x1b[31mevil", r"*alias: &x\n- y", "!!python/object:os.system", "yes", "1", r"\u202e{}"} <= set(found)
    assert max(map(len, found)) <= 96
    assert {one["results"][0]["dataset"]["name"] for one in index(verdict)} == {r"!!x: \x1b[2J.csv"}
