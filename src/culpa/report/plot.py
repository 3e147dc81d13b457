"""The curves of a rehearsal as one figure: true reward, proxy reward, divergence and entropy along training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.cells import cell_len

from culpa.dynamics.learner import ClosedForm
from culpa.errors import shorten
from culpa.report.figure import write_figure
from culpa.report.rehearsed import BARE, Rehearsal, curves, falls, outcomes

if TYPE_CHECKING:
    import altair as alt

MOST = 8  # rows that are told apart by colour; of more, the best and the worst
ENDS = 3  # how many of those
GREY = "#c4c4c4"
# Okabe and Ito's colours, which colour-blind readers tell apart; a brown for their yellow, which is pale on white
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333", "#7b5b13")
_BEST, _WORST = ("#0072b2", "#009e73", "#56b4e9"), ("#cc79a7", "#e69f00", "#d55e00")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
_WIDTH, _HEIGHT = 330, 220  # of a panel, in pixels
_LINE = 14  # pixels between two labels
_LABELS, _LETTER = 95, 6.5  # pixels beside a panel, and for each letter of its labels
_INK, _FAINT = "#333333", "#8a8a8a"
PANELS = (
    ("true_reward", "True reward", "mean over prompts"),
    ("proxy_gain", "Proxy reward, what is trained on", "rise in its sds within prompts"),
    ("kl", "Divergence from the initial policy", "KL in nats, mean over prompts"),
    ("entropy", "Entropy of the policy", "nats, mean over prompts"),
)


class Style(NamedTuple):
    """How a row of the outcomes is drawn. Rows are known by number: names may be alike once they are shortened."""

    row: int
    proxy: str
    signal: str
    label: str
    colour: str
    dash: list[int]

    @property
    def shown(self) -> bool:
        """Whether it stands out from the others."""
        return self.colour != GREY


def write_plot(found: Rehearsal, path: Path, until: str) -> Path:
    """Draw the curves into a file, whole or not at all: SVG, PNG, a page that needs no network, or Vega-Lite JSON.

    until: the horizon in words, for the heading.
    """
    return write_figure(chart(found, until), path, "culpa rehearse")


def chart(found: Rehearsal, until: str) -> "alt.ConcatChart":
    """Four panels, each line labelled at its end; steps on a logarithmic axis that begins at 0."""
    import altair as alt  # noqa: PLC0415 - takes longer than the rest of the command

    table, lines = outcomes(found), curves(found)
    looks = styles(found, table)
    key = pl.DataFrame([(s.proxy, s.signal, s.row) for s in looks], schema=["proxy", "signal", "row"], orient="row")
    lines = lines.join(key, on=("proxy", "signal"), how="left", maintain_order="left")
    panels = [_panel(lines, looks, found, panel) for panel in PANELS]
    many = "" if len(looks) <= MOST else f" {ENDS} best and {ENDS} worst of {len(looks)} in colour."
    heading = alt.TitleParams(
        f"What training on each proxy makes of the truth: {shorten(found.forecasts[BARE].learner.name, 60)}",
        subtitle=f"{len(found.first.problem.prompts):,} prompts, {_steps(found)}, until {shorten(until, 40)}. "
        f"A ring marks a truth that falls again.{many}",
    )  # fmt: skip
    room = _LABELS + _LETTER * max(cell_len(look.label) for look in looks if look.shown)
    grid = alt.concat(*panels, columns=2, spacing={"row": 82, "column": room}, bounds="flush")
    figure: alt.ConcatChart = (
        grid.properties(title=heading, padding=16)
        .configure_view(stroke=None)
        .configure_axis(grid=True, gridColor="#ececec", domainColor=_FAINT, tickColor=_FAINT, labelColor=_INK,
                        titleColor=_INK, labelFontSize=11, titleFontSize=11, titleFontWeight="normal")
        .configure_title(anchor="start", fontSize=16, subtitleFontSize=12, subtitleColor=_INK, color=_INK, offset=14)
    )  # fmt: skip
    return figure


def styles(found: Rehearsal, table: pl.DataFrame) -> list[Style]:
    """How each row is drawn, best first: one colour per proxy, one dash per signal; of many rows only the ends."""
    signals, proxies = list(found.forecasts), list(found.first.proxies)
    result = []
    for row, (proxy, signal) in enumerate(table.select("proxy", "signal").iter_rows()):
        if table.height <= MOST:
            colour = PALETTE[proxies.index(proxy)]
        else:
            back = table.height - 1 - row
            colour = _BEST[row] if row < ENDS else _WORST[ENDS - 1 - back] if back < ENDS else GREY
        suffix = f", {shorten(signal, 20)}" if len(signals) > 1 else ""
        result.append(
            Style(
                row, proxy, signal, shorten(proxy, 24) + suffix, colour, _DASHES[signals.index(signal) % len(_DASHES)]
            )
        )
    return result


def spaced(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places nearest to the given ones (least squares) that keep a gap and their order, between low and high.

    Where there is no room for all of them, they begin at low and run over high.

    >>> spaced([1.0, 1.0, 9.0], gap=2.0, low=0.0, high=10.0)
    [0.0, 2.0, 9.0]
    """
    order = np.argsort(places, kind="stable")
    pools: list[tuple[float, int]] = []  # mean and size of places that have to move together
    for rank, number in enumerate(order):
        mean, size = places[number] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean, size = (mean * size + other * more) / (size + more), size + more
        pools.append((mean, size))
    even = np.repeat([mean for mean, _ in pools], [size for _, size in pools])
    even = np.maximum(np.minimum(even, high - gap * (len(order) - 1)), low)
    result = np.empty(len(order))
    result[order] = even + gap * np.arange(len(order))
    return [float(place) for place in result]


