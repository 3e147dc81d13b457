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
from fuzz.bounds import MEGABYTES, Judge, save  # noqa: E402 - after what is watched
from fuzz.target import Target  # noqa: E402


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
    Campaign(target, judge, place, asked, state).run()


class Campaign:
    """What has been done of one target's share."""

    def __init__(
        self, target: Target, judge: Judge, place: Path, asked: argparse.Namespace, state: Path | None
    ) -> None:
        self.target, self.judge, self.place, self.asked, self.state = target, judge, place, asked, state
        self.began, self.count, self.keys = time.monotonic(), 0, dict[str, str]()
        self.corpus, self.seeds = ROOT / "corpus" / target.name, place / "seeds"
        for folder in (self.corpus, self.seeds, ROOT / "findings"):
            folder.mkdir(parents=True, exist_ok=True)
        self.before = len(list(self.corpus.iterdir()))
        self.given = target.seeds()
        for number, seed in enumerate(self.given):
            (self.seeds / str(number)).write_bytes(seed)

    def note(self) -> None:
        """Write down how far it is."""
        facts = {
            "executions": self.count,
            "seconds": round(time.monotonic() - self.began, 1),
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            "seeds": len(self.given),
            "corpus": len(list(self.corpus.iterdir())),
            "corpus_before": self.before,
            "findings": self.keys,
        }
        if self.state is not None:
            self.state.write_text(json.dumps(facts))

    def one(self, data: bytes) -> None:
        """One execution; the last one ends the process."""
        found = self.judge(data)
        self.count += 1
        if found is not None and (found.key not in self.keys or self.count % 64 == 0):
            self.keys[found.key] = str(save(ROOT / "findings", self.target.name, found, data))
            self.note()
        if self.count % _EVERY == 0:
            self.note()
        if self.count >= self.asked.executions or time.monotonic() - self.began > self.asked.seconds:
            self.note()
            os.chdir("/")
            shutil.rmtree(self.place, ignore_errors=True)
            os._exit(0)

    def changed(self, data: bytes, most: int, seed: int) -> bytes:
        """What the fuzzer tries next."""
        try:
            return self.target.mutate(data, most, Random(seed), atheris.Mutate) or b"R"
        except (RecursionError, ValueError, IndexError, TypeError, AttributeError):
            return bytes(atheris.Mutate(data, most))

    def run(self) -> None:
        """Until the share is done."""
        name = self.target.name
        options: list[Any] = [
            sys.argv[0], str(self.corpus), str(self.seeds), f"-max_len={self.target.size}",
            f"-seed={self.asked.seed or 1}", "-timeout=120", f"-rss_limit_mb={MEGABYTES}",
            f"-artifact_prefix={ROOT / 'findings'}/{name}_", "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup(options, self.one, custom_mutator=self.changed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
