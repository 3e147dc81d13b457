"""The figures of the page, as Vega specifications. Colours are the page's own variables, so they follow its theme."""

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import polars as pl
import vl_convert

from culpa.report.page.names import CALM, GAP, Label, colours, labels, short_names

Spec = dict[str, Any]
Row = dict[str, Any]
Align = Literal["left", "center", "right"]
STANDING = ("best, or tied with the best", "above the start", "not above the start")
KINDS = ("harmful", "benign", "beneficial")

_LINE, _ROW, _MAP = 320, 30, 400  # heights: of lines, of a row of a proxy, of the map
_TICKS = 7  # on an axis across, about
_SYMLOG = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 512, 2048)
_HARM, _HELP, _SOFT = "var(--harm)", "var(--help)", "var(--soft)"
_WORDS = frozenset({"proxy", "reason", "prompt_id", "learner"})
_TEXT = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titleColor": _SOFT}
_CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _SOFT,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelLimit": 150,
        "labelOverlap": "greedy",
        "labelSeparation": 8,
        **_TEXT,
    },
    "legend": {"labelColor": "var(--ink)", "orient": "top", "direction": "horizontal", "labelLimit": 220, "columns": 3}
    | _TEXT,
}


def vega(height: float, *layers: alt.Chart) -> Spec:
    """Layers as one figure as wide as its place, compiled, in the page's colours and letters."""
    chart = alt.layer(*layers).properties(width="container", height=height)
    return _silent(vl_convert.vegalite_to_vega(chart.to_dict() | {"config": _CONFIG}))


def _silent(spec: Spec) -> Spec:
    """The same without labels on single marks: a figure has one label, and a table that tells its numbers."""
    marks = [_silent(mark) | {"aria": False} for mark in spec.get("marks", [])]
    return spec | {"marks": marks} if marks else spec


def outcomes(rows: Sequence[Row], title: str, *, ceiling: float | None = None) -> Spec:
    """A row per proxy, best first: where the value ends, its interval, and where it starts.

    rows: proxy, value, low, high, start, standing (one of STANDING); ceiling: where the truth itself would lead
    """
    data = _shortened(rows)
    base = _chart(data).encode(y=_names(data))
    seen = [name for name in STANDING if any(row["standing"] == name for row in data)]
    keys = alt.Legend(values=seen, columns=1, offset=38) if len(seen) > 1 else None
    colour = alt.Color("standing:N", title=None, scale=_scale(STANDING, (_HELP, CALM, _HARM)), legend=keys)
    shape = alt.Shape("standing:N", title=None, scale=_scale(STANDING, ("circle", "square", "triangle-down")))
    across: dict[str, Any] = {
        "title": title,
        "scale": alt.Scale(zero=False, padding=12),
        "axis": alt.Axis(tickCount=_TICKS),
    }
    bars = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", **across), x2="high:Q", color=colour)
    tips = _tips(("proxy", "proxy"), ("value", title), ("low", "from"), ("high", "to"))
    points = base.mark_point(filled=True, size=130, opacity=1).encode(
        x=alt.X("value:Q", **across), color=colour, shape=shape, tooltip=tips
    )
    start = data[0]["start"] if data else None
    marks = [*_mark(start, "today", -4), *_mark(ceiling, "trained on the truth", -18, _side(ceiling, data))]
    return vega(_ROW * len(data), *marks, bars, points)


def _side(place: float | None, data: Sequence[Row]) -> Align:
    """Which side of its words stands at a mark, so that they do not run out of the figure."""
    ends = [row[name] for row in data for name in ("low", "high") if row[name] is not None]
    if place is None or not ends:
        return "center"
    share = (place - min(ends)) / ((max(ends) - min(ends)) or 1.0)
    return "right" if share > 0.7 else "left" if share < 0.3 else "center"


