"""`culpa rehearse`: the numbers of the dynamics, what it says of its limits, and what it refuses."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.audit import world
from tests.cli import case
from typer.testing import CliRunner

import culpa
from culpa.cli import rehearse as verb
from culpa.cli.app import app
from culpa.cli.rehearse import learners_of, notes_of
from culpa.dynamics import effects, learner, reinforce, simulate
from culpa.dynamics.horizon import parse_horizon
from culpa.errors import InputError
from culpa.predictors import Subsample, features_of, ground
from culpa.rollouts.merge import merged

RUN = ["rehearse", "rollouts.parquet", "--truth", "gold", "--merge-by", "answer"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The paper's controlled problem as samples: a likely mediocre answer, which one proxy likes and one punishes."""
    rows = []
    for prompt, times in (("p1", (1, 10, 3, 3, 3)), ("p2", (3, 10, 3, 2, 2))):
        for answer, count in enumerate(times):
            gold = [1.0, 0.8, -1.0, -1.0, -1.0][answer]
            row = {"prompt_id": prompt, "response": f"{prompt} says {answer}", "answer": str(answer), "gold": gold}
            rows += [row | {"proxy.fair": gold, "proxy.harsh": 1.0 if answer == 0 else -1.0}] * count
    pl.DataFrame(rows).write_parquet(tmp_path / "rollouts.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*more):
    result = CliRunner().invoke(app, [*RUN, *more])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", ["reinforce", "rloo:4", "grpo:8"])
def test_json_has_the_numbers_of_the_dynamics(folder, name):
    document = json.loads(printed("--learner", name, "--format", "json"))
    rollouts = merged(culpa.read(folder / "rollouts.parquet", truth="gold"), by="answer")
    forecast = simulate(rollouts, learner=learner(name))
    assert {row["proxy"]: row["true_reward"] for row in document["outcomes"]} == pytest.approx(
        dict(zip(forecast.proxies, forecast.outcome.tolist(), strict=True))
    )
    assert len(document["errors"]) == effects(forecast, scale="auto").height
    assert {row["method"] for row in document["errors"]} == {"counterfactual"}
    assert (document["mode"], document["features"]) == ("every prompt by itself", "none")
    assert document["learner"] == name
    assert {"schema", "version", "args", "eta", "prompts", "curves", "notes"} <= set(document)


def test_punishing_the_mediocre_answer_wins_in_the_long_run():
    long = json.loads(printed("--horizon", "steps=2000", "--right", "same", "--format", "json"))
    assert [row["proxy"] for row in long["outcomes"]] == ["harsh", "fair"]
    kinds = {(row["proxy"], row["output"]): row["kind"] for row in long["errors"]}
    assert kinds["harsh", 1] == "beneficial"
    short = json.loads(printed("--horizon", "steps=20", "--right", "same", "--format", "json"))
    assert [row["proxy"] for row in short["outcomes"]] == ["fair", "harsh"]
    assert {row["kind"] for row in short["errors"]} == {"harmful"}


def test_the_table_names_proxies_errors_and_what_was_merged():
    text = printed("--horizon", "steps=2000", "--right", "same")
    assert "2 prompts. Best of 2 under reinforce: harsh, the truth ends at" in text
    assert "Errors that help most" in text
    assert "40 outputs merged to 10 by 'answer'" in text
    assert "Errors that help most" not in printed("--errors", "0")


def test_samples_that_nobody_merged_are_said_to_be_so():
    pl.read_parquet("rollouts.parquet").drop("response").write_parquet("mute.parquet")
    result = CliRunner().invoke(app, ["rehearse", "mute.parquet", "--truth", "gold"])
    assert "merge those that count as the same (--merge-by)" in result.stdout
    assert "every prompt by itself" in result.stdout
    assert "merge those" not in printed()
    assert "merge those" not in CliRunner().invoke(app, ["rehearse", "rollouts.parquet", "--truth", "gold"]).stdout


def test_markdown_and_a_file_with_its_settings(folder):
    assert printed("--format", "md").startswith("# culpa rehearse")
    printed("--output", "out.json", "--format", "json", "--learner", "grpo:4")
    first = (folder / "out.json").read_text()
    again = CliRunner().invoke(app, ["rehearse", "--config", "out.config.yaml", "--output", "again.json"])
    assert again.exit_code == 0, again.output
    assert json.loads((folder / "again.json").read_text())["outcomes"] == json.loads(first)["outcomes"]


def test_a_run_that_ends_before_its_horizon_is_marked():
    document = json.loads(printed("--horizon", "kl=3", "--max-steps", "5", "--format", "json"))
    assert not any(row["reached"] for row in document["outcomes"])
    assert "5 (cut)" in printed("--horizon", "kl=3", "--max-steps", "5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "the horizon is '3'. Use kl=VALUE, clock=VALUE, gain=VALUE or steps=NUMBER."),
        (
            "kl=x",
            "the horizon is 'kl=x'. Use kl=VALUE, clock=VALUE or gain=VALUE above 0, or steps=NUMBER of at least 1.",
        ),
        (
            "kl=0",
            "the horizon is 'kl=0'. Use kl=VALUE, clock=VALUE or gain=VALUE above 0, or steps=NUMBER of at least 1.",
        ),
        (
            "gain=-1",
            "the horizon is 'gain=-1'. Use kl=VALUE, clock=VALUE or gain=VALUE above 0, or steps=NUMBER of at least 1.",
        ),
        (
            "steps=0",
            "the horizon is 'steps=0'. Use kl=VALUE, clock=VALUE or gain=VALUE above 0, or steps=NUMBER of at least 1.",
        ),
    ],
)
def test_horizons_that_make_no_sense(text, message):
    with pytest.raises(InputError) as error:
        parse_horizon(text, 9)
    assert message in str(error.value)


