"""How far one machine goes: rows, seconds and memory of a whole audit with a rehearsal, on each engine.

    python benchmarks/bench_capacity.py [--powers 5 6 7 8] [--runs 3] [--page docs/capacity.md]

Every run is the command that a user would type, in a process of its own. Memory is that of all its processes together
(proportional set size, looked at ten times a second), so what they share counts once. The verdicts of all engines have
to be the same bytes.
"""

import argparse
import hashlib
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import data
from capacity_page import page
from timing import row, title

ONE_CORE = "local, 1 process on one core"
ENGINES = {
    ONE_CORE: ("--processes", "1"),
    "local, 1 process": ("--processes", "1"),
    "local, 2 processes": ("--processes", "2"),
    "Ray, 2 actors": ("--engine", "ray", "--processes", "2"),
}
RECORD = Path(__file__).parent / "data" / "capacity.json"


SCOPES = {"whole": (), "metrics": ("--metric", "acc", "--metric", "hacc", "--metric", "kendall")}


class Run(NamedTuple):
    seconds: float
    gigabytes: float  # at the peak
    verdict: str  # its hash


def audited(path: Path, flags: tuple[str, ...], *, pinned: bool = False) -> Run:
    """One audit of a file from the command line; pinned: on one core, its threads as well."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "verdict.json"
        audit = [sys.executable, "-m", "culpa.cli.app", "audit", str(path), "--stream"]
        command = [*audit, "--output", str(output), *flags]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        before, start, peak = _ray_processes(), time.perf_counter(), 0
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
        if pinned:
            os.sched_setaffinity(process.pid, {0})
        while process.poll() is None:
            peak = max(peak, sum(map(_memory, _family(process.pid) | (_ray_processes() - before))))
            time.sleep(0.1)
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        found = json.loads(output.read_text())
    found["args"].pop("output")
    found.get("provenance", {}).get("args", {}).pop("output", None)
    return Run(seconds, peak / 1e6, hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest())


def _family(root: int) -> set[int]:
    """A process and all that came from it."""
    parents = {pid: _parent(pid) for pid in _pids()}
    family = {root}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def _ray_processes() -> set[int]:
    """Those of Ray that have left their parents."""
    found = set()
    for pid in _pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::") or b"/ray/core/src/ray/" in words or b"/ray/_private/" in words:
            found.add(pid)
    return found


def _memory(pid: int) -> int:
    """Kilobytes, with its part of what it shares with others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def partial_result(path: Path) -> dict[str, float]:
    """What a part sends back, and what it costs to put two together."""
    from functools import partial

    from culpa.audit.gather import Share, Wish, _share_of_part
    from culpa.audit.measures import MEASURES
    from culpa.audit.sums import merge
    from culpa.dynamics import reinforce
    from culpa.engines import spread
    from culpa.rollouts.order import Passed

    wish = Wish(10, frozenset(measure.part for measure in MEASURES), reinforce())
    source = spread(path)
    first, second = map(partial(_share_of_part, wish, False), source.parts[:2])
    sent = pickle.dumps(second)
    start = time.perf_counter()
    whole, passed = Share(wish), Passed()
    merge(sums for one in (first, pickle.loads(sent)) for sums in whole.join(one, passed))
    seconds = (time.perf_counter() - start) / 2
    keys = sum(len(part) for part in second.keys)
    return {
        "bytes": len(sent) - 8 * keys,
        "prompts": keys,
        "rows": second.outputs,
        "join": seconds,
        "parts": len(source.parts),
        "disk": path.stat().st_size,
    }


def measure(powers: list[int], runs: int) -> dict[str, object]:
    """All figures of the page."""
    found: dict[str, object] = {"cores": os.cpu_count(), "table": []}
    for power, scope in [(power, "whole") for power in powers] + [(max(powers), "metrics")]:
        path = data.ensure(f"worded_1e{power}")
        title(f"10^{power} rows, groups of 8-16, 5 proxies, texts; {scope}")
        engines = {name: flags for name, flags in ENGINES.items() if name != ONE_CORE or power == max(powers)}
        for engine, flags in engines.items():
            several = [audited(path, (*flags, *SCOPES[scope]), pinned=engine == ONE_CORE) for _ in range(runs)]
            seconds, peak = (statistics.median(one[place] for one in several) for place in (0, 1))
            found["table"] += [[power, engine, seconds, peak, several[0].verdict, scope]]
            row(engine, f"{seconds:.1f} s, {peak:.2f} GB", "< 60 s, < 1 GB" if power == 8 else "")
        if len({one[4] for one in found["table"] if one[0] == power and one[5] == scope}) != 1:
            sys.exit("the engines do not give the same verdict")
    found["partial"] = partial_result(data.ensure(f"worded_1e{max(powers)}"))
    found["load"] = os.getloadavg()[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--powers", nargs="+", type=int, default=[5, 6, 7, 8])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    found = measure(asked.powers, asked.runs)
    RECORD.write_text(json.dumps(found, indent=1))
    if asked.page:
        asked.page.write_text(page(found))


def run() -> None:
    measure([5, 6, 7, 8], 1)


if __name__ == "__main__":
    main()
