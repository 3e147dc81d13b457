"""What an output looks like to the policy that said it: its hidden states, and a sketch of its output-layer gradient.

    hidden mean    mean over tokens of h_t, the last hidden state that token t was predicted from
    sketch         sum over tokens of (P_v' (onehot(y_t) - pi(. | y_<t))) outer (P_h' h_t)

The sum over tokens of (onehot - pi) outer h is the gradient of log pi(y) by the output layer. P_v (vocabulary, r) and
P_h (width, r) are fixed random matrices of variance 1 / r, so that inner products of sketches estimate those of
gradients without bias: r^2 numbers for any vocabulary and any width, by the forward pass that there is anyway.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]
WIDEST = 256  # hidden means of more dimensions are projected to so many


@dataclass(frozen=True)
class Sketch:
    """Which features are taken, and the seed of the random matrices. Dimensions: min(width, 256) + rank^2."""

    rank: int = 16  # 0: no sketch
    seed: int = 0

    def start(self, rows: int, *, width: int, vocabulary: int, device: torch.device) -> "Tally":
        """Nothing seen yet, for `rows` outputs."""
        generator = torch.Generator().manual_seed(self.seed)
        project = None if width <= WIDEST else _normal((width, WIDEST), generator).to(device)
        tokens = _normal((vocabulary, self.rank), generator).to(device)
        hidden = _normal((width, self.rank), generator).to(device)
        return Tally(
            total=torch.zeros(rows, width, device=device),
            sketch=torch.zeros(rows, self.rank**2, device=device),
            count=torch.zeros(rows, device=device),
            matrices=(tokens, hidden, project),
        )


@dataclass(eq=False)
class Tally:
    """Sums over the tokens seen so far, one row an output. No gradient flows."""

    total: Tensor  # (n, width)
    sketch: Tensor  # (n, rank^2)
    count: Tensor  # (n,)
    matrices: tuple[Tensor, Tensor, Tensor | None]

    def add(self, rows: Tensor, token: Tensor, logits: Tensor, hidden: Tensor) -> None:
        """A token of each of the rows (m,): its id (m,), the logits it was drawn from (m, v), the hidden state (m, h).

        The logits are those at the policy's own temperature: pi is what the tokens were drawn from, untruncated.
        """
        by_token, by_hidden, _ = self.matrices
        state = hidden.float()
        self.total.index_add_(0, rows, state)
        self.count.index_add_(0, rows, torch.ones_like(rows, dtype=torch.float32))
        if by_token.shape[1]:
            surprise = by_token[token] - logits.float().softmax(-1) @ by_token
            product = torch.einsum("mv,mh->mvh", surprise, state @ by_hidden)
            self.sketch.index_add_(0, rows, product.flatten(1))

    def values(self) -> Floats:
        """(n, d): hidden means first, then sketches."""
        project = self.matrices[2]
        mean = self.total / self.count.clamp(min=1.0)[:, None]
        shown = mean if project is None else mean @ project
        joined: Floats = torch.cat([shown, self.sketch], dim=1).cpu().numpy()
        return joined


def hidden_dims(width: int) -> int:
    """How many of the features are of the hidden mean: as many as it has, or what it was projected to.

    >>> hidden_dims(64), hidden_dims(4096)
    (64, 256)
    """
    return min(width, WIDEST)


def balanced(features: Floats, split: int) -> Floats:
    """(p, s, d) with its two blocks, before and from `split`, of the same mean square within prompts.

    Neither the unit of the hidden states nor the length of the outputs then decides which block counts.

    >>> values = np.array([[[1.0, 0.0, 30.0], [-1.0, 0.0, -30.0]]], dtype=np.float32)
    >>> balanced(values, 2)[0, 0].round(3)
    array([0.707, 0.   , 0.707], dtype=float32)
    """
    parts = []
    for block in (features[..., :split], features[..., split:]):
        centred = block - np.nanmean(block, axis=1, keepdims=True, dtype=np.float64)
        square = float(np.nansum(centred**2)) / max(1, int((~np.isnan(block[..., :1])).sum()))
        parts.append(centred * np.sqrt(0.5 / square) if square > 0 else centred)
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _normal(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    values: Tensor = torch.randn(shape, generator=generator) / max(shape[1], 1) ** 0.5
    return values
