"""What a rehearsal found: every proxy under every signal as tables, before it is put into words."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from culpa.dynamics import Forecast, SharedForecast, labelled, stalls
from culpa.dynamics.errors import Scale
from culpa.dynamics.problem import spread_within
from culpa.dynamics.shared_effects import SHARED_ERRORS, TOP
from culpa.dynamics.stall import STALLS
from culpa.errors import InputError

BARE = "bare"  # the signal of a reward that is learned from as it is
NOTHING = "none"  # what outputs have in common where every prompt is by itself
FALL = 1e-3  # of the truth's range: less is no fall from a peak
KINDS = ("harmful", "benign", "beneficial")
_ROW = ("proxy", "signal")

RUNS = {
    "proxy": pl.String,
    "signal": pl.String,
    "run": pl.Int64,
    "true_reward": pl.Float64,
    "kl": pl.Float64,
    "step": pl.Int64,
    "reached": pl.Boolean,
}


class Asked(NamedTuple):
    """What is asked of forecasts beside their curves."""

    scale: Scale = "auto"  # on which a score is right
    stalled: bool = False  # whether plateaus are wanted
    repeat: int = TOP  # errors of each proxy that are put right in turn where outputs share features


class Rehearsal(NamedTuple):
    """Forecasts by signal ("bare" first) and what was asked of them; each table has columns `proxy` and `signal`."""

    forecasts: Mapping[str, Forecast]
    errors: pl.DataFrame  # as `labelled` gives them
    judged: tuple[str, ...]  # the signals whose errors could be told
    stalls: pl.DataFrame  # as `stalls` gives them; empty where they were not asked for
    sampled: pl.DataFrame  # a row for each sampled run
    notes: tuple[str, ...]  # what could not be said
    features: str = NOTHING  # what outputs have in common, a part of a sentence

    @property
    def first(self) -> Forecast:
        """Any of them, for what they have in common: the problem, the proxies, the step size."""
        return next(iter(self.forecasts.values()))

    @property
    def shared(self) -> bool:
        """Whether outputs share features, so that one weight vector is walked for all prompts."""
        return isinstance(self.first, SharedForecast)


def rehearsal(
    forecasts: Mapping[str, Forecast],
    runs: Mapping[str, Sequence[Forecast]] | None = None,
    asked: Asked | None = None,
    *,
    notes: Sequence[str] = (),
    features: str = NOTHING,
) -> Rehearsal:
    """All that is asked of forecasts of the same proxies under several signals, put side by side.

    forecasts: by signal, the exact ones. runs: by signal, sampled ones of the same. What cannot be computed for a
    signal or a learner (single errors where a signal couples prompts, plateaus under a divergence) becomes a note.
    features: in words, what outputs have in common in the forecasts.

    >>> from culpa.dynamics import reinforce, simulate
    >>> import numpy as np
    >>> from culpa.rollouts import Rollouts
    >>> scores = np.array([[1.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), scores >= 0, np.array([[0.2, 0.8]]), {"rm": scores}, scores)
    >>> found = rehearsal({BARE: simulate(rollouts, learner=reinforce())}, asked=Asked(stalled=True))
    >>> outcomes(found)["true_reward"].round(3).to_list(), found.stalls["escape"].to_list()
    ([0.611], [33.0])
    """
    how, told = asked or Asked(), list(notes)
    errors, plateaus = [], []
    judged = []
    for signal, forecast in forecasts.items():
        under = "" if signal == BARE else f" under the signal {signal!r}"
        try:
            errors.append(_under(labelled(forecast, scale=how.scale, top=how.repeat), signal))
            judged.append(signal)
        except InputError as error:
            told.append(f"no single errors{under}: {error}")
        try:
            plateaus += [_under(stalls(forecast), signal)] if how.stalled else []
        except InputError as error:
            told.append(f"no plateaus{under}: {error}")
    return Rehearsal(
        forecasts,
        pl.concat([_under(pl.DataFrame(schema=SHARED_ERRORS), ""), *errors]),
        tuple(judged),
        pl.concat([_under(pl.DataFrame(schema=STALLS), ""), *plateaus]),
        _sampled(runs or {}),
        tuple(told),
        features,
    )


def outcomes(found: Rehearsal) -> pl.DataFrame:
    """One row per proxy and signal, best first: where the truth ends, from where, over which peak, with which errors.

    `peak`: the highest truth that was recorded along the run, `peak_step` where. `proxy_gain`: rise of the mean proxy
    reward in its standard deviations within prompts. `sampled_mean`, `sampled_low` and `sampled_high`: mean and range
    of the sampled runs' truth, null without any. Counts of errors are null where they could not be told.
    """
    along = curves(found)
    by_row = along.group_by(_ROW, maintain_order=True)
    ends = by_row.last()
    peaks = by_row.agg(
        pl.col("true_reward").first().alias("start"),
        pl.col("true_reward").max().alias("peak"),
        pl.col("step").get(pl.col("true_reward").arg_max()).alias("peak_step"),
    )
    reached = [value for forecast in found.forecasts.values() for value in forecast.reached.tolist()]
    exact = [value for forecast in found.forecasts.values() for value in forecast.finite.tolist()]
    frame = ends.with_columns(pl.Series("reached", reached), pl.Series("exact_prompts", exact))
    sampled = found.sampled.group_by(_ROW).agg(
        pl.col("true_reward").mean().alias("sampled_mean"),
        pl.col("true_reward").min().alias("sampled_low"),
        pl.col("true_reward").max().alias("sampled_high"),
    )
    for other in (peaks, sampled, _counts(found)):
        frame = frame.join(other, on=_ROW, how="left", maintain_order="left")
    return frame.sort("true_reward", descending=True, maintain_order=True)


def curves(found: Rehearsal) -> pl.DataFrame:
    """The curves of all forecasts, with the column `proxy_gain`: rise of the mean proxy reward in its own spreads."""
    frames = [_under(forecast.curves, signal) for signal, forecast in found.forecasts.items()]
    scale = pl.DataFrame(
        {"proxy": found.first.proxies, "spread": spread_within(found.first.problem, found.first.problem.rewards)}
    )
    frame = pl.concat(frames).join(scale, on="proxy", how="left", maintain_order="left")
    rise = pl.col("proxy_reward") - pl.col("proxy_reward").first().over(_ROW)
    gain = pl.when(pl.col("spread") > 0).then(rise / pl.col("spread"))
    return frame.with_columns(gain.alias("proxy_gain")).drop("spread")


def falls(found: Rehearsal, row: Mapping[str, float]) -> bool:
    """Whether a row of `outcomes` ends below a peak: the truth rose, and fell again before the run was read off."""
    return row["peak"] - row["true_reward"] > FALL * found.first.problem.truth_range and row["peak_step"] > 0


def _under(frame: pl.DataFrame, signal: str) -> pl.DataFrame:
    return frame.select("proxy", pl.lit(signal).alias("signal"), pl.exclude("proxy"))


def _counts(found: Rehearsal) -> pl.DataFrame:
    """Errors by kind; a row without any has 0 of each, one whose errors are not known is not there."""
    known = [(proxy, signal) for signal in found.judged for proxy in found.first.proxies]
    rows = pl.DataFrame(known, schema=dict.fromkeys(_ROW, pl.String), orient="row")
    counts = found.errors.group_by(_ROW).agg([(pl.col("kind") == kind).sum().alias(kind) for kind in KINDS])
    return rows.join(counts, on=_ROW, how="left").with_columns(pl.col(KINDS).fill_null(0))


def _sampled(runs: Mapping[str, Sequence[Forecast]]) -> pl.DataFrame:
    frames = [
        _under(forecast.curves.group_by("proxy", maintain_order=True).last(), signal).with_columns(
            pl.lit(number).alias("run"), pl.Series("reached", forecast.reached)
        )
        for signal, several in runs.items()
        for number, forecast in enumerate(several)
    ]
    chosen = [frame.select([pl.col(name).cast(dtype) for name, dtype in RUNS.items()]) for frame in frames]
    return pl.concat(chosen) if chosen else pl.DataFrame(schema=RUNS)
