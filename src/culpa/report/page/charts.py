"""The figures of the page, as Vega specifications. Colours are the page's own variables, so they follow its theme."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from culpa.errors import shorten

Spec = dict[str, Any]
NAME = 22  # characters of a proxy's name beside a figure
COLOURED = 7  # proxies that have a colour of their own; the others share one
_LINE = 320  # height of a figure of lines
_ROW = 30  # height of a proxy in a figure of rows
_TICKS = 7  # on an axis across, about
_SYMLOG = (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 512, 2048)
_SIZE = "score minus right score, in the proxy's spreads"
_GAP = 14.5  # between names at the ends of lines
_HARM, _CALM, _HELP = "var(--harm)", "var(--calm)", "var(--help)"
STANDING = ("best, or tied with the best", "above the start", "not above the start")
KINDS = ("harmful", "benign", "beneficial")


def vega(chart: alt.TopLevelMixin) -> Spec:
    """The compiled specification, in the page's colours and letters."""
    config = {
        "background": None,
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelColor": "var(--soft)",
            "titleColor": "var(--soft)",
            "gridColor": "var(--line)",
            "domainColor": "var(--line)",
            "tickColor": "var(--line)",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 150,
            "labelOverlap": "greedy",
            "labelSeparation": 8,
        },
        "legend": {
            "labelColor": "var(--ink)",
            "titleColor": "var(--soft)",
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "orient": "top",
            "direction": "horizontal",
            "labelLimit": 220,
            "columns": 3,
        },
    }
    spec: Spec = vl_convert.vegalite_to_vega(chart.to_dict() | {"config": config})
    return spec


def outcomes(rows: Sequence[dict[str, Any]], title: str, *, ceiling: float | None = None) -> Spec:
    """A row per proxy, best first: where the value ends, its interval, and where it starts.

    rows: proxy, value, low, high, start, standing (one of STANDING); ceiling: where the truth itself would lead
    """
    data = _with_short_names(rows)
    base = alt.Chart(alt.Data(values=data)).encode(y=_names(data))
    colour = alt.Color("standing:N", title=None, scale=_scale(STANDING, (_HELP, _CALM, _HARM)), legend=_keys(data))
    shape = alt.Shape("standing:N", title=None, scale=_scale(STANDING, ("circle", "square", "triangle-down")))
    across = {"title": title, "scale": alt.Scale(zero=False, padding=12), "axis": alt.Axis(tickCount=_TICKS)}
    x = alt.X("value:Q", **across)
    bars = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", **across), x2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=130, opacity=1).encode(
        x=x, color=colour, shape=shape, tooltip=_tips(("proxy", "proxy"), ("value", title), ("low", "from"),
                                                       ("high", "to"))
    )  # fmt: skip
    start = data[0]["start"] if data else None
    marks = [_mark(value, label) for value, label in ((start, "today"), (ceiling, "trained on the truth"))]
    return vega(_sized(alt.layer(*(one for pair in marks for one in pair), bars, points), _ROW * len(data)))


def _mark(value: float | None, label: str) -> list[alt.Chart]:
    """A dashed line down the figure, with what it is above it."""
    if value is None:
        return []
    base = alt.Chart(alt.Data(values=[{"at": value}])).encode(x="at:Q")
    line = base.mark_rule(strokeDash=[4, 3], color="var(--soft)", strokeWidth=1.5)
    return [line, base.mark_text(text=label, y=-4, color="var(--soft)", fontSize=12, baseline="bottom")]


def cosines(rows: Sequence[dict[str, Any]]) -> Spec:
    """A row per proxy: the cosine with its interval over the band in which chance puts it.

    rows: proxy, cosine, cosine_low, cosine_high, null_low, null_high
    """
    data = _with_short_names(rows)
    base = alt.Chart(alt.Data(values=data)).encode(y=_names(data))
    ends = [value for row in rows for name, value in row.items() if name != "proxy" and value is not None]
    scale = alt.Scale(domain=[max(-1.05, min([0.0, *ends]) - 0.05), 1.05], nice=False)
    x = alt.X("null_low:Q", title="gradient cosine with the truth", scale=scale, axis=alt.Axis(tickCount=_TICKS))
    band = base.mark_bar(color="var(--band)", height=18).encode(x=x, x2="null_high:Q")
    rule = base.mark_rule(strokeWidth=3, color=_HELP).encode(x="cosine_low:Q", x2="cosine_high:Q")
    tips = _tips(("proxy", "proxy"), ("cosine", "cosine"), ("cosine_low", "from"), ("cosine_high", "to"),
                 ("null_low", "chance from"), ("null_high", "chance to"))  # fmt: skip
    point = base.mark_point(filled=True, size=110, color=_HELP, opacity=1).encode(x="cosine:Q", tooltip=tips)
    return vega(_sized(alt.layer(band, rule, point), _ROW * len(data)))


