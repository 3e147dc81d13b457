"""Work in several processes: the results of one, in order, whatever happens to the processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.engines import work

from culpa.engines import Local, engine, plain
from culpa.engines.local import DEATHS, cores
from culpa.errors import InputError
from culpa.lm.parts import Lazy

ROOT = Path(__file__).resolve().parents[2]
HERE, TWO = Local(), Local(2)


@pytest.mark.parametrize("where", [HERE, TWO], ids=["here", "two"])
def test_results_in_order(where):
    assert list(where.map(plain(work.late_first), range(7))) == list(range(7))
    assert list(where.map(plain(work.square), [])) == []


def test_one_process_is_this_one():
    assert set(HERE.map(plain(work.pid), range(3))) == {os.getpid()}
    assert set(TWO.map(plain(work.pid), [0])) == {os.getpid()}, "one task needs no second process"


def test_several_are_others_and_none_is_left():
    found = set(TWO.map(plain(work.pid), range(8)))
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2
    assert work.all_gone(found)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("where", [HERE, TWO], ids=["here", "two"])
def test_the_work_is_opened_once_a_worker_and_closed(tmp_path, where):
    assert list(where.map(work.noted(tmp_path), range(6))) == [n * n for n in range(6)]
    notes = [path.read_text() for path in tmp_path.iterdir()]
    assert 1 <= len(notes) <= where.processes
    assert set(notes) == {"opened\nclosed\n"}


@pytest.mark.parametrize("where", [HERE, TWO], ids=["here", "two"])
def test_tasks_are_made_when_it_is_their_turn(where):
    made = []
    tasks = Lazy(lambda number: made.append(number) or number, range(100))
    with closing(where.map(plain(work.square), tasks)) as results:
        assert next(results) == 0
        assert made == list(range(len(made)))
        assert len(made) <= 2 * where.processes + 1
        for _ in range(9):
            next(results)
        assert len(made) <= 9 + 2 * where.processes + 1


@pytest.mark.parametrize("where", [HERE, TWO], ids=["here", "two"])
def test_what_is_wrong_with_the_input_is_said_here(where):
    results = where.map(plain(work.refuse), range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError) as error:
        next(results)
    assert str(error.value) == "in.parquet, row 7: the third is odd. Leave it out."
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("where", [HERE, TWO], ids=["here", "two"])
def test_what_is_wrong_with_the_opening_is_said_here(where):
    with pytest.raises(InputError, match=r"^the model is not there\. Look for it\.$"):
        list(where.map(work.unopened, range(4)))


@pytest.mark.parametrize("where", [HERE, TWO], ids=["here", "two"])
def test_errors_that_are_ours_stay_what_they_are(where):
    with pytest.raises(ValueError, match="ours 0"):
        list(where.map(plain(work.crash), range(4)))


@pytest.mark.slow
def test_the_task_of_a_killed_worker_is_done_again(tmp_path):
    assert list(TWO.map(work.on(work.die_once, tmp_path), range(6))) == list(range(6))
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_deaths_count_where_they_come_in_a_row(tmp_path):
    assert list(TWO.map(work.on(work.die_odd, tmp_path), range(7))) == list(range(7))
    assert len(list(tmp_path.glob("*.died"))) == DEATHS


@pytest.mark.slow
def test_a_task_that_kills_its_worker_each_time_is_given_up(tmp_path):
    results = TWO.map(work.on(work.die, tmp_path), range(6))
    with pytest.raises(InputError) as error:
        list(results)
    assert str(error.value) == (
        "a worker process was killed 3 times in a row on part 2 of 6. Often memory has run out: use fewer --processes."
    )
    assert len((tmp_path / "deaths").read_text()) >= DEATHS
    assert not multiprocessing.active_children()


def test_whoever_stops_early_leaves_no_process_behind(tmp_path):
    results = TWO.map(work.noted(tmp_path), Lazy(int, range(1000)))
    next(results)
    pids = [child.pid for child in multiprocessing.active_children()]
    assert pids
    results.close()
    assert work.all_gone(pids)
    assert not multiprocessing.active_children()


def test_whoever_stops_early_does_not_wait_for_the_rest():
    results = TWO.map(plain(work.sleep_later), range(9))
    assert next(results) == 0
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 30
    assert not multiprocessing.active_children()


SLEEPING = """
import sys
from pathlib import Path
from tests.engines import work
from culpa.engines import Local

list(Local(2).map(work.on(work.sleep, Path(sys.argv[1])), range(4)))
"""


@pytest.mark.slow
def test_workers_end_with_the_process_that_asked(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", SLEEPING, tmp_path], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(pids := [int(path.stem) for path in tmp_path.glob("*.pid")]) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(pids) == 2
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert work.all_gone(pids)


UNGUARDED = """
import sys
from culpa.engines import Local, plain

print("once", list(Local(2).map(plain(abs), [-1, 2, -3])))
"""


def test_a_script_without_a_guard(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "once [1, 2, 3]\n", "")


def test_engines_by_name():
    assert engine() == engine("local") == Local(cores())
    assert engine("local", processes=3).processes == 3
    with pytest.raises(InputError, match=r"^got 0 processes\. Use one or more\.$"):
        engine("local", processes=0)
    with pytest.raises(InputError, match=r"^an address is for Ray\. Say --engine ray, or leave the address out\.$"):
        engine("local", address="auto")
    with pytest.raises(InputError, match=r"^no engine is called 'spark'\. Known: local, ray\.$"):
        engine("spark")
