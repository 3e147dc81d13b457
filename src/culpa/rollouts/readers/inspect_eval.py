"""Logs of inspect_ai: `.eval` archives and their JSON form; one sample per epoch of each question.

Read: of the header task, model and status; of each sample id, epoch, input, target, output and scores. A question is a
prompt, its epochs are the group, each scorer is a proxy (`scorer.key` where its value is a dictionary). C, P, I, N are
1, 1/2, 0, 0; yes, no, true, false and numeric text are numbers. NaN is how inspect_ai writes "unscored": no verdict,
with the explanation as reason. A scorer that gives only other words is no reward: it is kept as column `score.<name>`.
Several logs of one task and model are more samples of the same prompts; of other tasks or models, other prompts.
Lost: the messages before the last, reasoning, events, metadata, the edits of a score (the last one counts).
Archives are read with limits, since a small file can unpack to any size. Members compressed with Zstandard need a
conversion first where Python cannot read them.
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.archive import json_member, refuse_bombs, zip_members
from culpa.rollouts.convert import NULL_IN_DUMP
from culpa.rollouts.dump import Dump, Options, Peek, one
from culpa.rollouts.files import json_document, kind_of
from culpa.rollouts.json_frame import Json

NAME = "inspect_eval"

_SAMPLE = re.compile(r"samples/.*_epoch_[^/]+\.json")
_CHUNKED = re.compile(r"samples/.*_epoch_\d+/sample\.json")
_HEADERS = ("header.json", "_journal/start.json", "start.json")
_CONVERT = "Convert it first: inspect log convert LOG --to json --output-dir FOLDER."
_READ = ("id", "epoch", "input", "output", "target", "scores", "error", "attachments")
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


@dataclass(frozen=True)
class _Sample:
    row: int
    path: Path
    native: Mapping[str, object]  # native columns and those kept
    values: Mapping[str, object]  # flat score name -> value as written
    reasons: Mapping[str, str]  # flat score name -> what the scorer said of a missing value
    failure: str  # why scores that are not there at all are not


def sniff(peek: Peek) -> bool:
    """Whether this is one of my files: an archive with samples or a journal, or a JSON document with the log's keys."""
    if peek.kind == "zip":
        return any(name in _HEADERS or name.startswith("samples/") for name in peek.columns)
    return peek.kind == "json" and {"version", "status", "eval"} <= peek.columns


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One row per sample, the epochs of a question together."""
    notes: list[str] = []
    logs = [(path, *_open(path)) for path in paths]
    names = [f"{header.get('task')}/{header.get('model')}" for _, header, _ in logs]
    apart = len(set(names)) > 1
    samples: list[_Sample] = []
    for name, (path, header, raw) in zip(names, logs, strict=True):
        if header.get("status", "success") != "success":
            notes.append(f"{path.name} ended with status {header['status']!r}; it holds {len(raw)} samples")
        samples += [_sample(record, row, path, header, f"{name}/" if apart else "") for row, record in raw]
    if apart:
        notes.append(f"{len(set(names))} tasks or models: their prompts are kept apart")
    order = {key: i for i, key in enumerate(dict.fromkeys(sample.native[c.PROMPT_ID] for sample in samples))}
    samples.sort(key=lambda sample: (order[sample.native[c.PROMPT_ID]], str(sample.path), sample.native["epoch"]))
    return Dump(one(_frame(samples, options, notes)), notes)


def _open(path: Path) -> tuple[Json, list[tuple[int, Json]]]:
    """What the header says, and the samples with their number."""
    if kind_of(path) == "zip":
        with zip_members(path) as archive:
            header, samples = _unzip(archive, path)
    else:
        document = json_document(path)
        header = document if isinstance(document, dict) else {}
        samples = header.get("samples")
    spec = header.get("eval")
    if not isinstance(spec, dict):
        raise InputError("the log has no header.", path=path, column="eval", remedy="Was it cut off?")
    if not isinstance(samples, list) or not samples:
        remedy = "Check that the evaluation got so far, and that the log was not written as header only."
        raise InputError("the log holds no samples.", path=path, column="samples", remedy=remedy)
    summary = {"task": spec.get("task"), "model": spec.get("model"), "status": header.get("status", "started")}
    return summary, [(row, _object(sample, path, row)) for row, sample in enumerate(samples, start=1)]


def _object(sample: object, path: Path, row: int) -> Json:
    if not isinstance(sample, dict):
        raise InputError(f"expected an object, got {shorten(sample)}.", path=path, row=row, column="samples")
    return sample


def _unzip(archive: zipfile.ZipFile, path: Path) -> tuple[Json, object]:
    names = list(dict.fromkeys(archive.namelist()))  # a member written twice: the later one counts
    if any(_CHUNKED.fullmatch(name) for name in names):
        raise InputError("samples are stored in chunks.", path=path, remedy=_CONVERT)
    wanted = [name for name in names if _SAMPLE.fullmatch(name)]
    first = next((name for name in _HEADERS if name in names), None)
    refuse_bombs(archive, [*wanted, *([first] if first else [])], path, _CONVERT)
    header = json_member(archive, first, path) if first else {}
    return header if isinstance(header, dict) else {}, [_needed(json_member(archive, name, path)) for name in wanted]


def _needed(sample: object) -> object:
    """A sample without its messages, events and the like, which are the greater part of a log."""
    return {name: sample[name] for name in _READ if name in sample} if isinstance(sample, dict) else sample


def _sample(record: Json, row: int, path: Path, header: Json, prefix: str) -> _Sample:
    for column, kind in (("id", int | str), ("epoch", int)):
        if not isinstance(record.get(column), kind):
            problem = f"no sample is called {shorten(record.get(column))}."
            raise InputError(problem, path=path, row=row, column=column, remedy="Every sample has an id and an epoch.")
    attached = record.get("attachments")
    texts = attached if isinstance(attached, dict) else {}
    native = {
        c.PROMPT_ID: f"{prefix}{record['id']}",
        c.PROMPT: _attach(_said(record.get("input")), texts),
        **_output(record.get("output"), texts),
        "epoch": record["epoch"],
        "target": _target(record.get("target")),
        "task": header.get("task"),
        "model": header.get("model"),
    }
    values, reasons = _scores(record, path, row)
    error = record.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return _Sample(row, path, native, values, reasons, f"the sample failed: {shorten(said, 200)}" if said else "")


def _scores(record: Json, path: Path, row: int) -> tuple[dict[str, object], dict[str, str]]:
    scores = record.get("scores") or {}
    if not isinstance(scores, dict):
        problem = f"expected scores by scorer, got {shorten(scores)}."
        raise InputError(problem, path=path, row=row, column="scores")
    values: dict[str, object] = {}
    reasons: dict[str, str] = {}
    for name, score in scores.items():
        if not isinstance(score, dict) or "value" not in score:
            problem = f"the score of {shorten(name)!r} has no value."
            raise InputError(problem, path=path, row=row, column="value", remedy="Was it written by inspect_ai?")
        found = dict(_flat(name, score["value"]))
        values |= found
        if isinstance(score.get("explanation"), str):
            reasons |= dict.fromkeys(found, shorten(score["explanation"], 200))
    return values, reasons


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((f"{name}.{key}", inner) for key, inner in value.items())
    elif isinstance(value, list):
        yield from ((f"{name}.{i}", inner) for i, inner in enumerate(value))
    else:
        yield name, value


def _frame(samples: list[_Sample], options: Options, notes: list[str]) -> pl.DataFrame:
    names = dict.fromkeys(name for sample in samples for name in sample.native)
    data = {name: pl.Series([sample.native.get(name) for sample in samples], strict=False) for name in names}
    data |= {name: data[name].cast(pl.Float64) for name in (c.LENGTH, c.LOGPROB) if name in data}
    data |= {name: data[name].cast(pl.String) for name in (*c.TEXTS, "target") if name in data}
    for name in dict.fromkeys(name for sample in samples for name in sample.values):
        data |= _proxy(name, samples, notes)
    return pl.DataFrame(data).drop([] if options.text else c.TEXTS, strict=False)


def _proxy(name: str, samples: list[_Sample], notes: list[str]) -> dict[str, pl.Series]:
    graded = [_grade(sample.values.get(name)) for sample in samples]
    wrong = [i for i, grade in enumerate(graded) if isinstance(grade, str)]
    if wrong and all(grade is None or isinstance(grade, str) for grade in graded):
        notes.append(f"scorer {name!r} gives words, not numbers: kept as column 'score.{name}'")
        return {f"score.{name}": pl.Series(graded, dtype=pl.String)}
    if wrong:
        sample = samples[wrong[0]]
        problem = f"{shorten(repr(sample.values[name]))} is not a number."
        remedy = "Known words are C, I, P, N, yes, no, true, false; NaN is unscored."
        raise InputError(problem, path=sample.path, row=sample.row, column=name, remedy=remedy)
    data = {c.proxy_column(name): pl.Series(graded, dtype=pl.Float64)}
    if None in graded:
        reasons = [_reason(name, sample) if grade is None else None
                   for grade, sample in zip(graded, samples, strict=True)]  # fmt: skip
        data[c.proxy_column(name) + c.REASON] = pl.Series(reasons, dtype=pl.String)
    return data


def _grade(value: object) -> float | str | None:
    """A number, None where there is no verdict, or the word that is no number."""
    if isinstance(value, str):
        known = _GRADES.get(value, _GRADES.get(value.lower()) if len(value) > 1 else None)
        try:
            return known if known is not None else _grade(float(value))
        except ValueError:
            return value
    if isinstance(value, int | float):
        return float(value) if abs(value) <= sys.float_info.max else None
    return None if value is None else json.dumps(value)


def _reason(name: str, sample: _Sample) -> str:
    if name not in sample.values:
        return sample.failure or "not scored by this scorer"
    if sample.values[name] is None:
        return sample.reasons.get(name, NULL_IN_DUMP)
    return sample.reasons.get(name, "unscored")


def _output(output: object, texts: Json) -> dict[str, object]:
    """The last message, its tokens, and the sum of their log-probabilities where they were asked for."""
    output = output if isinstance(output, dict) else {}
    choices = output.get("choices") or [{}]
    choice = choices[0] if isinstance(choices, list) and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    said = _said(message.get("content")) if isinstance(message, dict) else output.get("completion")
    found: dict[str, object] = {c.RESPONSE: _attach(said if isinstance(said, str) else None, texts)}
    usage, logprobs = output.get("usage"), choice.get("logprobs")
    if isinstance(usage, dict) and isinstance(usage.get("output_tokens"), int):
        found[c.LENGTH] = usage["output_tokens"]
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    each = [token.get("logprob") for token in tokens if isinstance(token, dict)] if isinstance(tokens, list) else []
    known = [float(value) for value in each if isinstance(value, int | float)]
    if each and len(known) == len(each):
        found[c.LOGPROB] = sum(known)
    return found


def _said(content: object) -> str | None:
    """A string, the text parts of a message, or the messages of a conversation under one another."""
    if content is None or isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    lines = [
        _said(part.get("content")) if "role" in part else part.get("text") for part in parts if isinstance(part, dict)
    ]
    return "\n\n".join(line for line in lines if isinstance(line, str))


def _attach(text: str | None, texts: Json) -> str | None:
    """Long texts are kept once and referred to: attachment://<hash>."""
    if not text or not texts:
        return text
    return re.sub(r"attachment://([0-9a-f]{32})", lambda found: str(texts.get(found[1], found[0])), text)


def _target(target: object) -> str | None:
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    return target if target is None or isinstance(target, str) else json.dumps(target)
