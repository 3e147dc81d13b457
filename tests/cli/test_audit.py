"""`culpa audit`: what is asked is what is answered, in every format, with every kind of truth."""

import json
import math

import pytest
from tests.cli import case


def verdict(culpa, *arguments):
    ran = culpa("audit", *arguments, "--format", "json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out, parse_constant=pytest.fail)


def numbers(found):
    """Values by proxy and metric."""
    return {(row["proxy"], row["metric"]): row["value"] for row in found["metrics"]}


@pytest.fixture
def rollouts(tmp_path):
    return case.saved(case.frame(), tmp_path / "rollouts.parquet")


def test_best_first_with_the_keys_that_are_promised(culpa, rollouts):
    found = verdict(culpa, rollouts, "--truth", "gold", "--proxy", "rm_*", "--seed", 3)
    assert [row["proxy"] for row in found["ranking"]] == ["rm_good", "rm_mid", "rm_bad"]
    assert set(found["ranking"][0]) == {"proxy", "score", "measure", "low", "high", "tied_with"}
    assert {"proxy", "metric", "value", "low", "high", "chance", "n", "ess"} <= set(found["metrics"][0])
    assert {"schema", "version", "args", "seed", "ranking", "metrics", "warnings"} <= set(found)
    assert (found["schema"], found["seed"]) == ("culpa.audit/1", 3)
    assert found["args"]["files"] == [str(rollouts)]
    assert (found["args"]["truth"], found["args"]["proxy"]) == ("gold", ["rm_*"])


def test_table_and_markdown_say_the_numbers_of_json(culpa, rollouts):
    asked = ("audit", rollouts, "--truth", "gold")
    found = verdict(culpa, *asked[1:])
    table = case.table_rows(culpa(*asked).out)
    marked = {row[0]: row[1:] for row in case.markdown_tables(culpa(*asked, "--format", "md").out)[0]}
    values, forecast = numbers(found), {row["proxy"]: row for row in found["forecast"]["proxies"]}
    assert len(found["ranking"]) == 3
    assert any(row["tied_with"] for row in found["ranking"])
    for row in found["ranking"]:
        name = row["proxy"]
        expected = [f"{row['score']:.3f}", f"{row['low']:.3f}–{row['high']:.3f}"]
        cells = table[name] if row["tied_with"] == [] else table[name][1:]  # of those not tied 'set' is empty
        assert cells[:2] == expected
        assert marked[name.replace("_", r"\_")][1:3] == expected
        assert cells[2] == f"{forecast[name]['cosine']:.3f}"
        assert cells[3:6] == [f"{values[name, metric]:.3f}" for metric in ("hacc", "hacc_half", "acc")]


def test_same_seed_same_bytes_and_another_seed_other_intervals(culpa, rollouts):
    asked = ("audit", rollouts, "--truth", "gold", "--format", "json")
    assert culpa(*asked, "--seed", 1).out == culpa(*asked, "--seed", 1).out
    first, second = (verdict(culpa, *asked[1:4], "--seed", seed)["ranking"] for seed in (1, 2))
    assert [row["score"] for row in first] == [row["score"] for row in second]
    assert [row["low"] for row in first] != [row["low"] for row in second]


def test_streamed_and_whole_give_the_same_numbers(culpa, rollouts):
    whole = numbers(verdict(culpa, rollouts, "--truth", "gold", "--whole"))
    streamed = numbers(verdict(culpa, rollouts, "--truth", "gold", "--stream"))
    assert ("rm_good", "hacc") in streamed
    for key, value in streamed.items():
        assert value == pytest.approx(whole[key], nan_ok=True), key


def test_only_the_metrics_asked_for(culpa, rollouts):
    found = verdict(culpa, rollouts, "--truth", "gold", "--metric", "acc", "--metric", "dead")
    assert {row["metric"] for row in found["metrics"]} == {"acc", "dead"}
    assert found["ranking"][0]["measure"] == "acc"


def test_the_algorithm_its_divergence_and_the_horizon_are_as_asked(culpa, rollouts):
    asked = ("--learner", "grpo:4", "--kl", "0.1", "--horizon", "kl=0.1", "--features", "text")
    found, usual = (verdict(culpa, rollouts, "--truth", "gold", *more) for more in (asked, ()))
    said = found["forecast"]
    assert (said["learner"], said["horizon"]) == ("grpo:4", "kl=0.1")
    assert (found["args"]["learner"], found["args"]["kl"]) == ("grpo:4", 0.1)
    assert found["args"]["features"] == "text"
    ends = {row["proxy"]: row["kl"] for row in said["curves"]}  # the last row of each
    assert list(ends.values()) == pytest.approx([0.1] * 3, abs=1e-6)
    assert usual["forecast"]["horizon"] == "kl=0.4"
    assert [row["learner"] for row in found["learners"]][::3] == [
        "grpo:4", "reinforce", "grpo:8", "best_of_n:16", "grpo:4, clock=1",
    ]  # fmt: skip
    free = verdict(culpa, rollouts, "--truth", "gold", *asked[:2], *asked[4:])["forecast"]
    assert free["proxies"][0]["outcome"] != said["proxies"][0]["outcome"]  # the divergence costs something


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--learner sft", "no learner is called 'sft'. Known: reinforce, rloo:K, "),
        ("--learner tilt --kl 0.1", "tilt:1 takes no KL weight, got 0.1."),
        ("--horizon soon", "the horizon is 'soon'. Use kl=VALUE, clock=VALUE, gain=VALUE or steps=NUMBER."),
        ("--horizon steps=9", "the horizon steps=9 does not fit policies that share features. Use kl=VALUE:"),
        ("--horizon gain=0.5", "the horizon gain=0.5 does not fit policies that share features. Use kl=VALUE:"),
    ],
)
def test_an_algorithm_or_a_horizon_that_is_none(culpa, rollouts, flags, said):
    ran = culpa("audit", rollouts, "--truth", "gold", *flags.split())
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_features_that_are_not_there_are_said(culpa, rollouts):
    ran = culpa("audit", rollouts, "--truth", "gold", "--features", "policy")
    assert "the rollouts have no features of the policy's." in ran.out + ran.err


