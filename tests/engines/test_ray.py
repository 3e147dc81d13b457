"""Work on a Ray cluster of several nodes on this machine: the same results, also where a node is killed meanwhile."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.cli import case
from tests.engines import work

from culpa.engines import Ray, engine, plain
from culpa.engines.ray import _hushed
from culpa.errors import InputError
from culpa.lm.parts import Keep, Lazy, finished
from culpa.lm.prompts import prompts_of
from culpa.lm.score import score
from culpa.rollouts import read, write

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster():
    """A head without processors and three nodes with one each; workers find the modules of the tests."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_AUTH_MODE", "disabled")  # for the nodes and for commands alike, whatever this user has
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        nodes = [made.add_node(num_cpus=1, wait=False) for _ in range(3)]
        made.wait_for_nodes()
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made, nodes
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def two(cluster):
    return Ray(2, cluster[0].address)


def test_results_in_order_opened_once_a_worker_and_few_at_a_time(two, tmp_path):
    made = []
    tasks = Lazy(lambda number: made.append(number) or number, range(40))
    results = two.map(work.noted(tmp_path), tasks)
    assert next(results) == 0
    assert len(made) <= 3 * 2
    assert list(results) == [number * number for number in range(1, 40)]
    assert made == list(range(40))
    notes = [path.read_text() for path in tmp_path.iterdir()]
    assert 1 <= len(notes) <= 2
    assert all(note.count("opened") == 1 for note in notes)


def test_what_is_wrong_with_the_input_is_said_here(two):
    results = two.map(plain(work.refuse), range(6))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError) as error:
        next(results)
    assert str(error.value) == "in.parquet, row 7: the third is odd. Leave it out."


def test_what_is_wrong_with_the_opening_is_said_here(cluster):
    with pytest.raises(InputError, match=r"^the model is not there\. Look for it\.$"):
        list(Ray(1, cluster[0].address).map(work.unopened, range(2)))


def test_a_part_that_kills_its_worker_each_time_is_given_up(cluster, tmp_path):
    with pytest.raises(InputError) as error:
        list(Ray(1, cluster[0].address).map(work.on(work.die, tmp_path), range(3)))
    assert str(error.value).startswith("part 2 of 3 was lost 3 times (")
    assert str(error.value).endswith("). Often memory has run out: use fewer --processes.")
    assert (tmp_path / "deaths").read_text() == "..."