def test_missing_verdicts_push_nowhere_and_are_counted():
    second = pl.col("prompt_id") == "p2"
    frame = pl.read_parquet("rollouts.parquet").with_columns(pl.when(~second).then("proxy.fair"))
    frame.write_parquet("rollouts.parquet")
    assert "5 verdicts are missing: they push nowhere at first" in printed()
    document = json.loads(printed("--horizon", "steps=5", "--format", "json"))
    assert document["prompts"] == 2
    assert "verdicts are missing" in document["notes"][-1]


def test_unknown_truths_leave_outputs_and_prompts_out_and_are_counted():
    known = (pl.col("prompt_id") == "p1") & (pl.col("answer") != "4") | (pl.col("answer") == "0")
    pl.read_parquet("rollouts.parquet").with_columns(pl.when(known).then("gold")).write_parquet("rollouts.parquet")
    text = printed()
    assert "1 outputs have an unknown truth and are left out: others of their prompts stand in" in text
    assert "1 prompts have no two outputs of the policy's whose truth is known and are left out" in text
    assert json.loads(printed("--format", "json"))["prompts"] == 1


def test_nothing_is_left_out_of_a_whole_record():
    scores = np.array([[1.0, 0.0]])
    record = culpa.Rollouts(np.array(["a"], object), scores >= 0, np.array([[0.2, 0.8]]), {"x": scores}, scores)
    found = ground(record, learner=reinforce())
    assert notes_of(found, record) == []


def rows(document, *columns):
    return {(row["proxy"], row["signal"]): tuple(row[name] for name in columns) for row in document["outcomes"]}


def test_signals_are_compared_with_the_bare_reward():
    document = json.loads(printed("--signal", "scale:2", "--signal", " scale:1 ", "--format", "json"))
    assert document["signals"] == ["bare", "scale:2", "scale:1"]
    found = rows(document, "true_reward", "step")
    assert found["fair", "scale:1"] == pytest.approx(found["fair", "bare"])
    assert found["fair", "bare"][1] == pytest.approx(2 * found["fair", "scale:2"][1], abs=1)
    assert "Best of 4 pairs of proxy and signal under reinforce: fair (" in printed("--signal", "scale:2")


