"""Makes the big inputs of the speed measurements on the spot, in `benchmarks/data/`; what is there is kept.

    python benchmarks/data.py [rollouts_1e7 | rollouts_1e8 | worded_1e5 ... worded_1e8 | verl_dump] ...

`rollouts_1e7.parquet`, `rollouts_1e8.parquet`: native columns, float32, groups of 8 to 16, sorted by prompt.
`worded_1e5.parquet` ... `worded_1e8.parquet`: the same with responses of four words, which hang a little on the truth.
`verl_dump.jsonl`: 205,000 lines, 357 MB, as verl's `rollout_data_dir` writes them: 25,625 prompts x 8, 200 words.

Each is made piece by piece, each piece from its own seed: memory is bounded by a piece, and a name always has the same
contents. Nothing here means anything; only sizes, types, order and repetition are like the real thing.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

FOLDER = Path(__file__).parent / "data"
SEED = 8
PROXIES = 5
PAIR = 24  # group sizes come as s and 24 - s with s from 8 to 16: any even number of groups has a known number of rows
PIECE_PAIRS = 40_000  # 960,000 rows of Parquet are held at once

PROMPTS, SAMPLES, STEPS = 25_625, 8, 25
OUTPUT_WORDS, INPUT_WORDS = 200, 44


def rollouts(path: Path, rows: int, *, worded: bool = False) -> None:
    """A native Parquet file of exactly so many rows; pieces are written beside it, then streamed into one file."""
    parts = path.with_suffix(".parts")
    parts.mkdir(parents=True, exist_ok=True)
    pieces = enumerate(rollout_pieces(rows))
    for index, piece in ((index, with_words(piece, index) if worded else piece) for index, piece in pieces):
        piece.write_parquet(parts / f"{index:05d}.parquet", compression="zstd", compression_level=1)
    unfinished = path.with_suffix(".unfinished")
    pl.scan_parquet(parts / "*.parquet").sink_parquet(
        unfinished, compression="zstd", compression_level=1, row_group_size=262_144, maintain_order=True
    )
    unfinished.rename(path)
    for part in parts.iterdir():
        part.unlink()
    parts.rmdir()


def rollout_pieces(rows: int, pairs: int = PIECE_PAIRS) -> Iterator[pl.DataFrame]:
    """Frames of whole prompts, `rows` rows in all; a rest below one pair of groups is a last group of its own."""
    first_prompt, rest = 0, rows % PAIR
    if 0 < rest < 8 or rest > 16:
        raise ValueError(f"{rows} rows leave a last group of {rest}. Choose rows that leave 0 or 8 to 16 over 24.")
    while rows > 0:
        rng = np.random.default_rng([SEED, first_prompt])
        sizes = _group_sizes(rng, min(pairs, rows // PAIR))
        rows -= int(sizes.sum())
        if rows == rest and rest:
            sizes, rows = np.append(sizes, rest), 0
        yield _scored(rng, np.repeat(np.arange(first_prompt, first_prompt + sizes.size), sizes))
        first_prompt += sizes.size


def with_words(piece: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows with a response: each word is drawn about a place in the vocabulary that rises with the truth."""
    rng = np.random.default_rng([SEED, seed, 1])
    words = pl.Series(VOCABULARY, dtype=pl.String)
    place = (
        320 + 60 * piece["truth"].to_numpy()[:, None] + 80 * rng.standard_normal((piece.height, 4), dtype=np.float32)
    )
    index = np.clip(place, 0, len(words) - 1).astype(np.uint32)
    drawn = [words.gather(pl.Series(column)) for column in index.T]
    return piece.with_columns(pl.concat_str([pl.lit(column) for column in drawn], separator=" ").alias("response"))


def _group_sizes(rng: np.random.Generator, pairs: int) -> np.ndarray:
    first = rng.integers(8, 17, size=pairs)
    return np.stack([first, PAIR - first], axis=1).ravel()


