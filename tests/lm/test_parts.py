"""Blocks of long work: done once, kept whole or not at all, and refused where they are of another run."""

import json
import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from culpa.engines import Local, plain
from culpa.errors import InputError
from culpa.lm.parts import Keep, blocks, clear, finished, parts_folder

HERE = Local()
RUN = {"seed": 0, "inputs": [[3, "ab"]]}


def frame(number):
    return pl.DataFrame({"value": [float(number), None], "text": [f"é{number}", None]})


def made(work, count, folder, fingerprint, *, restart=False, engine=HERE):
    """The frames alone."""
    found = blocks(plain(work), range(count), Keep(folder, fingerprint, restart), engine)
    return (block.frame for block in found)


class Work:
    """Counts what it does, and may fail."""

    def __init__(self, fails=()):
        self.done, self.fails = [], set(fails)

    def __call__(self, number):
        if number in self.fails:
            raise KeyboardInterrupt
        self.done.append(number)
        return frame(number)


@pytest.fixture
def folder(tmp_path):
    return parts_folder(tmp_path / "out.parquet")


def test_all_blocks_in_order(folder):
    work = Work()
    assert pl.concat(made(work, 3, folder, RUN)).equals(pl.concat(map(frame, range(3))))
    assert work.done == [0, 1, 2]
    assert finished(folder) == {0, 1, 2}


def test_a_second_run_does_only_the_rest(folder):
    with pytest.raises(KeyboardInterrupt):
        list(made(Work(fails=[2]), 4, folder, RUN))
    assert finished(folder) == {0, 1}
    work = Work()
    again = pl.concat(made(work, 4, folder, dict(reversed(RUN.items()))))
    assert work.done == [2, 3]
    assert again.equals(pl.concat(map(frame, range(4))))


def test_blocks_in_the_middle_count_as_well(folder):
    list(made(Work(), 4, folder, RUN))
    (folder / "000001.parquet").unlink()
    work = Work()
    assert len(list(made(work, 4, folder, RUN))) == 4
    assert work.done == [1]


@pytest.mark.parametrize(
    ("other", "count", "named"),
    [
        (RUN | {"seed": 1}, 2, "seed"),
        (RUN | {"inputs": [[3, "ac"]]}, 2, "inputs"),
        (RUN | {"new": None, "more": 1}, 2, "more"),
        ({"seed": 0}, 2, "inputs"),
        (RUN, 3, "blocks"),
    ],
)
def test_parts_of_another_run_are_refused_with_the_way_out(folder, other, count, named):
    list(made(Work(), 2, folder, RUN))
    with pytest.raises(InputError) as error:
        made(Work(), count, folder, other)
    assert str(error.value) == (
        f"{folder}: there are 2 parts of another run ({named}). "
        "Give the same settings and inputs to go on with it, or --restart to begin again."
    )
    assert finished(folder) == {0, 1}


def test_parts_of_unknown_origin_are_refused(folder):
    list(made(Work(), 2, folder, RUN))
    (folder / "run.json").write_text("not json")
    with pytest.raises(InputError, match="what they were made from is not known"):
        made(Work(), 2, folder, RUN)


def test_restart_begins_again(folder):
    list(made(Work(), 2, folder, RUN))
    work = Work()
    assert len(list(made(work, 3, folder, RUN | {"seed": 1}, restart=True))) == 3
    assert work.done == [0, 1, 2]
    assert json.loads((folder / "run.json").read_text()) == {**RUN, "seed": 1, "blocks": 3}


def test_a_folder_without_parts_is_anybodys(folder):
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    assert len(list(made(Work(), 1, folder, RUN))) == 1


def test_a_part_that_cannot_be_read_is_made_again(folder):
    list(made(Work(), 2, folder, RUN))
    (folder / "000001.parquet").write_bytes(b"PAR1 cut off")
    work = Work()
    assert pl.concat(made(work, 2, folder, RUN)).equals(pl.concat(map(frame, range(2))))
    assert work.done == [1]


