"""Implicit Compression Regularization (2605.07316), on a language model: pulled towards the shortest correct output.

Claim: where long outputs are the wrong ones, cloning the shortest correct output of every group makes outputs shorter
than GRPO does, without a penalty on length and without a loss of accuracy.

Experiment: a Llama-type model of 130,000 weights is taught to think in up to 16 dots before it names the smallest
letter of a question; the teacher is right most often after 3 dots, and less often the longer it thinks on. GRPO, 24
prompts of 8 outputs a step. Accuracy and length are of drawn outputs on held-out prompts. Control: the longest correct.

Departures: 1. a tiny model on one task of its own, none of the paper's backbones. 2. form and strength (.1) of the
regulariser are inferred from its description. 3. underthinking is not tested here.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from culpa.labs.tinylm.tasks import Questions, Task
from culpa.metrics.lengths import length_accuracy
from culpa.papers import tiny_runs
from culpa.papers.outcome import Check, Outcome, Size
from culpa.papers.tiny_runs import Course, plain
from culpa.signals import Transform, center, chain, divide_std
from culpa.signals.selected import add_selected

if TYPE_CHECKING:
    from culpa.lm.model import LanguageModel

LETTERS, WORD, LONGEST, BEST = "abcdefghij", 4, 16, 3
MIDDLE, WIDTH = 9.0, 4.0  # of the teacher's numbers of dots
WEAK = 0.1
LESSONS = {"full": 400, "quick": 5}  # of pretraining
STEPS, SEEDS = {"full": 40, "quick": 2}, {"full": 3, "quick": 1}

# Thresholds, set before the first run of all steps
SHORTER = 1.0  # tokens
LOST = 0.03  # of accuracy, at the most


def chance(dots: float) -> float:
    """That the teacher names the right letter after so many dots, rather than any."""
    return 0.9 * dots / BEST if dots <= BEST else 0.9 - 0.05 * (dots - BEST)


def task() -> Task:
    """Questions of four letters; a response is right if a letter stands behind its dots, and it is the smallest."""

    def pose(rng: np.random.Generator, n: int) -> Questions:
        words = ["".join(LETTERS[i] for i in row) for row in rng.integers(len(LETTERS), size=(n, WORD))]
        return Questions(tuple(f"{word}=" for word in words), tuple(min(word) for word in words))

    def teach(rng: np.random.Generator, answer: str) -> str:
        dots = int(np.clip(round(rng.normal(MIDDLE, WIDTH)), 0, LONGEST))
        named = answer if rng.random() < chance(dots) else LETTERS[int(rng.integers(len(LETTERS)))]
        return "." * dots + named

    def parts(answer: str, response: str) -> tuple[bool, ...]:
        return (response.lstrip(".") == answer,)

    return Task("pondered", f"{LETTERS}=.", WORD + 1, LONGEST + 1, pose, parts=parts, demonstrate=teach)


TASK = task()


def ways() -> dict[str, Transform]:
    """The advantage of each run."""
    grpo = chain(center(), divide_std())
    return {
        "GRPO": grpo,
        "shortest correct": add_selected(WEAK, advantage=grpo),
        "longest correct": add_selected(WEAK, "longest_correct", advantage=grpo),
    }


@tiny_runs.tiny()
def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """Accuracy and length at the start and after training, by advantage and seed."""
    from culpa.labs.tinylm.ask import graded  # noqa: PLC0415 - torch is an extra

    lm = tiny_runs.taught(TASK, LESSONS[size])
    rows: list[dict[str, Any]] = [{"way": "start", **found(lm)}]
    for _ in range(SEEDS[size]):
        course = Course(STEPS[size], seed=int(rng.integers(1 << 31)))
        for way, advantage in ways().items():
            rows.append({"way": way, **found(tiny_runs.trained(lm, TASK, graded(TASK), advantage, course))})
    return Outcome(0, {"steps": STEPS[size], "runs": rows})


def found(lm: "LanguageModel") -> dict[str, float]:
    """Accuracy, length in tokens, and the correlation of the two."""
    said = tiny_runs.examined(lm, TASK, 100, 10)
    right, length = np.asarray(said.truth), np.asarray(said.length)
    varied = right.min() < right.max() and length.min() < length.max()
    probe = length_accuracy(length, right) if varied else float("nan")
    return {"accuracy": float(right.mean()), "length": float(length.mean()), "probe": probe}


def holds(outcome: Outcome) -> list[Check]:
    """Accuracy and length against those of GRPO."""
    rows = outcome.data["runs"]
    runs = {way: [(row["accuracy"], row["length"]) for row in rows if row["way"] == way] for way in ("start", *ways())}
    probe = rows[0]["probe"]
    (plainly, long), (pulled, short), (_, longer) = (np.mean(runs[way], axis=0) for way in ways())
    text = {way: f"{plain([a for a, _ in ends])} at {plain([n for _, n in ends])} tokens" for way, ends in runs.items()}
    return [
        Check("the policy overthinks: the probe is negative", f"{probe:.3f}, {text['start']}", probe < 0.0),
        Check(
            "the shortest correct makes it shorter",
            f"{text['shortest correct']}, GRPO {text['GRPO']}",
            bool(long - short > SHORTER),
        ),
        Check("at no loss of accuracy", f"{pulled - plainly:+.3f}", bool(pulled > plainly - LOST)),
        Check("control: the longest correct does not", text["longest correct"], bool(longer > long), control=True),
    ]