def curves(frame: pl.DataFrame, names: Sequence[str]) -> Spec:
    """True reward over divergence, a line per proxy, named at its end. names: proxies, best first."""
    colour = colours(names)
    frame = frame.filter(pl.col("proxy").is_in(names)).drop_nulls(["kl", "true_reward"])
    low, high = (float(getattr(frame["true_reward"], side)() or 0.0) for side in ("min", "max"))
    spare = (high - low) * 0.06 or 0.5
    data = [
        {"proxy": row["proxy"], "colour": colour[row["proxy"]], "step": row["step"], "kl": row["kl"],
         "value": row["true_reward"], "over": row["proxy"] in list(names)[:COLOURED]}
        for row in frame.iter_rows(named=True)
    ]  # fmt: skip
    last = {row["proxy"]: row["value"] for row in data}
    span = (low - spare, high + spare)
    base = alt.Chart(alt.Data(values=data))
    lines = base.mark_line(strokeWidth=2.25, clip=False).encode(
        x=alt.X("kl:Q", title="divergence from the policy of today (KL)", scale=alt.Scale(nice=False),
                axis=alt.Axis(tickCount=_TICKS, grid=False)),
        y=alt.Y("value:Q", title="true reward", scale=alt.Scale(domain=span, nice=False)),
        color=alt.Color("colour:N", scale=None),
        detail="proxy:N",
        order="step:Q",
    )
    dots = base.mark_point(size=160, opacity=0.001, filled=True).encode(
        x="kl:Q", y="value:Q", tooltip=_tips(("proxy", "proxy"), ("step", "step"), ("kl", "KL"), ("value", "truth"))
    )
    return vega(_lined(alt.layer(lines, dots), _labels(last, colour, span), max(_LINE, _GAP * (len(last) + 1))))


def ranks(frame: pl.DataFrame, names: Sequence[str]) -> Spec:
    """The place of each proxy under each learner, best on top. frame: learner, proxy, score, rank."""
    colour = colours(names)
    order = frame["learner"].unique(maintain_order=True).to_list()
    data = [row | {"colour": colour[row["proxy"]]} for row in frame.filter(pl.col("proxy").is_in(names)).to_dicts()]
    last = {row["proxy"]: float(row["rank"]) for row in data if row["learner"] == order[-1]}
    height = max(120, 26 * len(names))
    span = (max([row["rank"] for row in data], default=1) + 0.5, 0.5)
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("learner:N", sort=order, title=None, axis=alt.Axis(labelAngle=-20, labelAlign="left", labelOverlap=False, orient="top", grid=False), scale=alt.Scale(padding=0.3)),
        y=alt.Y("rank:Q", title="rank (1 = best)", scale=alt.Scale(domain=span, nice=False), axis=alt.Axis(
            tickMinStep=1, format="d", values=list(range(1, int(span[0]) + 1)), grid=False)),
        color=alt.Color("colour:N", scale=None),
    )  # fmt: skip
    lines = base.mark_line(strokeWidth=2.25).encode(detail="proxy:N")
    tips = _tips(("learner", "learner"), ("proxy", "proxy"), ("rank", "rank"), ("score", "score"))
    points = base.mark_point(filled=True, size=110, opacity=1).encode(tooltip=tips)
    return vega(_lined(alt.layer(lines, points), _labels(last, colour, span), height))


def errors(rows: Sequence[dict[str, Any]], across: str, *, log: bool) -> Spec:
    """The map of errors. rows: id, proxy, mass, error, size, kind, prompt_id, effect, reason.

    A signal `picked` holds the proxy that is shown, "" for all.
    """
    picked = alt.param(name="picked", value="")
    most = max((abs(row["error"]) for row in rows), default=1.0)
    ticks = [0, *(sign * tick for tick in _SYMLOG for sign in (-1, 1) if tick <= max(most, 1))]
    scale = alt.Scale(type="log", nice=False, padding=14) if log else alt.Scale(zero=False, padding=14)
    axis = alt.Axis(tickCount=5, format="~g", grid=False)
    kinds = alt.Color("kind:N", title=None, scale=_scale(KINDS, (_HARM, _CALM, _HELP)))
    tips = _tips(("proxy", "proxy"), ("prompt_id", "prompt"), ("effect", "effect"), ("reason", "reason"))
    points = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_point(filled=True, opacity=0.75, stroke="var(--page)", strokeWidth=0.6, cursor="pointer")
        .encode(
            x=alt.X("mass:Q", title=across, scale=scale, axis=axis),
            y=alt.Y("error:Q", title=_SIZE, scale=alt.Scale(type="symlog", constant=1), axis=alt.Axis(values=ticks)),
            color=kinds,
            shape=alt.Shape("kind:N", title=None, scale=_scale(KINDS, ("triangle-down", "circle", "triangle-up"))),
            size=alt.Size("size:Q", legend=None, scale=alt.Scale(range=[25, 700])),
            order=alt.Order("size:Q", sort="descending"),
            tooltip=tips,
        )
        .transform_filter("picked == '' || datum.proxy == picked")
        .add_params(picked)
    )
    zero = alt.Chart(alt.Data(values=[{}])).mark_rule(color="var(--soft)", strokeDash=[2, 3]).encode(y=alt.datum(0))
    return vega(_sized(alt.layer(zero, points), 400))


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for the best proxies, one for all others.

    >>> colours(["a", "b"])
    {'a': 'var(--c0)', 'b': 'var(--c1)'}
    """
    return {name: f"var(--c{place})" if place < COLOURED else _CALM for place, name in enumerate(names)}


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names short enough to stand beside a figure, and still apart.

    >>> list(short_names(["rm", "a" * 40 + "1" * 20, "a" * 40 + "2" + "1" * 19]).values())
    ['rm', 'aaaaaaaaaaa…1111111111', 'aaaaaaaaa…11111111 (2)']
    """
    result: dict[str, str] = {}
    for name in names:
        short, number = shorten(name, NAME), 1
        while short in result.values():
            number += 1
            short = f"{shorten(name, NAME - 4)} ({number})"
        result[name] = short
    return result


