"""Every measure of every proxy, on samples of the initial policies: nothing here knows what training will do.

python -m benchmarks.honest.measure [--folder DIR]
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from benchmarks.honest import store
from benchmarks.honest.family import FAMILY, scored
from benchmarks.honest.plan import FOLDER, LEARNERS, MEASURED, PLACES, Place, fingerprint
from benchmarks.honest.policies import HIDDEN

from culpa import Rollouts
from culpa.dynamics import Path as Walk
from culpa.dynamics import learner
from culpa.predictors.panel import panel

_SEED = 3  # of shuffled truths


def mark_of(place: Place, how: str) -> str:
    return fingerprint(place.name, how, MEASURED, FAMILY)


def measured(rollouts: Rollouts, how: str) -> store.Document:
    """The panel as a document; NaN is null."""
    walk = learner(how)
    assert isinstance(walk, Walk)
    found = panel(rollouts, walk, hidden=HIDDEN, rng=np.random.default_rng(_SEED))
    return {
        "proxies": list(found.proxies),
        "values": {name: _plain(one) for name, one in found.values.items()},
        "shuffled": {name: [_plain(row) for row in one] for name, one in found.shuffled.items()},
    }


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in values]


def everything_measured(folder: Path) -> dict[tuple[Place, str], store.Document]:
    """What has been measured by the present settings; what has not is measured now."""
    found = {}
    for place in PLACES:
        rollouts = None
        for how in LEARNERS:
            path = folder / "measures" / f"{place.name}-{how.partition(':')[0]}.json"
            document = store.read(path, mark_of(place, how))
            if document is None:
                began = time.perf_counter()
                rollouts = rollouts or scored(place, folder)
                document = measured(rollouts, how)
                document["seconds"] = round(time.perf_counter() - began, 1)
                store.write(path, mark_of(place, how), document)
                print(f"{place.name} {how}: {document['seconds']} s", file=sys.stderr, flush=True)
            found[place, how] = document
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--folder", type=Path, default=FOLDER)
    everything_measured(asked.parse_args().folder)


if __name__ == "__main__":
    main()
