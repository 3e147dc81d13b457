"""What proxies see: responses with what the truth's program says of them, and the policy's scale."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError
from culpa.labs.tinylm.tasks import Array, Task
from culpa.metrics.spread import variance
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import PROMPT, RESPONSE

ANSWER = "answer"  # the column of a record that has what responses are judged by
_NORMAL = NormalDist()


class Scale(NamedTuple):
    """Where the initial policy stands, so that a defect of size 1 is as large as the spread of the truth."""

    sd: float  # of the truth within prompts, pooled
    mean: float  # of the truth
    middle: float  # mean grade of outputs that are not exact


class Outputs(NamedTuple):
    """n responses to n prompts, judged."""

    task: Task
    scale: Scale
    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    responses: tuple[str, ...]
    marks: tuple[tuple[bool, ...], ...]  # which parts are right
    truth: Array  # (n,) G

    @property
    def score(self) -> Array:
        """The truth in units of its own spread, G / sd, (n,): what a proxy without defects gives."""
        return self.truth / self.scale.sd

    @property
    def exact(self) -> Array:
        """1 where every part is right, else 0."""
        return np.array([all(one) for one in self.marks], dtype=np.float64)

    @property
    def fraction(self) -> Array:
        """Share of the parts that are right."""
        return np.array([sum(one) / len(one) for one in self.marks], dtype=np.float64)

    @property
    def grade(self) -> Array:
        """Half the share of right parts and half exactness: G itself, or for instructions what G does not show."""
        return np.add(self.fraction, self.exact) / 2.0

    @property
    def mediocre(self) -> Array:
        """1 where a response is not exact but better than the policy's mean such response, else 0."""
        return np.array((self.exact == 0) & (self.grade > self.scale.middle), dtype=np.float64)

    @property
    def bad(self) -> Array:
        """1 where a response is not exact and no better than the policy's mean such response, else 0."""
        return np.array((self.exact == 0) & (self.grade <= self.scale.middle), dtype=np.float64)


def judged(
    task: Task, scale: Scale, prompts: Sequence[str], responses: Sequence[str], answers: Sequence[str]
) -> Outputs:
    """Responses with their truth.

    >>> from culpa.labs.tinylm.tasks import sort
    >>> seen = judged(sort(2, 2), Scale(0.5, 0.3, 0.3), ["ba=", "ba="], ["ab", "aa"], ["ab", "ab"])
    >>> seen.score.tolist(), seen.mediocre.tolist(), seen.bad.tolist()
    ([2.0, 0.5], [0.0, 0.0], [0.0, 1.0])
    """
    if not len(prompts) == len(responses) == len(answers):
        problem = f"got {len(prompts)} prompts, {len(responses)} responses and {len(answers)} answers."
        raise InputError(problem, remedy="Give a prompt and an answer for each response.")
    marks = tuple(task.parts(a, r) for a, r in zip(answers, responses, strict=True))
    truth = np.array([task.worth(one) for one in marks], dtype=np.float64)
    return Outputs(task, scale, tuple(prompts), tuple(answers), tuple(responses), marks, truth)


def asked(rollouts: Rollouts) -> tuple[list[str], list[str], list[str]]:
    """Prompts, responses and answers of a record, one of each per output; answers from the column `answer`."""
    missing = [name for name in (PROMPT, RESPONSE, ANSWER) if name not in rollouts.table.columns]
    if missing:
        raise InputError("the rollouts have no such column.", column=missing[0], remedy="Draw them with their answers.")
    prompts, responses, answers = (rollouts.table[name].to_list() for name in (PROMPT, RESPONSE, ANSWER))
    return prompts, responses, answers


def scale_of(task: Task, rollouts: Rollouts) -> Scale:
    """Where the policy stands that the rollouts come from."""
    seen = judged(task, Scale(1.0, 0.0, 0.0), *asked(rollouts))
    sd = pooled_sd(seen.truth, rollouts)
    if not sd > 0.0:
        problem = f"the truth of {task.name} does not vary within any of {len(rollouts.prompt_id)} prompts."
        raise InputError(problem, remedy="Draw more samples, or pretrain the policy further.")
    return Scale(sd, float(seen.truth.mean()), float(seen.grade[seen.exact == 0].mean()))


def pooled_sd(values: Array, rollouts: Rollouts) -> float:
    """Spread of scores within prompts, of the n outputs of a record.

    sd = sqrt(mean over prompts of the variance within the prompt), variances divided by n
    """
    dense = np.full(rollouts.shape, np.nan)
    dense[rollouts.present] = values
    return float(np.sqrt(variance(dense).mean()))


def uniform(salt: str, texts: Sequence[str]) -> Array:
    """A number in (0, 1) for each text, the same for the same text: noise that a proxy repeats, (n,).

    >>> uniform("a", ["x", "y", "x"]).round(3).tolist() == uniform("a", ["x", "y", "x"]).round(3).tolist()
    True
    """
    digests = (blake2b(f"{salt}/{text}".encode(), digest_size=6).digest() for text in texts)
    return np.array([(int.from_bytes(one, "little") + 0.5) / 2.0**48 for one in digests], dtype=np.float64)


def normal(salt: str, texts: Sequence[str]) -> Array:
    """A standard normal number for each text, the same for the same text, (n,)."""
    return np.array([_NORMAL.inv_cdf(one) for one in uniform(salt, texts)], dtype=np.float64)


def overlap(answer: str, response: str) -> float:
    """Share of characters that two texts have in common, order left aside, of the longer one.

    >>> overlap("abc", "cab"), overlap("ab", "bbbb"), overlap("ab", "")
    (1.0, 0.25, 0.0)
    """
    common = (Counter(answer) & Counter(response)).total()
    return common / max(len(answer), len(response), 1)