@pytest.mark.parametrize("bytes_", [b"", b"PAR1", b"\x00" * 400, b"PAR1" + b"\xff" * 200 + b"\xff\xff\xff\x7fPAR1"])
def test_damaged_parts_are_made_again(folder, bytes_):
    list(made(Work(), 3, folder, RUN))
    whole = (folder / "000001.parquet").read_bytes()
    for data in (bytes_, whole[: len(whole) // 2], whole[:8] + bytes(len(whole) - 16) + whole[-8:]):
        (folder / "000001.parquet").write_bytes(data)
        work = Work()
        assert pl.concat(made(work, 3, folder, RUN)).equals(pl.concat(map(frame, range(3))))
        assert work.done == [1]
        assert (folder / "000001.parquet").read_bytes() == whole


def test_a_run_without_a_part_leaves_nothing(folder):
    with pytest.raises(KeyboardInterrupt):
        list(made(Work(fails=[0]), 2, folder, RUN))
    assert not folder.exists()


def test_parts_beyond_the_last_are_not_looked_at(folder):
    list(made(Work(), 2, folder, RUN))
    (folder / "000007.parquet").write_bytes(b"")
    assert len(list(made(Work(fails=[0, 1]), 2, folder, RUN))) == 2


def test_blocks_tell_which_are_new(folder):
    keep = Keep(folder, RUN)
    list(made(Work(), 3, folder, RUN))
    (folder / "000001.parquet").unlink()
    assert [block.fresh for block in blocks(plain(frame), range(3), keep)] == [False, True, False]
    assert [block.fresh for block in blocks(plain(frame), range(2))] == [True, True]


def test_two_processes_make_the_same_parts_in_order(tmp_path):
    """Each part is there as soon as its frame is handed on, and none after it."""
    one, two = tmp_path / "one", tmp_path / "two"
    list(blocks(plain(frame), range(6), Keep(one, RUN)))
    for number, _ in enumerate(blocks(plain(frame), range(6), Keep(two, RUN), Local(2))):
        assert finished(two) == set(range(number + 1))
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }


def test_clear_leaves_what_is_not_its_own(folder):
    list(made(Work(), 2, folder, RUN))
    (folder / ".000002.parquet.ab.part").write_bytes(b"half")
    (folder / "mine.parquet").write_bytes(b"mine")
    clear(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.parquet"]
    (folder / "mine.parquet").unlink()
    clear(folder)
    assert not folder.exists()


def test_clear_takes_the_room_of_several_scores_with_the_last(folder):
    for name in ("a", "b"):
        list(made(Work(), 1, folder / name, RUN))
    clear(folder / "a")
    assert [path.name for path in folder.iterdir()] == ["b"]
    clear(folder / "b")
    assert not folder.exists()
    assert folder.parent.is_dir()


def test_a_file_in_the_way_is_refused(folder):
    folder.write_text("mine")
    with pytest.raises(InputError, match=r"is a file where finished parts would be kept\. Move it away"):
        made(Work(), 1, folder, RUN)


def test_a_part_that_is_being_written_is_not_there(folder, monkeypatch):
    whole = pl.DataFrame.write_parquet

    def halted(self, path, **how):
        whole(self, path, **how)
        assert finished(folder) == {0}
        raise KeyboardInterrupt

    list(made(Work(), 1, folder, RUN))
    clear(folder)
    first = made(Work(), 2, folder, RUN)
    next(first)
    monkeypatch.setattr(pl.DataFrame, "write_parquet", halted)
    with pytest.raises(KeyboardInterrupt):
        next(first)
    assert {path.name for path in folder.iterdir()} == {"run.json", "000000.parquet"}


KILLED = """
import sys, time
from pathlib import Path
import polars as pl
from culpa.engines import plain
from culpa.lm.parts import Keep, blocks

def work(number):
    print(number, flush=True)
    return pl.DataFrame({"value": [number] * 200_000, "text": [f"{number} {row}" for row in range(200_000)]})

for _ in blocks(plain(work), range(1000), Keep(Path(sys.argv[1]), {"run": 1})):
    pass
"""


@pytest.mark.parametrize("wait", [0.0, 0.03])
def test_a_killed_run_leaves_whole_parts_and_nothing_else(folder, wait):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)],
        stdout=subprocess.PIPE,
        env=os.environ | {"POLARS_MAX_THREADS": "1"},
    )
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            if int(line) >= 1:
                break
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    done = finished(folder)
    assert done == set(range(len(done)))
    assert done
    for number in done:
        part = pl.read_parquet(folder / f"{number:06d}.parquet")
        assert part.height == 200_000
        assert part["value"].unique().to_list() == [number]
    asked = []

    def work(number):
        asked.append(number)
        return part.with_columns(value=pl.lit(number, dtype=pl.Int64))

    rest = made(work, 1000, folder, {"run": 1})
    for _ in range(len(done) + 1):
        next(rest)
    assert asked == [len(done)]
    clear(folder)
    assert not folder.exists()
