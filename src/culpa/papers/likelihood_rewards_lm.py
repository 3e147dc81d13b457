"""Likelihood-Based Reward Designs (2602.03979), on a language model: how likely it makes the answer after its thought.

Claim: without a verifier, the log-probability of the reference answer after a thought trains the thought, for short
answers and long ones; the probability trains it for short answers only.

Experiment: a Llama-type model of 130,000 weights is taught to think four letters, each the right one of the sorted
question or a random one, and to answer by repeating its thought with errors. It is trained on the four letters of the
thought (24 prompts of 8 outputs a step, the mean of the others as baseline) by how likely it makes a reference answer
of 4 tokens, or of 40. The truth is the share of right letters in the thought, on held-out prompts; no reward sees it.
Control: reference answers of other prompts.

Departures: 1. a tiny model on one task of its own, none of the paper's. 2. the answer's own half of the gradient,
`answer_weights`, is left out: thoughts alone are trained. 3. of the rewards the log-probability and the probability.
4. AdamW, which sees no scale of a reward until it is very small: that of 40 tokens is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from culpa.labs.tinylm.outputs import ANSWER
from culpa.labs.tinylm.tasks import Questions, Task
from culpa.papers import tiny_runs
from culpa.papers.outcome import Check, Outcome, Size
from culpa.papers.tiny_runs import Course, plain
from culpa.signals import apply, leave_one_out
from culpa.signals.likelihood import Kind, answer_likelihood

if TYPE_CHECKING:
    from culpa.lm.model import LanguageModel
    from culpa.lm.score import Scorer

LETTERS, WORD, REPEATS = "abcdef", 4, 10
THOUGHT_RIGHT, ANSWER_FAITHFUL = 0.4, 0.5  # chances of a letter, beside those of a random one
SHORT, LONG = WORD, WORD * REPEATS  # tokens of the reference answer
LESSONS = {"full": 600, "quick": 10}  # of pretraining
STEPS, SEEDS = {"full": 40, "quick": 2}, {"full": 3, "quick": 1}

# Thresholds, set before the first run of all steps
RISE = 0.2  # of the share of right letters
STILL = 0.05


def task() -> Task:
    """Questions of four letters, and the teacher's thoughts and answers; only the thought is judged."""

    def pose(rng: np.random.Generator, n: int) -> Questions:
        words = ["".join(LETTERS[i] for i in row) for row in rng.integers(len(LETTERS), size=(n, WORD))]
        return Questions(tuple(f"{word}=" for word in words), tuple("".join(sorted(word)) for word in words))

    def teach(rng: np.random.Generator, answer: str) -> str:
        thought = noisy(answer, THOUGHT_RIGHT, rng)
        return f"{thought}:{noisy(thought * REPEATS, ANSWER_FAITHFUL, rng)}"

    return Task("thoughts", f"{LETTERS}=:", WORD + 1, LONG + WORD + 1, pose, share=1.0, demonstrate=teach)


def noisy(text: str, right: float, rng: np.random.Generator) -> str:
    """Every letter kept with this chance, else drawn anew."""
    kept, drawn = rng.random(len(text)) < right, rng.integers(len(LETTERS), size=len(text))
    return "".join(one if keep else LETTERS[i] for one, keep, i in zip(text, kept, drawn, strict=True))


TASK = task()


@tiny_runs.tiny()
def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """The share of right letters in thoughts before and after training, by reward and length of the answer."""
    lm = tiny_runs.taught(TASK, LESSONS[size])
    ways: dict[str, tuple[int, Kind, bool]] = {
        "log-probability of 4": (SHORT, "logprob", False),
        "log-probability of 40": (LONG, "logprob", False),
        "probability of 4": (SHORT, "probability", False),
        "probability of 40": (LONG, "probability", False),
        "of other prompts": (LONG, "logprob", True),
    }
    rows: list[dict[str, Any]] = []
    for _ in range(SEEDS[size]):
        course = Course(STEPS[size], seed=int(rng.integers(1 << 31)), tokens=WORD)
        for name, (length, kind, other) in ways.items():
            policy = tiny_runs.fresh(lm)
            told = likelihood(policy, length, kind, other=other)
            tiny_runs.walked(tiny_runs.trainer(policy, TASK, told, leave_one_out(), course))
            rows.append({"name": name, "right": right(policy)})
    return Outcome(0, {"steps": STEPS[size], "start": right(lm), "runs": rows})


def likelihood(lm: "LanguageModel", length: int, kind: Kind, *, other: bool) -> "Scorer":
    """How likely the policy, as it is now, makes the reference answer after its thought; other: another prompt's."""
    from culpa.lm.forward import measure  # noqa: PLC0415 - torch is an extra
    from culpa.lm.score import Scores  # noqa: PLC0415

    def score(prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:
        answers = [(answer * REPEATS)[:length] for answer in columns[ANSWER]]
        if other:
            answers = answers[len(answers) // 2 :] + answers[: len(answers) // 2]
        before = [f"{prompt}{thought}:" for prompt, thought in zip(prompts, responses, strict=True)]
        ids: list[list[int]] = lm.tokenizer(before)["input_ids"]
        after: list[list[int]] = lm.tokenizer(answers, add_special_tokens=False)["input_ids"]
        found = np.stack([one.logprobs for one in measure(lm, ids, after, batch=256)], axis=1)
        return Scores(apply(answer_likelihood(kind), found[:, None, :])[0], [None] * len(answers))

    return score


def right(lm: "LanguageModel") -> float:
    """The mean share of right letters in the policy's thoughts on held-out prompts."""
    return float(np.nanmean(np.asarray(tiny_runs.examined(lm, TASK, 100, 8, tokens=WORD).truth)))


def holds(outcome: Outcome) -> list[Check]:
    """What each reward makes of the thought."""
    start = outcome.data["start"]
    names = dict.fromkeys(row["name"] for row in outcome.data["runs"])
    ends = {name: [row["right"] for row in outcome.data["runs"] if row["name"] == name] for name in names}
    rise = {name: float(np.mean(found)) - start for name, found in ends.items()}
    text = {name: f"right letters {start:.3f} to {plain(found)}" for name, found in ends.items()}
    checks = [
        Check(f"the {name} tokens trains the thought", text[name], rise[name] > RISE)
        for name in ("log-probability of 4", "log-probability of 40", "probability of 4")
    ]
    long, other = "probability of 40", "of other prompts"
    return [
        *checks,
        Check(f"control: the {long} does not", text[long], abs(rise[long]) < STILL, control=True),
        Check(
            "control: nor does the log-probability of other prompts' answers",
            text[other],
            rise[other] < STILL,
            control=True,
        ),
    ]
