"""Partial credit or none: what `culpa advise` said beforehand of instructions with two constraints, and what happened.

python -m benchmarks.honest.credit [--folder DIR]      Markdown on standard output

A credit is right if its success at the end of training (both constraints hold, mean over seeds) is at most .05 below
the best, the tolerance of `culpa advise` itself. It advises with its defaults on 300 x 8 outputs of the initial policy.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from benchmarks.honest import store
from benchmarks.honest.plan import CREDIT_PLACES, CREDITS, FOLDER, LEARNERS, MEASURED, SEEDS, Place, Run, fingerprint
from benchmarks.honest.report import grid

from culpa import advise
from culpa.advice.decide import TOLERANCE
from culpa.dynamics import learner

CHECKS = ("first", "second")


class Case(NamedTuple):
    """One pair of constraints and one learner."""

    name: str
    advised: store.Document
    ends: dict[str, tuple[float, ...]]  # credit -> success at the end, a number for each seed
    start: float

    @property
    def right(self) -> tuple[str, ...]:
        """The credits that are as good as the best."""
        means = {name: float(np.mean(one)) for name, one in self.ends.items()}
        return tuple(name for name, one in means.items() if one >= max(means.values()) - TOLERANCE)


def mark_of(place: Place, how: str) -> str:
    return fingerprint("advice", place.name, how, MEASURED)


def advised(place: Place, how: str, folder: Path) -> store.Document:
    """What `advise` says, from samples of the initial policy alone; kept in a file."""
    path = folder / "advice" / f"{place.name}-{how.partition(':')[0]}.json"
    known = store.read(path, mark_of(place, how))
    if known is None:
        from benchmarks.honest.policies import samples_of, task_of

        found, task = samples_of(place, folder), task_of(place)
        texts = zip(found.table["answer"], found.table["response"], strict=True)
        marks = np.array([task.parts(answer, response) for answer, response in texts], dtype=np.float64)
        checks = {name: marks[:, number].reshape(found.shape) for number, name in enumerate(CHECKS)}
        advice = advise(replace(found, proxies=checks), CHECKS, learner=learner(how))
        regime = {name: advice.regime[name] for name in ("p", "q", "r", "rule")}
        known = {
            "kind": advice.decision.kind,
            "credit": advice.decision.credit,
            "reasons": list(advice.decision.reasons),
            "outcomes": advice.outcomes.select("model", "prior", "credit", "success").to_dicts(),
            **regime,
        }
        store.write(path, mark_of(place, how), known)
    return known


def cases(folder: Path, marks: dict[Run, str]) -> list[Case]:
    """All whose runs are done, with every seed."""
    found = []
    for place in CREDIT_PLACES:
        for how in LEARNERS:
            asked = {name: [Run(place, how, name, seed) for seed in SEEDS] for name in CREDITS}
            read = {
                name: [store.read(folder / "runs" / f"{run.name}.json", marks[run]) for run in some]
                for name, some in asked.items()
            }
            if all(one is not None for some in read.values() for one in some):
                ends = {name: tuple(one["truth"][-1] for one in some if one) for name, some in read.items()}
                start = next(one["start"] for one in read[CREDITS[0]] if one)
                name = f"{place.name} {how.partition(':')[0].upper()}"
                found.append(Case(name, advised(place, how, folder), ends, start))
    return found


def verdict(one: Case) -> str:
    """Whether the advice was right: of two credits, or that there is no difference."""
    kind, credit = one.advised["kind"], one.advised["credit"]
    if kind == "cannot tell":
        return "none given"
    if kind == "no difference":
        return "right" if len(one.right) == len(CREDITS) else "wrong"
    if credit not in CREDITS:
        return f"{credit}: not trained"
    return "right" if credit in one.right else "wrong"


def lean(one: Case, world: str) -> str | None:
    """The credit that a world puts ahead of the other, None where it puts them within the tolerance."""
    rows = [row for row in one.advised["outcomes"] if row["model"] == world and row["credit"] in CREDITS]
    first = {row["credit"]: row["success"] for row in reversed(rows)}  # of several priors the main one, which is first
    if len(first) < len(CREDITS) or abs(first["binary"] - first["partial"]) <= TOLERANCE:
        return None
    return max(first, key=lambda name: first[name])


def tables(found: Sequence[Case]) -> str:
    """Each case, and how often the advice and each world were right."""
    worlds = list(dict.fromkeys(row["model"] for one in found for row in one.advised["outcomes"]))
    rows = []
    for one in found:
        told = one.advised
        said = told["kind"] if told["credit"] is None else f"{told['kind']}: {told['credit']}"
        ends = [" / ".join(f"{value:.2f}" for value in one.ends[name]) for name in CREDITS]
        leans = [lean(one, world) or "–" for world in worlds]
        rows.append(
            [
                one.name,
                f"{one.start:.3f}",
                f"{told['q']:.2f}",
                said,
                told["rule"] or "–",
                *leans,
                *ends,
                " or ".join(one.right),
            ]
        )
        rows[-1].append(verdict(one))
    head = [
        "",
        "p",
        "q",
        "advice",
        "rule of thumb",
        *(f"world: {world}" for world in worlds),
        *CREDITS,
        "as good as the best",
        "advice was",
    ]
    counts = [["advice", *_score([verdict(one) for one in found])]]
    counts.append(["rule of thumb", *_score([_leaning_verdict(one, one.advised["rule"]) for one in found])])
    counts += [
        [f"world: {world}", *_score([_leaning_verdict(one, lean(one, world)) for one in found])] for world in worlds
    ]
    counts += [
        [f"always {name}", *_score(["right" if name in one.right else "wrong" for one in found])] for name in CREDITS
    ]
    return grid(head, rows) + "\n\n" + grid(["", "right", "wrong", "nothing said"], counts)


def _leaning_verdict(one: Case, leaning: str | None) -> str:
    return "–" if leaning is None else "right" if leaning in one.right else "wrong"


def _score(verdicts: Sequence[str]) -> list[str]:
    right, wrong = verdicts.count("right"), verdicts.count("wrong")
    return [str(right), str(wrong), str(len(verdicts) - right - wrong)]


def main() -> None:
    from benchmarks.honest.train import run_marks

    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--folder", type=Path, default=FOLDER)
    found = cases(asked.parse_args().folder, run_marks())
    print(tables(found) if found else "No pair is done yet: python -m benchmarks.honest.run")


if __name__ == "__main__":
    main()
