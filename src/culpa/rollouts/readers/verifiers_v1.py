"""verifiers' traces, version 1, and prime-rl's: `traces.jsonl`, one trace per line.

verifiers writes `<env>--<model>--<harness>/<uuid>/traces.jsonl`, prime-rl
`rollouts/step_{n}/{train|eval}/{all|effective}/traces.jsonl`. Fields: `task` {key, hash, data}, `nodes` [{message,
parent, sampled, mask, logprobs}], `rewards` {name: {score, weight} or null}, `metrics` {name: number or null},
`errors`, `agent`, `is_completed`, `stop_condition`.

Every score and every metric is a proxy (a metric with the name of a reward is "metrics.name"). Null means that scoring
did not run, and stays null with the last error as its reason. The proxy `reward` is the sum of weight times score; it
is null where one score is, while the trainer adds up those there are.
Text is the path from the root to the last message: up to the first message that the model wrote it is the prompt, from
there the response. `length` and `logprob` count that path's sampled tokens.

A group is one task key (else its hash, else the prompt's hash) of one step and one run: `prompt_id` is "key", with
"train/3/" before it for a step of prime-rl and "run/" where there are several runs. Of `all` and `effective`, which is
a part of it, only `all` is read. Lost: side branches of a trace, per-token advantages, the task's data.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.convert import failed, need, verdicts
from culpa.rollouts.dump import Dump, Options, Peek
from culpa.rollouts.files import records
from culpa.rollouts.identity import content_id
from culpa.rollouts.json_frame import Json, json_frame
from culpa.rollouts.messages import message_text

NAME = "verifiers_v1"

_TRACES = "traces.jsonl"
_STEPS = "step_*/*/*/" + _TRACES
_STEP = re.compile(r"step_(\d+)/(train|eval)/(?:all|effective)$")
_LARGEST = 1e300  # of a log-probability, in size
_NEEDED = ("task", "nodes", "rewards")
_ROWS = 1024  # traces are long; so many are held at once
_OTHERS = ("id", "is_completed", "stop_condition")


def sniff(peek: Peek) -> bool:
    """`traces.jsonl` by its fields, the folder of one, or prime-rl's folder of steps."""
    if peek.kind == "folder":
        return _TRACES in peek.columns or next(peek.path.glob(_STEPS), None) is not None
    return peek.kind == "jsonl" and set(_NEEDED) <= peek.columns


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One row per trace, in order."""
    notes: list[str] = []
    return Dump(_frames(paths, options, notes), notes)


def _frames(paths: Sequence[Path], options: Options, notes: list[str]) -> Iterator[pl.DataFrame]:
    files = _files(paths, notes)
    steps = {path: _STEP.search(path.parent.as_posix()) for path in files}
    if any(steps.values()):
        notes.append("each step is a policy of its own: groups of different steps stay apart")
    runs = {path for path in files if not steps[path]}
    if len(runs) > 1:
        notes.append("several runs have several policies: groups of different runs stay apart")
    for path in files:
        found = steps[path]
        start = f"{found[2]}/{found[1]}/" if found else f"{path.parent.name}/" if len(runs) > 1 else ""
        numbered, empty = iter(records(path)), True
        while chunk := list(islice(numbered, _ROWS)):
            empty = False
            yield _native(chunk, path, start, options)
        if empty:
            raise InputError("the file holds no rows.", path=path, remedy="Check that the run got so far.")


def _files(paths: Sequence[Path], notes: list[str]) -> list[Path]:
    """The files of traces, without the parts of others."""
    inside: list[Path] = []
    for path in paths:
        inside += [path] if path.is_file() else [*path.glob(_TRACES), *sorted(path.glob(_STEPS), key=_step_number)]
    files = [
        path for path in dict.fromkeys(inside)
        if not (path.parent.name == "effective" and path.parent.with_name("all") / path.name in inside)
    ]  # fmt: skip
    if not files:
        raise InputError("there are no traces.", path=paths[0], remedy=f"Point at the folder that holds {_TRACES}.")
    if len(files) < len(set(inside)):
        notes.append("`effective` is a part of `all` and is left out")
    return files


def _step_number(path: Path) -> tuple[int, str]:
    found = _STEP.search(path.parent.as_posix())
    return int(found[1]) if found else 0, str(path)


def _native(chunk: list[tuple[int, Json]], path: Path, start: str, options: Options) -> pl.DataFrame:
    for _, trace in chunk[:1]:
        need(trace, _NEEDED, path, NAME)
    rows = pl.Series([row for row, _ in chunk], dtype=pl.Int64)
    cells = [_cells(row, trace, path) for row, trace in chunk]
    schema = {c.PROMPT_ID: pl.String, c.PROMPT: pl.String, c.RESPONSE: pl.String, c.LENGTH: pl.Float64}
    schema |= {c.LOGPROB: pl.Float64, "agent": pl.String, "why": pl.String}
    frame = pl.DataFrame(cells, schema=schema, orient="row")
    frame = frame.with_columns((pl.lit(start) + pl.col(c.PROMPT_ID)).alias(c.PROMPT_ID))
    frame = failed(frame.with_columns(_scores(chunk, path, rows)), frame["why"]).drop("why")
    others = json_frame([{name: trace.get(name) for name in _OTHERS} for _, trace in chunk], strings=("id",))
    frame = frame.hstack(others)
    return frame if options.text else frame.drop(c.PROMPT, c.RESPONSE)


def _cells(row: int, trace: Json, path: Path) -> tuple[object, ...]:
    """Id, prompt, response, length, log-probability, agent and failure of one trace."""
    nodes, task = trace.get("nodes"), trace.get("task")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) and "message" in node for node in nodes):
        remedy = "Each has a message; is the trace of version 1?"
        raise InputError("the nodes are not a list of objects.", path=path, row=row, column="nodes", remedy=remedy)
    branch = _last_branch(nodes)
    cut = next((i for i, node in enumerate(branch) if _sampled(node)), len(branch))
    prompt, response = (message_text([node["message"] for node in part]) for part in (branch[:cut], branch[cut:]))
    name = next((task[key] for key in ("key", "hash") if task.get(key)), None) if isinstance(task, dict) else None
    agent = trace.get("agent")
    return (
        str(name) if name is not None else content_id(prompt), prompt, response, *_tokens(branch),
        str(agent["name"]) if isinstance(agent, dict) and agent.get("name") else None, _failure(trace),
    )  # fmt: skip


def _last_branch(nodes: list[Json]) -> list[Json]:
    """The path from the root to the last node; all nodes where none has a parent."""
    if not any(isinstance(node.get("parent"), int) for node in nodes):
        return nodes
    path: list[Json] = []
    at: object = len(nodes) - 1
    while isinstance(at, int) and 0 <= at < len(nodes) and len(path) < len(nodes):
        path.append(nodes[at])
        at = nodes[at].get("parent")
    return path[::-1]


def _sampled(node: Json) -> bool:
    message = node["message"]
    given = node.get("sampled")
    return bool(given) if given is not None else isinstance(message, dict) and message.get("role") == "assistant"


def _tokens(branch: list[Json]) -> tuple[float | None, float | None]:
    """Number and summed log-probability of the sampled tokens; None where they are not recorded."""
    masks = [node.get("mask") for node in branch if _sampled(node)]
    if not masks or not all(isinstance(mask, list) and mask for mask in masks):
        return None, None
    length = sum(sum(map(bool, mask)) for mask in masks if isinstance(mask, list))
    lists = [node.get("logprobs") for node in branch if _sampled(node)]
    each = [value for values in lists if isinstance(values, list) for value in values]
    known = len(each) == length and all(isinstance(one, int | float) and not abs(one) > _LARGEST for one in each)
    return float(length), float(sum(each)) if known else None


def _failure(trace: Json) -> str | None:
    errors = trace.get("errors")
    last = errors[-1] if isinstance(errors, list) and errors else None
    return f"scoring did not run: {shorten(last.get('type'))}" if isinstance(last, Mapping) else None


def _scores(chunk: list[tuple[int, Json]], path: Path, rows: pl.Series) -> list[pl.Series]:
    """The proxies of some traces: scores, metrics, and the weighted sum of the scores."""
    rewards = [_objects(trace.get("rewards"), row, "rewards", path) for row, trace in chunk]
    metrics = [_objects(trace.get("metrics"), row, "metrics", path) for row, trace in chunk]
    names = dict.fromkeys(name for reward in rewards for name in reward)
    series: list[pl.Series] = []
    total = pl.Series("reward", [0.0] * len(chunk))
    for name in names:
        found = [reward.get(name) for reward in rewards]
        parts = [one if isinstance(one, dict) else {"score": one} for one in found]
        score = verdicts(_frame(f"rewards.{name}", [p.get("score") for p in parts]), f"rewards.{name}", path,
                         first_row=rows, name=name)  # fmt: skip
        weight = verdicts(_frame("weight", [p.get("weight", 1.0) for p in parts]), "weight", path, first_row=rows)
        total = total + (score[0] * weight[0])
        series += score
    if names and "reward" not in names:
        series += verdicts(total.alias("reward").to_frame(), "reward", path)
    taken = {*names, *(["reward"] if names else [])}
    for name in dict.fromkeys(name for metric in metrics for name in metric):
        values = _frame(f"metrics.{name}", [metric.get(name) for metric in metrics])
        title = f"metrics.{name}" if name in taken else name
        series += verdicts(values, f"metrics.{name}", path, first_row=rows, name=title)
    return series


def _frame(name: str, values: list[object]) -> pl.DataFrame:
    return json_frame([{name: value} for value in values])


def _objects(value: object, row: int, column: str, path: Path) -> Json:
    if value is None or isinstance(value, dict):
        return value or {}
    problem = f"{shorten(repr(value))} is not an object of names and numbers."
    raise InputError(problem, path=path, row=row, column=column, remedy="Is the trace of version 1?")
