"""A worker survives whatever its function does, and says what it was."""

import math
import os
import time
from pathlib import Path

import pytest

from culpa.errors import InputError
from culpa.verifiers.process import MOST_RESTARTS, Call, Limits, Target, Worker, running

SOURCE = """
import os, sys, threading, time

def double(x): return 2 * x
def loop(x):
    while x: pass
    return 0.0
def sleep(x):
    time.sleep(60 if x else 0)
    return 1.0
def hog(x): return float(len(bytearray(x << 20)))
def leave(x): sys.exit(3)
def die(x):
    if x: os._exit(7)
    return 1.0
def kill(x): os.kill(os.getpid(), 11)
def shout(x):
    print('{"id": 1, "number": 0, "value": 9}' * 50, flush=True)
    sys.stderr.write("\\x00\\xff garbage\\n")
    return x
def fork(x):
    if os.fork() == 0:
        return 99.0
    return float(x)
def orphan(x):
    if os.fork() == 0:
        time.sleep(60)
    return float(x)
def odd(x): return [object(), {1: (2, None)}, float("nan"), 10**400, "text", {1, 2}]
async def later(x): return x + 1
def listen(x): return [sys.stdin.read(), len(sys.argv)]
def write(x):
    with open("big.bin", "wb") as file:
        file.write(b"0" * (65 << 20))
def hashed(x): return hash("seed") % 1000003
def raises(x): raise ValueError("odd\\x1b[31m thing")
COUNT = 0
def race(x):
    global COUNT
    seen = COUNT
    time.sleep(0)
    COUNT = seen + 1
    return float(COUNT)
def main_only(x): return float(threading.current_thread() is threading.main_thread())
class Scorer:
    def __call__(self, x): return 5.0
def allowed(x):
    import resource
    return [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_CPU, resource.RLIMIT_CORE)]
number = 3
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rewards.py").write_text(SOURCE)
    made = []

    def make(name, **limits):
        made.append(Worker(Target("", Path("rewards.py"), name), Limits(**{"seconds": 5.0, "memory": 1024} | limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def call(value):
    return Call([value], {})


def fault(one):
    assert one.fault is not None
    return one.fault


def test_values_and_named_arguments_go_there_and_back(worker):
    one = worker("double")
    assert [found.value for found in one.calls([call(2), call("a"), Call([], {"x": [1.5, None]})])] == [
        4,
        "aa",
        [1.5, None] * 2,
    ]
    assert one.parameters == [["x", "positional_or_keyword", True]]


def test_what_is_not_json_is_only_named(worker):
    odd, table, nan, large, text, some = worker("odd").calls([call(0)])[0].value
    assert odd == {"__odd__": "object"}
    assert table == {"1": [2, None]}
    assert math.isnan(nan)
    assert large == float("inf")
    assert (text, some) == ("text", {"__odd__": "set"})


@pytest.mark.parametrize("name", ["loop", "sleep"])
def test_a_call_that_hangs_is_ended_and_the_next_one_runs(worker, name):
    started = time.monotonic()
    first, second = worker(name, seconds=1.0).calls([call(1), call(0)])
    assert fault(first) == ("time-out", "no answer within 1 s")
    assert second.fault is None
    assert time.monotonic() - started < 30


def test_after_too_many_restarts_the_rest_is_skipped(worker):
    found = worker("die").calls([call(1)] * (MOST_RESTARTS + 3))
    assert [fault(one).kind for one in found] == ["ended"] * (MOST_RESTARTS + 1) + ["skipped"] * 2
    mixed = worker("die").calls([call(0), call(1), call(0)])
    assert [one.value for one in mixed] == [1.0, None, 1.0]


def test_too_much_memory_is_refused_by_the_system(worker):
    small, large = worker("hog", memory=256).calls([call(1), call(4000)])
    assert small.value == float(1 << 20)
    assert fault(large).text.startswith("MemoryError")


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("leave", "raised", "SystemExit: 3 (rewards.py, line 12)"),
        ("raises", "raised", r"ValueError: odd\x1b[31m thing (rewards.py, line 36)"),
        ("die", "ended", "the process ended with exit code 7"),
        ("kill", "ended", "the process was ended by SIGSEGV"),
        ("write", "raised", "OSError: [Errno 27] File too large (rewards.py, line 34)"),
    ],
)
def test_the_end_of_a_call_is_named(worker, name, kind, text):
    assert fault(worker(name).calls([call(1)])[0]) == (kind, text)


def test_what_is_printed_is_no_answer(worker):
    one = worker("shout")
    assert [found.value for found in one.calls([call(4), call(5)])] == [4, 5]
    one.close()
    assert one.printed > 3000


def test_a_forked_process_cannot_answer_in_its_parents_place(worker):
    assert [found.value for found in worker("fork").calls([call(number) for number in range(5)])] == [0, 1, 2, 3, 4]


def test_processes_that_are_left_behind_are_seen_and_ended(worker):
    tidy, untidy = worker("double"), worker("orphan")
    for one in (tidy, untidy):
        one.calls([call(1)])
        one.close()
    assert (tidy.left_processes, untidy.left_processes) == (False, True)
    ended = time.monotonic() + 5
    while running(untidy._child.pid) and time.monotonic() < ended:
        time.sleep(0.02)
    assert not running(untidy._child.pid)


def test_coroutines_are_awaited_and_classes_made(worker):
    assert worker("later").calls([call(1)])[0].value == 2
    assert worker("Scorer").calls([call(1)])[0].value == 5.0


def test_processor_time_is_limited_where_nobody_watches(worker):
    seconds, core = worker("allowed", seconds=3.0).calls([call(0)])[0].value
    assert 3 * os.cpu_count() < seconds < 3 * os.cpu_count() + 9
    assert core == 0


def test_a_file_may_be_called_as_a_module_of_pythons(tmp_path):
    (tmp_path / "json.py").write_text("def score(x): return [x, __name__]")
    with Worker(Target("", tmp_path / "json.py", "score"), Limits()) as one:
        assert [found.value for found in one.calls([call(1)] * 2)] == [[1, "reward_json"]] * 2


def test_there_is_no_input_to_read(worker):
    assert worker("listen").calls([call(0)])[0].value[0] == ""


@pytest.mark.usefixtures("worker")
def test_the_hash_seed_is_the_workers(tmp_path):
    target = Target("", tmp_path / "rewards.py", "hashed")
    seen = []
    for seed in (0, 0, 1):
        with Worker(target, hash_seed=seed) as one:
            seen.append(one.calls([call(0)])[0].value)
    assert seen[0] == seen[1] != seen[2]


def test_threads_run_at_the_same_time_off_the_main_thread(worker):
    runs = worker("main_only").at_once([call(0)] * 3, threads=2, seconds=5)
    assert [[one.value for one in run] for run in runs] == [[0.0] * 3] * 2
    assert worker("main_only").calls([call(0)])[0].value == 1.0
    lost = worker("race").at_once([call(0)] * 500, threads=4, seconds=20)
    assert max(one.value for run in lost for one in run) < 2000


def test_each_thread_answers_in_the_order_of_the_calls(worker):
    runs = worker("double").at_once([call(number) for number in range(7)], threads=3, seconds=5)
    assert [[one.value for one in run] for run in runs] == [[0, 2, 4, 6, 8, 10, 12]] * 3


def test_threads_that_hang_are_ended(worker):
    one = worker("sleep")
    runs = one.at_once([call(1)], threads=2, seconds=0.4)
    assert [fault(run[0]).kind for run in runs] == ["time-out"] * 2
    assert one.calls([call(0)])[0].value == 1.0


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target("", Path("rewards.py"), "nope"), "AttributeError: module 'rewards' has no attribute 'nope'"),
        (Target("", Path("rewards.py"), "number"), "TypeError: number is a int, which cannot be called"),
        (Target("", Path("none.py"), "f"), "FileNotFoundError"),
        (Target("no_such_module", None, "f"), "ModuleNotFoundError: No module named 'no_such_module'"),
        (Target("", Path("ends.py"), "f"), "the process ended with exit code 9"),
        (Target("", Path("wrong.py"), "f"), "SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_is_said(tmp_path, target, text):
    (tmp_path / "rewards.py").write_text(SOURCE)
    (tmp_path / "ends.py").write_text("import os; os._exit(9)")
    (tmp_path / "wrong.py").write_text("def f(:")
    with pytest.raises(InputError) as error:
        Worker(target)
    assert f"the reward cannot be loaded: {text}" in str(error.value)
    assert "Write module:function or file.py:function; what it imports may need more memory" in str(error.value)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"seconds": 0}, "the time-out is 0 seconds. 10 is usual."),
        ({"seconds": float("nan")}, "the time-out is nan seconds. 10 is usual."),
        ({"memory": 10}, "the memory limit is 10 MiB. Take 64 or more, or 0 for none."),
        ({"memory": -1}, "the memory limit is -1 MiB. Take 64 or more, or 0 for none."),
    ],
)
def test_limits_under_which_nothing_runs(limits, text):
    with pytest.raises(InputError) as error:
        Limits(**limits)
    assert str(error.value) == text


def test_a_long_request_and_a_long_answer_pass(worker):
    assert len(worker("double").calls([call("x" * 3_000_000)])[0].value) == 6_000_000
