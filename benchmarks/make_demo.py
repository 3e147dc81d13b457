"""Makes `src/culpa/cli/demo.parquet`, the rollouts of `culpa demo`, and prints what each proxy is worth.

    OMP_NUM_THREADS=1 python benchmarks/make_demo.py [FILE [FOLDER FOR MODELS]]

A Llama of 138,000 parameters that reads and writes single characters learns from a teacher (`demo_tasks.py`) for a
thousand steps, and stops while it still makes mistakes. It answers 260 questions that it was not taught, 8 to 16 times
each at temperature 1. A program knows the truth. Fourteen proxies with one known defect each are functions of the text
(`demo_proxies.py`); two are reward models, trained by TRL on preferences between other answers of the same model: 2,000
of a labeller who prefers what is right, 2,000 of one whom length and praise sway.

`logprob` is the policy's log-probability of the answer and `length` its tokens, both with the end token. `features`
are the mean last hidden state and a sketch of the output layer's gradient (`culpa.lm.features`), reduced to the 20
principal components of what differs within prompts, in half precision.
The same command makes the same file on the same machine, with the same version of torch and one thread; it takes about
three minutes of one core.
"""

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from demo_proxies import PROXIES, careful, swayed
from demo_tasks import KINDS, chat, kind_of

from culpa.labs.tinylm.outputs import ANSWER, Scale, judged
from culpa.labs.tinylm.tasks import Questions
from culpa.rollouts import Rollouts, write
from culpa.rollouts.dense import from_frame, to_frame

if TYPE_CHECKING:
    from culpa.lm.model import LanguageModel

SEED = 20260
FILE = Path(__file__).parents[1] / "src" / "culpa" / "cli" / "demo.parquet"
TIMEOUT, TIMEOUTS = "judge timed out after 30 s", 0.05
LABELLERS = {"rm_careful": careful, "rm_swayed": swayed}


class Size(NamedTuple):
    """How much of everything."""

    steps: int = 1000  # of the policy
    prompts: int = 260
    fewest: int = 8  # samples of a prompt
    most: int = 16
    lessons: int = 300  # prompts that the reward models learn from, 8 samples each
    pairs: int = 2000
    rm_steps: int = 80
    components: int = 20


def make(size: Size, folder: Path, seed: int = SEED) -> Rollouts:
    """The rollouts, scored. Models are kept in the folder, and found there by a second call."""
    import torch

    from culpa.labs.tinylm.pretrain import checkpoint
    from culpa.lm.model import load

    torch.set_num_threads(1)
    lm = load(checkpoint(chat(), target=None, seed=seed, folder=folder, steps=size.steps), device="cpu")
    rng = np.random.default_rng(seed)
    asked_for = questions(size.prompts, rng, held_out=True)
    frame = some_of(to_frame(answered(lm, asked_for, size.most, seed)), size, rng)
    frame = with_timeouts(frame.with_columns(scores(frame)), rng)
    learned_from = answered(lm, questions(size.lessons, rng, held_out=False), 8, seed)
    frame = frame.with_columns(reward_model_scores(frame, lm, learned_from, size, folder, seed))
    record = from_frame(frame)
    features, share = reduced(record, size.components)
    return replace(record, features=features, notes=notes(size, share, seed))


def questions(count: int, rng: np.random.Generator, *, held_out: bool) -> Questions:
    """As many different questions of each kind, one kind after the other."""
    pool = chat().draw(rng, 20 * count, held_out=held_out)
    found = dict(zip(*pool, strict=True))
    share = count // len(KINDS)
    chosen = [prompt for kind in KINDS for prompt in [one for one in found if kind_of(one) == kind][:share]]
    return Questions(tuple(chosen), tuple(found[prompt] for prompt in chosen))


def answered(lm: "LanguageModel", asked_for: Questions, samples: int, seed: int) -> Rollouts:
    """What the policy answers, at temperature 1."""
    from culpa.lm.features import Sketch, hidden_dims
    from culpa.lm.generate import Sampling
    from culpa.lm.prompts import prompts_of
    from culpa.lm.sample import draw, record

    kinds = list(map(kind_of, asked_for.prompts))
    columns = pl.DataFrame({"task": kinds, ANSWER: asked_for.answers})
    ids = tuple(f"{kind}-{kinds[:row].count(kind):03d}" for row, kind in enumerate(kinds))
    prompts = prompts_of(asked_for.prompts, columns)._replace(ids=ids)
    drawn = draw(lm, prompts, samples, Sampling(max_tokens=chat().max_tokens), seed=seed, features=Sketch())
    return record(drawn, split=hidden_dims(int(lm.model.config.hidden_size)))


def some_of(frame: pl.DataFrame, size: Size, rng: np.random.Generator) -> pl.DataFrame:
    """The first few samples of each prompt, of weight one together; another number of each."""
    ids = frame["prompt_id"].unique(maintain_order=True)
    counts = pl.DataFrame({"prompt_id": ids, "kept": rng.integers(size.fewest, size.most + 1, len(ids))})
    place = pl.int_range(pl.len()).over("prompt_id")
    kept = frame.join(counts, on="prompt_id", how="left", maintain_order="left").filter(place < pl.col("kept"))
    return kept.with_columns(weight=1 / pl.col("kept"), logprob=pl.col("logprob").round(4)).drop("kept")


