"""One page per verb, from what `culpa VERB --help` says. `python docs/tools/verbs.py` writes them to docs/verbs/."""

import re
from pathlib import Path
from typing import Any

from typer.main import get_command

from culpa.cli.app import app

FOLDER = Path(__file__).resolve().parents[1] / "verbs"
GUIDES = {
    "demo": "[the tutorial](../tutorial.md), [the page that it writes](../page.md)",
    "audit": "[the tutorial](../tutorial.md), [formats](../formats.md), [every key of the JSON](../json.md), "
    "[in CI](../ci.md), [the page](../page.md), [what to have judged](../relabel.md), "
    "[how far to believe it](../honest.md)",
    "rehearse": "[the tutorial](../tutorial.md), [the mathematics](../mathematics.md), "
    "[every key of the JSON](../json.md)",
    "advise": "[partial credit or none](../advise.md), [the atlas of remedies](../atlas.md)",
    "check": "[the bench for reward functions](../check.md)",
    "sample": "[from a model to a verdict](../lm.md)",
    "score": "[from a model to a verdict](../lm.md)",
    "train": "[from a model to a verdict](../lm.md)",
    "watch": "[what an alarm is worth](../watch.md)",
    "convert": "[formats](../formats.md)",
    "papers": "[published systems, reproduced](../reproductions.md)",
}
_EXTRA = re.compile(r"\s*\[([^\[\]]*)\]$")
_RANGE = re.compile(r"[<>]")


def pages() -> dict[str, str]:
    """File name -> page, the list of verbs first."""
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    return {"index.md": _index(verbs), **{f"{name}.md": page(name, verb) for name, verb in verbs.items()}}


def page(name: str, verb: Any) -> str:
    """The page of a verb; of one that has verbs below it, all of them."""
    parts = [f"# `culpa {name}`", "", *_help(verb)]
    if hasattr(verb, "commands"):
        for inner, command in verb.commands.items():
            parts += ["", f"## `culpa {name} {inner}`", "", *_help(command), *_sections(f"{name} {inner}", command, 3)]
    else:
        parts += _sections(name, verb, 2)
    return "\n".join([*parts, "", f"More: {GUIDES[name]}." if name in GUIDES else "", ""]).rstrip() + "\n"


def _index(verbs: dict[str, Any]) -> str:
    rows = [f"| [`{name}`]({name}.md) | {_cell(_help(verb)[0])} |" for name, verb in verbs.items()]
    return "\n".join(
        [
            "# The verbs",
            "",
            "Every verb takes `--help`, which ends with an example that runs. A page here says what its help says.",
            "",
            "| verb | what it does |",
            "| --- | --- |",
            *rows,
            "",
            "`culpa --version` prints the version. Where a verb has `--config`, a YAML file may hold its flags; flags",
            "given by hand win. A file is written whole or not at all, and progress goes to the error stream.",
            "",
            "## Exit codes",
            "",
            *_codes("A finding, in the verbs that have any; their page says what it is."),
            "",
        ]
    )


def _sections(name: str, verb: Any, depth: int) -> list[str]:
    context = verb.context_class(verb, info_name=name)
    records = [(one.param_type_name, *one.get_help_record(context)) for one in verb.params]
    arguments = [row for kind, *row in records if kind == "argument"]
    flags = [row for kind, *row in records if kind == "option"]
    usage = " ".join(["culpa", name, *verb.collect_usage_pieces(context)])
    mark = "#" * depth
    parts = ["", "```", usage, "```"]
    if verb.epilog:
        parts += ["", f"{mark} Example", "", "```", verb.epilog.removeprefix("Example: "), "```"]
    if arguments:
        parts += ["", f"{mark} Arguments", "", *_table("argument", arguments)]
    if flags:
        parts += ["", f"{mark} Flags", "", *_table("flag", flags)]
    return [*parts, "", f"{mark} Exit codes", "", *_codes(_finding(verb))]


def _finding(verb: Any) -> str:
    if any("--fail-on" in one.opts for one in verb.params):
        return "A finding as grave as `--fail-on`."
    return "A claim or a control failed." if "Exit code 1" in (verb.help or "") else ""


def _codes(finding: str) -> list[str]:
    rows = ["| code | meaning |", "| --- | --- |", "| 0 | Fine. |"]
    rows += [f"| 1 | {finding} |"] if finding else []
    return [
        *rows,
        "| 2 | No verdict: wrong usage, input that cannot be read, or a fault. |",
        "| 130 | Stopped by hand. |",
    ]


def _help(verb: Any) -> list[str]:
    """Paragraphs of the help, with an empty line between two."""
    paragraphs = [" ".join(part.split()) for part in (verb.help or "").split("\n\n")]
    lines = [line for part in paragraphs for line in (re.sub(r"(?<!`)(--[a-z-]+)(?!`)", r"`\1`", part), "")]
    return lines[:-1]


def _table(kind: str, rows: list[list[str]]) -> list[str]:
    head = [f"| {kind} | what it is | type | default |", "| --- | --- | --- | --- |"]
    return head + [_row(declared, text) for declared, text in rows]


def _row(declared: str, text: str) -> str:
    """A line of the table, from the two columns of the help.

    >>> _row("--kl <float range>", "Weight of KL.  [default: 0.0; x>=0.0]")
    '| `--kl` | Weight of KL. | `float`, x ≥ 0.0 | `0.0` |'
    >>> _row("--features <auto|none>", "What is shared.  [default: auto; none with --merge-by]")
    '| `--features` | What is shared. | `auto`, `none` | `auto`; none with --merge-by |'
    """
    names, _, kind = declared.partition(" <")
    kind = kind.removesuffix(">")
    found = _EXTRA.search(text)
    told = found[1].split("; ") if found and _is_extra(found[1]) else []
    text = text[: found.start()] if told and found else text
    bounds = [one.replace(">=", " ≥ ").replace("<=", " ≤ ") for one in told if _RANGE.search(one)]
    words = [one.removeprefix("default: ") for one in told if one != "required" and not _RANGE.search(one)]
    default = "; ".join(map(_value, words))
    types = [f"`{one}`" for one in kind.removesuffix(" range").split("|") if one] or ["switch"]
    cells = [f"`{names}`", _cell(text), ", ".join([*types, *bounds]), "required" if "required" in told else default]
    return f"| {' | '.join(cells)} |"


def _value(default: str) -> str:
    """A value as code, words as words."""
    return default.strip("()") if " " in default or default.startswith("(") else f"`{default}`"


def _is_extra(text: str) -> bool:
    return text == "required" or text.startswith(("default: ", "required; ")) or bool(_RANGE.search(text))


def _cell(text: str) -> str:
    """Words in a table: what Markdown would read as a bar, as a tag or as emphasis is guarded."""
    return re.sub(r"([|<*_])", r"\\\1", text)


def main() -> None:
    """Write all pages; what is no verb any more goes."""
    FOLDER.mkdir(exist_ok=True)
    written = pages()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    for old in FOLDER.glob("*.md"):
        if old.name not in written:
            old.unlink()


if __name__ == "__main__":
    main()
