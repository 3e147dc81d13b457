"""The curves of an advice as one figure: success along training under every credit, one panel for each world."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.cells import cell_len

from culpa.advice import CREDITS, Advice
from culpa.errors import shorten
from culpa.report.advice import horizon_of
from culpa.report.figure import write_figure
from culpa.report.plot import PALETTE, spaced, ticks

if TYPE_CHECKING:
    import altair as alt

_WIDTH, _HEIGHT, _LINE = 330, 220, 14  # of a panel and between two labels, in pixels
_DASHES = ([1, 0], [1, 0], [6, 3], [2, 2])
_INK, _FAINT = "#333333", "#8a8a8a"
_WORLDS = {"by prompt": "Every prompt by itself", "skills": "Checks as shared skills", "features": "Shared features"}


def write_advice_plot(found: Advice, path: Path) -> Path:
    """Draw the curves into a file, whole or not at all: SVG, PNG, a page that needs no network, or Vega-Lite JSON."""
    return write_figure(advice_chart(found), path, "culpa advise")


def advice_chart(found: Advice) -> "alt.ConcatChart":
    """A panel for each world, each line labelled at its end; steps on a logarithmic axis that begins at 0."""
    import altair as alt  # noqa: PLC0415 - takes longer than the rest of the command

    models = found.curves["model"].unique(maintain_order=True).to_list()
    panels = [_panel(found.curves.filter(pl.col("model") == model), _WORLDS.get(model, model)) for model in models]
    facts = found.facts
    heading = alt.TitleParams(
        f"Success under each credit: {shorten(facts['learner'], 40)}",
        subtitle=f"{facts['prompts']:,} prompts, exact expected steps of {facts['eta']:g}, until {horizon_of(found)}.",
    )
    room = 30 + 6.5 * max(map(cell_len, CREDITS))
    grid = alt.concat(*panels, columns=2, spacing={"row": 82, "column": room}, bounds="flush")
    figure: alt.ConcatChart = (
        grid.properties(title=heading, padding=16)
        .configure_view(stroke=None)
        .configure_axis(grid=True, gridColor="#ececec", domainColor=_FAINT, tickColor=_FAINT, labelColor=_INK,
                        titleColor=_INK, labelFontSize=11, titleFontSize=11, titleFontWeight="normal")
        .configure_title(anchor="start", fontSize=16, subtitleFontSize=12, subtitleColor=_INK, color=_INK, offset=14)
    )  # fmt: skip
    return figure


def _panel(curves: pl.DataFrame, title: str) -> "alt.LayerChart":
    import altair as alt  # noqa: PLC0415

    last = max(1, int(curves["step"].to_numpy().max(initial=1)))
    x = alt.X("step:Q", title="step").scale(type="symlog", domain=[0, last], nice=False)
    x = x.axis(values=ticks(last), format=",d", grid=False)
    y = alt.Y("success:Q", title="success").scale(domain=[0.0, 1.0], nice=False).axis(tickCount=5)
    colour = alt.Color("credit:N", legend=None).scale(domain=list(CREDITS), range=list(PALETTE[: len(CREDITS)]))
    dash = alt.StrokeDash("credit:N", legend=None).scale(domain=list(CREDITS), range=list(_DASHES))
    tips = [alt.Tooltip("credit:N"), alt.Tooltip("step:Q", format=",d"), alt.Tooltip("success:Q", format=".4~g"),
            alt.Tooltip("kl:Q", title="KL", format=".4~g")]  # fmt: skip
    values = curves.select("credit", "step", "success", "kl").to_dicts()
    lines = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y, color=colour, tooltip=tips)
    ends = alt.Chart(alt.InlineData(values=_ends(curves))).encode(color=colour)
    layers = [
        lines.mark_line(strokeWidth=2.2, interpolate="monotone").encode(strokeDash=dash),
        ends.mark_rule(strokeWidth=0.8, opacity=0.6).encode(x=x, x2=alt.value(_WIDTH + 10), y=y, y2="place:Q"),
        ends.mark_text(align="left", fontSize=12).encode(x=alt.value(_WIDTH + 13), y="place:Q", text="credit:N"),
    ]
    heading = alt.TitleParams(title, fontSize=13, frame="group", offset=8)
    result: alt.LayerChart = alt.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT, title=heading)
    return result


def _ends(curves: pl.DataFrame) -> list[dict[str, Any]]:
    """Where each line ends, and where its label stands so that no two overlap."""
    ends = curves.group_by("credit", maintain_order=True).last()
    gap = _LINE / _HEIGHT
    places = spaced(ends["success"].to_list(), gap, gap / 2, 1.0 - gap / 2)
    return [
        {"credit": row["credit"], "step": row["step"], "success": row["success"], "place": place}
        for row, place in zip(ends.iter_rows(named=True), places, strict=True)
    ]