@pytest.mark.parametrize("budget", [0, 3])
def test_budget_is_the_number_of_outputs_to_label(culpa, budget):
    found = verdict(culpa, case.saved(case.partly(case.frame()), "part.parquet"), "--truth", "gold", "--budget", budget)
    assert len(found["relabel"]) == budget
    assert found["facts"]["truths"] == 106


def test_truth_of_another_file(culpa, rollouts):
    case.frame().drop("gold").write_parquet("scores.parquet")
    case.frame().select("prompt", "response", "gold").write_csv("gold.csv")
    joined = verdict(culpa, "scores.parquet", "--join", "gold.csv", "--truth", "gold")
    whole = verdict(culpa, rollouts, "--truth", "gold")
    assert joined["ranking"] == whole["ranking"]
    assert any("160 of 160 outputs" in note for note in joined["notes"])


@pytest.mark.parametrize(("level", "code"), [("never", 0), ("error", 1), ("warning", 1), ("note", 1)], ids=str)
def test_exit_code_by_the_gravest_finding(culpa, rollouts, level, code):
    ran = culpa("audit", rollouts, "--truth", "gold", "--fail-on", level)
    assert ran.code == code
    assert "rm_bad: ranks worse than chance" in ran.out


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1)])
def test_a_lighter_finding_than_asked_for_is_fine(culpa, level, code):
    table = case.saved(case.frame(prompts=20), "few.parquet")
    ran = culpa("audit", table, "--truth", "gold", "--proxy", "rm_good", "--fail-on", level)
    assert "only 20 prompts" in ran.out
    assert ran.code == code


def test_headline_for_a_complete_truth(culpa, rollouts):
    ran = culpa("audit", rollouts, "--truth", "gold")
    found = verdict(culpa, rollouts, "--truth", "gold")
    change = f"{found['forecast']['start']:.3f} to {found['ranking'][0]['score']:.3f}"
    answer = f"Best of 3 to train on with reinforce: rm_good, the truth goes from {change}, not told apart from rm_mid."
    assert ran.out.startswith(f"40 prompts, 160 outputs. {answer}\n")


def test_headline_without_anything_to_rehearse_on(culpa, rollouts):
    case.pl.read_parquet(rollouts).drop("response").write_parquet("bare.parquet")
    ran = culpa("audit", "bare.parquet", "--truth", "gold")
    assert ran.out.startswith("40 prompts, 160 outputs. Best of 3 by HAcc: rm_good (0.917).\n")
    assert "no rehearsal: the outputs are samples without a text or features" in ran.out