def spread_out(places: Sequence[float], gap: float, ends: tuple[float, float]) -> list[float]:
    """Places at least a gap apart and between the ends, near to where they were, in the same order.

    Where there is no room for all of them, they run over the far end.

    >>> spread_out([1.0, 1.0, 5.0], 1.0, (0.0, 9.0)), spread_out([1.0, 1.0], 1.0, (1.0, 9.0))
    ([0.5, 1.5, 5.0], [1.0, 2.0])
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    blocks: list[tuple[float, int]] = []  # of those that touch: middle and number
    for i in order:
        block = (_held(places[i], 1, gap, ends), 1)
        while blocks and blocks[-1][0] + (blocks[-1][1] + block[1]) * gap / 2 > block[0]:
            middle, number = blocks.pop()
            whole = number + block[1]
            block = (_held((middle * number + block[0] * block[1]) / whole, whole, gap, ends), whole)
        blocks.append(block)
    flat = [middle + gap * (k - (number - 1) / 2) for middle, number in blocks for k in range(number)]
    return [flat[order.index(i)] for i in range(len(places))]


def _held(middle: float, number: int, gap: float, ends: tuple[float, float]) -> float:
    """The middle of so many, moved so that all are between the ends."""
    half = (number - 1) * gap / 2
    return max(min(middle, ends[1] - half), ends[0] + half)


def _labels(last: dict[str, float], colour: dict[str, str], span: tuple[float, float]) -> list[dict[str, Any]]:
    """Names at the ends of lines: the share of the height at which each stands, from the top."""
    short = short_names(list(last))
    return [
        {"name": short[name], "colour": colour[name], "share": (span[1] - value) / (span[1] - span[0])}
        for name, value in last.items()
    ]


def _lined(chart: alt.LayerChart, labels: list[dict[str, Any]], height: float) -> alt.LayerChart:
    """The chart with names at its right edge, apart from each other and inside the figure."""
    places = spread_out([one["share"] * height for one in labels], _GAP, (4.0, height - 4.0))
    marks = [
        alt.Chart(alt.Data(values=[{}]))
        .mark_text(align="left", baseline="middle", fontSize=12, dx=8, text=one["name"], color=one["colour"])
        .encode(x=alt.value("width"), y=alt.value(place))
        for one, place in zip(labels, places, strict=True)
    ]
    return _sized(alt.layer(chart, *marks), height)


def _with_short_names(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    short = short_names([row["proxy"] for row in rows])
    return [row | {"proxy": short[row["proxy"]]} for row in rows]


def _sized(chart: alt.LayerChart, height: float) -> alt.LayerChart:
    sized: alt.LayerChart = chart.properties(width="container", height=height)
    return sized


def _names(rows: Sequence[dict[str, Any]]) -> alt.Y:
    axis = alt.Axis(domain=False, ticks=False, grid=False, labelColor="var(--ink)", labelFontSize=13)
    return alt.Y("proxy:N", sort=[row["proxy"] for row in rows], title=None, axis=axis)


def _scale(domain: Sequence[str], values: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=list(domain), range=list(values))


def _keys(rows: Sequence[dict[str, Any]]) -> alt.Legend | None:
    """A legend of those that occur; none where there is but one."""
    seen = [name for name in STANDING if any(row["standing"] == name for row in rows)]
    return alt.Legend(values=seen, columns=1, offset=24) if len(seen) > 1 else None


def _tips(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    words = {"proxy", "reason", "prompt_id", "learner"}
    return [
        alt.Tooltip(f"{name}:{'N' if name in words else 'Q'}", title=title,
                    **({} if name in words else {"format": ".4~g"}))
        for name, title in fields
    ]  # fmt: skip
