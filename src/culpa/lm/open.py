"""From what the user writes to a scorer: `rm=org/model`, `unit=rewards.py:score`, `j=judge:http://host#model`."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import isdir
from pathlib import Path
from typing import Literal, NamedTuple

from culpa.errors import InputError, shorten
from culpa.lm.endpoints import PATTERN, TEMPLATE, Judge, RewardServer, chat_url, checked_pattern, load_template
from culpa.lm.functions import FunctionScorer
from culpa.lm.line import Line
from culpa.lm.score import Scorer
from culpa.probing import parse_target
from culpa.probing.style import known_style
from culpa.verifiers.process import Limits

Kind = Literal["model", "function", "server", "judge", "logprob"]
FUNCTION_SECONDS, SERVER_SECONDS = 10.0, 180.0
_JUDGE = "judge:"


class Spec(NamedTuple):
    """A score by its name and where it comes from."""

    name: str
    kind: Kind
    source: str


@dataclass(frozen=True)
class Judging:
    """What a judge is shown, and how its verdict is read."""

    template: str = TEMPLATE
    pattern: str = PATTERN
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        """Refuse what could not be read."""
        checked_pattern(self.pattern)
        if self.max_tokens < 1:
            raise InputError(f"a judge says at least 1 token, got {self.max_tokens}.", remedy="1024 is usual.")


@dataclass(frozen=True)
class Way:
    """How scorers are asked. What does not concern one of them does nothing."""

    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None  # None: as suits the device
    chat: bool | None = None  # whether outputs go into a model's chat template; None: of reward models, if there is one
    answer: str | None = None  # column of the reference
    style: str | None = None  # of a function
    seconds: float | None = None  # that a call may take; None: as usual for its kind
    memory: int = 4096  # MiB of a function's process
    threads: int = 8  # requests to a server at a time
    tries: int = 5
    key_env: str | None = None  # environment variable with the key of a server
    judging: Judging = field(default_factory=Judging)


def parse_spec(text: str) -> Spec:
    """NAME=SPEC taken apart.

    >>> [parse_spec(f"a={source}").kind for source in ("rewards.py:unit", "org/model", "http://h", "judge:http://h#m")]
    ['function', 'model', 'server', 'judge']
    """
    name, equals, source = text.partition("=")
    name, source = name.strip(), source.strip()
    if not (equals and name and source):
        problem = f"{shorten(repr(text))} does not say what the score is called and where it comes from."
        remedy = "Write NAME=MODEL, NAME=file.py:function, NAME=http://HOST or NAME=judge:http://HOST#MODEL."
        raise InputError(problem, remedy=remedy)
    return Spec(name, _kind(source), source)


def template_of(path: Path | None) -> str:
    """The judge's template: that of a file, or the plain one."""
    return TEMPLATE if path is None else load_template(path)


def folder_of(parts: Path, spec: Spec) -> Path:
    """Where the finished blocks of a score are kept.

    >>> folder_of(Path("out.parts"), Spec("a/b", "model", "m")).name
    'a_b-c14cddc0'
    """
    readable = re.sub(r"[^\w.-]+", "_", spec.name)[:40]
    return parts / f"{readable}-{hashlib.sha256(spec.name.encode()).hexdigest()[:8]}"


@contextmanager
def opened(spec: Spec, way: Way = Way()) -> Iterator[Scorer]:
    """The scorer of a spec, ready to be asked; its process ends with the block."""
    if spec.kind == "function":
        with FunctionScorer(parse_target(spec.source), _limits(way), style=way.style, answer=way.answer) as scorer:
            yield scorer
    elif spec.kind == "server":
        yield RewardServer(_line(spec.source, way), answer=way.answer)
    elif spec.kind == "judge":
        url, model = chat_url(spec.source.removeprefix(_JUDGE))
        how = way.judging
        yield Judge(_line(url, way), model, template=how.template, pattern=how.pattern, max_tokens=how.max_tokens)
    else:
        yield _with_torch(spec, way)


