"""`culpa score`: outputs scored by reward models, reward functions, reward servers and judges."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from culpa._version import __version__
from culpa.cli import source as s
from culpa.cli.convert import summary
from culpa.cli.progress import telling
from culpa.cli.screen import check_target, printing, say
from culpa.cli.settings import Config, keep
from culpa.engines import Engine, Local
from culpa.engines import engine as engine_of
from culpa.errors import InputError, shorten
from culpa.probing.load import load
from culpa.rollouts import Options, Rollouts, inputs_of, write
from culpa.rollouts.naming import listing

if TYPE_CHECKING:
    from culpa.lm.open import Spec, Way
    from culpa.lm.parts import Keep
    from culpa.lm.score import Pool, Progress

T = TypeVar("T")
EXAMPLE = "Example: culpa score rollouts.parquet --with exact=culpa.verifiers:exact --output scored.parquet"
SUFFIXES = (".parquet", ".jsonl", ".csv")

With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="NAME=SPEC (repeat). SPEC is a reward model (folder or hub name), file.py:function or module:function, "
        "http://HOST (OpenRLHF's reward server), or judge:http://HOST#MODEL (OpenAI's chat protocol).",
        show_default=False,
    ),
]
Logprob = Annotated[
    str | None,
    typer.Option("--logprob", help="Model whose log-probability of each output is taken.", show_default=False),
]
Workers = Annotated[
    int,
    typer.Option(
        "--processes",
        min=1,
        help="Processes of the engine, a model each. They take several GPUs in turn, and share a single one.",
    ),
]


def command(
    context: typer.Context,
    files: s.Files,
    output: Annotated[Path, typer.Option(help="Parquet, JSON-lines or CSV file to write.", show_default=False)],
    scores: With = None,
    logprob: Logprob = None,
    truth: s.Truth = None,
    join: s.Join = None,
    prompt_id: s.PromptId = None,
    prompt: s.Prompt = None,
    response: s.Response = None,
    weight: s.Weight = None,
    length: s.Length = None,
    reader: s.Reader = None,
    group_size: s.GroupSize = None,
    answer: Annotated[str | None, typer.Option(help="Column of the reference answer.", show_default=False)] = None,
    device: Annotated[str, typer.Option(help="Where models run: auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="Of models: auto, float32, bfloat16 or float16.")] = "auto",
    batch_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens that a model reads at a time (CPU: 2048, else 16384).", show_default=False),
    ] = None,
    chat: Annotated[
        bool | None,
        typer.Option(
            "--chat/--no-chat", help="Use a model's chat template (reward models: if there is one).", show_default=False
        ),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(help="Signature of functions: trl, trl-chat, verl, openrlhf, ...", show_default=False),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that a call may take (functions: 10, servers: 180).", show_default=False),
    ] = None,
    memory: Annotated[int, typer.Option(help="MiB that a function may take; 0: no limit.")] = 4096,
    threads: Annotated[int, typer.Option(min=1, help="Requests to a server at a time.")] = 8,
    tries: Annotated[int, typer.Option(min=1, help="Tries of a request before it is given up.")] = 5,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable with the server's key.", show_default=False)
    ] = None,
    judge_template: Annotated[
        Path | None, typer.Option(help="Text with {prompt}, {response}, {COLUMN}.", show_default=False)
    ] = None,
    judge_pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression of the score in a judge's reply, or json:KEY.", show_default=False),
    ] = None,
    judge_tokens: Annotated[int, typer.Option(min=1, help="Tokens that a judge may say.")] = 1024,
    block: Annotated[int, typer.Option(min=1, help="Outputs between two writes to disk.")] = 512,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again instead of going on.")] = False,
    engine: s.Engine = s.Where.local,
    processes: Workers = 1,
    address: s.Address = None,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Score given outputs. A run that was stopped goes on where it stopped; no score is NaN with a reason, never 0."""
    from culpa.lm.open import Judging, Way, template_of  # noqa: PLC0415 - the other verbs do without

    _check(output)
    where = engine_of(engine.value, processes=processes, address=address)
    judging = Judging(template_of(judge_template), judge_pattern or Judging().pattern, judge_tokens)
    way = Way(
        device, dtype, batch_tokens, chat, answer, style, timeout, memory, threads, tries, key_env, judging
    )  # fmt: skip
    specs = _specs(scores, logprob, way)
    names = s.names_of(prompt_id=prompt_id, prompt=prompt, response=response, weight=weight, length=length)
    options = s.options_of(join, reader, group_size, None)
    rollouts = load(files, truth, names, options)
    _refuse_taken(specs, rollouts)
    made_from = {"culpa": __version__, "block": block, "columns": names, "inputs": _hashes(files, options)}
    with _room(output, made_from, restart=restart) as room:
        for spec in specs:
            rollouts = _added(rollouts, spec, way, room(spec, way), block, where)
        write(rollouts, output)
    with printing():
        typer.echo(summary(rollouts, output))
    say(f"written: {output}, {keep(s.arguments(context), output)}")