def scores(frame: pl.DataFrame) -> list[pl.Series]:
    """The truth, and the proxies that are functions of the text; to four places."""
    columns = (frame[name].to_list() for name in ("prompt", "response", ANSWER))
    seen = judged(chat(), Scale(1.0, 0.0, 0.0), *columns)
    found = {"truth": seen.truth} | {f"proxy.{proxy.__name__}": proxy(seen) for proxy in PROXIES}
    return [pl.Series(name, np.asarray(values, dtype=np.float64).round(4)) for name, values in found.items()]


def with_timeouts(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The judge's verdicts without those that never came."""
    late = pl.Series(rng.random(frame.height) < TIMEOUTS)
    judge = "proxy.judge_with_timeouts"
    return frame.with_columns(
        pl.when(~late).then(judge).alias(judge),
        pl.when(late).then(pl.lit(TIMEOUT)).alias(f"{judge}.reason"),
    )


def reward_model_scores(
    frame: pl.DataFrame, lm: "LanguageModel", learned_from: Rollouts, size: Size, folder: Path, seed: int
) -> list[pl.Series]:
    """Of one reward model for each labeller."""
    from culpa.labs.tinylm.family import reward_model
    from culpa.labs.tinylm.preferences import Recipe, preferences
    from culpa.labs.tinylm.reward_models import train

    found = []
    for name, labeller in LABELLERS.items():
        pairs = preferences(
            chat(), learned_from, Recipe(str(labeller.__doc__), labeller, size.pairs), np.random.default_rng(seed)
        )
        score = reward_model(train(lm, pairs, folder, stem=name, seed=seed, steps=size.rm_steps))
        values = score(*(frame[column].to_list() for column in ("prompt", "response", ANSWER)))
        found.append(pl.Series(f"proxy.{name}", np.asarray(values, dtype=np.float64).round(4)))
    return found


def reduced(record: Rollouts, components: int) -> tuple[np.ndarray, float]:
    """The principal components of what features differ by within prompts, (p, s, components), and their share of it.

    z = V' x,  x centred in its prompt,  V: leading eigenvectors of the mean over prompts of sum_y w x x'

    The largest entry of each vector is positive. In half precision, so that the file is small.
    """
    values = np.where(record.present[..., None], record.features, 0.0).astype(np.float64)
    centred = values - (record.weight[..., None] * values).sum(axis=1, keepdims=True)
    flat = (np.sqrt(record.weight)[..., None] * centred).reshape(-1, values.shape[-1])
    spread, vectors = np.linalg.eigh(flat.T @ flat)
    top = vectors[:, ::-1][:, :components]
    top = top * np.sign(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])])
    shown = (centred @ top).astype(np.float16).astype(np.float32)
    shown[~record.present] = np.nan
    return shown, float(spread[::-1][:components].sum() / spread.sum())


def notes(size: Size, share: float, seed: int) -> tuple[str, ...]:
    """How the file was made, for whoever reads it."""
    return (
        f"Made by benchmarks/make_demo.py, seed {seed}: a Llama of two layers of width 64 that was taught for"
        f" {size.steps} steps, at temperature 1. Log-probabilities and lengths include the end token.",
        f"Features: {size.components} principal components of hidden means and gradient sketches, which hold"
        f" {share:.0%} of their spread within prompts, in half precision.",
    )


def quality(frame: pl.DataFrame) -> pl.DataFrame:
    """Per proxy: Pearson with the truth, share of pairs of a prompt strictly in the right order, share missing."""
    pairs = (
        frame.with_row_index("row")
        .join(frame.with_row_index("row"), on="prompt_id", suffix="_low")
        .filter(pl.col("truth") > pl.col("truth_low"))
    )
    names = [name for name in frame.columns if name.startswith("proxy.") and not name.endswith(".reason")]
    return pl.DataFrame(
        [
            {
                "proxy": name.removeprefix("proxy."),
                "Pearson": frame.select(pl.corr(name, "truth")).item(),
                "accuracy": pairs.select((pl.col(name) > pl.col(f"{name}_low")).mean()).item(),
                "missing": frame[name].null_count() / frame.height,
            }
            for name in names
        ]
    )


def main(path: Path = FILE, folder: Path | None = None) -> None:
    begun = perf_counter()
    with TemporaryDirectory() as scratch:
        rollouts = make(Size(), folder or Path(scratch))
    write(rollouts, path)
    seconds = perf_counter() - begun
    prompts = len(rollouts.prompt_id)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {rollouts.size} answers to {prompts} questions")
    print(f"made in {seconds:.0f} s", *rollouts.notes, sep="\n")
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=3):
        print(quality(to_frame(rollouts)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
