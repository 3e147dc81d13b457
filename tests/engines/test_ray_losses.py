"""Who is hired again when workers are lost, on a cluster that is only made up."""

from types import SimpleNamespace

import pytest

from culpa.engines import plain
from culpa.engines import ray as module
from culpa.engines.engine import Outcome
from culpa.engines.ray import LOSSES, STARTS, _Pool
from culpa.errors import InputError


class LostError(Exception):
    """The actor is gone."""


class Cluster:
    """As much of Ray as a pool uses; `starts` and `tasks` say which calls, counted from 0, are lost."""

    exceptions = SimpleNamespace(RayActorError=LostError, ObjectLostError=LostError)

    def __init__(self, starts=(), tasks=()):
        self.lost_starts, self.lost_tasks = set(starts), set(tasks)
        self.started = self.asked = 0
        self.killed, self.waits = [], []

    def remote(self, _):
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda opening: Actor(self, opening)))

    def wait(self, promises, num_returns, timeout):
        assert num_returns == 1
        assert promises
        self.waits.append(timeout)
        return promises[:1], promises[1:]

    def get(self, promise):
        return promise()

    def kill(self, actor):
        self.killed.append(actor)


class Actor:
    def __init__(self, cluster, _):
        self.cluster = cluster
        self.ready, self.do = SimpleNamespace(remote=self._ready), SimpleNamespace(remote=self._do)

    def _ready(self):
        number, self.cluster.started = self.cluster.started, self.cluster.started + 1
        return lambda: self._given(number in self.cluster.lost_starts, None)

    def _do(self, task):
        number, self.cluster.asked = self.cluster.asked, self.cluster.asked + 1
        return lambda: self._given(number in self.cluster.lost_tasks, Outcome(task * 10))

    def _given(self, lost, value):
        if lost:
            raise LostError("the node is gone")
        return value


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(module, "_SHORTEST", 0.0)


def results(cluster, size=2, tasks=6):
    pool = _Pool(cluster, plain(abs), size)
    found = [one.result for one in pool.outcomes(range(tasks))]
    pool.close()
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
def test_all_go_home_at_the_end(size):
    cluster = Cluster()
    assert results(cluster, size) == [0, 10, 20, 30, 40, 50]
    assert cluster.started == len(cluster.killed) == size


@pytest.mark.parametrize("lost", [{0}, {2, 3}, {0, 1, 4}])
def test_lost_tasks_are_done_again_in_their_place(lost):
    cluster = Cluster(tasks=lost)
    assert results(cluster) == [0, 10, 20, 30, 40, 50]
    assert cluster.asked == 6 + len(lost)
    assert cluster.started == len(cluster.killed) == 2 + len(lost)


def test_starts_that_fail_are_tried_again():
    cluster = Cluster(starts=range(STARTS - 1))
    assert results(cluster, size=1) == [0, 10, 20, 30, 40, 50]
    assert cluster.started == STARTS


def test_a_start_that_succeeds_begins_the_count_again():
    lost = [*range(STARTS - 1), *range(STARTS, 2 * STARTS - 1)]
    assert results(Cluster(starts=lost, tasks=[1]), size=1) == [0, 10, 20, 30, 40, 50]


def test_a_token_may_be_what_keeps_workers_from_starting(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(InputError, match="Where the cluster takes no tokens, set RAY_AUTH_MODE=disabled; else memory"):
        results(Cluster(starts=range(99)))


def test_a_cluster_where_nobody_starts_is_given_up(monkeypatch):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(InputError) as error:
        results(Cluster(starts=range(99)))
    assert str(error.value) == (
        f"a worker that was starting was lost {STARTS} times (the node is gone). "
        "Often memory has run out: use fewer --processes."
    )


def test_a_part_that_is_lost_each_time_is_given_up():
    with pytest.raises(InputError) as error:
        results(Cluster(tasks=[1, 2, 3, 4]), size=1)
    assert str(error.value) == (
        f"part 2 of 6 was lost {LOSSES} times (the node is gone). Often memory has run out: use fewer --processes."
    )


def test_waits_between_starts_grow(monkeypatch):
    slept = []
    clock = [0.0]

    def sleep(seconds):
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(module, "_SHORTEST", 0.5)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    assert results(Cluster(starts=range(STARTS - 1)), size=1) == [0, 10, 20, 30, 40, 50]
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_where_there_is_no_room_it_says_so(monkeypatch):
    cluster = Cluster()
    monkeypatch.setattr(cluster, "wait", lambda promises, **_: ([], promises))
    with pytest.raises(
        InputError, match=r"^no worker could be started on the cluster for 600 seconds\. Look at `ray s"
    ):
        results(cluster)
