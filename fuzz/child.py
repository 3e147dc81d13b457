"""One target under the fuzzer: counts, saves what it finds, and goes on until its share is done."""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import atheris

ROOT = Path(__file__).resolve().parent
_EVERY = 256  # executions between two notes of the state

sys.dont_write_bytecode = True
with atheris.instrument_imports(include=["culpa"]):
    from fuzz.all import known
from fuzz.bounds import MEGABYTES, Judge, save
from fuzz.target import Target


def main() -> None:
    """`python -m fuzz.child TARGET --executions N`, or `--input FILE` for one of them again."""
    flags = argparse.ArgumentParser()
    flags.add_argument("target")
    flags.add_argument("--executions", type=int, default=1000)
    flags.add_argument("--seconds", type=float, default=3600.0)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--state", type=Path, default=None)
    flags.add_argument("--input", type=Path, default=None)
    asked = flags.parse_args()
    target = known()[asked.target]
    data = asked.input.resolve().read_bytes() if asked.input else b""
    state = asked.state.resolve() if asked.state else None
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = Path(tempfile.mkdtemp(prefix="culpa-fuzz-", dir=base))
    os.chdir(place)
    judge = Judge(target.run, place)
    if asked.input:
        found = judge(data)
        print("as promised" if found is None else f"{found.key}\n{found.story}")
        shutil.rmtree(place)
        sys.exit(found is not None)
    _fuzz(target, judge, place, asked, state)


def _fuzz(target: Target, judge: Judge, place: Path, asked: argparse.Namespace, state: Path | None) -> None:
    began, count, keys = time.monotonic(), 0, dict[str, str]()
    corpus, seeds = ROOT / "corpus" / target.name, place / "seeds"
    for folder in (corpus, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    before = len(list(corpus.iterdir()))
    given = target.seeds()
    for number, seed in enumerate(given):
        (seeds / str(number)).write_bytes(seed)

    def note() -> None:
        facts = {
            "executions": count,
            "seconds": round(time.monotonic() - began, 1),
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            "seeds": len(given),
            "corpus": len(list(corpus.iterdir())),
            "corpus_before": before,
            "findings": keys,
        }
        if state is not None:
            state.write_text(json.dumps(facts))

    def one(data: bytes) -> None:
        nonlocal count
        found = judge(data)
        count += 1
        if found is not None and (found.key not in keys or count % 64 == 0):
            keys[found.key] = str(save(ROOT / "findings", target.name, found, data))
            note()
        if count % _EVERY == 0:
            note()
        if count >= asked.executions or time.monotonic() - began > asked.seconds:
            note()
            os.chdir("/")
            shutil.rmtree(place, ignore_errors=True)
            os._exit(0)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        try:
            return target.mutate(data, most, Random(seed), atheris.Mutate) or b"R"
        except (RecursionError, ValueError, IndexError, TypeError, AttributeError):
            return bytes(atheris.Mutate(data, most))

    options: list[Any] = [
        sys.argv[0], str(corpus), str(seeds), f"-max_len={target.size}", f"-seed={asked.seed or 1}", "-timeout=120",
        f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={ROOT / 'findings'}/{target.name}_", "-print_final_stats=1",
    ]  # fmt: skip
    (ROOT / "findings").mkdir(exist_ok=True)
    atheris.Setup(options, one, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
