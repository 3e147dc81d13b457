"""A figure in a file: SVG, PNG, a page that needs no network, or Vega-Lite JSON."""

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from culpa.errors import InputError
from culpa.rollouts import replacing

if TYPE_CHECKING:
    import altair as alt

SUFFIXES = (".svg", ".png", ".html", ".json")


def check_plot(path: Path) -> None:
    """Refuse a file that is none of the kinds that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError("cannot draw into this kind of file.", path=path, remedy=f"Use {', '.join(SUFFIXES)}.")


def write_figure(figure: "alt.ConcatChart", path: Path, title: str) -> Path:
    """Write it whole or not at all, as what the file is called. title: of the page, where it is one."""
    check_plot(path)
    drawn = _bytes(figure, path.suffix.lower(), title)
    with replacing(path) as temporary:
        temporary.write_bytes(drawn)
    return path


def _bytes(figure: "alt.ConcatChart", suffix: str, title: str) -> bytes:
    """The figure as what the file holds. Data may hold `</script>`: in the page every `<` of it is an escape."""
    import vl_convert  # noqa: PLC0415 - holds a whole browser engine

    spec: dict[str, Any] = figure.to_dict()
    text = json.dumps(spec, ensure_ascii=False, allow_nan=False)
    if suffix == ".json":
        return f"{text}\n".encode()
    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(text, scale=2))
    if suffix == ".svg":
        return str(vl_convert.vegalite_to_svg(text)).encode()
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub wants what its code can do without
    return _PAGE.format(title=escape(title), script=script, spec=safe).encode()


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>body {{ margin: 1rem; font-family: sans-serif; }}</style>
<script>{script}</script>
</head>
<body>
<div id="curves"></div>
<script>
vegaEmbed("#curves", {spec}, {{mode: "vega-lite", actions: {{export: true, source: false, compiled: false, \
editor: false}}}});
</script>
</body>
</html>
"""
