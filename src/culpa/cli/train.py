"""`culpa train`: the policy gradient on a language model, with a diary that `culpa audit` reads; and micro-runs."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from culpa.cli import source as s
from culpa.cli.progress import telling
from culpa.cli.sample import Chat, Device, Dtype, MaxTokens, Model, PromptFile, Temperature, needed
from culpa.cli.screen import check_target, printing, say
from culpa.cli.settings import Config, keep
from culpa.errors import InputError, shorten
from culpa.report.section import Section, Table
from culpa.report.terminal import print_sections
from culpa.rollouts import inputs_of, write_text
from culpa.signals import parse

if TYPE_CHECKING:
    from culpa.lm.open import Spec, Way
    from culpa.lm.prompts import Prompts
    from culpa.lm.score import Scorer
    from culpa.training.loop import Step
    from culpa.training.micro import Micro
    from culpa.training.settings import TrainSettings

EXAMPLE = "Example: culpa train my-model prompts.jsonl --reward unit=rewards.py:score --learner grpo:8 --output run"

Rewards = Annotated[
    list[str],
    typer.Option(
        "--reward",
        help="NAME=SPEC as of `culpa score`. The first is trained on, further ones are looked at (repeat).",
        show_default=False,
    ),
]
_LOOKS = 5  # steps whose mean stands for the beginning, and for the end


def command(
    context: typer.Context,
    model: Model,
    prompts: PromptFile,
    reward: Rewards,
    output: Annotated[Path, typer.Option(help="Folder of the run.", show_default=False)],
    truth: Annotated[
        str | None, typer.Option(help="SPEC of the truth: looked at, never trained on.", show_default=False)
    ] = None,
    learner: Annotated[str, typer.Option("--learner", help="reinforce, rloo:K, grpo:K or ppo:EPOCHS.")] = "grpo:8",
    group: Annotated[int | None, typer.Option(min=2, help="Outputs of a prompt.", show_default=False)] = None,
    kl: s.KlWeight = 0.0,
    signal: Annotated[
        str | None, typer.Option(help="What is done to rewards, as 'par | clip:3'.", show_default=False)
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the run.")] = 100,
    step_prompts: Annotated[int, typer.Option(min=1, help="Prompts of a step.")] = 16,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-6,
    decay: Annotated[bool, typer.Option("--decay", help="Let the rate fall to 0 in a straight line.")] = False,
    warmup: Annotated[int, typer.Option(min=0, help="Steps until the full rate.")] = 0,
    reduction: Annotated[
        str | None, typer.Option(help="token, sequence, sum or constant:LENGTH; as usual.", show_default=False)
    ] = None,
    max_norm: Annotated[float, typer.Option(help="Norm above which a gradient is scaled down.")] = 1.0,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 1.0,
    micro: Annotated[
        float | None,
        typer.Option(help="Share of the run: try every --reward so far and rank them by --truth.", show_default=False),
    ] = None,
    micro_batch: Annotated[int, typer.Option(min=1, help="Outputs in a forward pass.")] = 64,
    answer: Annotated[str | None, typer.Option(help="Column of the reference answer.", show_default=False)] = None,
    prompt: s.Prompt = None,
    prompt_id: s.PromptId = None,
    chat: Chat = False,
    save_every: Annotated[int, typer.Option(min=0, help="Steps between checkpoints; 0: at the end.")] = 50,
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    restart: Annotated[bool, typer.Option("--restart", help="Begin again instead of going on.")] = False,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Train a model on a reward. A run that was stopped goes on to the same result; torchrun shares it among processes.

    The folder holds `rollouts/` (for `culpa audit` and `culpa watch`), `metrics.jsonl`, a checkpoint, and `model/`.
    """
    needed()
    from culpa.lm.generate import Sampling  # noqa: PLC0415 - the other verbs do without
    from culpa.lm.open import Way  # noqa: PLC0415
    from culpa.lm.prompts import read_prompts  # noqa: PLC0415
    from culpa.training.settings import TrainSettings, trainable  # noqa: PLC0415

    check_target(output, folder=True)
    how = trainable(learner, group).with_kl(kl)
    settings = TrainSettings(
        how if signal is None else how.with_signal(parse(signal), signal),
        steps=steps, prompts=step_prompts, rate=rate, decay=decay, warmup=warmup, reduction=reduction, most=max_norm,
        sampling=Sampling(temperature, max_tokens), micro=micro_batch, seed=seed, save_every=save_every,
    )  # fmt: skip
    asked = read_prompts(prompts, column=prompt, id_column=prompt_id)
    asked = asked.as_chats() if chat else asked
    way = Way(device=device, dtype=dtype, answer=answer, chat=True)
    specs = specs_of(reward, truth)
    if micro is not None:
        _micro(model, asked, (specs, way), settings.shortened(micro), output)
    else:
        mark = fingerprint(model, prompts, specs, way)
        _train(model, asked, (specs, way), settings, (output, mark, restart))
    if leads():
        say(f"written: {output}, {keep(s.arguments(context), output / 'run')}")


def leads() -> bool:
    """Whether this process talks: under torchrun the first one does.

    >>> leads()
    True
    """
    return os.environ.get("RANK", "0") == "0"


