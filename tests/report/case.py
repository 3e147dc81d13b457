"""Verdicts made by hand, so that what is shown can be told from what is computed."""

import polars as pl

from culpa.audit import Finding, Outlook, Provenance, Verdict
from culpa.audit.exploits import EXPLOITS
from culpa.audit.outlook import PREDICTION
from culpa.audit.unlabelled import LABEL_FIRST
from culpa.dynamics.shared_effects import SHARED_ERRORS

NOTHING = {
    "comparisons": pl.DataFrame(schema={"proxy": pl.String}),
    "disagreement": pl.DataFrame(schema={"proxy": pl.String, "other": pl.String, "disagreement": pl.Float64}),
    "relabel": pl.DataFrame(schema={"prompt_id": pl.String}),
    "tied": (),
    "notes": (),
    "warnings": (),
}


def metric(proxy, name, value, low=None, high=None, chance=None, *, ruler=False):
    return {
        "proxy": proxy, "metric": name, "value": value, "low": low, "high": high, "chance": chance,
        "n": 10, "ess": 5.0, "ruler": ruler,
    }  # fmt: skip


def verdict(rows, *, measure="hacc", facts=None, metrics=(), **parts) -> Verdict:
    """A verdict of these metrics, ranked by `measure`."""
    schema = dict.fromkeys(("value", "low", "high", "chance", "ess"), pl.Float64)
    table = pl.DataFrame(rows, schema_overrides=schema)
    chosen = (pl.col("metric") == measure) & ~pl.col("ruler")
    tied = parts.get("tied", ())
    ranking = table.filter(chosen).sort("value", descending=True, nulls_last=True)
    others = [sorted({b for group in tied if a in group for b in group} - {a}) for a in ranking["proxy"]]
    ranking = ranking.select(
        "proxy", pl.col("value").alias("score"), pl.col("metric").alias("measure"), "low", "high",
        pl.Series("tied_with", others, dtype=pl.List(pl.String)),
    )  # fmt: skip
    known = {"prompts": 3, "outputs": 12, "truths": 12, "pairs": 0, "resampled_units": 3, "binned": False}
    args = {"replicates": 2000, "level": 0.95, "budget": 10, "metrics": list(metrics)}
    return Verdict(
        ranking=ranking,
        metrics=table,
        facts=known | (facts or {}),
        **(NOTHING | {"provenance": Provenance(args, 0)} | parts),
    )


def three(**parts) -> Verdict:
    """Two proxies that are tied, one that is worse, one ruler, one finding."""
    rows = [
        metric("good", "hacc", 0.9, 0.8, 0.95, 0.5),
        metric("fair", "hacc", 0.875, 0.75, 0.9375, 0.5),
        metric("poor", "hacc", 0.25, None, None, 0.5),
        metric("(longest)", "hacc", 0.5, 0.4, 0.6, 0.5, ruler=True),
        metric("good", "dead", 0.004),
        metric("fair", "dead", 0.0),
        metric("poor", "dead", 0.25),
        metric("(longest)", "dead", None, ruler=True),
    ]
    found = (Finding("error", "chance", "poor", "is poor"), Finding("note", "few", "", "there are few"))
    return verdict(rows, **{"tied": (("good", "fair"),), "warnings": found} | parts)


def labels(*names: str, response: str | None = "text") -> pl.DataFrame:
    rows = [(f"id {name}", "ask", response, 0.5, name, "low", *[None] * 5) for name in names]
    return pl.DataFrame(rows, schema=LABEL_FIRST, orient="row")


FORECAST = {
    "start": 0.5, "low": 0.55, "high": 0.75, "gain_low": 0.1, "gain_high": 0.2, "steps": 9, "reached": True,
    "cosine": 0.8, "cosine_low": 0.7, "cosine_high": 0.9, "null_low": -0.3, "null_high": 0.4, "right": "matched",
    "harmful": 0, "benign": 0, "beneficial": 0,
}  # fmt: skip
ERROR = {
    "proxy": "rm", "prompt_id": "q1", "output": 0, "mass": 0.25, "score": 1.0, "right": 0.5, "truth": 0.75,
    "effect": -0.125, "kind": "harmful", "reason": "attracts a bad output", "crossing": None, "horizon": 9,
    "learner": "grpo:8", "method": "counterfactual",
}  # fmt: skip
FACTS = {
    "start": 0.5, "ceiling": 0.9, "learner": "grpo:8", "horizon": "kl=0.4", "mode": "shared features",
    "features": "512 hashed n-grams of the text", "prompts": 1000, "outputs": 2000,
}  # fmt: skip


def outlook(outcomes, errors=(), *, facts=None, ranks=None, exploits=()) -> Outlook:
    """An outlook of these rows: proxy -> what differs from `FORECAST`, errors by what differs from `ERROR`."""
    rows = [FORECAST | {"proxy": name} | row for name, row in outcomes.items()]
    places = ranks or {"grpo:8": range(1, len(rows) + 1)}
    learners = [
        {"learner": learner, "proxy": name, "score": 0.5, "rank": rank}
        for learner, given in places.items()
        for name, rank in zip(outcomes, given, strict=True)
    ]
    return Outlook(
        prediction=pl.DataFrame(rows, schema=PREDICTION),
        curves=pl.DataFrame({"proxy": list(outcomes), "step": 0, "true_reward": 0.5}),
        errors=pl.DataFrame([ERROR | row for row in errors], schema=SHARED_ERRORS),
        learners=pl.DataFrame(learners),
        exploits=pl.DataFrame(exploits, schema=EXPLOITS, orient="row"),
        facts=FACTS | (facts or {}),
        sample=None,
        evaluation=None,
    )


def rehearsed(outcomes, errors=(), **parts) -> Verdict:
    """A verdict ranked by an outlook of these rows."""
    found = outlook(outcomes, errors, facts=parts.pop("ahead", None))
    rows = [
        metric(row["proxy"], "rehearsal", row["outcome"], row["low"], row["high"], row["start"])
        for row in found.prediction.iter_rows(named=True)
    ]
    return verdict([*rows, *parts.pop("rows", ())], measure="rehearsal", outlook=found, **parts)
