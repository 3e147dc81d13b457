"""Where reports go: a line on a terminal, a line of JSON, TensorBoard, trackio, Weights & Biases."""

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TextIO

from culpa.errors import InputError, shorten
from culpa.training.watch.alarm import Alarm
from culpa.training.watch.report import StepReport, report_of


class Sink(Protocol):
    """Something that takes what was seen of a step."""

    def write(self, report: StepReport, alarms: Sequence[Alarm]) -> None:
        """Take one step."""
        ...

    def close(self) -> None:
        """No more steps."""
        ...


_SHOWN = (
    ("reward", "reward", "{:.3f}"),
    ("harm/truth", "truth", "{:.3f}"),
    ("harm/correlation", "together", "{:+.2f}"),
    ("harm/harmful", "harmful", "{:.0%}"),
    ("group/dead", "dead", "{:.0%}"),
    ("group/missing", "no verdict", "{:.0%}"),
    ("completions/mean_length", "tokens", "{:.0f}"),
    ("completions/mean_characters", "characters", "{:.0f}"),
    ("completions/clipped_ratio", "cut off", "{:.0%}"),
    ("group/kl", "kl", "{:.2f}"),
    ("kl", "kl a token", "{:.4f}"),
)


def line_of(report: StepReport) -> str:
    """A step in a line: what is known of it.

    >>> line_of(report_of(3, {"reward": 0.5, "group/dead": 0.25}))
    'step 3  reward 0.500  dead 25%'
    """
    seen = report.metrics()
    parts = [f"{word} {form.format(seen[name])}" for name, word, form in _SHOWN if name in seen]
    return "  ".join([f"step {report.step}", *parts])


class Terminal:
    """A line for each step, and one for each alarm; in colour where the stream is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, report: StepReport, alarms: Sequence[Alarm]) -> None:
        """Print one step."""
        stream = self._stream or sys.stdout
        if not stream.isatty():
            lines = [line_of(report), *(f"ALARM {alarm}" for alarm in alarms)]
            stream.write("".join(f"{line}\n" for line in lines))
            stream.flush()
            return
        from rich.console import Console  # noqa: PLC0415 - not needed in pipes
        from rich.text import Text  # noqa: PLC0415

        console = Console(file=stream, highlight=False)
        console.print(Text(line_of(report)))
        for alarm in alarms:
            console.print(Text(f"ALARM {alarm}", style="bold red"))

    def close(self) -> None:
        """Nothing is held."""


class JsonLines:
    """One object a step, written at once and never twice: a file that is there is continued after its last step.

    Half a line, of a writer that was stopped, is cut off. Steps up to the last one that is there are left out.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        if not self._path.parent.is_dir():
            raise InputError("the folder does not exist.", path=self._path.parent, remedy="Make it, or choose another.")
        whole = _whole_lines(self._path)
        self.last = max((report.step for report in read_log(self._path)), default=None) if whole else None
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.truncate(whole)
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror}).", path=self._path) from error

    def write(self, report: StepReport, alarms: Sequence[Alarm]) -> None:
        """Append one step."""
        if self.last is not None and report.step <= self.last:
            return
        row = {"step": report.step, **report.metrics(), "alarms": [_plain(alarm) for alarm in alarms]}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """No file is held open."""


def read_log(path: Path) -> Iterator[StepReport]:
    """The reports of a file that `JsonLines` wrote; half a line at its end is left out.

    Such logs of healthy runs are what `calibrate` asks for.
    """
    lines = path.read_bytes()[: _whole_lines(path)].splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line.decode("utf-8"))
            figures = {name: float(value) for name, value in row.items() if name not in ("step", "alarms")}
            yield report_of(int(row["step"]), figures)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            problem = f"not a line of a watch's log ({shorten(error)})."
            raise InputError(problem, path=path, row=number, remedy="Name a file that --jsonl wrote.") from error


class TensorBoard:
    """Scalars for TensorBoard, and a text for each alarm. Needs torch and tensorboard."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - neither is in the core install
        except ImportError as error:
            raise InputError("TensorBoard is not installed.", remedy="pip install tensorboard torch") from error
        self._writer: Any = SummaryWriter(str(folder))

    def write(self, report: StepReport, alarms: Sequence[Alarm]) -> None:
        """One point for each figure."""
        for name, value in report.metrics().items():
            self._writer.add_scalar(name, value, report.step)
        for alarm in alarms:
            self._writer.add_text(f"alarm/{alarm.signal}", str(alarm), report.step)
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._writer.close()


class Tracker:
    """trackio or wandb, which are called alike: the run that is open, or one of its own.

    Points are put at the report's own step by a metric of that name, as a trainer counts the tracker's steps by itself.
    """

    def __init__(self, name: str, project: str = "culpa") -> None:
        try:
            self._module: Any = importlib.import_module(name)
        except ImportError as error:
            raise InputError(f"{name} is not installed.", remedy=f"pip install {name}") from error
        self._own = getattr(self._module, "run", None) is None
        if self._own:
            self._module.init(project=project)

    def write(self, report: StepReport, alarms: Sequence[Alarm]) -> None:
        """Log one step."""
        raised = {f"alarm/{alarm.signal}": alarm.score for alarm in alarms}
        self._module.log({"watch/step": report.step, **report.metrics(), **raised})

    def close(self) -> None:
        """End the run where it is the watch's own."""
        if self._own:
            self._module.finish()


def _plain(alarm: Alarm) -> dict[str, object]:
    """JSON has no NaN and no infinity."""
    values = asdict(alarm).items()
    return {name: None if isinstance(value, float) and value - value != 0 else value for name, value in values}


def _whole_lines(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    if not path.exists():
        return 0
    try:
        return path.read_bytes().rfind(b"\n") + 1
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", path=path, remedy="Name a file.") from error
