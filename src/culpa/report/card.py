"""The metrics of a proxy for the README of its model: the `model-index` block of a Hugging Face model card."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import polars as pl

from culpa._version import __version__
from culpa.audit import Verdict
from culpa.errors import InputError, shorten

NAME = 96  # characters of a name
DIGITS = 6  # after the point
METRICS = {  # name in the verdict -> type and name in the card
    "rehearsal": ("truth_after_training", "Truth after training with {learner} up to {horizon}"),
    "hacc": ("hacc", "Harm-aware accuracy on the policy's outputs"),
    "acc": ("accuracy", "Accuracy on the policy's outputs"),
    "hacc_off": ("hacc_pairs", "Harm-aware accuracy on the data's pairs"),
    "acc_off": ("accuracy_pairs", "Accuracy on the data's pairs"),
}


def to_card(verdict: Verdict) -> str:
    """YAML that belongs between the `---` lines of a README: one entry per proxy, the best first.

    Task, dataset (the input files) and metrics, each with its interval under `args`. Keep the entry of your model.
    """
    import yaml  # noqa: PLC0415 - takes time to start

    found = {name: metrics for name in _proxies(verdict) if (metrics := list(_metrics(verdict, name)))}
    if not found:
        problem = "a model card has nothing to show: no proxy has an accuracy or a forecast."
        raise InputError(problem, remedy="Give a truth, and do not leave these metrics out with --metric.")
    task, dataset = {"type": "reward-modeling", "name": "Reward modeling"}, _dataset(verdict)
    index = [
        {"name": shorten(name, NAME), "results": [{"task": dict(task), "dataset": _copy(dataset), "metrics": metrics}]}
        for name, metrics in found.items()
    ]
    head = f"# Written by culpa {__version__}, seed {verdict.seed}. Keep the entry of your model.\n"
    return head + str(yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=120))


def _proxies(verdict: Verdict) -> list[str]:
    ranked = verdict.ranking["proxy"].to_list() if verdict.ranking.height else []
    every = verdict.metrics.filter(~pl.col("ruler"))["proxy"].unique(maintain_order=True).to_list()
    return list(dict.fromkeys([*ranked, *every]))


def _metrics(verdict: Verdict, proxy: str) -> Iterator[dict[str, Any]]:
    rows = {row["metric"]: row for row in verdict.metrics.filter(pl.col("proxy") == proxy).iter_rows(named=True)}
    about = {} if verdict.outlook is None else verdict.outlook.facts
    for metric, (kind, name) in METRICS.items():
        row = rows.get(metric)
        if row is not None and row["value"] is not None:
            before = "before" if metric == "rehearsal" else "chance"
            ends = {"low": row["low"], "high": row["high"], before: row["chance"]}
            title = name.format(learner=about.get("learner"), horizon=about.get("horizon"))
            yield _metric(kind, row["value"], title, ends | {"level": verdict.args["level"]})
        if metric == "rehearsal":
            yield from _cosine(verdict, proxy)


def _cosine(verdict: Verdict, proxy: str) -> Iterator[dict[str, Any]]:
    if verdict.outlook is None:
        return
    for row in verdict.outlook.prediction.filter(pl.col("proxy") == proxy).iter_rows(named=True):
        if row["cosine"] is not None:
            ends = {"low": row["cosine_low"], "high": row["cosine_high"], "shuffled_high": row["null_high"]}
            title = "Cosine of its policy gradient with the truth's"
            yield _metric("gradient_cosine", row["cosine"], title, ends | {"level": verdict.args["level"]})


def _metric(kind: str, value: float, name: str, args: dict[str, float | None]) -> dict[str, Any]:
    known = {key: round(number, DIGITS) for key, number in args.items() if number is not None}
    return {"type": kind, "value": round(value, DIGITS), "name": name, "args": known}


def _dataset(verdict: Verdict) -> dict[str, Any]:
    """The files by name; their folders are nobody's business."""
    inputs = verdict.provenance.inputs
    names = [shorten(PurePath(one.path).name, NAME) for one in inputs]
    what = names[0] if names else "rollouts"
    name = f"{what} and {len(names) - 1} more" if len(names) > 1 else what
    amount = {key: verdict.facts[key] for key in ("prompts", "outputs", "truths")}
    hashes = {"sha256": inputs[0].sha256} if len(inputs) == 1 and inputs[0].sha256_of == "whole" else {}
    return {"type": PurePath(what).stem, "name": name, "args": amount | hashes}


def _copy(dataset: dict[str, Any]) -> dict[str, Any]:
    """Equal but not the same object: YAML would write a reference to the first instead of the second."""
    return {**dataset, "args": dict(dataset["args"])}
