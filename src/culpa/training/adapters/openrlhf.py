"""OpenRLHF: a reward function with a chain, as its `reward_func`; `server` puts the same behind HTTP.

In the file that `--remote_rm_url` names:

    from culpa.training.adapters.openrlhf import reward_function
    reward_func = reward_function(my_reward, "par:0.5 | clip:0,0.9")

Signatures as of OpenRLHF of August 2026.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.probing.case import Case
from culpa.signals import Transform
from culpa.training.adapters.call import Caller
from culpa.training.adapters.stage import Stage, refuse_groups


class Scored(NamedTuple):
    """Of n outputs; NaN = no verdict."""

    rewards: Array  # behind the chain
    scores: Array  # before it, cut off to 0..1: by these OpenRLHF filters prompts
    raw: Array  # before it


class Scorer:
    """Any reward function, asked the way OpenRLHF asks.

    function   of any style that `culpa check` knows; OpenRLHF's own is called as it is. Others get the query without
               its prompt as the response, and the label as the answer.
    signal     a pointwise chain
    ends       texts that are dropped at the end of a response: OpenRLHF leaves special tokens in, as "<|im_end|>"
    A memory goes on from call to call.

    >>> Scorer(lambda response, answer: float(response == answer), "scale:3")(["2+2=4"], ["2+2="], ["4"]).rewards
    array([3.])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signal: str | Transform | None = None,
        *,
        seed: int = 0,
        style: str | None = None,
        ends: Sequence[str] = (),
    ) -> None:
        self.caller = Caller(function, style)
        self.stage = Stage("scale:1" if signal is None else signal, seed=seed)
        self.ends = tuple(ends)
        refuse_groups(self.stage, "OpenRLHF compares outputs by itself: see its advantage estimators.")

    def __call__(self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> Scored:
        """The verdicts of n outputs."""
        self.check(queries, prompts, labels)
        if not queries:
            return Scored(*(np.zeros(0) for _ in Scored._fields))
        if self.caller.style.name == "openrlhf":
            lists = {"queries": list(queries), "prompts": list(prompts), "labels": list(labels)}
            raw, _ = self.caller.plainly(len(queries), **lists)
        else:
            rows = zip(queries, prompts, labels, strict=True)
            raw = self.caller([Case(prompt, self._response(query, prompt), label) for query, prompt, label in rows])
        return Scored(self.stage(raw[:, None])[:, 0], np.clip(raw, 0.0, 1.0), raw)

    def check(self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> None:
        """Raises unless these can be scored."""
        if not len(queries) == len(prompts) == len(labels):
            problem = f"there are {len(queries)} queries, {len(prompts)} prompts and {len(labels)} labels."
            raise InputError(problem, remedy="Give one of each for every output.")
        pairs = enumerate(zip(queries, prompts, strict=True))
        foreign = [number for number, (query, prompt) in pairs if not query.startswith(prompt)]
        if foreign and self.caller.style.name != "openrlhf":
            problem = f"query {foreign[0]} does not begin with its prompt, so its response cannot be told."
            raise InputError(problem, remedy="A query is the prompt and the response in one text.")

    def _response(self, query: str, prompt: str) -> str:
        response = query[len(prompt) :]
        for end in self.ends:
            response = response.removesuffix(end)
        return response


def reward_function(
    function: Callable[..., Any],
    signal: str | Transform | None = None,
    *,
    seed: int = 0,
    style: str | None = None,
    ends: Sequence[str] = (),
) -> Callable[..., dict[str, Any]]:
    """A reward function as OpenRLHF's: reward_func(queries, prompts, labels) -> {"rewards", "scores", "extra_logs"}.

    Tensors of float32; arguments as in `Scorer`, whose scores before the chain are in `extra_logs` as "raw". OpenRLHF
    knows no missing verdicts: a NaN spreads there to the outputs that it is compared with. `ends` as there.
    """
    scorer = Scorer(function, signal, seed=seed, style=style, ends=ends)

    def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any) -> dict[str, Any]:
        import torch  # noqa: PLC0415 - heavy

        found = scorer(queries, prompts, labels)
        rewards, scores, raw = (torch.tensor(one, dtype=torch.float32) for one in found)
        return {"rewards": rewards, "scores": scores, "extra_logs": {"raw": raw}}

    return reward_func