def test_a_signal_that_couples_prompts_keeps_its_curves_and_says_what_is_missing():
    document = json.loads(printed("--signal", "whiten", "--horizon", "steps=30", "--format", "json"))
    found = rows(document, "harmful", "true_reward")
    assert found["harsh", "whiten"][0] is None
    assert found["harsh", "whiten"][1] > 0
    assert found["harsh", "bare"][0] is not None
    assert any(note.startswith("no single errors under the signal 'whiten'") for note in document["notes"])


def test_mixes_stand_beside_the_scores():
    document = json.loads(printed("--mix", "all = fair + 0*harsh", "--mix", "fair - harsh", "--format", "json"))
    found = rows(document, "true_reward", "step", "kl")
    assert found.keys() == {(name, "bare") for name in ("fair", "harsh", "all", "fair - harsh")}
    assert found["all", "bare"] == pytest.approx(found["fair", "bare"])


def test_plateaus_are_listed_on_request():
    assert "Longest plateaus" in printed("--stalls", "1")
    assert len(json.loads(printed("--stalls", "1", "--format", "json"))["stalls"]) == 4
    assert json.loads(printed("--format", "json"))["stalls"] == []
    assert "no plateaus" in printed("--stalls", "1", "--kl", "0.1")


def test_sampled_runs_stand_beside_the_exact_one_and_have_a_seed():
    ask = ("--sampled", "3", "--learner", "rloo:4", "--horizon", "steps=20")
    document = json.loads(printed(*ask, "--format", "json"))
    assert len(document["sampled"]) == 6
    for row in document["outcomes"]:
        drawn = [run["true_reward"] for run in document["sampled"] if run["proxy"] == row["proxy"]]
        assert row["sampled_mean"] == pytest.approx(np.mean(drawn))
        assert (row["sampled_low"], row["sampled_high"]) == (min(drawn), max(drawn))
        assert len(set(drawn)) == 3
    assert json.loads(printed(*ask, "--format", "json"))["sampled"] == document["sampled"]
    assert json.loads(printed(*ask, "--seed", "1", "--format", "json"))["sampled"] != document["sampled"]
    assert "range" in printed(*ask)


def test_the_first_runs_do_not_depend_on_how_many_there_are():
    ask = ("--learner", "rloo:4", "--horizon", "steps=5", "--format", "json")
    one, three = (json.loads(printed(*ask, "--sampled", str(runs)))["sampled"] for runs in (1, 3))
    assert one == [row for row in three if row["run"] == 0]


@pytest.mark.parametrize("name", ["ppo:2", "best_of_n:4", "tilt:0.5"])
def test_every_learner_has_its_curves(name):
    document = json.loads(printed("--learner", name, "--horizon", "steps=10", "--stalls", "1", "--format", "json"))
    assert document["learner"] == name
    assert len(document["outcomes"]) == 2
    assert all(row["true_reward"] is not None for row in document["outcomes"])


def test_the_horizon_may_be_the_gain_of_the_proxy():
    document = json.loads(printed("--horizon", "gain=0.5", "--format", "json"))
    assert all(0.5 <= row["proxy_gain"] < 0.6 for row in document["outcomes"])
    assert all(row["reached"] for row in document["outcomes"])


def test_a_gain_that_is_never_reached_is_cut():
    document = json.loads(printed("--horizon", "gain=9", "--max-steps", "5", "--format", "json"))
    assert [(row["step"], row["reached"]) for row in document["outcomes"]] == [(5, False)] * 2


def test_twice_the_step_size_takes_half_as_many():
    slow, fast = (json.loads(printed("--eta", eta, "--format", "json")) for eta in ("0.05", "0.1"))
    assert slow["eta"] == 0.05
    assert rows(slow, "step")["fair", "bare"][0] == pytest.approx(2 * rows(fast, "step")["fair", "bare"][0], abs=1)


