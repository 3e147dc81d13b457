"""A policy small enough that every output, and every group of outputs, can be written down."""

from itertools import product

import torch

from culpa.objectives import Denominator, TokenBatch, denominator

torch.set_num_threads(1)

OUTPUTS = [(0,), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]  # 0 ends; at most two tokens
MASK = torch.tensor([[True, len(output) == 2] for output in OUTPUTS])


def logits(seed=0):
    """Next-token logits (3, 3): after nothing, after 1, after 2."""
    drawn = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.requires_grad_()


def tokens(theta):
    """Log-probabilities (7, 2) of every output's tokens, NaN where there is none."""
    logp = torch.log_softmax(theta, dim=1)
    nothing = torch.full((), torch.nan, dtype=torch.float64)
    rows = [[logp[0, out[0]], logp[out[0], out[1]] if len(out) == 2 else nothing] for out in OUTPUTS]
    return torch.stack([torch.stack(row) for row in rows])


def whole(logp):
    """Log-probabilities (7,) of the outputs."""
    return torch.where(MASK, logp, 0.0).sum(dim=1)


def gradient(value, theta):
    return torch.autograd.grad(value, theta, retain_graph=True)[0]


def expected(term, theta, advantage=None, *, old=None, ref=None, over="sum"):
    """The gradient of a term, expected over single outputs drawn from the older policy, else from the policy itself."""
    logp = tokens(theta)
    past = None if old is None else tokens(old).detach()
    batch = TokenBatch(logp, MASK, past, None if ref is None else tokens(ref).detach())
    weight = whole(logp if old is None else past).exp().detach()
    given = torch.zeros(7, dtype=torch.float64) if advantage is None else advantage
    value = (term(batch, given) * batch.mask / (1 if over == "sum" else batch.lengths)).sum(dim=1)
    return gradient((weight * value).sum(), theta)


def groups(size):
    """Every group of so many outputs, (7^size, size) places."""
    return torch.tensor(list(product(range(len(OUTPUTS)), repeat=size)))


def over_groups(objective, theta, size, advantage, *, old=None, ref=None):
    """The expected gradient of an objective over all groups, each weighted by its chance; advantage: (groups, size)."""
    drawn = groups(size)
    logp = tokens(theta)
    past = logp.detach() if old is None else tokens(old).detach()
    chance = whole(past).exp()[drawn].prod(dim=1, keepdim=True).expand(drawn.shape).flatten()
    rows = drawn.flatten()
    batch = TokenBatch(logp, MASK, past, None if ref is None else tokens(ref).detach()).rows(rows)
    by = objective.denominator(batch.mask, advantage.flatten(), chance)
    return gradient(objective(batch, advantage.flatten(), by, chance).value, theta)


def random_batch(n=6, t=5, seed=0, **given):
    """Outputs of unlike lengths with a policy, an older one and a reference; the leaf that has the gradient."""
    rng = torch.Generator().manual_seed(seed)
    draw = [-torch.rand(n, t, generator=rng, dtype=torch.float64) for _ in range(4)]
    length = torch.randint(1, t + 1, (n, 1), generator=rng)
    mask = torch.arange(t)[None, :] < length
    leaf = draw[0].requires_grad_()
    fields = {"logp_old": draw[1], "logp_ref": draw[2], "entropy": leaf * draw[3]} | given
    return TokenBatch(leaf, mask, **fields), leaf


def size(number, over="token"):
    """A denominator of one's own."""
    one = denominator(torch.ones(1, 1, dtype=torch.bool), over)
    return Denominator(one.over, number)
