"""What an audit finds, as tables."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import polars as pl

from culpa._version import __version__
from culpa.audit.outlook import Outlook
from culpa.audit.provenance import Provenance
from culpa.audit.warn import Finding
from culpa.dynamics.shared_effects import SHARED_ERRORS
from culpa.errors import InputError
from culpa.rollouts import Rollouts, write_text

SCHEMA = "culpa.audit/1"
WRITERS: dict[str, Callable[..., str]] = {}  # what a verdict is written by; filled by `culpa.report`, a storey above
WRITTEN = 100  # errors of each proxy in the JSON: those of largest effect, and all that were put right


@dataclass(frozen=True, eq=False)
class Verdict:
    """The findings of one audit. Tables are polars frames; null: there is nothing to compute a number from."""

    ranking: pl.DataFrame  # proxies best first: proxy, score, measure, low, high, tied_with
    metrics: pl.DataFrame  # proxy x metric: value, low, high, chance, n, ess, ruler (true for null rulers)
    comparisons: pl.DataFrame  # every two proxies: paired difference, interval, p-values, smallest visible difference
    disagreement: pl.DataFrame  # every two proxies: share of pairs ordered in opposite ways
    relabel: pl.DataFrame  # outputs of unknown truth to have judged first
    tied: tuple[tuple[str, ...], ...]  # largest sets of proxies that cannot be told apart
    facts: dict[str, Any]  # how much there was: prompts, outputs, truths known
    notes: tuple[str, ...]  # what the files could not tell
    warnings: tuple[Finding, ...]  # what to look at before believing a number
    provenance: Provenance  # how the audit was asked for: arguments, seed, input files
    outlook: Outlook | None = None  # what becomes of the truth under each proxy; None: nothing to rehearse on

    @property
    def args(self) -> dict[str, Any]:
        """How the audit was asked for."""
        return self.provenance.args

    @property
    def seed(self) -> int:
        """Seed of everything drawn by chance."""
        return self.provenance.seed

    @property
    def repair(self) -> pl.DataFrame:
        """Known errors that cost truth, by what putting each right alone would gain, the most first."""
        if self.outlook is None:
            return pl.DataFrame(schema=SHARED_ERRORS | {"gain": pl.Float64})
        harmful = self.outlook.errors.filter((pl.col("kind") == "harmful") & (pl.col("method") == "counterfactual"))
        return harmful.with_columns((-pl.col("effect")).alias("gain")).sort(
            "gain", descending=True, maintain_order=True
        )

    @property
    def errors(self) -> pl.DataFrame:
        """One row per wrong score, of every proxy: its effect, kind and reason."""
        return pl.DataFrame(schema=SHARED_ERRORS) if self.outlook is None else self.outlook.errors

    def to_dict(self) -> dict[str, Any]:
        """The findings as plain lists and dictionaries, in the schema of `culpa audit --format json`."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "args": self.args,
            "seed": self.seed,
            "provenance": self.provenance.to_dict(),
            "facts": self.facts,
            "ranking": self.ranking.to_dicts(),
            "tied": [list(names) for names in self.tied],
            "metrics": self.metrics.to_dicts(),
            "comparisons": self.comparisons.to_dicts(),
            "disagreement": self.disagreement.to_dicts(),
            "relabel": self.relabel.to_dicts(),
            "repair": self.repair.drop("effect", "kind", "method").to_dicts(),
            **_outlook(self.outlook),
            "notes": list(self.notes),
            "warnings": [finding._asdict() for finding in self.warnings],
        }

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """The findings as JSON text (NaN is null), also written to `path` if given."""
        return _saved(json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False), path)

    def to_html(self, path: str | PathLike[str] | None = None, *, rollouts: Rollouts | None = None) -> str:
        """The findings as one self-contained HTML page with figures, also written to `path` if given.

        rollouts: what was audited; only needed for outputs and texts where the verdict has no forecast
        """
        return _saved(_writer("html")(self, rollouts), path)

    def to_markdown(self, path: str | PathLike[str] | None = None) -> str:
        """The findings as Markdown, also written to `path` if given."""
        return _saved(_writer("markdown")(self), path)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer, the ranking and the findings; the whole page is `to_html`."""
        return _writer("notebook")(self)


def _writer(name: str) -> Callable[..., str]:
    if name not in WRITERS:
        raise InputError(f"nothing that writes {name} is loaded.", remedy="Put `import culpa.report` first.")
    return WRITERS[name]


def _saved(text: str, path: str | PathLike[str] | None) -> str:
    if path is not None:
        write_text(text.rstrip("\n") + "\n", path)
    return text


def _outlook(ahead: Outlook | None) -> dict[str, Any]:
    """Its keys, empty where there is none."""
    if ahead is None:
        return {"forecast": None, "errors": [], "learners": [], "exploits": []}
    forecast = ahead.facts | {"proxies": ahead.prediction.to_dicts(), "curves": ahead.curves.to_dicts()}
    size = pl.col("effect").abs().rank("ordinal", descending=True).over("proxy")
    largest = ahead.errors.filter((size <= WRITTEN) | (pl.col("method") == "counterfactual"))
    parts = {"errors": largest, "learners": ahead.learners, "exploits": ahead.exploits}
    return {"forecast": forecast} | {name: frame.to_dicts() for name, frame in parts.items()}
