"""verl: a chain as an advantage estimator, and a reward function with a chain as its `compute_score`.

In a module that the trainer imports:

    from culpa.training.adapters import verl
    verl.register("unlikely_grpo", "unlikeliness | verl_grpo")         # algorithm.adv_estimator=unlikely_grpo
    compute_score = verl.compute_score(my_reward, "par:0.5")           # reward.custom_reward_function.path=this file

verl itself is not needed to import or to test this. Signatures as of verl of January 2026.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.probing.case import Case
from culpa.signals import Group, Transform
from culpa.signals.tokens import Tokens
from culpa.training.adapters.call import Caller
from culpa.training.adapters.grid import Grid, grid
from culpa.training.adapters.stage import Stage, refuse_groups

_REGISTRY = "verl.trainer.ppo.core_algos"


class Estimator:
    """A chain with the signature of verl's advantage estimators.

    f(token_level_rewards (n, t), response_mask (n, t), index (n,), config, ...) -> advantages (n, t), returns (n, t)

    An output's reward is the sum over its tokens, in float64. Outputs of the same `index` are of one prompt; prompts
    may have differently many. The group knows `length`; also `logprob`, `reference` and `tokens` where the trainer
    passes `old_log_probs` and `ref_log_prob` on, which verl of January 2026 does for its own estimators only. A NaN
    reward is no verdict: it leaves every statistic, its advantage is 0, and it does not spread to its group.
    Returns are the advantages, as in verl's own outcome estimators. A memory goes on from batch to batch.
    """

    def __init__(self, signal: str | Transform, *, seed: int = 0, name: str = "signal") -> None:
        self.stage = Stage(signal, seed=seed)
        self.__name__ = name
        if self.stage.merges:
            problem = "the chain merges several rewards, and verl has one for each output."
            raise InputError(problem, remedy="Leave weighted_sum and its like out.")

    def __call__(
        self, token_level_rewards: Any, response_mask: Any, index: Any = None, config: Any = None, **more: Any
    ) -> tuple[Any, Any]:
        """The advantages of a batch, twice."""
        del config
        if index is None:
            raise InputError("the batch has no index.", remedy="verl takes it from the uid of non_tensor_batch.")
        if not len(response_mask):
            return token_level_rewards, token_level_rewards
        place = grid(index.tolist() if hasattr(index, "tolist") else index)
        mask = _array(response_mask) > 0
        rewards = _array(token_level_rewards).sum(axis=-1)
        if len(place.prompt) != len(rewards):
            raise InputError(f"index has {len(place.prompt)} names for {len(rewards)} outputs.", remedy="One for each.")
        result = np.nan_to_num(place.rows(self.stage(place.dense(rewards), _group(place, mask, more))), nan=0.0)
        if result.ndim > 1 and result.shape != mask.shape:
            raise InputError(f"the chain gives tokens {result.shape}, due is {mask.shape}.", remedy="One for each.")
        spread = (result if result.ndim > 1 else result[:, None]) * mask
        advantages = token_level_rewards.new_tensor(spread)
        return advantages, advantages


def register(name: str, signal: str | Transform, *, seed: int = 0) -> Any:
    """The chain as verl's advantage estimator of this name: `algorithm.adv_estimator=<name>`.

    Gives the estimator, registered where verl is installed.
    """
    estimator = Estimator(signal, seed=seed, name=name)
    try:
        registry = importlib.import_module(_REGISTRY)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "verl":
            raise
        return estimator
    return registry.register_adv_est(name)(estimator)


def compute_score(
    function: Callable[..., Any], signal: str | Transform | None = None, *, seed: int = 0, style: str | None = None
) -> Callable[..., dict[str, Any]]:
    """A reward function as verl's `compute_score`, its verdicts passed through a pointwise chain.

    compute_score(data_source, solution_str, ground_truth, extra_info) -> {"score", "raw", ...}

    function   of any style that `culpa check` knows; verl's own is called as it is, and what it gives beside `score`
               is kept. Others get `solution_str` as the response, `ground_truth` as the answer, the members of
               `extra_info` as columns, and as the prompt its `prompt` or `question`.
    `raw` is the verdict before the chain. Both are NaN where there is no verdict: give such batches to an `Estimator`,
    as verl's own let a NaN spread. One output at a time; a memory is that of one worker.

    >>> score = compute_score(lambda response, answer: float(answer in response), "scale:2")
    >>> score("", "it is 4", "4")
    {'score': 2.0, 'raw': 1.0}
    """
    caller = Caller(function, style)
    stage = Stage("scale:1" if signal is None else signal, seed=seed)
    refuse_groups(stage, "Make it an advantage estimator: register(name, signal).")

    def scored(
        data_source: str, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None = None, **_: Any
    ) -> dict[str, Any]:
        beside = dict(extra_info or {})
        more: dict[str, Any] = {}
        if caller.style.name == "verl":
            texts = {"solution_str": solution_str, "ground_truth": ground_truth}
            values, reply = caller.plainly(1, data_source=data_source, extra_info=extra_info, **texts)
            more = dict(reply) if isinstance(reply, Mapping) else {}
        else:
            prompt = beside.get("prompt", beside.get("question", ""))
            columns = {**beside, "data_source": data_source}
            values = caller(
                [Case(str(prompt), solution_str, ground_truth, None, str(beside.get("index", "")), columns)]
            )
        return {**more, "score": float(stage(values[:, None])[0, 0]), "raw": float(values[0])}

    return scored


def _array(tensor: Any) -> Array:
    values: Array = tensor.detach().double().cpu().numpy()
    return values


def _group(place: Grid, mask: Any, more: Mapping[str, Any]) -> Group:
    known: dict[str, Any] = {}
    by_token: dict[str, Any] = {}
    for name, given in (("logprob", "old_log_probs"), ("reference", "ref_log_prob")):
        if more.get(given) is not None:
            logp = np.where(mask, _array(more[given]), np.nan)
            known[name] = place.dense(np.where(mask.any(axis=1), np.nansum(logp, axis=1), np.nan))
            by_token[name] = place.dense(logp)
    return Group(
        weight=place.weight,
        present=place.present,
        length=place.dense(mask.sum(axis=1)),
        tokens=Tokens(place.dense(mask) > 0, **by_token),
        **known,
    )
