"""Outputs scored by a reward model: `culpa score` beside a bare forward loop at batch 16, unsorted.

python benchmarks/bench_lm_score.py [--threads 1]      the model is made on the spot; about a minute on one core
Lengths are ragged (log-normal). The loop is what one writes by hand: the tokenizer pads 16 texts, the model's own
forward reads them, the logits are kept. Both make the same scores, to 1e-4;
what outputs of one prompt share is read once by culpa.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from timing import row, title
from transformers import LlamaConfig, LlamaForSequenceClassification

from culpa.labs.tinylm.tokenizer import char_tokenizer
from culpa.lm.reward_model import RewardModel, reward_scores, way_of

LETTERS = "abcdefghijklmnopqrstuvwxyz "
BATCH, RUNS = 16, 3


def run(threads: int = 1) -> None:
    torch.set_num_threads(threads)
    rm = _model()
    device = next(rm.model.parameters()).device.type
    size = sum(one.numel() for one in rm.model.parameters()) / 1e6
    title(f"Scoring, a Llama of {size:.1f} M weights in {rm.model.dtype} on {device}, median of {RUNS} runs")
    for what, prompts, samples, length in (
        ("96 outputs, one per prompt of ~32 tokens", 96, 1, 32),
        ("96 outputs, 8 per prompt of ~32 tokens", 12, 8, 32),
        ("32 outputs, 8 per prompt of ~256 tokens", 4, 8, 256),
    ):
        _row(what, rm, *_texts(prompts, samples, length))


def _row(what: str, rm: RewardModel, asked: list[str], said: list[str]) -> None:
    ours, bare = _beside(lambda: reward_scores(rm, asked, said), lambda: _loop(rm, asked, said))
    apart = float(np.abs(reward_scores(rm, asked, said).values - _loop(rm, asked, said)).max())
    assert apart < 1e-4, apart
    figure = f"{len(said) / ours:,.0f} outputs/s, {bare / ours:.2f} x the loop"
    row(what, figure, ">= 1.5 x", f"loop {len(said) / bare:,.0f} outputs/s, {apart:.0e} apart")


def _model() -> RewardModel:
    tokenizer = char_tokenizer(LETTERS, context=2048)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=2048, num_labels=1, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForSequenceClassification(config).eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    return RewardModel(model, tokenizer, way_of(model))


def _texts(prompts: int, samples: int, length: int) -> tuple[list[str], list[str]]:
    """Prompts of about `length` tokens, and responses whose lengths are log-normal with median 48 and sigma 0.8."""
    rng = np.random.default_rng(0)

    def text(size: int) -> str:
        return "".join(rng.choice(list(LETTERS), size))

    asked = [text(int(rng.integers(length * 3 // 4, length * 5 // 4))) for _ in range(prompts)]
    sizes = np.exp(rng.normal(np.log(48), 0.8, prompts * samples)).clip(4, 512).astype(int)
    return [one for one in asked for _ in range(samples)], [text(int(size)) for size in sizes]


@torch.inference_mode()
def _loop(rm: RewardModel, prompts: list[str], responses: list[str]) -> np.ndarray:
    """The loop by hand, pooled by the pad token, as the model itself does it."""
    texts = [prompt + response for prompt, response in zip(prompts, responses, strict=True)]
    pad, found = rm.model.config.pad_token_id, []
    rm.model.config.pad_token_id = rm.tokenizer.pad_token_id
    for first in range(0, len(texts), BATCH):
        batch = rm.tokenizer(texts[first : first + BATCH], padding=True, padding_side="right", return_tensors="pt")
        batch = batch.to(rm.model.device)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        found.append(rm.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, 0].cpu().numpy())
    rm.model.config.pad_token_id = pad
    return np.concatenate(found)


def _beside(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of each, in turn: of the processor on a CPU, which a busy machine does not stretch."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS + 1):
        for place, call in enumerate((ours, bare)):
            start = clock()
            call()
            seconds[place].append(clock() - start)
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    run(parser.parse_args().threads)
