"""docs/fuzzing.md, made from the record of a campaign."""

from pathlib import Path
from typing import Any

from fuzz.bounds import MEGABYTES, SECONDS
from fuzz.fixed import FIXED

_HEAD = """# Fuzzing

Everything that reads what others wrote is called with inputs that a fuzzer makes: every reader, the plain tables, names
and lines of users, what models and servers say, the reports made of hostile names and texts, and the command line. An
execution may give a result or refuse with one clear message (`InputError`; on the command line exit code 2 and one
line). Anything else is a finding: another exception, a traceback, a warning or a panic on stderr, more than
{seconds:g} s of processor time, more than {megabytes:,} MB of memory, a process started, a connection opened, a file
written outside the working folder, a control character or an element of a page that came from the data.

The fuzzer is [atheris](https://github.com/google/atheris): an input that reaches new branches of culpa is kept and
changed further (column "Kept": inputs of the corpus beyond the seeds). Changes know the structure: values, keys and
records of JSON, fields of CSV, types of Parquet, words of a line, or plain bytes. Branches are counted in culpa's own
Python; inside polars, NumPy, the C of zipfile and json, and torch nothing is counted, so the bytes of a Parquet file or
of a tensor archive are changed without that guidance.

Not fuzzed: `culpa check`, `score`, `sample` and `train` beyond the parsing of their arguments, since they run the
user's own code or models; what a judge or a reward server replies is.
"""


def write_page(record: dict[str, Any], path: Path) -> None:
    """The tables of the record, and what was mended."""
    text = _HEAD.format(seconds=SECONDS, megabytes=MEGABYTES)
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    text += f"\n## What was run\n\n`{record['command']}`, {record['date']}, Python {record['python']}; {versions}.\n\n"
    text += (
        f"**{record['executions']:,} executions in {record['seconds']:,.0f} s** of {len(record['targets'])} targets, "
        f"at most {record['megabytes']:,} MB; {len(record['findings'])} findings left, {len(FIXED)} mended. "
        "A target that had findings was run again once they were mended, the others were not: no one campaign covers "
        "the last state of the code (`make fuzz FUZZ=--anew` would).\n\n"
    )
    rows = [
        (f"`{name}`", f"{one['executions']:,}", f"{one['seconds']:,.0f}",
         f"{one['executions'] / max(one['seconds'], 0.1):,.0f}",
         str(one["seeds"]), f"{one['corpus']:,}", f"{one['megabytes']:,}", str(len(one["findings"]) + len(one["died"])))
        for name, one in record["targets"].items()
    ]  # fmt: skip
    heads = ("Target", "Executions", "Seconds", "A second", "Seeds", "Kept", "MB", "Findings")
    text += _table(heads, rows)
    if record["big"]:
        text += "\n## Large inputs\n\nEach through `culpa convert` (or `audit`) in a process of its own. "
        text += "Exit code 2 is a refusal with one line, 0 a result; the memory is the greatest of the process.\n\n"
        big = [
            (one["name"], str(one["code"]), f"{one['seconds']:.1f}", f"{one['megabytes']:,}",
             "" if one["ok"] else "**not as promised**")
            for one in record["big"]
        ]  # fmt: skip
        text += _table(("Input", "Exit code", "Seconds", "MB", ""), big)
    text += "\n## Findings that were mended\n\n" + "".join(f"- {line}\n" for line in FIXED)
    path.write_text(text, encoding="utf-8")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" if place == 0 else "---:" for place in range(len(heads))), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
