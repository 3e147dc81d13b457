"""Mathematical answers, compared by math-verify in a process of their own, under a time-out of our own.

math-verify's own time-out is an alarm signal. Off the main thread it raises, and the score becomes 0 without a word;
in a trainer that scores in threads every answer is then wrong. Here its time-outs are off and the process is ended.
"""

import atexit
import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from culpa.errors import InputError
from culpa.verifiers.extract import final_answer, last_expression
from culpa.verifiers.process import Call, Limits, Target, Worker

_TARGET = Target("", Path(__file__).with_name("math_compare.py"), "equal")


class MathVerifier:
    r"""1 where the response's final answer equals the reference as mathematics, 0 where not, None: no verdict.

    The final answer is what stands in the last \boxed{...}, <answer> tag or #### line, else behind the last "is" or =
    of the last line, else the last number. A list of guesses is a list, and equals no single answer.
    No verdict: the comparison took longer than `seconds` or more than `memory` MiB, or the reference is no expression.
    Safe to call from any thread, one comparison at a time; a process that was forked gets a child of its own.

    >>> with MathVerifier() as verifier:
    ...     verifier(r"so it is \boxed{\frac{2}{4}}", "0.5"), verifier(r"\boxed{3}", "4"), verifier("2", "see above")
    (1.0, 0.0, None)
    """

    def __init__(self, seconds: float = 5.0, memory: int = 2048) -> None:
        if find_spec("math_verify") is None:
            remedy = "Install it: pip install 'culpa[verifiers]'."
            raise InputError("math answers are compared by math-verify, which is not installed.", remedy=remedy)
        self.limits = Limits(seconds, memory)
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._owner = os.getpid()

    def __call__(self, response: str, answer: object) -> float | None:
        """The verdict on one response."""
        return self.score([(response, answer)])[0]

    def __enter__(self) -> Self:
        """The verifier itself; its process ends with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the process."""
        self.close()

    def score(self, pairs: Sequence[tuple[str, object]]) -> list[float | None]:
        """The verdicts on pairs (response, answer), in one go."""
        calls = [Call([_final(response), str(answer)], {}) for response, answer in pairs]
        with self._lock:
            if self._worker is None or self._owner != os.getpid():
                self._worker, self._owner = Worker(_TARGET, self.limits), os.getpid()
            found = [one for call in calls for one in self._worker.calls([call])]
        return [one.value if isinstance(one.value, float) else None for one in found]

    def close(self) -> None:
        """End the process; the next call starts another."""
        with self._lock:
            if self._worker is not None and self._owner == os.getpid():
                self._worker.close()
            self._worker = None


_shared_lock = threading.Lock()
_shared: list[MathVerifier] = []


def math_answer(response: str, answer: object) -> float | None:
    r"""`MathVerifier` with its defaults, its process kept from call to call and ended with this one.

    >>> math_answer(r"\boxed{2^3}", "8")
    1.0
    """
    with _shared_lock:
        if not _shared:
            _shared.append(MathVerifier())
            atexit.register(_shared[0].close)
    return _shared[0](response, answer)


def _final(response: str) -> str:
    marked = final_answer(response)
    answer = marked if marked != response.strip() else last_expression(response)
    return f"$\\boxed{{{answer.strip('$')}}}$" if answer else ""
