"""Every remedy against every planted defect, in every kind of world, over several seeds: the runs behind the atlas.

A run is told by how much of what the truth would have gained it gained:

    level = (V_true of its policy - V_true of the start) / (V_true of the truth's policy - V_true of the start)

where the truth's policy is that of the untouched learner on the truth, in the same world of the same seed. All rewards
of a world are trained at once, and every remedy sees the same draws, so that levels are compared in pairs.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from culpa._version import __version__
from culpa.advice.atlas import NONE, Atlas
from culpa.labs.finite.defects import DEFECTS, planted
from culpa.labs.finite.remedies import REMEDIES, UNTOUCHED, Remedy
from culpa.labs.finite.train import ETA, UPDATES, Run, train
from culpa.labs.finite.worlds import KINDS, OUTPUTS, PROMPTS, Array, Kind, World, make_world
from culpa.signals import Transform, apply, equal_group

RECIPE = 1  # another one is another atlas: worlds, defects, remedies, learner or training have changed
SEEDS = tuple(range(1, 17))
_BATCH, _REPEATS = (64, 8), 200  # on which the price of a step is measured


def survey(seeds: Sequence[int] = SEEDS, *, folder: Path, tell: Callable[[str], None] | None = None) -> Atlas:
    """All runs of the seeds, and what they were, as the atlas that is stored.

    Each world's runs are kept in the folder, and read where they are there: a survey that was stopped goes on.
    """
    parts = []
    for seed in seeds:
        for kind in KINDS:
            path = folder / f"{RECIPE}-{kind}-{seed}.parquet"
            if not path.exists():
                _run_world(kind, seed).write_parquet(path)
            parts.append(pl.read_parquet(path))
            if tell is not None:
                tell(f"seed {seed}, {kind}: {parts[-1]['seconds'][0]:.1f} s")
    runs = pl.concat(parts).sort("seed", maintain_order=True)
    keys = ["world", "defect", "size", "remedy"]
    wide = runs.group_by(keys, maintain_order=True).agg("level", (pl.col("kl").mean() * 100).round().cast(pl.Int16))
    place = {kind: number for number, kind in enumerate(KINDS)}
    wide = wide.sort(pl.col("world").replace_strict(place), maintain_order=True)
    seconds = float(sum(part["seconds"][0] for part in parts))
    return Atlas(wide, recipe(seeds) | {"seconds": round(seconds, 1)})


def _run_world(kind: Kind, seed: int) -> pl.DataFrame:
    start = time.process_time()
    runs = pl.DataFrame(list(rows(kind, seed)), schema=_ROWS, orient="row")
    return runs.with_columns(seconds=pl.lit(time.process_time() - start))


def rows(kind: Kind, seed: int, remedies: Sequence[str] = ()) -> Iterator[tuple[Any, ...]]:
    """A row for each defect, size and remedy: world, seed, defect, size, remedy, level in thousandths, KL.

    Without names, all remedies that this kind of world can have.
    """
    world = make_world(kind, seed)
    columns = planted(world, seed)
    plain = train(world, columns, REMEDIES[UNTOUCHED].build(world, columns, seed)[1], seed)
    at_start = float((world.prob * world.truth)[world.judged].sum(axis=1).mean())
    whole = plain.final[0] - at_start
    for name in remedies or REMEDIES:
        remedy = REMEDIES[name]
        if kind not in remedy.kinds:
            continue
        final, kl = _outcome(world, remedy, plain, seed)
        levels = np.round(1000.0 * (final - at_start) / whole).astype(np.int16)
        for column, level, moved in zip(columns, levels.tolist(), kl.tolist(), strict=True):
            yield kind, seed, column.name, column.size, name, level, moved


def _outcome(world: World, remedy: Remedy, plain: Run, seed: int) -> tuple[Array, Array]:
    if remedy is REMEDIES[UNTOUCHED]:
        return plain.final, plain.kl
    if remedy.updates == 0.5:
        return plain.half, plain.half_kl
    columns, path = remedy.build(world, planted(world, seed), seed)
    run = train(world, columns, path, seed)
    return run.final, run.kl


def recipe(seeds: Sequence[int]) -> dict[str, Any]:
    """What the runs were, in words and numbers, with the price of every step."""
    bare = price(None)
    return {
        "recipe": RECIPE,
        "version": __version__,
        "seeds": list(seeds),
        "worlds": list(KINDS),
        "learner": REMEDIES[UNTOUCHED].build(make_world("apart", 1), [], 0)[1].name,
        "prompts": PROMPTS,
        "outputs": OUTPUTS,
        "updates": UPDATES,
        "eta": ETA,
        "bare_ns": round(bare, 2),
        "defects": {NONE: {"about": "nothing is wrong", "size_is": "none", "sizes": [0.0], "worlds": list(KINDS)}}
        | {
            name: {"about": one.about, "size_is": one.size_is, "sizes": list(one.sizes), "worlds": list(one.kinds)}
            for name, one in DEFECTS.items()
        },
        "remedies": {
            name: {
                "about": one.about,
                "worlds": list(one.kinds),
                "outputs": one.outputs,
                "updates": one.updates,
                "ns": None if one.step is None else round(price(one.step), 2),
            }
            for name, one in REMEDIES.items()
        },
    }


def price(step: Transform | None) -> float:
    """Nanoseconds per reward of a step on 64 groups of 8; of one product with a number without a step."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal(_BATCH)
    group = equal_group(_BATCH, length=np.full(_BATCH, 100.0), logprob=rng.standard_normal(_BATCH))
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter_ns()
        if step is None:
            signal * 2.0
        else:
            apply(step, signal, group)
        times.append(time.perf_counter_ns() - start)
    return float(np.median(times)) / signal.size


_ROWS = {
    "world": pl.String,
    "seed": pl.Int16,
    "defect": pl.String,
    "size": pl.Float64,
    "remedy": pl.String,
    "level": pl.Int16,
    "kl": pl.Float64,
}