def _scored(rng: np.random.Generator, prompt: np.ndarray) -> pl.DataFrame:
    """Truth around a mean of the prompt's own; each proxy is the truth under more noise than the one before."""
    group = prompt - prompt[0]
    mean = rng.standard_normal(group[-1] + 1, dtype=np.float32)
    truth = mean[group] + rng.standard_normal(prompt.size, dtype=np.float32)
    scores = {
        f"proxy.r{k}": truth + (0.5 + 0.5 * k) * rng.standard_normal(prompt.size, dtype=np.float32)
        for k in range(PROXIES)
    }
    logprob = -0.9 * rng.integers(10, 512, size=prompt.size).astype(np.float32)
    frame = pl.DataFrame({"prompt_id": prompt, "logprob": logprob, "truth": truth, **scores})
    name = pl.concat_str(pl.lit("p"), pl.col("prompt_id").cast(pl.String).str.zfill(8))  # sorted as text, too
    return frame.with_columns(name.alias("prompt_id"), pl.col("^(proxy|logprob|truth).*$").cast(pl.Float32))


def verl_dump(path: Path, prompts: int = PROMPTS) -> None:
    """A trainer's dump: one JSON object per line, the samples of a prompt together, `step` rising."""
    unfinished = path.with_suffix(".unfinished")
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("w", encoding="utf-8") as file:
        for prompt in range(prompts):
            file.writelines(json.dumps(line) + "\n" for line in verl_lines(prompt))
    unfinished.rename(path)


def verl_lines(prompt: int) -> Iterator[dict[str, object]]:
    """The lines of one prompt."""
    rng = np.random.default_rng([SEED, prompt])
    asked = " ".join(VOCABULARY[rng.integers(VOCABULARY.size, size=INPUT_WORDS)])
    answer = int(rng.integers(1000))
    for sample, (words, right) in enumerate(
        zip(rng.integers(VOCABULARY.size, size=(SAMPLES, OUTPUT_WORDS)), rng.random(SAMPLES) < 0.4, strict=True)
    ):
        said = answer if right else answer + 1
        yield {
            "input": f"user\n{prompt}: {asked}?\nassistant\n",
            "output": f"{' '.join(VOCABULARY[words])}.\n\n\\boxed{{{said}}}",
            "gts": str(answer),
            "score": float(right) if right else -1.0,
            "step": 1 + prompt * STEPS // PROMPTS,
            "acc": bool(right),
            "uid": f"{prompt}_{sample}_0",
        }


def _vocabulary() -> np.ndarray:
    """640 words of one to three syllables, shorter ones first."""
    rng = np.random.default_rng(SEED)
    syllables = [f"{consonant}{vowel}{end}" for consonant in "bdfgklmnprst" for vowel in "aeiou" for end in ("", "n")]
    longer = ["".join(rng.choice(syllables, size=count)) for count in (2, 3) for _ in range(260)]
    return np.array(syllables + longer, dtype=object)


VOCABULARY = _vocabulary()
MAKERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "rollouts_1e7": ("rollouts_1e7.parquet", lambda path: rollouts(path, 10**7)),
    "rollouts_1e8": ("rollouts_1e8.parquet", lambda path: rollouts(path, 10**8)),
    "verl_dump": ("verl_dump.jsonl", verl_dump),
} | {
    f"worded_1e{power}": (f"worded_1e{power}.parquet", partial(rollouts, rows=10**power, worded=True))
    for power in (5, 6, 7, 8)
}


def ensure(name: str) -> Path:
    """The path of an input, which is made if it is not there."""
    file, make = MAKERS[name]
    path = FOLDER / file
    if not path.exists():
        make(path)
    return path


def main(names: list[str]) -> None:
    for name in names or list(MAKERS):
        start = time.perf_counter()
        path = ensure(name)
        print(f"{path.name:22s} {path.stat().st_size / 1e6:8.1f} MB {time.perf_counter() - start:7.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