def identity(spec: Spec, way: Way) -> dict[str, object]:
    """All of a spec that decides its scores, for the fingerprint of finished parts. No key is in it.

    Of a folder the names, sizes and times of its files; of a file of functions its hash; of a hub's model or a server
    the name, behind which nobody can look.
    """
    found: dict[str, object] = {"name": spec.name, "kind": spec.kind, "source": spec.source}
    if spec.kind in ("model", "logprob"):
        return found | {"dtype": way.dtype, "chat": way.chat, "files": _files(Path(spec.source))}
    if spec.kind == "judge":
        how = way.judging
        return found | {"template": how.template, "pattern": how.pattern, "max_tokens": how.max_tokens}
    if spec.kind == "function":
        file = parse_target(spec.source).file
        code = None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
        found |= {"style": way.style, "code": code, "seconds": way.seconds, "memory": way.memory}
    return found | {"answer": way.answer}


def check_spec(spec: Spec, way: Way) -> None:
    """Refuse, before any work is done, what could not be opened; models of a hub are not looked for."""
    if spec.kind == "function":
        parse_target(spec.source)
        _limits(way)
        if way.style is not None:
            known_style(way.style)
    elif spec.kind == "server":
        _line(spec.source, way)
    elif spec.kind == "judge":
        _line(chat_url(spec.source.removeprefix(_JUDGE))[0], way)
    elif spec.source.startswith((".", "/", "~")) and not Path(spec.source).is_dir():
        raise InputError("there is no such folder.", path=spec.source, remedy="Name the folder of a model.")


def _kind(source: str) -> Kind:
    if isdir(source):
        return "model"
    if source.startswith(_JUDGE):
        return "judge"
    if source.startswith(("http://", "https://")):
        return "server"
    return "function" if ":" in source or source.endswith(".py") else "model"


def _line(url: str, way: Way) -> Line:
    key = ""
    if way.key_env is not None:
        key = os.environ.get(way.key_env, "")
        if not key:
            problem = f"the environment variable {shorten(repr(way.key_env))} is not set."
            raise InputError(problem, remedy="Set it to the server's key, or leave --key-env out.")
    seconds = SERVER_SECONDS if way.seconds is None else way.seconds
    return Line(url, key=key, timeout=seconds, tries=way.tries, threads=way.threads)


def _limits(way: Way) -> Limits:
    return Limits(FUNCTION_SECONDS if way.seconds is None else way.seconds, way.memory)


def _with_torch(spec: Spec, way: Way) -> Scorer:
    try:
        import transformers  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        problem = f"{spec.name}: language models need torch and transformers, which are not installed."
        raise InputError(problem, remedy="pip install 'culpa[hf]'") from error
    if spec.kind == "logprob":
        from culpa.lm.likelihood import likelihoods  # noqa: PLC0415 - needs torch
        from culpa.lm.model import load  # noqa: PLC0415

        lm = load(spec.source, device=way.device, dtype=way.dtype)
        if way.chat is None and lm.tokenizer.chat_template:
            problem = f"{shorten(spec.source)} has a chat template, and the rollouts do not say if it was used."
            raise InputError(problem, remedy="Say --chat if the prompts were sampled in it, else --no-chat.")
        return likelihoods(lm, chat=bool(way.chat), batch_tokens=way.batch_tokens)
    from culpa.lm.reward_model import load_reward_model, scorer  # noqa: PLC0415

    model = load_reward_model(spec.source, device=way.device, dtype=way.dtype)
    return scorer(model, batch_tokens=way.batch_tokens, chat=way.chat is not False)


def _files(folder: Path) -> list[list[object]]:
    """Names, sizes and times of what a local model consists of; nothing for one of a hub."""
    if not folder.is_dir():
        return []
    stats = [(str(path.relative_to(folder)), path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
