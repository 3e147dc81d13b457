"""`culpa sample`: what a language model says to prompts, as rollouts with log-probabilities and features."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from culpa._version import __version__
from culpa.cli import source as s
from culpa.cli.convert import summary
from culpa.cli.progress import telling
from culpa.cli.score import Clock, Workers, alone, then, throughput
from culpa.cli.screen import check_target, printing, say
from culpa.cli.settings import Config, keep
from culpa.engines import engine as engine_of
from culpa.errors import InputError
from culpa.rollouts import Rollouts, inputs_of, write

if TYPE_CHECKING:
    from culpa.lm.collect import Plan, Policy
    from culpa.lm.parts import Keep
    from culpa.lm.prompts import Prompts
    from culpa.lm.score import Progress

FREE = ("output", "restart", "batch", "device", "engine", "processes", "address")  # what changes no output
EXAMPLE = "Example: culpa sample my-model prompts.jsonl --samples 8 --output rollouts.parquet"


class Features(StrEnum):
    """What is recorded of the policy's own representation."""

    both = "both"
    hidden = "hidden"
    none = "none"


Model = Annotated[str, typer.Argument(help="Causal language model: folder or hub name.", show_default=False)]
PromptFile = Annotated[
    Path, typer.Argument(help="Prompts: JSON lines, JSON, Parquet, CSV, or a line of text each.", show_default=False)
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Tokens that an output may have.")]
Temperature = Annotated[float, typer.Option(min=0.0, help="Of sampling, and of the log-probabilities.")]
Chat = Annotated[bool, typer.Option("--chat", help="Wrap text prompts in the model's chat template.")]
Device = Annotated[str, typer.Option(help="Where models run: auto, cpu, cuda or cuda:N.")]
Dtype = Annotated[str, typer.Option(help="Of models: auto, float32, bfloat16 or float16.")]


def command(
    context: typer.Context,
    model: Model,
    prompts: PromptFile,
    output: Annotated[Path, typer.Option(help="Parquet or JSON-lines file to write.", show_default=False)],
    samples: Annotated[int, typer.Option(min=1, help="Outputs of each prompt.")] = 8,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="Draw from so many tokens; 0: all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens of so much mass.")] = 1.0,
    features: Annotated[Features, typer.Option(help="Hidden mean and gradient sketch, the mean alone, or none.")] = (
        Features.both
    ),
    prompt: s.Prompt = None,
    prompt_id: s.PromptId = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first prompts only.", show_default=False)] = None,
    chat: Chat = False,
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Outputs that are drawn together.")] = 64,
    restart: Annotated[bool, typer.Option("--restart", help="Begin again instead of going on.")] = False,
    engine: s.Engine = s.Where.local,
    processes: Workers = 1,
    address: s.Address = None,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Draw outputs of a model. A run that was stopped goes on where it stopped."""
    needed()
    from culpa.lm.collect import Plan  # noqa: PLC0415 - the other verbs do without
    from culpa.lm.features import Sketch  # noqa: PLC0415
    from culpa.lm.generate import Sampling  # noqa: PLC0415
    from culpa.lm.pool import policy  # noqa: PLC0415
    from culpa.lm.prompts import read_prompts  # noqa: PLC0415

    check_target(output)
    where = engine_of(engine.value, processes=processes, address=address)
    if output.suffix.lower() not in (".parquet", ".jsonl"):
        raise InputError("cannot write this kind of file.", path=output, remedy="Use .parquet or .jsonl.")
    how = Sampling(temperature, max_tokens, top_k, top_p, batch).check()
    sketch = {"both": Sketch(), "hidden": Sketch(rank=0), "none": None}[features.value]
    asked = read_prompts(prompts, column=prompt, id_column=prompt_id)
    asked = asked.take(range(min(limit or len(asked.ids), len(asked.ids))))
    asked = asked.as_chats() if chat else asked
    plan = Plan(samples, how, seed, sketch)
    place = _place(context, prompts, model, output, restart)
    found = _drawn(policy(model, where, device=device, dtype=dtype), asked, plan, place)
    write(found, output)
    _clear(output)
    with printing():
        typer.echo(summary(found, output))
    say(f"written: {output}, {keep(s.arguments(context), output)}")


def needed() -> None:
    """Language models are an extra."""
    try:
        import transformers  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        problem = "language models need torch and transformers, which are not installed."
        raise InputError(problem, remedy="pip install 'culpa[hf]'") from error


def _drawn(policy: "Policy", prompts: "Prompts", plan: "Plan", place: "Keep") -> Rollouts:
    """The rollouts, and a line on how fast they came."""
    from culpa.lm.collect import sample  # noqa: PLC0415 - the other verbs do without
    from culpa.lm.score import Progress  # noqa: PLC0415

    with telling() as tell:
        tell("loading the model")
        last, clock = [Progress(0, len(prompts.ids) * plan.samples)], Clock()
        if alone(policy.engine):
            policy = policy._replace(opening=partial(then, policy.opening, clock.start))
        found = sample(policy, prompts, plan, keep=place, tell=telling_of(tell, last, clock))
        seconds = clock.seconds()
    say(throughput("drawn", last[0], seconds, loading=not alone(policy.engine)))
    return found


def telling_of(tell: Callable[[str], None], last: list["Progress"], clock: Clock) -> Callable[["Progress"], None]:
    """What says how far it is, and keeps the last that was said."""

    def told(seen: "Progress") -> None:
        last[0] = seen
        speed = f", {seen.tokens / clock.seconds():,.0f} tokens a second" if seen.fresh else ""
        tell(f"{seen.outputs:,} of {seen.total:,} outputs{speed}")

    return told


def _place(context: typer.Context, prompts: Path, model: str, output: Path, restart: bool) -> "Keep":
    """Where finished blocks are kept, and all that decides them."""
    from culpa.lm.open import Spec, Way, identity  # noqa: PLC0415 - the other verbs do without
    from culpa.lm.parts import Keep, parts_folder  # noqa: PLC0415

    given: dict[str, Any] = s.arguments(context)
    told = {name: value for name, value in given.items() if name not in FREE}
    known = [[one.bytes, one.sha256] for one in inputs_of(prompts)] if prompts.suffix != ".txt" else prompts.read_text()
    who = identity(Spec("policy", "logprob", model), Way())
    return Keep(parts_folder(output), {**told, "culpa": __version__, "prompts_file": known, **who}, restart)


def _clear(output: Path) -> None:
    from culpa.lm.parts import clear, parts_folder  # noqa: PLC0415 - the other verbs do without

    clear(parts_folder(output))
