"""Train every run of the plan that has no result yet.

python -m benchmarks.honest.run [--jobs N] [--only PATTERN ...] [--folder DIR] [--list]

A run that is killed leaves nothing; start again, and those that are done are not repeated. Patterns are of names,
`place/learner/proxy-seed`: --only 'reverse-10/*' '*/grpo/*-0'.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.honest import store
from benchmarks.honest.plan import FOLDER, Run, chosen, runs
from benchmarks.honest.train import mark_of, prepare, proxies_of, train_one

Train = Callable[[Run, Path], store.Document]


def place_of(folder: Path, run: Run) -> Path:
    """The file of a run."""
    return folder / "runs" / f"{run.name}.json"


def outstanding(plan: Sequence[Run], folder: Path) -> list[Run]:
    """The runs that have no result by the present settings."""
    return [run for run in plan if store.read(place_of(folder, run), mark_of(run)) is None]


def done(run: Run, folder: Path, train: Train = train_one) -> store.Document:
    """Trains one, and writes its file."""
    began = time.perf_counter()
    found = train(run, folder) | {"run": run.name, "seconds": round(time.perf_counter() - began, 2)}
    store.write(place_of(folder, run), mark_of(run), found)
    return found


def all_of(left: Sequence[Run], folder: Path, jobs: int) -> Iterator[tuple[Run, store.Document | Exception]]:
    """Every run as it ends, in processes of their own; one that fails stops no other."""
    if jobs == 1:
        for run in left:
            yield run, _tried(run, folder)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        pending: dict[Future[store.Document | Exception], Run] = {}
        waiting = iter(left)
        while True:
            for run in waiting:
                pending[pool.submit(_tried, run, folder)] = run
                if len(pending) == jobs:
                    break
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()


def _tried(run: Run, folder: Path) -> store.Document | Exception:
    try:
        return done(run, folder)
    except Exception as error:
        return error


def told(number: int, count: int, run: Run, found: store.Document | Exception, left: float) -> str:
    """A line of progress. left: seconds."""
    what = f"failed: {found!r}" if isinstance(found, Exception) else f"truth {found['truth'][-1]:.3f}"
    return f"{number}/{count} {run.name}: {what}; {left / 60:.0f} min left"


def main(arguments: Sequence[str] | None = None) -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--jobs", type=int, default=1)
    asked.add_argument("--only", nargs="+", default=[], metavar="PATTERN")
    asked.add_argument("--folder", type=Path, default=FOLDER)
    asked.add_argument("--list", action="store_true", help="print what would be trained")
    flags = asked.parse_args(arguments)
    left = outstanding(chosen(runs(proxies_of()), flags.only), flags.folder)
    if flags.list:
        print("\n".join(run.name for run in left))
        return 0
    for place in dict.fromkeys(run.place for run in left):
        prepare(place, flags.folder)
    failed, seconds = 0, []
    for number, (run, found) in enumerate(all_of(left, flags.folder, flags.jobs), start=1):
        failed += isinstance(found, Exception)
        seconds += [] if isinstance(found, Exception) else [found["seconds"]]
        rest = (len(left) - number) * (median(seconds) if seconds else 0.0) / flags.jobs
        print(told(number, len(left), run, found, rest), file=sys.stderr, flush=True)
    print(f"{len(left) - failed} runs done, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