def test_no_gpu_is_said(cluster):
    with pytest.raises(InputError) as error:
        list(Ray(1, cluster[0].address, gpus=1).map(plain(work.square), range(2)))
    assert str(error.value) == "a worker needs 1 GPU, and the cluster has 0. --device cpu does without."


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A reward model and a Llama, made on the spot, and rollouts for them."""
    classifiers = pytest.importorskip("tests.lm.classifiers")
    from tests.lm.models import llama

    from culpa.lm.model import save

    folder = tmp_path_factory.mktemp("models")
    classifiers.classifier().float().save_pretrained(folder / "rm")
    classifiers.tokenizer().save_pretrained(folder / "rm")
    save(llama(context=64), folder / "lm")
    case.frame(40, 4).write_parquet(folder / "rollouts.parquet")
    return folder


@pytest.fixture
def spec(models):
    from culpa.lm.open import Spec

    return Spec("rm", "model", str(models / "rm"))


@pytest.fixture
def alone(models, spec, tmp_path):
    """The bytes of the scores of this process."""
    from culpa.lm.open import opened

    with opened(spec) as scorer:
        found = score(read(models / "rollouts.parquet"), scorer, "rm", block=8)
    assert np.isfinite(found.proxies["rm"]).all()
    return write(found, tmp_path / "alone.parquet").read_bytes()


def test_sampling_is_the_same(two, models, monkeypatch):
    from culpa.lm.collect import Plan, sample
    from culpa.lm.generate import Sampling
    from culpa.lm.model import load
    from culpa.lm.pool import policy

    monkeypatch.setattr("culpa.lm.collect.BLOCK", 6)
    asked = prompts_of(["abc=", "a=", "defgh=", "b=", "cc="])
    plan = Plan(samples=3, sampling=Sampling(max_tokens=8))
    there = sample(policy(str(models / "lm"), two), asked, plan)
    here = sample(load(models / "lm"), asked, plan)
    assert there.table.equals(here.table)
    np.testing.assert_array_equal(there.features, here.features)
    np.testing.assert_array_equal(there.logprob, here.logprob)
    assert there.notes == here.notes


SLOW = "import time\ndef slow(response):\n    time.sleep(0.02)\n    return float(len(response))\n"


def test_a_command_says_no_more_on_a_cluster_even_where_a_node_is_killed(cluster, models, tmp_path):
    """Its blocks take four seconds; after the first one's, a node goes."""
    made, nodes = cluster
    (tmp_path / "rewards.py").write_text(SLOW)
    rollouts, output = models / "rollouts.parquet", tmp_path / "o.parquet"
    command = [sys.executable, *case.COMMAND, "score", rollouts, "--with", "slow=rewards.py:slow", "--block", 8]
    where = ["--output", output, "--engine", "ray", "--address", made.address, "--processes", 3]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with subprocess.Popen([*map(str, command + where)], **streams) as child:
        place, deadline = tmp_path / "o.parquet.parts", time.monotonic() + 120
        while not list(place.glob("*/*.parquet")) and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert child.poll() is None
        made.remove_node(nodes.pop(), allow_graceful=False)
        out, err = child.communicate()
    assert child.returncode == 0, err
    assert out == f"{output}: 40 prompts, 160 outputs; proxies: rm_good, rm_bad, rm_mid, slow; truth: complete\n"
    assert [line[:7] for line in err.splitlines()] == ["culpa: "] * 2, err
    assert not place.exists()
    record = read(rollouts)
    lengths = np.array([float(len(text)) for text in record.table["response"]])
    np.testing.assert_array_equal(read(output).proxies["slow"][record.present], lengths)


def test_a_node_that_is_killed_changes_nothing(cluster, two, models, spec, alone, tmp_path):
    """The last test: a node is gone."""
    from culpa.lm.open import Way
    from culpa.lm.pool import scorers

    made, nodes = cluster
    keep = Keep(tmp_path / "o.parts", {"run": 1})

    def kill(seen):
        if seen.fresh and len(nodes) == 2:
            assert len(finished(keep.folder)) < 20
            made.remove_node(nodes.pop(), allow_graceful=False)

    rollouts = read(models / "rollouts.parquet")
    found = score(rollouts, scorers(spec, Way(), two), "rm", keep=keep, block=8, tell=kill)
    assert len(nodes) == 1
    assert write(found, tmp_path / "o.parquet").read_bytes() == alone


def test_a_connection_is_quiet_while_it_is_ours():
    inside = SimpleNamespace(_worker_logs_enabled=True)
    for ray in (SimpleNamespace(_private=SimpleNamespace(worker=inside)), SimpleNamespace()):
        with _hushed(ray):
            assert inside._worker_logs_enabled is not hasattr(ray, "_private")
        assert inside._worker_logs_enabled


def test_no_tasks_need_no_cluster(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert list(Ray().map(plain(work.square), [])) == []


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"^Ray is not installed\. pip install 'culpa\[ray\]'$"):
        list(Ray().map(plain(work.square), [1]))


def test_engines_by_name():
    assert engine("ray") == Ray()
    assert engine("ray", processes=2, address="h:1") == Ray(2, "h:1")
    with pytest.raises(InputError, match=r"^got 0 processes\. Use one or more\.$"):
        Ray(0)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_an_address_where_nobody_is(address, monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(InputError) as error:
        list(Ray(1, address).map(plain(abs), [1]))
    assert str(error.value) == (
        f"no Ray cluster answers at {address} ([Errno 111] Connection refused). "
        "Start one with `ray start --head`, and give its address."
    )
