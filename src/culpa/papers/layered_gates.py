"""Signal Reshaping for GRPO in Weak-Feedback Agentic Code Repair (2605.07276): layers, step weights, valid runs.

Claim: where the checker sees only a necessary condition (it compiles), a reward in layers, fail < compiles < compiles
and is right, trains what the condition alone does not, and faster than success alone; scores of steps, multiplied in
after the group's normalisation, make it faster again; runs that the infrastructure ended have to leave the group.
All this where outputs share what makes them pass. The counter-test: where outputs are unrelated, the middle layer is a
mediocre attractor, and success alone is the better reward.

Controlled experiments: 1. outputs of nine tokens that the policy gets right independently, six of them (.6 each) to
compile, three more (.35) to be right; GRPO, 64 groups of 8 an update. 2. 64 prompts of 30 outputs each with their own
logits, one right, six that only compile and are likelier at the start. 3. 20 outputs, 2 right, whose runs time out with
chance .6 (wrong ones .12) and then score -1.

Departures: 1. no language model: the repair benchmark is not reproduced. 2. tier values and step scores are not public:
0, .3, 1, and the truth of each token. 3. in the third experiment a time-out scores -1; scored 0, as failures are, it
costs time only (shown in the data).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from culpa.dynamics import Columns, Path
from culpa.dynamics.stepwise import stepwise
from culpa.dynamics.walk import log_softmax
from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Group, Transform, apply, center, chain, divide_std, equal_group
from culpa.signals.draws import drawn
from culpa.signals.gates import layered, only_valid
from culpa.signals.tokens import Tokens, process_weights, spread_tokens

SYSTEM = 17
Array = npt.NDArray[np.float64]

COMPILE, MEAN = np.full(6, 0.6), np.full(3, 0.35)  # chances of the tokens at the start
GROUPS, GROUP, ETA = 64, 8, 1.0
LAYERS: dict[str, tuple[float, float, float]] = {  # fails, compiles, is right
    "success": (0.0, 0.0, 1.0),
    "layers": (0.0, 0.3, 1.0),
    "compiles": (0.0, 1.0, 1.0),
}
MOST = {"full": 300, "quick": 300}
SEEDS = {"full": 3, "quick": 1}
OUTPUTS, MIDDLE, LIKELIER = 30, 6, 1.5  # of the counter-test
RUN, WRONG, TIMEOUT = 20, 18, (0.6, 0.12)  # outputs, wrong ones; chances to time out of right and wrong ones

# Thresholds, set before the first run: half of what was measured elsewhere. Updates 142, 47 and 17, and .05 in the end;
# .957, .415 and .047; .966 with a mask, .013 without
FASTER, AGAIN, LOW = 2.0, 1.9, 0.25
HARM, LOST, KEPT = 0.27, 0.45, 0.47


def experiment(rng: Generator, size: Size = "full") -> Outcome:
    """Updates to half success where tokens are shared, success where outputs are unrelated, and with time-outs."""
    seeds, most = SEEDS[size], MOST[size]
    ways = [*((name, "none") for name in LAYERS), ("layers", "own"), ("layers", "dealt out")]
    shared = [
        {"name": name, "steps": steps, **repair(name, steps, most, rng)} for name, steps in ways for _ in range(seeds)
    ]
    apart = [{"name": name, "success": unrelated(name, most, rng)} for name in LAYERS for _ in range(seeds)]
    valid = [
        {"name": name, "success": governed(name, most, rng)} for name in ("-1", "0", "masked") for _ in range(seeds)
    ]
    return Outcome(0, {"shared": shared, "apart": apart, "valid": valid})


def repair(name: str, steps: str, most: int, rng: Generator) -> dict[str, Any]:
    """Updates until half of the outputs are right in all nine tokens, None for never; success at the end."""
    start = np.concatenate([COMPILE, MEAN])
    logits = np.log(start / (1.0 - start))
    advantage = chain(layered(*LAYERS[name]), center(), divide_std(ddof=1, eps=1e-6))
    bear = spread_tokens() if steps == "none" else process_weights()
    success = 0.0
    for update in range(most + 1):
        prob = 1.0 / (1.0 + np.exp(-logits))
        success = float(prob.prod())
        if success >= 0.5:
            return {"updates": update, "success": success}
        right = rng.random((len(prob), GROUPS, GROUP)) < prob[:, None, None]
        gates = np.stack([right[: len(COMPILE)].all(axis=0), right.all(axis=0)]).astype(np.float64)
        score = right.astype(np.float64)
        if steps == "dealt out":
            score = rng.permuted(score, axis=-1)
        tokens = Tokens(np.ones(right.shape, dtype=np.bool_), score=score)
        value = apply(chain(advantage, bear), gates, equal_group((GROUPS, GROUP), tokens=tokens))
        logits = logits + ETA * (value * (right - prob[:, None, None])).mean(axis=(1, 2))
    return {"updates": None, "success": success}


def unrelated(name: str, most: int, rng: Generator) -> float:
    """Success after GRPO where every output has a logit of its own: the first is right, the next six compile."""
    kind = np.where(np.arange(OUTPUTS) == 0, 2, np.where(np.arange(OUTPUTS) <= MIDDLE, 1, 0))
    logits = rng.normal(size=(OUTPUTS, GROUPS)) + LIKELIER * (kind == 1)[:, None]
    reward = np.broadcast_to(np.array(LAYERS[name])[kind][:, None], logits.shape)
    return _success(logits, reward, kind == 2, None, most, rng)


def governed(name: str, most: int, rng: Generator) -> float:
    """Success after GRPO on runs that may time out, which then score -1 or 0, or leave their group."""
    right = np.arange(RUN) >= WRONG
    reward = np.broadcast_to(right[:, None].astype(np.float64), (RUN, GROUPS))
    return _success(np.zeros(reward.shape), reward, right, _timed_out(name), most, rng)


def _timed_out(name: str) -> Transform:
    def act(signal: Array, group: Group, rng: Generator) -> Array:
        ran = rng.random(signal.shape) >= np.where(signal > 0.5, *TIMEOUT)
        return apply(only_valid(ran), signal, group) if name == "masked" else np.where(ran, signal, float(name))

    return drawn(act, "a time-out")


def _success(
    logits: Array, reward: Array, right: npt.NDArray[np.bool_], signal: Transform | None, most: int, rng: Generator
) -> float:
    logp = log_softmax(logits)
    path = Path("grpo", normalise=True, group=GROUP, signal=signal)
    walk = stepwise(Columns(logp, logp, reward), path, eta=ETA, rng=rng)
    for _ in range(most):
        next(walk)
    return float(np.exp(next(walk))[right].sum(axis=0).mean())


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the reward that must not show it."""
    return [*_shared(outcome.data["shared"]), *_apart(outcome.data["apart"]), *_valid(outcome.data["valid"])]


