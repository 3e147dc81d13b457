"""A watched reward function is the same function to the trainer; what it was asked becomes a report."""

import asyncio
import inspect
from types import SimpleNamespace

import pytest

from culpa.errors import InputError
from culpa.training.watch.alarm import Thresholds
from culpa.training.watch.rewards import awaited, watched
from culpa.training.watch.run import Collector, Run

PROMPTS, TEXTS = ["a", "a", "b", "b"], ["x", "yy", "zzz", "wwww"]
CALL = {"prompts": PROMPTS, "completions": TEXTS}


class Kept:
    """A sink that remembers."""

    def __init__(self):
        self.reports, self.closed = [], False

    def write(self, report, alarms):  # noqa: ARG002 - as every sink's
        self.reports.append(report)

    def close(self):
        self.closed = True


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def collector(kept):
    return Collector(Run([kept]))


def lengths(completions, **_):
    return [float(len(text)) for text in completions]


def missing(completions, **_):
    return [None if len(text) == 1 else 1.0 for text in completions]


async def later(completions, **_):
    await asyncio.sleep(0)
    return lengths(completions)


def state(step, main=True):
    return SimpleNamespace(global_step=step, is_world_process_zero=main)


def test_the_trainer_gets_the_very_same_values(collector):
    values = [1.0, None, 2.0, 3.0]
    assert watched(lambda **_: values, collector)(**CALL) is values
    assert values == [1.0, None, 2.0, 3.0]


def test_it_keeps_its_name_and_its_kind(collector):
    assert watched(lengths, collector).__name__ == "lengths"
    assert not inspect.iscoroutinefunction(watched(lengths, collector))
    assert inspect.iscoroutinefunction(watched(later, collector))

    class Judge:
        async def __call__(self, completions, **_):
            return lengths(completions)

    wrapped = watched(Judge(), collector)
    assert (wrapped.__name__, inspect.iscoroutinefunction(wrapped)) == ("Judge", True)


def test_it_gets_the_very_same_arguments(collector):
    seen = {}
    given = CALL | {"kind": [1, 2, 3, 4], "trainer_state": state(3), "log_metric": print}
    watched(lambda **named: seen.update(named) or [0.0] * 4, collector, truth=lengths)(**given)
    assert seen == given
    watched(lambda prompts, texts: [float(text in prompts) for text in texts], Collector(Run()))(PROMPTS, TEXTS)


def test_a_wrong_number_of_values_is_the_trainers_to_refuse(collector, kept):
    assert watched(lambda **_: [1.0], collector)(**CALL) == [1.0]
    assert kept.reports == []


def test_a_call_is_a_report(collector, kept):
    watched(missing, collector)(**CALL, trainer_state=state(7), completion_ids=[[1], [1, 2], [1], [1]])
    [seen] = kept.reports
    assert (seen.step, seen.health.prompts, seen.health.missing) == (7, 2, 0.25)
    assert (seen.counted, seen.health.length) == ("tokens", 1.25)


def test_without_a_trainer_the_calls_are_the_steps(collector, kept):
    wrapped = watched(lengths, collector)
    for _ in range(3):
        wrapped(**CALL)
    assert [one.step for one in kept.reports] == [0, 1, 2]
    assert (kept.reports[0].counted, kept.reports[0].health.length) == ("characters", 2.5)


def test_the_truth_judges_the_same_outputs(collector, kept):
    watched(lengths, collector, truth=lambda completions, **_: [-float(len(text)) for text in completions])(**CALL)
    assert kept.reports[0].probe.correlation == -1.0
    assert kept.reports[0].probe.outputs == 4


def test_async_rewards_and_async_truths_go_together(kept):
    for reward, truth in ((later, later), (later, lengths), (lengths, later), (lengths, lengths)):
        wrapped = watched(reward, Collector(Run([kept])), truth=truth)
        values = wrapped(**CALL)
        assert (awaited(values) if inspect.iscoroutine(values) else values) == [1.0, 2.0, 3.0, 4.0]
    assert [one.probe.correlation for one in kept.reports] == [pytest.approx(1.0)] * 4


def test_it_judges_only_as_often_as_asked(collector, kept):
    asked = []
    wrapped = watched(
        lengths, collector, truth=lambda completions, **_: asked.append(1) or lengths(completions), every=3
    )
    for step in range(7):
        wrapped(**CALL, trainer_state=state(step))
    assert len(asked) == 3
    assert [one.probe is not None for one in kept.reports] == [True, False, False, True, False, False, True]


def test_it_judges_only_as_many_prompts_as_asked(collector, kept):
    asked = {}

    def truth(prompts, completions, kind, **rest):
        asked.update(prompts=prompts, completions=completions, kind=kind, rest=rest)
        return lengths(completions)

    prompts = [letter for letter in "abcd" for _ in range(2)]
    texts = [letter * number for number, letter in enumerate(prompts, start=1)]
    call = {"prompts": prompts, "completions": texts, "kind": list(range(8)), "log_extra": print, "note": "all"}
    watched(lambda completions, **_: lengths(completions), collector, truth=truth, prompts=2)(**call)
    assert asked["prompts"] == ["a", "a", "c", "c"]
    assert asked["kind"] == [0, 1, 4, 5]
    assert asked["rest"] == {"note": "all"}
    assert (kept.reports[0].probe.prompts, kept.reports[0].health.prompts) == (2, 4)