def specs_of(rewards: Sequence[str], truth: str | None) -> list["Spec"]:
    """The rewards in their order, the truth behind them."""
    from culpa.lm.open import parse_spec  # noqa: PLC0415 - the other verbs do without

    specs = [parse_spec(text) for text in rewards]
    specs += [] if truth is None else [parse_spec(f"truth={truth}")]
    names = [one.name for one in specs]
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        remedy = "Give each a name of its own; `truth` is what --truth names."
        raise InputError(f"two rewards are called {shorten(twice[0])!r}.", remedy=remedy)
    return specs


def fingerprint(model: str, prompts: Path, specs: Sequence["Spec"], way: "Way") -> str:
    """What a run is made from, in a few letters: another policy, another reward, and a checkpoint is not taken up."""
    from culpa.lm.open import Spec, identity  # noqa: PLC0415 - the other verbs do without

    told = [identity(one, way) for one in (Spec("policy", "logprob", model), *specs)]
    read = prompts.read_text() if prompts.suffix == ".txt" else [one.sha256 for one in inputs_of(prompts)]
    return hashlib.sha256(json.dumps([told, read], default=str).encode()).hexdigest()[:16]


@contextmanager
def scorers_of(specs: Sequence["Spec"], way: "Way") -> Iterator[dict[str, "Scorer"]]:
    """All scorers, ready to be asked."""
    from culpa.lm.open import opened  # noqa: PLC0415 - the other verbs do without

    with ExitStack() as stack:
        yield {one.name: stack.enter_context(opened(one, way)) for one in specs}


def _train(
    model: str,
    prompts: "Prompts",
    asked: tuple[Sequence["Spec"], "Way"],
    settings: "TrainSettings",
    where: tuple[Path, str, bool],
) -> None:
    from culpa.lm.model import load  # noqa: PLC0415 - the other verbs do without
    from culpa.training.run import Place, train  # noqa: PLC0415
    from culpa.training.world import leave  # noqa: PLC0415

    seen: list[Step] = []
    with telling() as tell, scorers_of(*asked) as scorers:
        tell("loading the model")
        policy = load(model, device=asked[1].device, dtype=asked[1].dtype)

        def told(step: "Step") -> None:
            seen.append(step)
            truth = f", truth {step.metrics['truth']:.3g}" if "truth" in step.metrics else ""
            tell(f"step {step.number + 1} of {settings.steps}: reward {step.metrics['reward']:.3g}{truth}")

        train(policy, prompts, scorers, settings, place=Place(*where), listeners=[told])
    leave()
    if seen and leads():
        with printing():
            print_sections([course(seen)])


def course(steps: Sequence["Step"]) -> Section:
    """What became of the numbers: their means over the first and the last steps of this call."""
    names = [name for name in steps[0].metrics if not name.startswith(("loss/", "learning_rate"))]
    count = min(_LOOKS, len(steps))
    rows = []
    for name in names:
        first, last = (
            sum(step.metrics.get(name, float("nan")) for step in some) / count
            for some in (steps[:count], steps[-count:])
        )
        rows.append((name, f"{first:.4g}", f"{last:.4g}"))
    first_last = (f"first {count} steps", f"last {count} steps")
    return Section(
        f"Steps {steps[0].number + 1} to {steps[-1].number + 1}", table=Table(("", *first_last), tuple(rows))
    )


def _micro(
    model: str,
    prompts: "Prompts",
    asked: tuple[Sequence["Spec"], "Way"],
    settings: "TrainSettings",
    output: Path,
) -> None:
    from culpa.lm.model import load  # noqa: PLC0415 - the other verbs do without
    from culpa.training.micro import Examiner, micro_runs  # noqa: PLC0415

    specs, way = asked
    if specs[-1].name != "truth" or len(specs) < 2:
        raise InputError("micro-runs are ranked by the truth.", remedy="Give --truth SPEC, and a --reward to try.")
    with telling() as tell, scorers_of(specs, way) as scorers:
        truth = scorers.pop("truth")
        shown = prompts.take(range(min(256, len(prompts.ids))))
        examiner = Examiner(shown, truth, load(model, device=way.device, dtype=way.dtype), settings.sampling)
        found = micro_runs(
            lambda: load(model, device=way.device, dtype=way.dtype), prompts, scorers, settings, examiner, tell
        )
    output.mkdir(parents=True, exist_ok=True)
    told = [_plain(one) for one in found]
    write_text(json.dumps({"steps": settings.steps, "ranking": told}, indent=1) + "\n", output / "micro.json")
    with printing():
        print_sections([ranking(found, settings.steps)])


def ranking(found: Sequence["Micro"], steps: int) -> Section:
    """The rewards, best truth first."""
    rows = tuple(
        (
            one.reward,
            f"{one.gain:+.4f}",
            f"{one.low:+.4f} .. {one.high:+.4f}",
            f"{one.after.kl:.3g}",
            f"{one.after.length:.1f}",
        )
        for one in found
    )
    headers = ("reward", "rise of the truth", "95 %", "KL", "tokens")
    return Section(f"Micro-runs of {steps} steps", table=Table(headers, rows))


def _plain(one: "Micro") -> dict[str, Any]:
    named = {"reward": one.reward, "gain": one.gain, "low": one.low, "high": one.high}
    numbers = named | {"kl": one.after.kl, "length": one.after.length}
    return {name: None if isinstance(value, float) and isnan(value) else value for name, value in numbers.items()}