def cosines(rows: Sequence[Row]) -> Spec:
    """A row per proxy: the cosine with its interval over the band in which chance puts it.

    rows: proxy, cosine, cosine_low, cosine_high, null_low, null_high
    """
    data = _shortened(rows)
    base = _chart(data).encode(y=_names(data))
    ends = [value for row in rows for name, value in row.items() if name != "proxy" and value is not None]
    scale = alt.Scale(domain=[max(-1.05, min([0.0, *ends]) - 0.05), 1.05], nice=False)
    x = alt.X("null_low:Q", title="gradient cosine with the truth", scale=scale, axis=alt.Axis(tickCount=_TICKS))
    band = base.mark_bar(color="var(--band)", height=18).encode(x=x, x2="null_high:Q")
    rule = base.mark_rule(strokeWidth=3, color=_HELP).encode(x="cosine_low:Q", x2="cosine_high:Q")
    tips = _tips(
        ("proxy", "proxy"),
        ("cosine", "cosine"),
        ("cosine_low", "from"),
        ("cosine_high", "to"),
        ("null_low", "chance from"),
        ("null_high", "chance to"),
    )
    point = base.mark_point(filled=True, size=110, color=_HELP, opacity=1).encode(x="cosine:Q", tooltip=tips)
    return vega(_ROW * len(data), band, rule, point)


def curves(frame: pl.DataFrame, names: Sequence[str]) -> Spec:
    """True reward over divergence, a line per proxy, named at its end. names: proxies, best first."""
    colour = colours(names)
    frame = frame.filter(pl.col("proxy").is_in(names)).drop_nulls(["kl", "true_reward"])
    low, high = (float(frame["true_reward"].to_numpy().min()), float(frame["true_reward"].to_numpy().max()))
    spare = (high - low) * 0.06 or 0.5
    span = (low - spare, high + spare)
    data = [
        {"proxy": name, "colour": colour[name], "step": step, "kl": kl, "value": value}
        for name, step, kl, value in frame.select("proxy", "step", "kl", "true_reward").iter_rows()
    ]
    height = max(_LINE, GAP * (len(names) + 1))
    axis = alt.Axis(tickCount=_TICKS, grid=False)
    x = alt.X("kl:Q", title="divergence from the policy of today (KL)", scale=alt.Scale(nice=False), axis=axis)
    y = alt.Y("value:Q", title="true reward", scale=alt.Scale(domain=span, nice=False))
    base = _chart(data).encode(x=x, y=y)
    lines = base.mark_line(strokeWidth=2.25).encode(
        color=alt.Color("colour:N", scale=None), detail="proxy:N", order="step:Q"
    )
    tips = _tips(("proxy", "proxy"), ("step", "step"), ("kl", "KL"), ("value", "truth"))
    dots = base.mark_point(size=160, opacity=0.001, filled=True).encode(tooltip=tips)
    ends = {row["proxy"]: row["value"] for row in data}
    return vega(height, lines, dots, *map(_named, labels(ends, colour, span, height)))


def ranks(frame: pl.DataFrame, names: Sequence[str]) -> Spec:
    """The place of each proxy under each learner, best on top. frame: learner, proxy, score, rank."""
    colour = colours(names)
    order = frame["learner"].unique(maintain_order=True).to_list()
    data = [row | {"colour": colour[row["proxy"]]} for row in frame.filter(pl.col("proxy").is_in(names)).to_dicts()]
    height = max(120, 26 * len(names))
    span = (max([row["rank"] for row in data], default=1) + 0.5, 0.5)
    above = alt.Axis(labelAngle=-20, labelAlign="left", labelOverlap=False, orient="top", grid=False)
    beside = alt.Axis(tickMinStep=1, format="d", values=list(range(1, int(span[0]) + 1)), grid=False)
    base = _chart(data).encode(
        x=alt.X("learner:N", sort=order, title=None, axis=above, scale=alt.Scale(padding=0.3)),
        y=alt.Y("rank:Q", title="rank (1 = best)", scale=alt.Scale(domain=span, nice=False), axis=beside),
        color=alt.Color("colour:N", scale=None),
    )
    lines = base.mark_line(strokeWidth=2.25).encode(detail="proxy:N")
    tips = _tips(("learner", "learner"), ("proxy", "proxy"), ("rank", "rank"), ("score", "score"))
    points = base.mark_point(filled=True, size=110, opacity=1).encode(tooltip=tips)
    ends = {row["proxy"]: float(row["rank"]) for row in data if row["learner"] == order[-1]}
    return vega(height, lines, points, *map(_named, labels(ends, colour, span, height)))


