"""The atlas as a heat map: a row for each defect and size, a column for each remedy."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from culpa.advice.atlas import NONE
from culpa.report.figure import write_figure

if TYPE_CHECKING:
    import altair as alt

EDGE = 0.4  # effects beyond it have the last colour
_CELL = 19
_SIGNS = {"helps": "+", "hurts": "−", "depends": "≠", "no difference": "=", "cannot tell": ""}
_HELPS, _NOTHING, _HURTS = "#2166ac", "#f7f7f7", "#b2182b"


def write_atlas_plot(cells: pl.DataFrame, recipe: Mapping[str, Any], path: Path) -> Path:
    """Draw the map into a file: SVG, PNG, a page that needs no network, or Vega-Lite JSON."""
    return write_figure(atlas_chart(cells, recipe), path, "culpa: defects and remedies")


def atlas_chart(cells: pl.DataFrame, recipe: Mapping[str, Any]) -> "alt.ConcatChart":
    """Blue where the remedy helps, red where it hurts, equally strong; signs where it is sure."""
    import altair as alt  # noqa: PLC0415 - takes longer than the rest

    rows = [
        {
            "row": row_name(row["defect"], row["size"]),
            "remedy": row["remedy"],
            "effect": round(row["effect"], 3),
            "sign": _SIGNS[row["verdict"]],
            "strong": abs(row["effect"]) > EDGE / 2,
        }
        for row in cells.iter_rows(named=True)
    ]
    order = [row_name(name, size) for name, one in recipe["defects"].items() for size in one["sizes"]]
    remedies = [name for name in recipe["remedies"] if name != "untouched"]
    x = alt.X("remedy:N", title=None, sort=remedies).axis(orient="top", labelAngle=-45, labelLimit=200)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=alt.Y("row:N", title=None, sort=order))
    scale = alt.Scale(domain=[-EDGE, 0, EDGE], range=[_HURTS, _NOTHING, _HELPS], clamp=True)
    colour = alt.Color("effect:Q", title="effect", scale=scale)
    ink = alt.condition("datum.strong", alt.value("white"), alt.value("#333333"))
    map_ = alt.layer(
        base.mark_rect(aria=False).encode(color=colour),
        base.mark_text(fontSize=11, aria=False).transform_filter("datum.sign != ''").encode(text="sign:N", color=ink),
    ).properties(width=_CELL * len(remedies), height=_CELL * 0.75 * len(order))
    title = alt.TitleParams(
        "What remedies do to spoiled rewards",
        subtitle=[
            "Effect on the true reward, in shares of what the truth itself would gain. Blue helps, red hurts.",
            "+ and − sure, = sure that there is no difference, ≠ worlds contradict each other, no sign: cannot tell.",
        ],
        anchor="start",
    )
    figure: alt.ConcatChart = alt.concat(map_).properties(title=title, padding=12).configure_view(stroke=None)
    return figure


def row_name(defect: str, size: float) -> str:
    """A defect and its size as the map names them.

    >>> row_name("spurious", 0.5), row_name("none", 0.0)
    ('spurious .5', 'none')
    """
    return defect if defect == NONE else f"{defect} {f'{size:g}'.removeprefix('0')}"