@pytest.mark.parametrize("reward", [lengths, later])
def test_a_truth_that_fails_stops_nothing_and_is_counted(collector, kept, reward):
    def broken(**_):
        raise RuntimeError("no quota")

    async def broken_later(**_):
        raise RuntimeError("no quota")

    for truth in (broken, broken_later):
        kept.reports.clear()
        values = watched(reward, Collector(collector.run), truth=truth)(**CALL)
        assert (awaited(values) if inspect.iscoroutine(values) else values) == [1.0, 2.0, 3.0, 4.0]
        assert kept.reports[0].probe is None
        assert kept.reports[0].metrics()["harm/failed"] == 1.0


def test_a_reward_that_fails_fails_as_before(collector, kept):
    def broken(**_):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        watched(broken, collector)(**CALL)
    assert kept.reports == []


def test_several_functions_make_one_report_of_their_sum(collector, kept):
    one = watched(missing, collector, weight=2.0)
    two = watched(lengths, collector, weight=-1.0, truth=lengths)
    one(**CALL, trainer_state=state(4))
    assert kept.reports == []
    two(**CALL, trainer_state=state(4))
    [seen] = kept.reports
    assert seen.health.reward == pytest.approx((-1.0 + (2 - 2) + (2 - 3) + (2 - 4)) / 4)
    assert seen.probe is not None
    assert seen.health.missing == 0.0


def test_several_calls_of_a_step_are_one_report_where_a_callback_says_when_it_ends(collector, kept):
    collector.deferred = True
    wrapped = watched(lengths, collector)
    wrapped(**CALL, trainer_state=state(1))
    wrapped(prompts=["c", "c"], completions=["x", "y"], trainer_state=state(1))
    wrapped(**CALL, trainer_state=state(2))
    assert [(one.step, one.health.prompts) for one in kept.reports] == [(1, 3)]
    collector.flush()
    assert kept.reports[-1].step == 2
    assert collector.flush() == []


def test_functions_that_were_asked_of_different_outputs_are_refused(collector):
    collector.deferred = True
    watched(lengths, collector)(**CALL, trainer_state=state(1))
    watched(lengths, collector)(prompts=["a"], completions=["x"], trainer_state=state(1))
    with pytest.raises(InputError, match="were not asked about the same outputs"):
        collector.flush()


def test_while_paused_and_on_other_machines_nothing_is_seen(collector, kept):
    wrapped = watched(lengths, collector, truth=lengths)
    wrapped(**CALL, trainer_state=state(1, main=False))
    asked = []
    wrapped = watched(lengths, collector, truth=lambda completions, **_: asked.append(1) or lengths(completions))
    collector.paused = True
    assert wrapped(**CALL, trainer_state=state(1)) == [1.0, 2.0, 3.0, 4.0]
    assert kept.reports == asked == []


def test_chats_are_read_by_their_messages(collector, kept):
    prompts = [[{"role": "user", "content": text}] for text in "aabb"]
    texts = [[{"role": "assistant", "content": text}] for text in TEXTS]
    watched(lambda completions, **_: [1.0] * len(completions), collector)(prompts=prompts, completions=texts)
    assert (kept.reports[0].health.prompts, kept.reports[0].health.length) == (2, 2.5)


def test_a_group_size_is_the_trainers(kept):
    collector = Collector(Run([kept]), group=2)
    watched(lengths, collector)(prompts=["a"] * 4, completions=TEXTS)
    assert kept.reports[0].health.prompts == 2


def test_the_run_counts_its_alarms_and_closes_its_sinks(kept):
    run = Run([kept], Thresholds({"dead": -1.0}, 1, 1, 0.5, 0.5))
    wrapped = watched(lengths, Collector(run))
    for _ in range(10):
        wrapped(**CALL)
    assert [alarm.signal for alarm in run.alarms] == ["dead"]
    assert run.reports == 10
    run.close()
    assert kept.closed


def test_a_history_is_seen_and_not_written(kept):
    first = Run([kept], Thresholds({"dead": -1.0}, 1, 1, 0.5, 0.5))
    wrapped = watched(lengths, Collector(first))
    for _ in range(8):
        wrapped(**CALL)
    assert first.alarms == []
    again = Kept()
    second = Run([again], Thresholds({"dead": -1.0}, 1, 1, 0.5, 0.5), history=kept.reports)
    watched(lengths, Collector(second))(**CALL)
    assert len(again.reports) == len(second.alarms) == 1


def test_models_are_no_reward_functions(collector):
    with pytest.raises(InputError, match="Model is not a reward function"):
        watched(type("Model", (), {"forward": None, "__call__": None})(), collector)


@pytest.mark.parametrize("pace", [{"every": 0}, {"prompts": 0}])
def test_never_to_judge_is_refused(collector, pace):
    with pytest.raises(InputError, match="Judge at every step or less often"):
        watched(lengths, collector, **pace)


def test_a_truth_of_another_length_is_refused(collector):
    with pytest.raises(InputError, match="the truth gave 1 values for 4 outputs"):
        watched(lengths, collector, truth=lambda **_: [1.0])(**CALL)
