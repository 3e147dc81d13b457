"""A dump that grows under the eyes of a tail: TRL's, verl's, our own, and a log."""

import json
import os
import time

import numpy as np
import polars as pl
import pytest
from tests.training.watch_cases import report

from culpa.errors import InputError
from culpa.rollouts import Options, Rollouts, write
from culpa.training.watch.sinks import JsonLines
from culpa.training.watch.tail import Reading, Tail, follow, step_files, trained_on

NOW = Reading(settle=0.0)


def trl(folder, step, rewards=(1.0, 0.0, 0.5, 0.5), tag="", **columns):
    rows = [
        {"step": step, "prompt": prompt, "completion": f"{tag}{step}{number}", "accuracy": reward}
        | {name: values[number] for name, values in columns.items()}
        | {"advantage": 0.0}
        for number, (prompt, reward) in enumerate(zip("aabb", rewards, strict=True))
    ]
    folder.mkdir(exist_ok=True)
    path = folder / f"completions_{step:05d}.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


def verl(folder, step, scores=(1.0, 0.0, 0.5, 0.5), end="\n"):
    rows = [
        {"input": prompt, "output": f"{step}{number}", "gts": "4", "score": score, "step": step, "gold": 1 - score}
        for number, (prompt, score) in enumerate(zip("abab", scores, strict=True))
    ]
    folder.mkdir(exist_ok=True)
    path = folder / f"{step}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + end)
    return path


def steps(reports):
    return [one.step for one in reports]


def test_new_steps_come_once_each_in_order(tmp_path):
    tail = Tail(tmp_path, NOW)
    for step in (2, 10):
        trl(tmp_path, step)
    assert steps(tail.look()) == [2, 10]
    trl(tmp_path, 11)
    assert steps(tail.look()) == [11]
    assert tail.look() == []


def test_the_dump_is_found_inside_the_runs_folder(tmp_path):
    trl(tmp_path / "completions", 1)
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "trainer_state.json").write_text("{}")
    [seen] = Tail(tmp_path, NOW).look()
    assert (seen.step, seen.health.prompts, seen.health.dead) == (1, 2, 0.5)
    assert seen.counted == "characters"


def test_verl_writes_lines(tmp_path):
    verl(tmp_path, 3, scores=(1.0, 1.0, 0.0, 1.0))
    [seen] = Tail(tmp_path, NOW._replace(truth="gold")).look()
    assert (seen.health.dead, seen.probe.accuracy, seen.probe.harmful) == (0.5, 0.0, 0.25)


def test_our_own_rollouts_know_their_tokens_and_their_ends(tmp_path):
    present = np.ones((2, 2), dtype=bool)
    table = pl.DataFrame({"response": list("abcd"), "ended": [True, True, True, False]})
    ids, scores = np.array(["p", "q"], dtype=object), np.array([[1.0, 0.0], [0.0, 0.0]])
    record = Rollouts(ids, present, present / 2, {"rm": scores}, truth=1 - scores, length=3 + scores, table=table)
    (tmp_path / "rollouts").mkdir()
    write(record, tmp_path / "rollouts" / "step_000012.parquet")
    (tmp_path / "metrics.jsonl").write_text('{"step": 12}\n')
    [seen] = Tail(tmp_path, NOW).look()
    assert (seen.step, seen.counted, seen.health.length, seen.health.clipped) == (12, "tokens", 3.25, 0.25)
    assert seen.probe.correlation == pytest.approx(-1.0)


def test_half_a_parquet_file_is_left_for_the_next_look(tmp_path):
    path = trl(tmp_path, 1)
    whole = path.read_bytes()
    tail = Tail(tmp_path, NOW)
    for size in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert tail.look() == []
        assert tail.waiting == 1
    path.write_bytes(whole)
    assert steps(tail.look()) == [1]
    assert tail.waiting == 0


def test_half_a_file_of_lines_is_left_for_the_next_look(tmp_path):
    path = verl(tmp_path, 1)
    whole = path.read_bytes()
    tail = Tail(tmp_path, NOW)
    path.write_bytes(whole[:-5])
    assert tail.look() == []
    path.write_bytes(whole)
    assert steps(tail.look()) == [1]