def test_a_partial_truth_is_counted_and_the_rest_listed(culpa):
    ran = culpa("audit", case.saved(case.partly(case.frame()), "part.parquet"), "--truth", "gold")
    assert ran.out.startswith("40 prompts, 160 outputs (106 with a truth). Best of 3 to train on with reinforce: rm_")
    assert "\nLabel first\n" in ran.out
    assert "--budget N lists more" in ran.out


def test_without_a_truth_proxies_are_compared_with_each_other(culpa):
    ran = culpa("audit", case.saved(case.frame().drop("gold"), "none.parquet"))
    assert ran.code == 0
    assert ran.out.startswith("40 prompts, 160 outputs. No truth to rank the proxies by.\n")
    for title in ("Scores", "Where proxies disagree most", "Look at", "Label first"):
        assert f"\n{title}\n" in ran.out
    assert "\nRanking\n" not in ran.out


def test_pairs_alone_rank_the_proxy_by_the_pairs(culpa, tmp_path):
    pairs = case.pairs()
    (tmp_path / "scores.json").write_text(json.dumps(pairs))
    ran = culpa("audit", "scores.json")
    right = sum(a > b for a, b in zip(pairs["scores_chosen"], pairs["scores_rejected"], strict=True)) / 60
    assert ran.out.startswith(f"60 prompts, 120 outputs. org/rm: Acc on the data's pairs {right:.3f}.\n")
    assert "Acc off: chosen-rejected pairs ranked rightly; a tie is wrong." in ran.out
    assert "\nScores\n" not in ran.out  # nothing is known of them but that none is missing


def test_streamed_labels_have_no_column_of_texts(culpa):
    table = case.saved(case.frame().drop("gold"), "none.parquet")
    assert "ranked low by" in culpa("audit", table, "--stream").out
    assert "response" not in culpa("audit", table, "--stream").out
    assert "response" in culpa("audit", table, "--whole").out


def test_metrics_that_rank_nobody_are_not_taken_for_a_missing_truth(culpa, rollouts):
    ran = culpa("audit", rollouts, "--truth", "gold", "--metric", "dead")
    assert "not ranked: no metric that ranks them was asked for (rehearsal, hacc, acc)." in ran.out


def test_a_truth_that_orders_nothing_is_not_taken_for_a_missing_one(culpa):
    table = case.frame(prompts=2).with_columns(gold=1.0)
    ran = culpa("audit", case.saved(table, "flat.parquet"), "--truth", "gold", "--proxy", "rm_*")
    assert "not ranked: in no prompt does the truth order two outputs" in ran.out


def test_output_goes_to_the_file_alone(culpa, rollouts, tmp_path):
    asked = ("audit", rollouts, "--truth", "gold")
    ran = culpa(*asked, "--output", "out.txt")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "culpa: written: out.txt, out.config.yaml\n"
    assert (tmp_path / "out.txt").read_text() == culpa(*asked).out
    assert {path.name for path in tmp_path.iterdir()} == {"rollouts.parquet", "out.txt", "out.config.yaml"}


@pytest.mark.parametrize("streamed", ["--whole", "--stream"])
def test_hostile_names_and_texts_stay_text(culpa, streamed):
    for table in (case.hostile(), case.hostile().drop("gold")):
        path = case.saved(table, "hostile.parquet")
        shown = culpa("audit", path, streamed).out
        marked = culpa("audit", path, streamed, "--format", "md").out
        assert not case.controls(shown)
        assert not case.controls(marked)
        assert "[red]x[/red]" in shown
        assert r"\x1b[31mevil" in shown
        assert "<" not in marked
        assert max(map(len, shown.splitlines())) < 400
        for rows in case.markdown_tables(marked):
            assert len({len(row) for row in rows}) == 1


def test_hostile_json_is_json_with_the_names_as_they_are(culpa):
    found = verdict(culpa, case.saved(case.hostile().drop("gold"), "hostile.parquet"))
    names = {row["proxy"] for row in found["metrics"]}
    assert {"[red]x[/red]", "\x1b[31mevil", "L" * 10_000, "a|b\nc", "<script>"} <= names
    assert all(row["value"] is None or math.isfinite(row["value"]) for row in found["metrics"])