def errors(rows: Sequence[Row], across: str, *, log: bool) -> Spec:
    """The map of errors. rows: id, proxy, mass, error, size, kind, prompt_id, effect, reason.

    A signal `picked` holds the proxy that is shown, "" for all.
    """
    picked = alt.param(name="picked", value="")
    most = max((abs(row["error"]) for row in rows), default=1.0)
    ticks = [0, *(sign * tick for tick in _SYMLOG for sign in (-1, 1) if tick <= max(most, 1))]
    scale = alt.Scale(type="log", nice=False, padding=14) if log else alt.Scale(zero=False, padding=14)
    beside = alt.Axis(values=ticks, format="~g")
    tips = _tips(("proxy", "proxy"), ("prompt_id", "prompt"), ("effect", "effect"), ("reason", "reason"))
    points = (
        _chart(rows)
        .mark_point(filled=True, opacity=0.7, stroke="var(--page)", strokeWidth=0.6, cursor="pointer")
        .encode(
            x=alt.X("mass:Q", title=across, scale=scale, axis=alt.Axis(tickCount=5, format="~g", grid=False)),
            y=alt.Y(
                "error:Q",
                title="score minus right score, in the proxy's spreads",
                scale=alt.Scale(type="symlog", constant=1),
                axis=beside,
            ),
            color=alt.Color("kind:N", title=None, scale=_scale(KINDS, (_HARM, CALM, _HELP))),
            shape=alt.Shape("kind:N", title=None, scale=_scale(KINDS, ("triangle-down", "circle", "triangle-up"))),
            size=alt.Size("size:Q", legend=None, scale=alt.Scale(range=[20, 450])),
            order=alt.Order("size:Q", sort="descending"),
            tooltip=tips,
        )
        .transform_filter("picked == '' || datum.proxy == picked")
        .add_params(picked)
    )
    zero = _chart([{}]).mark_rule(color=_SOFT, strokeDash=[2, 3]).encode(y=alt.datum(0))
    return vega(_MAP, zero, points)


def _chart(rows: Sequence[Row]) -> alt.Chart:
    chart: alt.Chart = alt.Chart(alt.InlineData(values=list(rows)))
    return chart


def _mark(value: float | None, label: str, y: int, align: Align = "center") -> list[alt.Chart]:
    """A dashed line down the figure, with what it is above it, at its own height: two lines may stand close."""
    if value is None:
        return []
    base = _chart([{"at": value}]).encode(x="at:Q")
    line = base.mark_rule(strokeDash=[4, 3], color=_SOFT, strokeWidth=1.5)
    return [line, base.mark_text(text=label, y=y, color=_SOFT, fontSize=12, baseline="bottom", align=align)]


def _named(label: Label) -> alt.Chart:
    """A name at the right edge."""
    mark = _chart([{}]).mark_text(
        align="left", baseline="middle", fontSize=12, dx=8, text=label.name, color=label.colour
    )
    named: alt.Chart = mark.encode(x=alt.value("width"), y=alt.value(label.place))
    return named


def _shortened(rows: Sequence[Row]) -> list[Row]:
    short = short_names([row["proxy"] for row in rows])
    return [row | {"proxy": short[row["proxy"]]} for row in rows]


def _names(rows: Sequence[Row]) -> alt.Y:
    axis = alt.Axis(domain=False, ticks=False, grid=False, labelColor="var(--ink)", labelFontSize=13)
    return alt.Y("proxy:N", sort=[row["proxy"] for row in rows], title=None, axis=axis)


def _scale(domain: Sequence[str], values: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=list(domain), range=list(values))


def _tips(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(f"{name}:N", title=title)
        if name in _WORDS
        else alt.Tooltip(f"{name}:Q", title=title, format=".4~g")
        for name, title in fields
    ]