def test_a_signal_sees_the_lengths():
    tokens = pl.Series("tokens", np.arange(40) % 7)
    pl.read_parquet("rollouts.parquet").with_columns(tokens).write_parquet("rollouts.parquet")
    ask = ("--signal", "length_penalty:0.1", "--horizon", "steps=20", "--format", "json")
    found = rows(json.loads(printed("--length", "tokens", *ask)), "true_reward")
    assert found["fair", "length_penalty:0.1"] != found["fair", "bare"]


def test_the_curves_are_drawn_into_a_file(folder):
    result = CliRunner().invoke(app, [*RUN, "--plot", "curves.json"])
    assert result.exit_code == 0, result.output
    assert "culpa: drawn: curves.json" in result.stderr
    drawn = json.loads((folder / "curves.json").read_text())
    assert len(drawn["concat"]) == 4
    assert "until kl=0.4." in drawn["title"]["subtitle"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--plot", "curves.pdf"), "curves.pdf: cannot draw into this kind of file."),
        (("--plot", "nowhere/curves.svg"), "nowhere: the folder does not exist."),
        (("--mix", "fair + rough"), "'rough' is no term of a mix."),
        (("--mix", "fair"), "two scores would be called 'fair'."),
        (("--signal", "center | blip"), "no step is called 'blip'."),
        (("--signal", "length_penalty:1"), "needs the group's length"),
        (("--learner", "tilt:1", "--signal", "center"), "tilt:1 takes no signal, got 'center'."),
        (("--learner", "tilt:1", "--kl", "0.1"), "tilt:1 takes no KL weight, got 0.1."),
        (("--learner", "best_of_n:4", "--sampled", "2"), "best_of_n:4"),
        (("--learner", "magic"), "no learner is called 'magic'."),
        (("--horizon", "soon"), "the horizon is 'soon'."),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_no_file(culpa, folder, more, message):
    before = sorted(path.name for path in folder.iterdir())
    target = () if "--plot" in more else ("--plot", "never.json")
    ran = culpa(*RUN, *more, *target, "--output", "never.txt")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("culpa: ")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("target", ["curves.pdf", "nowhere/curves.svg"])
def test_a_target_that_cannot_be_written_is_refused_before_anything_is_read(culpa, target):
    ran = culpa("rehearse", "no-such-file.parquet", "--plot", target)
    assert ran.code == 2
    assert "no-such-file" not in ran.err


def test_a_long_chain_or_mix_is_cut_in_its_message(culpa):
    for flag in ("--signal", "--mix", "--horizon", "--learner"):
        ran = culpa(*RUN, flag, "x" * 100_000)
        assert ran.code == 2
        assert len(ran.err) < 2000


def test_the_same_signal_twice_is_one_row():
    assert list(learners_of("grpo:8", 0.0, ["center", " center", "center  "])) == ["bare", "center"]


def test_hostile_names_stay_text(culpa, folder):
    name = "[red]<script>|\x1b[31m" + "L" * 100_000
    frame = pl.read_parquet("rollouts.parquet").rename({"proxy.harsh": f"proxy.{name}"})
    frame.write_parquet("rollouts.parquet")
    ran = culpa(*RUN, "--stalls", "2", "--mix", f"both = {name} + fair", "--plot", "curves.svg")
    assert (ran.code, ran.err) == (0, "culpa: drawn: curves.svg\n")
    assert max(map(len, ran.out.splitlines())) < 400
    assert "\x1b" not in ran.out
    assert "[red]<script>" in ran.out
    assert "[red]<script>" not in (folder / "curves.svg").read_text()
    markdown = culpa(*RUN, "--format", "md").out
    assert "<script>" not in markdown
    document = json.loads(culpa(*RUN, "--format", "json").out, parse_constant=pytest.fail)
    assert {row["proxy"] for row in document["outcomes"]} == {name, "fair"}


def test_a_screen_without_block_characters_gets_none(monkeypatch):
    assert "█" in printed()
    monkeypatch.setattr("culpa.cli.rehearse.can_draw", lambda: False)
    assert "█" not in printed()
    assert "█" in printed("--format", "md")  # UTF-8, as a file


def test_the_settings_of_a_rehearsal_can_be_used_again(folder):
    ask = ("--mix", "both = fair + harsh", "--signal", "clip:1", "--stalls", "1", "--horizon", "steps=9")
    printed(*ask, "--output", "out.json", "--format", "json")
    again = CliRunner().invoke(app, ["rehearse", "--config", "out.config.yaml", "--output", "again.json"])
    assert again.exit_code == 0, again.output
    first, second = (json.loads((folder / name).read_text()) for name in ("out.json", "again.json"))
    assert {**first, "args": None} == {**second, "args": None}


# ---- outputs that share features ----

SHARED = ["rehearse", "rollouts.parquet", "--truth", "gold"]


def shared(*more):
    result = CliRunner().invoke(app, [*SHARED, *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def agree(verdict, *command):
    """The truth after training, and on what, as `audit` and as `rehearse` have it."""
    ran = CliRunner().invoke(app, ["rehearse", *map(str, command), "--format", "json"])
    document, outlook = json.loads(ran.stdout), verdict.outlook
    told = {row["proxy"]: row["outcome"] for row in outlook.prediction.to_dicts()}
    found = {row["proxy"]: row["true_reward"] for row in document["outcomes"]}
    assert found == pytest.approx({proxy: told[proxy] for proxy in found}, abs=1e-9)
    assert all(document[name] == outlook.facts[name] for name in ("mode", "features", "prompts", "learner"))
    return found


def test_the_truth_after_training_is_the_audits():
    few = ("--proxy", "rare_hack", "--proxy", "judge_with_timeouts")
    assert len(agree(world.demo()[1], world.DEMO, *few)) == 2


@pytest.mark.parametrize("name", ["grpo:8", "ppo:2", "best_of_n:4"])
def test_the_truth_after_training_is_the_audits_for_every_learner(name):
    path = case.saved(case.frame(), "many.parquet")
    asked = {"learner": learner(name), "horizon": "kl=0.2", "settings": culpa.Settings(100)}
    verdict = culpa.audit(culpa.read(path, truth="gold"), **asked)
    assert len(agree(verdict, path, "--truth", "gold", "--learner", name, "--horizon", "kl=0.2")) == 3


ALONE, TEXTS = ("every prompt by itself", "none"), ("shared features", "512 hashed n-grams of the text")


@pytest.mark.parametrize(
    ("more", "resolved", "expected"),
    [
        ((), "auto", TEXTS),
        (("--features", "text"), "text", TEXTS),
        (("--features", "none"), "none", ALONE),
        (("--merge-by", "answer"), "none", ALONE),
        (("--merge-by", "answer", "--features", "auto"), "auto", TEXTS),
        (("--learner", "best_of_n:4"), "auto", ALONE),
    ],
)
def test_texts_are_shared_unless_outputs_are_merged_by_hand(folder, more, resolved, expected):
    document = json.loads(shared(*more, "--format", "json"))
    assert (document["mode"], document["features"]) == expected
    assert document["args"]["features"] == resolved
    shared(*more, "--output", "out.json", "--format", "json")
    assert f"features: {resolved}" in (folder / "out.config.yaml").read_text()


def test_the_run_is_the_one_on_shared_features(folder):
    document = json.loads(shared("--kl", "0.1", "--horizon", "kl=0.3", "--mix", "fair - 2*harsh", "--format", "json"))
    rollouts = culpa.read(folder / "rollouts.parquet", truth="gold")
    run = culpa.rehearse(rollouts, learner=reinforce().with_kl(0.1), horizon="kl=0.3")
    ends = {row["proxy"]: row["true_reward"] for row in document["outcomes"]}
    assert {name: ends[name] for name in run.proxies} == pytest.approx(dict(zip(run.proxies, run.outcome, strict=True)))
    assert set(ends) == {"fair", "harsh", "fair - 2*harsh"}
    assert document["eta"] == run.eta


def test_equal_texts_are_one_output_with_and_without_features():
    for kind in ("auto", "none"):
        document = json.loads(shared("--features", kind, "--format", "json"))
        assert "40 outputs merged to 10 by 'response'" in document["notes"]
        masses = [row["mass"] for row in document["errors"] if row["proxy"] == "harsh" and row["prompt_id"] == "p1"]
        assert masses == pytest.approx([0.5])


def test_outputs_merged_by_hand_are_not_merged_again():
    frame = pl.read_parquet("rollouts.parquet").with_columns(pl.lit("the same").alias("response"))
    frame.write_parquet("rollouts.parquet")
    document = json.loads(printed("--horizon", "steps=5", "--format", "json"))
    assert len([row for row in document["errors"] if row["proxy"] == "harsh"]) == 2
    assert document["notes"] == ["40 outputs merged to 10 by 'answer'"]


def test_errors_are_told_by_their_method_and_without_reason_not_listed():
    document = json.loads(shared("--horizon", "kl=0.1", "--errors", "0", "--format", "json"))
    assert {row["method"] for row in document["errors"]} == {"counterfactual"}  # no more than are put right
    case.saved(case.frame(), "many.parquet")
    ask = ["rehearse", "many.parquet", "--truth", "gold", "--proxy", "rm_mid"]
    for errors, repeated in (("3", 12), ("10", 20)):
        ran = CliRunner().invoke(app, [*ask, "--errors", errors, "--format", "json"])
        rows = json.loads(ran.stdout)["errors"]
        assert sum(row["method"] == "counterfactual" for row in rows) == repeated
        assert all((row["reason"] is None) == (row["method"] == "adjoint") for row in rows)
    assert "None" not in CliRunner().invoke(app, [*ask, "--errors", "50"]).stdout


def test_scores_are_right_on_the_scale_that_the_audit_takes():
    def right(*more):
        rows = json.loads(printed(*more, "--horizon", "steps=5", "--format", "json"))["errors"]
        return {(row["prompt_id"], row["output"]): row["right"] for row in rows if row["proxy"] == "harsh"}

    assert right() == right("--right", "same")
    assert right() != right("--right", "matched")


def test_plateaus_and_errors_that_are_not_known_are_notes():
    document = json.loads(shared("--stalls", "1", "--signal", "whiten", "--format", "json"))
    assert document["stalls"] == []
    assert [note.split(":")[0] for note in document["notes"][1:]] == [
        "no plateaus", "no single errors under the signal 'whiten'", "no plateaus under the signal 'whiten'",
    ]  # fmt: skip
    assert rows(document, "harmful")["harsh", "whiten"] == (None,)


@pytest.mark.parametrize("flag", [("--eta", "0.2"), ("--max-steps", "9")])
def test_what_sets_itself_is_said(flag):
    note = "steps set themselves where outputs share features: --eta and --max-steps change nothing"
    asked, usual = (json.loads(shared(*more, "--format", "json")) for more in (flag, ()))
    assert note in asked["notes"]
    assert note not in usual["notes"]
    assert note not in json.loads(printed(*flag, "--format", "json"))["notes"]
    assert asked["outcomes"] == usual["outcomes"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ("--sampled", "2"),
            "these outputs share features. Leave them out, or take every prompt by itself: --features",
        ),
        (("--horizon", "steps=9"), "the horizon steps=9 does not fit policies that share features. Use kl=VALUE: "),
        (("--features", "policy"), "the rollouts have no features of the policy's."),
    ],
)
def test_what_does_not_fit_shared_features(culpa, folder, more, message):
    before = sorted(path.name for path in folder.iterdir())
    ran = culpa(*SHARED, *more, "--output", "never.txt")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_of_many_outputs_the_audits_sample_is_rehearsed(monkeypatch):
    case.saved(case.frame(), "many.parquet")
    monkeypatch.setattr(verb, "Subsample", lambda: Subsample(60))
    ask = ["rehearse", "many.parquet", "--truth", "gold", "--proxy", "rm_mid", "--format", "json"]
    document, whole = (
        json.loads(CliRunner().invoke(app, [*ask, *more]).stdout) for more in ((), ("--features", "none"))
    )
    assert (document["prompts"], whole["prompts"]) == (15, 40)
    assert document["notes"] == [
        "25 prompts are not rehearsed: the others are a fixed sample of at most 20,000 outputs"
    ]
    kept = Subsample(60)
    kept.add(culpa.read("many.parquet", truth="gold", proxies=["rm_mid"]))
    assert document["outcomes"][0]["true_reward"] == pytest.approx(culpa.rehearse(kept.record).outcome[0])


@pytest.mark.parametrize(
    ("more", "prompts"), [((), 15), (("--features", "none"), 40), (("--learner", "best_of_n:4"), 40)]
)
def test_a_sample_is_for_what_outputs_share(monkeypatch, more, prompts):
    """Their own features are as good a reason as a text; every prompt by itself needs none."""
    monkeypatch.setattr(verb, "Subsample", lambda: Subsample(60))
    vectors = np.random.default_rng(0).standard_normal((160, 3)).astype(np.float32)
    case.saved(case.frame().drop("response").with_columns(pl.Series("features", vectors)), "many.parquet")
    ask = ["rehearse", "many.parquet", "--truth", "gold", "--proxy", "rm_mid", "--format", "json", *more]
    assert json.loads(CliRunner().invoke(app, ask).stdout)["prompts"] == prompts


def test_enumerated_outputs_without_a_text_are_all_rehearsed(monkeypatch):
    monkeypatch.setattr(verb, "Subsample", lambda: Subsample(60))
    case.saved(case.frame().drop("response"), "many.parquet")
    ask = ["rehearse", "many.parquet", "--truth", "gold", "--proxy", "rm_mid", "--format", "json"]
    assert json.loads(CliRunner().invoke(app, ask).stdout)["prompts"] == 40


def test_markdown_ends_with_how_it_was_done():
    assert "reinforce, kl=0.4, features: 512 hashed n-grams of the text" in shared("--format", "md")
    assert "grpo:4, steps=9, eta 0.2" in printed(
        "--learner", "grpo:4", "--horizon", "steps=9", "--eta", "0.2", "--format", "md"
    )


def test_prompts_that_cannot_be_used_are_no_part_of_a_sample():
    table = case.frame()
    gone = pl.col("prompt_id").is_in(["q3", "q7"])
    case.saved(table.with_columns(pl.when(~gone).then("gold")), "many.parquet")
    ran = CliRunner().invoke(app, ["rehearse", "many.parquet", "--truth", "gold", "--proxy", "rm_mid"])
    assert "2 prompts have no two outputs of the policy's whose truth is known and are left out" in ran.stdout
    assert "fixed sample" not in ran.stdout


def test_the_policys_own_features_are_shared_without_any_text(folder):
    frame = pl.read_parquet("rollouts.parquet").drop("response")
    vectors = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    frame.with_columns(pl.Series("features", vectors)).write_parquet("rollouts.parquet")
    document = json.loads(shared("--format", "json"))
    rollouts = culpa.read(folder / "rollouts.parquet", truth="gold")
    assert document["features"] == features_of(rollouts).source == "the policy's 3-d features"


PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def documented():
    """Keys by section of the part on this command; the top level is ""."""
    keys, section = {"": set()}, ""
    for line in PAGE.read_text().split("# The JSON of `culpa rehearse`")[1].splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
            keys[section] = set()
        found = re.match(r"- `(\w+)`: \S.*", line)
        if found:
            assert found[1] not in keys[section]
            keys[section].add(found[1])
    return keys


def test_every_key_is_documented_and_no_other():
    ask = ("--stalls", "1", "--sampled", "1", "--learner", "rloo:4", "--horizon", "steps=5", "--format", "json")
    document = json.loads(printed(*ask))
    page = documented()
    assert page.pop("") == set(document)
    assert page == {
        name: set(part[0]) for name, part in document.items() if isinstance(part, list) and isinstance(part[0], dict)
    }