def throughput(name: str, seen: "Progress", seconds: float, *, loading: bool = False) -> str:
    """How much was scored how fast, in one line; `loading`: it took part of the time.

    >>> from culpa.lm.score import Progress
    >>> throughput("rm", Progress(100, 100, 60, 1200), 2.0)
    'rm: 60 outputs in 2.0 s, 30 outputs/s, 600 tokens/s; 40 from an earlier run'
    """
    rate = 1 / max(seconds, 1e-9)
    took = f"{seconds:,.1f} s{' with loading' if loading else ''}"
    parts = [f"{seen.fresh:,} outputs in {took}, {seen.fresh * rate:,.0f} outputs/s"]
    parts += [f"{seen.tokens * rate:,.0f} tokens/s"] if seen.tokens else []
    before = seen.outputs - seen.fresh
    earlier = f"; {before:,} from an earlier run" if before else ""
    return f"{name}: {', '.join(parts)}{earlier}"


def _check(output: Path) -> None:
    check_target(output)
    if output.suffix.lower() not in SUFFIXES:
        raise InputError("cannot write this kind of file.", path=output, remedy=f"Use {', '.join(SUFFIXES)}.")


def _specs(scores: list[str] | None, logprob: str | None, way: "Way") -> list["Spec"]:
    from culpa.lm.open import Spec, check_spec, parse_spec  # noqa: PLC0415 - the other verbs do without

    specs = [parse_spec(text) for text in scores or []]
    specs += [Spec("logprob", "logprob", logprob)] if logprob else []
    if not specs:
        raise InputError("there is nothing to score with.", remedy="Give --with NAME=SPEC, or --logprob MODEL.")
    twice = [one.name for number, one in enumerate(specs) if one.name in [other.name for other in specs[:number]]]
    if twice:
        raise InputError(f"two scores are called {shorten(twice[0])!r}.", remedy="Give each a name of its own.")
    for spec in specs:
        check_spec(spec, way)
    return specs


def _refuse_taken(specs: list["Spec"], rollouts: Rollouts) -> None:
    taken = [one.name for one in specs if one.kind != "logprob" and one.name in rollouts.proxies]
    if taken:
        problem = f"the rollouts have a score called {shorten(taken[0])!r} already."
        raise InputError(problem, remedy=f"Choose another name. Taken: {listing(list(rollouts.proxies))}.")


def alone(engine: Engine) -> bool:
    """Whether the work is done in this process."""
    return isinstance(engine, Local) and engine.processes == 1


@contextmanager
def then(opening: Callable[[], AbstractContextManager[T]], begin: Callable[[], None]) -> "Iterator[T]":
    """What is opened; `begin` is called once it is."""
    with opening() as opened:
        begin()
        yield opened


class Clock:
    """The seconds since it was started; loading a model in this process does not count."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self.began = time.monotonic()

    def seconds(self) -> float:
        """So many since then."""
        return max(time.monotonic() - self.began, 1e-9)


def _added(rollouts: Rollouts, spec: "Spec", way: "Way", parts: "Keep", block: int, engine: Engine) -> Rollouts:
    """The record with the scores of one spec, and a line on how it went."""
    from culpa.lm.pool import scorers  # noqa: PLC0415 - the other verbs do without
    from culpa.lm.score import Progress, reasons_told, score, with_logprob  # noqa: PLC0415

    last, clock = [Progress(0, rollouts.size)], Clock()
    name = shorten(spec.name, 40)
    with telling() as tell:
        tell(f"{name}: loading")

        def told(seen: "Progress") -> None:
            last[0] = seen
            speed = f", {seen.fresh / clock.seconds():,.0f} a second" if seen.fresh else ""
            tell(f"{name}: {seen.outputs:,} of {seen.total:,} outputs{speed}")

        pool: Pool = scorers(spec, way, engine)
        if alone(engine):
            pool = pool._replace(opening=partial(then, pool.opening, clock.start))
        if spec.kind == "logprob":
            rollouts = with_logprob(rollouts, pool, spec.source, keep=parts, block=block, tell=told)
        else:
            rollouts = score(rollouts, pool, spec.name, keep=parts, block=block, tell=told)
        seconds = clock.seconds()
    say(throughput(spec.name, last[0], seconds, loading=not alone(engine)))
    missing = reasons_told(rollouts, spec.name if spec.kind != "logprob" else None)
    if missing:
        say(f"{spec.name}: {missing}")
    return rollouts


@contextmanager
def _room(output: Path, made_from: dict[str, Any], *, restart: bool) -> "Iterator[Callable[[Spec, Way], Keep]]":
    """Where the parts of each score are kept until all is written; whatever stops the work, they stay."""
    from culpa.lm.open import folder_of, identity  # noqa: PLC0415 - the other verbs do without
    from culpa.lm.parts import Keep, clear, parts_folder  # noqa: PLC0415

    folders: list[Path] = []

    def room(spec: "Spec", way: "Way") -> "Keep":
        folders.append(folder_of(parts_folder(output), spec))
        return Keep(folders[-1], {**made_from, **identity(spec, way)}, restart)

    yield room
    for folder in folders:
        clear(folder)


def _hashes(files: list[str], options: Options) -> list[list[Any]]:
    return [[one.bytes, one.sha256] for one in inputs_of(files, options)]
