"""`docs/capacity.md`, from the figures that `bench_capacity.py` measured: none is written by hand."""

from typing import Any

GOAL = 10**11  # rows
NODES, CORES = 64, 32  # of the cluster on paper
LINK = 1e9  # bytes a second that a head node takes in
BINS_ROWS = 1 << 25  # rows of a part at most
ENGINES = ("local, 1 process", "local, 2 processes", "Ray, 2 actors")


def page(found: dict[str, Any]) -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *_table(found["table"]), "", *_slopes(found["table"]), "", *_plan(found), ""])


_HEAD = """# Capacity: how many rows, how long, how much memory

What a whole audit of large files costs: all metrics with intervals, findings, and the rehearsal on a fixed sample of
the prompts (at most 20,000 outputs, chosen by the hash of their ids, with their texts read in a second pass). Groups of
8 to 16 outputs, 5 proxies, responses of four words, Parquet sorted by prompt. The page is written by

```sh
python benchmarks/bench_capacity.py --page docs/capacity.md
```

Each line is `culpa audit FILE --stream --output verdict.json` with the flags of its engine, in a process of its own,
start and imports included. Memory is that of all its processes together. All engines gave the same verdict, byte for
byte: the program ends with an error where they do not. *whole*: everything; *metrics*: three measures with their
intervals, no rehearsal and no texts.
"""


def _table(rows: list[Any]) -> list[str]:
    lines = ["| rows | audit | engine | seconds | rows a second | memory, GB |", "|---|---|---|---|---|---|"]
    for power, engine, seconds, peak, _, scope in rows:
        lines.append(f"| 10^{power} | {scope} | {engine} | {seconds:.1f} | {10**power / seconds:,.0f} | {peak:.2f} |")
    return lines


def _of(rows: list[Any], engine: str, scope: str = "whole") -> dict[int, tuple[float, float]]:
    return {power: (seconds, peak) for power, name, seconds, peak, _, what in rows if (name, what) == (engine, scope)}


def _slopes(rows: list[Any]) -> list[str]:
    top = max(row[0] for row in rows)
    one, two, ray = (_of(rows, name) for name in ENGINES)
    core = {scope: _of(rows, f"{ENGINES[0]} on one core", scope)[top][0] for scope in ("whole", "metrics")}
    bare = {name: _of(rows, name, "metrics")[top][0] for name in ENGINES}
    steep = {name: _slope(found, top) for name, found in (("one", one), ("two", two), ("ray", ray))}
    return [
        "## Slope",
        "",
        f"Between 10^{top - 1} and 10^{top} rows another million rows takes {steep['one'] * 1e6:.3f} s on one process, "
        f"{steep['two'] * 1e6:.3f} s on two and {steep['ray'] * 1e6:.3f} s on Ray with two actors; the rest is start "
        "and rehearsal, which do not grow. Memory does not grow with the rows but for 8 bytes a prompt (see below).",
        "",
        f"Two processes on two cores do the metrics of 10^{top} rows {core['metrics'] / bare[ENGINES[1]]:.2f} times as "
        f"fast as one on one core, and the whole audit {core['whole'] / two[top][0]:.2f} times (aim: 1.6): its "
        "rehearsal is done once, by the process that asked. Against one process that is not held to a core, two are "
        f"{bare[ENGINES[0]] / bare[ENGINES[1]]:.2f} and {one[top][0] / two[top][0]:.2f} times as fast.",
        "",
        f"Ray takes {ray[top][0] / two[top][0]:.2f} times as long as two local processes for the whole audit, and "
        f"{bare[ENGINES[2]] / bare[ENGINES[1]]:.2f} times for the metrics (aim: below 2).",
    ]


def _slope(found: dict[int, tuple[float, float]], top: int) -> float:
    return (found[top][0] - found[top - 1][0]) / (10**top - 10 ** (top - 1))


def _plan(found: dict[str, Any]) -> list[str]:
    rows, part = found["table"], found["partial"]
    top = max(row[0] for row in rows)
    per_row = _slope(_of(rows, ENGINES[0]), top)
    disk = part["disk"] / 10**top
    parts, prompts = GOAL / BINS_ROWS, GOAL * part["prompts"] / part["rows"]
    cores = NODES * CORES
    compute, network = GOAL * per_row / cores, parts * part["bytes"] / LINK
    reading = GOAL * disk / (NODES * 1e9)
    return [
        "## A plan for 10^11 rows",
        "",
        f"On paper, from the figures above, for {NODES} nodes of {CORES} cores with 1 GB/s of storage each:",
        "",
        "| what | figure | from |",
        "|---|---|---|",
        f"| data | {GOAL * disk / 1e12:.1f} TB | {disk:.0f} bytes a row on disk |",
        f"| parts | {parts:,.0f} | 2^25 rows each, cut at prompts by what the files are |",
        f"| work | {GOAL * per_row / 3600:,.0f} core hours | {per_row * 1e6:.2f} s a million rows on one core |",
        f"| working | {compute / 60:.1f} min | {cores:,} cores |",
        f"| reading | {reading / 60:.1f} min, beside it | {NODES} GB/s in all |",
        f"| partial results | {part['bytes'] / 1e6:.1f} MB each, {parts * part['bytes'] / 1e9:.0f} GB in all | "
        "sums in 4,096 bins, two samples, the outputs to judge first |",
        f"| their way to the head | {network:.0f} s | 1 GB/s |",
        f"| putting them together | {parts * part['join']:.0f} s | {part['join'] * 1e3:.0f} ms each |",
        f"| prompts' hashes at the head | {prompts * 8 / 1e9:.0f} GB | 8 bytes for each of {prompts:.1e} prompts |",
        "",
        "**What saturates first** is the head's memory: the hashes by which a prompt that comes back is found. "
        "Everything else that the head does is seconds. A head of that much memory does it today; files whose ids "
        "ascend would need no hashes, only the first and last id of each part, which is not built. Next is storage: "
        f"at 1 GB/s a node reading takes {reading / compute:.1f} times as long as the work.",
    ]