def test_lines_that_were_just_written_may_not_be_all(tmp_path):
    path = verl(tmp_path, 1)
    tail = Tail(tmp_path, Reading(settle=60.0))
    assert tail.look() == []
    assert tail.waiting == 1
    old = time.time() - 61
    os.utime(path, (old, old))
    assert steps(tail.look()) == [1]
    verl(tmp_path, 2)
    verl(tmp_path, 3)
    assert steps(tail.look()) == [2]  # a later one is there


def test_a_later_step_waits_for_an_earlier_one_that_is_half_written(tmp_path):
    path = trl(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    trl(tmp_path, 2)
    with pytest.raises(InputError, match="completions_00001"):
        Tail(tmp_path, NOW).look()


def test_a_batch_that_is_there_again_is_left_out_and_counted(tmp_path):
    trl(tmp_path, 1, tag="x")
    pl.read_parquet(tmp_path / "completions_00001.parquet").with_columns(step=pl.lit(2)).write_parquet(
        tmp_path / "completions_00002.parquet"
    )
    trl(tmp_path, 3, tag="x")
    tail = Tail(tmp_path, NOW)
    assert steps(tail.look()) == [1, 3]
    assert tail.repeats == 1


def test_a_log_is_followed_as_it_is_written(tmp_path):
    path = tmp_path / "log.jsonl"
    log = JsonLines(path)
    log.write(report(0, reward=0.5), [])
    tail = Tail(path)
    assert steps(tail.look()) == [0]
    log.write(report(1, reward=0.5), [])
    with path.open("a") as file:
        file.write('{"step": 2')
    assert steps(tail.look()) == [1]
    log.close()


def test_following_once_looks_again_for_what_was_just_written(tmp_path):
    verl(tmp_path, 1)
    tail = Tail(tmp_path, Reading(settle=0.05))
    assert steps(follow(tail, once=True)) == [1]


def test_following_sees_what_comes_later(tmp_path, monkeypatch):
    trl(tmp_path, 1)
    monkeypatch.setattr(time, "sleep", lambda _: trl(tmp_path, 2))
    reports = follow(Tail(tmp_path, NOW))
    assert [next(reports).step, next(reports).step] == [1, 2]


def test_several_scores_are_added_up_as_trl_does(tmp_path):
    trl(tmp_path, 1, rewards=(1.0, None, 0.0, 0.0), format=[0.5, 0.5, None, None])
    tail = Tail(tmp_path, NOW)
    [seen] = tail.look()
    assert seen.health.reward == pytest.approx((1.5 + 0.5 + 0 + 0) / 4)
    assert any("the sum of all scores (accuracy + format)" in note for note in tail.notes)


def test_a_sum_can_be_asked_for(tmp_path):
    trl(tmp_path, 1, format=[1.0] * 4)
    [seen] = Tail(tmp_path, NOW._replace(reward="2*accuracy + 0.5*format")).look()
    assert seen.health.reward == pytest.approx(2 * 0.5 + 0.5)
    [seen] = Tail(tmp_path, NOW._replace(reward="accuracy")).look()
    assert seen.health.reward == 0.5


def test_no_verdict_of_any_function_is_none_of_the_sum(tmp_path):
    trl(tmp_path, 1, rewards=(None, None, 0.0, 0.0), format=[None, 1.0, 0.0, 0.0])
    [seen] = Tail(tmp_path, NOW).look()
    assert seen.health.missing == 0.25


def test_groups_may_be_told(tmp_path):
    trl(tmp_path, 1)
    [seen] = Tail(tmp_path, Reading(options=Options(group=1))).look()
    assert seen.health.prompts == 4


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file or folder"):
        Tail(tmp_path / "none")


def test_files_of_several_kinds_are_refused(tmp_path):
    trl(tmp_path, 1)
    verl(tmp_path, 1)
    with pytest.raises(InputError, match=r"several kinds of files \(\*\.jsonl, completions_\*\.parquet\)"):
        step_files(tmp_path)


def test_several_folders_of_steps_are_refused(tmp_path):
    for name in ("train", "validation"):
        verl(tmp_path / name, 1)
    with pytest.raises(InputError, match=r"several folders hold steps \(train, validation\)"):
        step_files(tmp_path)


def test_a_dump_with_nothing_but_a_truth_is_refused():
    here = np.ones((1, 1), dtype=bool)
    record = Rollouts(np.array(["a"], dtype=object), here, here / 1, truth=here / 1)
    with pytest.raises(InputError, match="there is no score but the truth"):
        trained_on(record, None)
