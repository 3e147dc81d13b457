"""What a run that was killed while it wrote leaves behind, and who takes it away."""

import os
import signal
import subprocess
import sys

import polars as pl
import pytest

from culpa.errors import InputError
from culpa.rollouts import replacing, write_text

WRITING = """
import sys, time
from pathlib import Path
from culpa.rollouts import replacing

with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is writing `o.txt`, and that says so."""
    child = subprocess.Popen([sys.executable, "-c", WRITING, tmp_path / "o.txt"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_killed_writer_leaves_the_target_alone_and_the_next_one_tidies_up(tmp_path, writer):
    (tmp_path / "o.txt").write_text("before")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    left = [name for name in names(tmp_path) if name != "o.txt"]
    assert len(left) == 1
    assert left[0].startswith(".o.txt.")
    assert (tmp_path / "o.txt").read_text() == "before"
    write_text("after", tmp_path / "o.txt")
    assert names(tmp_path) == ["o.txt"]
    assert (tmp_path / "o.txt").read_text() == "after"


def test_what_another_process_is_writing_is_left_to_it(tmp_path, writer):
    write_text("ours", tmp_path / "o.txt")
    assert len(names(tmp_path)) == 2
    assert writer.poll() is None


def test_what_this_process_is_writing_is_left_to_it(tmp_path):
    with replacing(tmp_path / "o.txt") as outer:
        outer.write_text("outer")
        write_text("inner", tmp_path / "o.txt")
        assert outer.read_text() == "outer"
    assert (tmp_path / "o.txt").read_text() == "outer"
    assert names(tmp_path) == ["o.txt"]


@pytest.mark.parametrize(
    "name", [".o.txt.part", ".o.txt.0123456789.part", ".p.txt.01234567.part", "o.txt.01234567.part"]
)
def test_files_of_others_stay(tmp_path, name):
    (tmp_path / name).write_text("mine")
    write_text("text", tmp_path / "o.txt")
    assert names(tmp_path) == sorted(["o.txt", name])


def test_a_name_with_signs_of_patterns(tmp_path):
    (tmp_path / ".[a]*.txt.01234567.part").write_text("half")
    (tmp_path / ".a.txt.01234567.part").write_text("half")
    write_text("text", tmp_path / "[a]*.txt")
    assert names(tmp_path) == [".a.txt.01234567.part", "[a]*.txt"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot be written .*Permission denied"):
        write_text("text", tmp_path / "o.txt")
    tmp_path.chmod(0o700)


FULL = """
import resource, signal, sys
import polars as pl
from culpa.errors import InputError
from culpa.rollouts import read, write

rollouts = read(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    write(rollouts, sys.argv[2])
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["o.parquet", "o.jsonl", "o.csv"])
def test_where_there_is_no_room_the_earlier_output_stays(tmp_path, name):
    table = pl.DataFrame(
        {"prompt_id": [str(row // 4) for row in range(4000)], "proxy.rm": [row / 7 for row in range(4000)]}
    )
    table.write_parquet(tmp_path / "in.parquet")
    (tmp_path / name).write_text("earlier")
    for room in (100, 8192):
        given = [tmp_path / "in.parquet", tmp_path / name, room]
        done = subprocess.run(
            [sys.executable, "-c", FULL, *map(str, given)], capture_output=True, text=True, check=True
        )
        why = "cannot be written (File too large). Make room, and run the same command again."
        assert done.stdout == f"{tmp_path / name}: {why}\n"
        assert (tmp_path / name).read_text() == "earlier"
        assert names(tmp_path) == ["in.parquet", name]
