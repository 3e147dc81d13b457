"""Signal Reshaping for GRPO (2605.07276), on a language model: layers between failure and success, and valid runs.

Claim: where success is rare, a reward in layers, fails < passes the checker < is right, trains faster than success
alone, and what the checker sees is not enough; runs that the infrastructure ended have to leave their group.

Experiment: a Llama-type model of 130,000 weights is taught by a teacher who says the letters of a question in any
order, sometimes sorted and sometimes with another letter in between. Sorted is right; the checker sees only whether a
response has the letters of the question. GRPO, 24 prompts of 8 outputs a step; success is that of drawn outputs on
held-out prompts. Then right outputs time out with chance .6, wrong ones with .12, and a time-out scores -1, or is no
verdict.

Departures: 1. a tiny model on one task of its own; no code is repaired. 2. tier values are not public: 0, .3, 1.
3. step scores are not tested here.

A first design could not test the layers, and its figures are no evidence either way: its teacher sorted, and of the
outputs only .003 had the right letters in a wrong order (.063 were right), so that success, layers and the checker
alone were nearly the same reward. All three ended at .13. The thresholds are those of that design.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from culpa.labs.tinylm.tasks import Task, sort
from culpa.papers import tiny_runs
from culpa.papers.outcome import Check, Outcome, Size
from culpa.papers.tiny_runs import Array, Course, plain
from culpa.signals import Transform, apply, center, chain, divide_std
from culpa.signals.draws import drawn
from culpa.signals.gates import layered, only_valid
from culpa.signals.transform import Group

if TYPE_CHECKING:
    from culpa.lm.score import Scorer

SORTED, SLIPS = 0.1, 0.1  # chances that the teacher sorts, and of another letter in place of each
LETTERS, WORD = "abcdef", 4
LAYERS: dict[str, tuple[float, float, float]] = {  # fails, passes the checker, is right
    "success": (0.0, 0.0, 1.0),
    "layers": (0.0, 0.3, 1.0),
    "checker": (0.0, 1.0, 1.0),
}
TIMEOUT = 0.6, 0.12  # of right and wrong runs
LESSONS = {"full": 300, "quick": 5}  # of pretraining
STEPS, SEEDS = {"full": 40, "quick": 3}, {"full": 3, "quick": 1}

# Thresholds, set before the first run of all steps
FASTER = 1.2  # times the gain of success alone
LOST = 0.5  # of the gain of the layers is missed by the checker
KEPT = 0.5  # of the gain without time-outs


def task() -> Task:
    """Letters to be sorted, and a teacher who mostly does not."""

    def teach(rng: np.random.Generator, answer: str) -> str:
        said = answer if rng.random() < SORTED else "".join(answer[i] for i in rng.permutation(len(answer)))
        return "".join(LETTERS[int(rng.integers(len(LETTERS)))] if rng.random() < SLIPS else one for one in said)

    return replace(sort(WORD, len(LETTERS)), demonstrate=teach)


TASK = task()


@tiny_runs.tiny()
def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """Success at the start and after training, by reward and seed."""
    lm = tiny_runs.taught(TASK, LESSONS[size])
    told = {name: checked(worth) for name, worth in LAYERS.items()}
    grpo = chain(center(), divide_std())
    ways = {
        **{name: (told[name], grpo) for name in LAYERS},
        **{f"time-outs {name}": (told["success"], chain(timed_out(name), grpo)) for name in ("masked", "-1")},
    }
    rows: list[dict[str, Any]] = []
    for _ in range(SEEDS[size]):
        course = Course(STEPS[size], seed=int(rng.integers(1 << 31)))
        for name, (reward, advantage) in ways.items():
            after = tiny_runs.trained(lm, TASK, reward, advantage, course)
            rows.append({"name": name, "success": tiny_runs.chance_of_answer(after, TASK, 256)})
    return Outcome(0, {"steps": STEPS[size], "start": tiny_runs.chance_of_answer(lm, TASK, 256), "runs": rows})


def checked(worth: tuple[float, float, float]) -> "Scorer":
    """The reward of these layers: an output's letters are checked first, then their order."""
    from culpa.labs.tinylm.ask import scorer  # noqa: PLC0415 - torch is an extra

    return scorer(lambda prompts, responses, answers: layers(responses, answers, worth))  # noqa: ARG005


def layers(responses: Sequence[str], answers: Sequence[str], worth: tuple[float, float, float]) -> Array:
    """The worth of n outputs."""
    known = [sorted(one) == sorted(answer) for one, answer in zip(responses, answers, strict=True)]
    gates = np.array([known, TASK.exact(answers, responses)], dtype=np.float64)
    return np.asarray(apply(layered(*worth), gates[:, None, :])[0])


def timed_out(name: str) -> Transform:
    """Runs that time out by chance: no verdict if "masked", else that number."""

    def act(signal: Array, group: Group, rng: np.random.Generator) -> Array:
        ran = rng.random(signal.shape) >= np.where(signal > 0.5, *TIMEOUT)
        return apply(only_valid(ran), signal, group) if name == "masked" else np.where(ran, signal, float(name))

    return drawn(act, "a time-out")


def holds(outcome: Outcome) -> list[Check]:
    """Gains of success, and of what the checker alone and time-outs make of it."""
    start = outcome.data["start"]
    names = dict.fromkeys(row["name"] for row in outcome.data["runs"])
    ends = {name: [row["success"] for row in outcome.data["runs"] if row["name"] == name] for name in names}
    gain = {name: float(np.mean(found)) - start for name, found in ends.items()}
    text = {name: f"success {start:.3f} to {plain(found)}" for name, found in ends.items()}
    masked, scored = "time-outs masked", "time-outs -1"
    return [
        Check(
            "layers are faster than success alone",
            f"{text['layers']}, {plain(ends['success'])}",
            gain["layers"] > max(FASTER * gain["success"], 0.0),
        ),
        Check(
            "control: the checker alone does not get there",
            text["checker"],
            gain["checker"] < (1.0 - LOST) * gain["layers"],
            control=True,
        ),
        Check(
            "time-outs masked, it trains",
            f"{text[masked]}, without {plain(ends['success'])}",
            gain[masked] > max(KEPT * gain["success"], 0.0),
        ),
        Check("control: scored -1, it unlearns", text[scored], max(ends[scored]) < start, control=True),
    ]
