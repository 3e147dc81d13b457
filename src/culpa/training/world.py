"""Several processes that train one policy: who works on what, and how numbers come together.

Started by torchrun or accelerate, which set RANK and WORLD_SIZE; alone, everything here does nothing. Parts are put
together in the order of the ranks, so that every process has the same numbers.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from culpa.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """One process among all that train."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it writes files and talks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Its part of the work: consecutive, and as many for everybody.

        >>> World(1, 2).share("abcd")
        'cd'
        """
        if len(items) % self.size:
            problem = f"{len(items)} prompts a step cannot be shared by {self.size} processes."
            raise InputError(problem, remedy="Let the number of prompts be a multiple of the number of processes.")
        each = len(items) // self.size
        return items[self.rank * each : (self.rank + 1) * each]

    def gather(self, items: Sequence[T]) -> list[T]:
        """The parts of all, in the order of the ranks."""
        if self.size == 1:
            return list(items)
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, list(items))
        return [one for part in parts for one in part]

    def add(self, gradients: Iterable[Tensor]) -> None:
        """The sum over all processes, in place."""
        if self.size > 1:
            for one in gradients:
                dist.all_reduce(one)

    def wait(self) -> None:
        """Until everybody is here."""
        if self.size > 1:
            dist.barrier()


def join() -> World:
    """The world that torchrun has set up, by gloo on CPUs and nccl on GPUs; else a world of one.

    >>> join()
    World(rank=0, size=1)
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return World(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """The end of the common work."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
