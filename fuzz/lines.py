"""Targets: one line or one text of a user, of a model or of a server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

from culpa.advice.atlas import look_up, read_atlas, read_cells
from culpa.cli.app import app
from culpa.cli.defect import _parsed
from culpa.cli.settings import load
from culpa.dynamics import learner
from culpa.dynamics.horizon import parse_horizon
from culpa.errors import shorten
from culpa.lm.endpoints import PATTERN, _content, _has_rewards, _rewards, chat_url, filled, verdict
from culpa.lm.line import OddReplyError, Reply
from culpa.lm.open import parse_spec
from culpa.lm.prompts import read_prompts
from culpa.probing.target import parse_target
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import matching
from culpa.rollouts.components import mixed
from culpa.rollouts.identity import content_id
from culpa.rollouts.messages import message_text
from culpa.signals import parse
from culpa.signals.transform import apply
from culpa.training.watch.sinks import read_log
from culpa.training.watch.tail import step_files
from culpa.verifiers import answers, constraints, counting, extract, wording
from culpa.verifiers.text import sentences, words
from fuzz.files import fresh
from fuzz.target import Target, choice

REPEATED = 60_000  # characters to which a text is repeated, to find time that grows as its square
_SCORES = {"rm-a": [1.0, 2.0, 3.0], "org/rm": [0.0, np.nan, 1.0], "a - b": [1.0, 1.0, 0.0], "b": [0.0, 0.0, 1.0]}


def targets() -> Iterator[Target]:
    """The texts that are taken apart."""
    yield _of("signal", "a chain of signals", _signal, 120_000, "center | clip:3 | divide_std:ddof=1", "tanh:2|rank")
    yield _of("horizon", "a horizon", parse_horizon, 80_000, "kl=0.4", "clock=1", "gain=.5", "steps=50")
    yield _of("learner", "a learner", learner, 80_000, "grpo:8", "tilt:0.5", "reinforce", "best_of_n:16", "ppo:4")
    yield _of("mix", "a weighted sum of scores", _mix, 120_000, "both = 0.7*rm-a + .3*org/rm", "a - b", "a - .5*b")
    yield _of("defect", "a defect and its size", _defect, 40_000, "hack_rare:2", "none", "measure", "noise:0.5")
    yield _of("spec", "what a score is made with", _spec, 60_000, "a=reward:org/x", "j=judge:http://h:1#m", "f=m:f")
    yield _of("target", "the name of a reward function", parse_target, 60_000, "a.b:c", "x.py:f")
    yield _of("pattern", "patterns and names", _pattern, 60_000, "rm_*\nrm_a\n[a-z]?")
    yield _of(
        "settings", "a YAML file of settings", _settings, 40_000, "truth: gold\nseed: 3\nproxy: [a, b]\n", "a: &x [*x]"
    )
    yield _of("judge", "what a judge says", _judge, 100_000, "Score: **7**/10", '{"score": 0.5}', "{{{ score: .5 }}}")
    yield _of("reply", "JSON that a server sends", _reply, 100_000, '{"choices": [{"message": {"content": "x"}}]}',
              '{"rewards": [0.5, null]}', "[1]")  # fmt: skip
    yield _of("template", "a judge's template and the texts in it", _template, 60_000, "{prompt} {response} {x}\na\nb")
    yield _of("verifiers", "outputs that a verifier reads", _verifiers, 60_000, r"so \boxed{\frac{1}{2}}",
              "<answer>4</answer>", "#### 42", '{"answer": 1}', "It is $x$.")  # fmt: skip
    yield _of("repeated", "the same outputs, repeated to 60 kB", _repeated, 10_000, r"\boxed{", "<answer>", "$", "{",
              "Score: ", "1,000", "a = ", "####\n", ". ", '"')  # fmt: skip
    yield _of("log", "a log of culpa watch", _log, 40_000, '{"step": 1, "reward": 0.5, "alarms": []}\n{"step": 2}\n')
    yield _of(
        "prompts",
        "a file of prompts",
        _prompts,
        15_000,
        '{"prompt": "a"}\n{"prompt": [{"role": "user", "content": "b"}]}\n',
    )
    yield _of("messages", "chat messages and words to print", _messages, 100_000, '[{"role": "user", "content": "a"}]')


def _of(name: str, about: str, run: Callable[[str], object], executions: int, *seeds: str) -> Target:
    def of_bytes(data: bytes) -> None:
        run(data.decode("utf-8", "surrogateescape"))

    return Target(f"text.{name}", about, of_bytes, lambda: [seed.encode() for seed in seeds], executions, size=2048)


def _signal(text: str) -> None:
    chain = parse(text)
    apply(chain, np.array([[0.0, 1.0, 1.0, 0.25], [0.5, 0.5, 0.5, 0.5]]), rng=np.random.default_rng(0))


def _mix(text: str) -> None:
    scores = {name: np.array([values]) for name, values in _SCORES.items()}
    here = np.ones((1, 3), dtype=bool)
    record = Rollouts(np.array(["a"], dtype=object), here, here / 3, scores)
    first, _, second = text.partition("\n")
    mixed(record, [first, second] if second else [first])


def _defect(text: str) -> None:
    name, size = _parsed(text)
    look_up(read_cells(), read_atlas().recipe, name, size)


def _spec(text: str) -> None:
    chat_url(parse_spec(text).source)


def _pattern(text: str) -> None:
    pattern, *names = text.split("\n")
    matching(names, [pattern])


def _settings(text: str) -> None:
    path = Path("s.yaml")
    path.write_bytes(text.encode("utf-8", "surrogateescape").replace(b"/", b""))
    command = typer.main.get_command(app).commands["audit"]  # type: ignore[attr-defined]
    load(typer.Context(command), path)


def _judge(text: str) -> None:
    verdict(text, PATTERN)
    verdict(text, "json:score")
    verdict(text, r"(\d+)\s*/\s*10")


def _reply(text: str) -> None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    for read in (_content, lambda one: _rewards(Reply(_has_rewards(one)), 2)):
        try:
            read(value)
        except OddReplyError as error:
            shorten(error)


def _template(text: str) -> None:
    template, prompt, response = (*text.split("\n", 2), "", "")[:3]
    filled(template, {"prompt": prompt, "response": response, "x": [1, None]})


def _verifiers(text: str) -> None:
    question, _, answer = text.partition("\n")
    for one, other in ((text, "42"), (question, answer), (text, text)):
        answers.exact(one, other, fold=True)
        answers.json_answer(one, other, key="answer")
    for read in _READ:
        read(text)
    constraints.satisfied(text, list(constraints.CONSTRAINTS))


def _repeated(text: str) -> None:
    if not text:
        return
    begin, middle, end = text[: len(text) // 3], text, text[-2:]
    long = begin + middle * (REPEATED // len(middle)) + end
    read: tuple[Callable[[str], Any], ...] = (
        *_READ, _judge, lambda one: answers.exact(one, "42", fold=True), lambda one: answers.json_answer(one, "42"),
    )  # fmt: skip
    read[choice(text.encode("utf-8", "surrogateescape"), len(read))](long)


def _log(text: str) -> None:
    folder = fresh()
    path = folder / "log.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    step_files(folder)
    list(read_log(path))


def _prompts(text: str) -> None:
    path = fresh() / ("p.jsonl" if text[:1] == "{" else "p.txt")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    read_prompts(path)


def _messages(text: str) -> None:
    shown = shorten(text)
    if not shown.isprintable():
        raise ValueError(repr(shown))
    content_id(text)
    try:
        message_text(json.loads(text))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, json.JSONDecodeError | RecursionError):
            raise


_READ: tuple[Callable[[str], Any], ...] = (
    extract.boxed, extract.final_answer, extract.last_expression, words, sentences, counting.punctuation,
    counting.pronouns, counting.person_names, counting.numbers, counting.repeats, counting.multiples, wording.quotes,
    wording.newline, wording.start_verb, wording.last_first, wording.increment, wording.alphabet,
)  # fmt: skip