def _shared(rows: list[Mapping[str, Any]]) -> list[Check]:
    def of(name: str, steps: str) -> tuple[float, str]:
        took = [row["updates"] for row in rows if (row["name"], row["steps"]) == (name, steps)]
        text = ", ".join("never" if one is None else str(one) for one in took)
        return float(np.mean([np.inf if one is None else one for one in took])), f"{text} updates"

    plain, layers = of("success", "none"), of("layers", "none")
    weighted, dealt = of("layers", "own"), of("layers", "dealt out")
    ends = [row["success"] for row in rows if row["name"] == "compiles"]
    return [
        Check(
            "shared tokens: layers are faster than success", f"{layers[1]} v {plain[1]}", plain[0] > FASTER * layers[0]
        ),
        Check("step weights are faster again", weighted[1], layers[0] > AGAIN * weighted[0]),
        Check("control: not if they are those of other outputs", dealt[1], dealt[0] > layers[0], control=True),
        Check("control: compiling alone does not get there", _list(ends), max(ends) < LOW, control=True),
    ]


def _apart(rows: list[Mapping[str, Any]]) -> list[Check]:
    found = {name: [row["success"] for row in rows if row["name"] == name] for name in LAYERS}
    binary, layers, compiles = (float(np.mean(ends)) for ends in found.values())
    return [
        Check("unrelated outputs: success alone trains", _list(found["success"]), binary - compiles > LOST),
        Check("control: there layers do harm", _list(found["layers"]), binary - layers > HARM, control=True),
        Check("control: and compiling alone", _list(found["compiles"]), compiles < layers, control=True),
    ]


def _valid(rows: list[Mapping[str, Any]]) -> list[Check]:
    found = {name: [row["success"] for row in rows if row["name"] == name] for name in ("-1", "masked")}
    bad, good = (float(np.mean(ends)) for ends in found.values())
    start = 1.0 - WRONG / RUN
    return [
        Check("time-outs masked, it trains", _list(found["masked"]), good - bad > KEPT),
        Check("control: scored -1, it unlearns", _list(found["-1"]), bad < start, control=True),
    ]


def _list(ends: list[float]) -> str:
    return "success " + ", ".join(f"{one:.3f}" for one in ends)