def _steps(found: Rehearsal) -> str:
    if found.shared:
        return f"outputs share {shorten(found.features, 60)}, steps move logits by {found.first.eta:g}"
    closed = isinstance(found.first.learner, ClosedForm)
    return "a step is a part of the way" if closed else f"exact expected steps of {found.first.eta:g}"


def _panel(
    lines: pl.DataFrame, looks: Sequence[Style], found: Rehearsal, panel: tuple[str, str, str]
) -> "alt.LayerChart":
    import altair as alt  # noqa: PLC0415

    field, title, unit = panel
    known = lines.filter(pl.col(field).is_finite()).rename({field: "value"})
    last = int(lines["step"].to_numpy().max(initial=1))
    low, high = _domain(known["value"].to_numpy())
    x = alt.X("step:Q", title="step").scale(type="symlog", domain=[0, last], nice=False)
    x = x.axis(values=ticks(last), format=",d", grid=False)
    y = alt.Y("value:Q", title=unit).scale(domain=[low, high], nice=False).axis(tickCount=5, minExtent=38, maxExtent=38)
    names = [str(look.row) for look in looks]
    colour = alt.Color("row:N", legend=None).scale(domain=names, range=[look.colour for look in looks])
    dash = alt.StrokeDash("row:N", legend=None).scale(domain=names, range=[look.dash for look in looks])
    tips = [alt.Tooltip("proxy:N"), alt.Tooltip("signal:N"), alt.Tooltip("step:Q", format=",d"),
            alt.Tooltip("value:Q", title=title, format=".4~g")]  # fmt: skip
    layers: list[alt.Chart] = []
    for shown in (False, True):  # grey lines first, the others above them
        points = _points(known, [look for look in looks if look.shown is shown])
        base = alt.Chart(_data(points)).encode(x=x, y=y, color=colour, tooltip=tips)
        layers.append(base.mark_line(strokeWidth=2.2 if shown else 1, interpolate="monotone").encode(strokeDash=dash))
    ends = _ends(known, looks, (low, high))
    base = alt.Chart(_data(ends)).encode(color=colour)
    layers.append(
        base.mark_rule(strokeWidth=0.8, opacity=0.6).encode(x=x, x2=alt.value(_WIDTH + 10), y=y, y2="place:Q")
    )
    layers.append(
        base.mark_text(align="left", fontSize=12).encode(x=alt.value(_WIDTH + 13), y="place:Q", text="label:N")
    )
    if field == "true_reward":
        rings = alt.Chart(_data(_peaks(found, looks))).encode(x=x, y=y, color=colour, tooltip=tips)
        layers.append(rings.mark_point(size=60, filled=False, strokeWidth=2, opacity=1))
    heading = alt.TitleParams(title, fontSize=13, frame="group", offset=8)
    result: alt.LayerChart = alt.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT, title=heading)
    return result


def _data(values: list[dict[str, Any]]) -> Any:
    """Rows as they are: of these altair has no limit, and needs no data frame."""
    import altair as alt  # noqa: PLC0415

    return alt.InlineData(values=values)


def _points(known: pl.DataFrame, looks: Sequence[Style]) -> list[dict[str, Any]]:
    chosen = known.filter(pl.col("row").is_in([look.row for look in looks]))
    return [
        {"row": str(row["row"]), "proxy": shorten(row["proxy"], 60), "signal": shorten(row["signal"], 60),
         "step": row["step"], "value": row["value"]}
        for row in chosen.iter_rows(named=True)
    ]  # fmt: skip


def _ends(known: pl.DataFrame, looks: Sequence[Style], domain: tuple[float, float]) -> list[dict[str, Any]]:
    """Where each labelled line ends, and where its label stands so that no two overlap."""
    labels = {look.row: look.label for look in looks if look.shown}
    ends = known.filter(pl.col("row").is_in(list(labels))).group_by("row", maintain_order=True).last()
    gap = (domain[1] - domain[0]) * _LINE / _HEIGHT
    places = spaced(ends["value"].to_list(), gap, domain[0] + gap / 2, domain[1] - gap / 2)
    return [
        {"row": str(row["row"]), "step": row["step"], "value": row["value"], "place": place,
         "label": labels[row["row"]]}
        for row, place in zip(ends.iter_rows(named=True), places, strict=True)
    ]  # fmt: skip


def _peaks(found: Rehearsal, looks: Sequence[Style]) -> list[dict[str, Any]]:
    table = outcomes(found)
    return [
        {"row": str(look.row), "proxy": shorten(look.proxy, 60), "signal": shorten(look.signal, 60),
         "step": row["peak_step"], "value": row["peak"]}
        for look, row in zip(looks, table.iter_rows(named=True), strict=True)
        if look.shown and falls(found, row)
    ]  # fmt: skip


def ticks(last: int) -> list[int]:
    """Steps that the axis names: powers of ten, and 2 and 5 times them where there are few; 0 first.

    >>> ticks(60), ticks(3000)
    ([0, 1, 2, 5, 10, 20, 50], [0, 1, 10, 100, 1000])
    """
    few = last < 200
    values = [factor * 10**power for power in range(len(str(last))) for factor in ((1, 2, 5) if few else (1,))]
    return [0, *(value for value in values if value <= last)]


def _domain(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """A little more than all values; never empty."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room
