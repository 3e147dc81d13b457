"""Scorers and policies for engines: every worker opens its own, as this process would have done.

The number of threads goes with them: sums of floats hang on it, and the results shall not hang on the engine. Where
there are several GPUs, processes of this machine take them in turn; on Ray each actor is given its own.
"""

import multiprocessing
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from culpa.engines import Engine, Ray
from culpa.lm.open import Spec, Way, opened
from culpa.lm.score import Pool, Scorer

if TYPE_CHECKING:
    from culpa.lm.collect import Policy
    from culpa.lm.model import LanguageModel

MODELS = ("model", "logprob")  # kinds of scores that torch computes


class Home(NamedTuple):
    """What a worker takes over from the process that asked."""

    folder: str  # that relative paths start from
    threads: int | None  # of torch; None: it is not needed


def scorers(spec: Spec, way: Way, engine: Engine) -> Pool:
    """The scorer of a spec in every worker of an engine."""
    torch = spec.kind in MODELS
    return Pool(partial(_scorer, spec, way, _home(torch=torch)), with_devices(engine, way.device if torch else "cpu"))


def policy(name: str, engine: Engine, *, device: str = "auto", dtype: str = "auto") -> "Policy":
    """The model of a name in every worker of an engine; here are only its tokenizer and its context."""
    from transformers import AutoConfig  # noqa: PLC0415 - an extra

    from culpa.lm.collect import Policy  # noqa: PLC0415 - needs torch
    from culpa.lm.model import context_of, from_folder, load_tokenizer  # noqa: PLC0415

    context = context_of(from_folder(AutoConfig, name))
    opening = partial(_model, name, device, dtype, _home(torch=True))
    return Policy(load_tokenizer(name), context, opening, with_devices(engine, device))


def with_devices(engine: Engine, device: str) -> Engine:
    """The engine for models on such a device: on Ray an actor takes a GPU of its own.

    >>> with_devices(Ray(2), "cuda").gpus, with_devices(Ray(2), "auto").gpus
    (1, 0)
    """
    if isinstance(engine, Ray) and device.startswith("cuda"):
        return Ray(engine.processes, engine.address, gpus=1)
    return engine


def in_turn(device: str, worker: int, devices: int) -> str:
    """The device of a worker of this machine, numbered from 1.

    >>> [in_turn("cuda", worker, 2) for worker in (1, 2, 3)], in_turn("cuda:1", 1, 2), in_turn("auto", 1, 0)
    (['cuda:0', 'cuda:1', 'cuda:0'], 'cuda:1', 'auto')
    """
    return f"cuda:{(worker - 1) % devices}" if device in ("auto", "cuda") and devices > 1 else device


@contextmanager
def _scorer(spec: Spec, way: Way, home: Home) -> Generator[Scorer]:
    with opened(spec, replace(way, device=_settled(home, way.device))) as scorer:
        yield scorer


@contextmanager
def _model(name: str, device: str, dtype: str, home: Home) -> "Generator[LanguageModel]":
    from culpa.lm.model import load  # noqa: PLC0415 - needs torch

    yield load(name, device=_settled(home, device), dtype=dtype)


def _home(*, torch: bool) -> Home:
    threads = None
    if torch:
        with suppress(ImportError):  # what is missing is said where it is opened
            from torch import get_num_threads  # noqa: PLC0415 - an extra

            threads = get_num_threads()
    return Home(os.getcwd(), threads)


def _settled(home: Home, device: str) -> str:
    """Makes this process like the one that asked, and gives the device that it takes."""
    with suppress(OSError):  # another machine need not have the folder: what is not found there is said then
        os.chdir(home.folder)
    if home.threads is None:
        return device
    from torch import cuda, set_num_threads  # noqa: PLC0415 - an extra

    set_num_threads(home.threads)
    if multiprocessing.parent_process() is None:
        return device
    return in_turn(device, int(multiprocessing.current_process().name.rpartition("-")[2]), cuda.device_count())
