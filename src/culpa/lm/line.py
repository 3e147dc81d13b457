"""JSON over HTTP to a server that may be slow, busy or broken: tried again, and given up with a reason."""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from culpa.errors import InputError, shorten

FIRST_WAIT = 1.0  # seconds before the second try, about; each further wait is twice as long
LONGEST_WAIT = 60.0
LARGEST = 32 << 20  # bytes of a reply
MOST_FAILED = 8  # requests given up one after the other, after which the server counts as gone
_OUR_FAULT = (400, 413, 422)  # the server is there, and will not take this request


class Reply(NamedTuple):
    """What a request gave: a value, or the reason why there is none."""

    value: Any = None
    reason: str = ""


class OddReplyError(ValueError):
    """A reply that is not what was asked for; its text says what is wrong. The request is made again."""


class Line:
    """A way to one server.

    A request that fails is made again, `tries` times in all: where there is no connection or no answer in time, for
    HTTP 408, 425, 429 and 5xx, and for replies that are no JSON or not of the form asked for. Waits grow as 1, 2, 4
    seconds and so on, each times a number in [0.5, 1.5) from a seeded generator; `Retry-After` counts up to a minute.
    Redirections are not followed: they would take the key elsewhere.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        timeout: float = 180.0,
        tries: int = 5,
        threads: int = 8,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """With `key` as the bearer token, `timeout` in seconds for one try, and so many requests at a time."""
        _check(url, timeout, tries, threads)
        self.url, self.timeout, self.tries, self.threads = url, timeout, tries, threads
        self._key, self._wait = key, wait
        self._failed, self._gone, self._lock = 0, "", threading.Lock()
        self._open = urllib.request.build_opener(_Stay).open

    def ask(self, bodies: Sequence[object], read: Callable[[Any], Any], *, seed: int = 0) -> list[Reply]:
        """One reply for every body, in order. `read` takes the JSON of a reply apart, and raises `OddReplyError`."""
        with ThreadPoolExecutor(self.threads) as pool:
            numbered = [(body, np.random.default_rng([seed, number])) for number, body in enumerate(bodies)]
            replies = list(pool.map(lambda one: self._one(one[0], read, one[1]), numbered))
        if self._gone:
            problem = f"{shorten(self.url)} does not answer: {MOST_FAILED} requests in a row failed ({self._gone})."
            remedy = "See that it runs, and run the same command again: it goes on where it stopped."
            raise InputError(problem, remedy=remedy)
        return replies

    def _one(self, body: object, read: Callable[[Any], Any], rng: np.random.Generator) -> Reply:
        reason = "not asked"
        for number in range(self.tries):
            if self._gone:
                return Reply(reason=reason)
            try:
                value = read(self._post(body))
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = self._reason(error)
                code = getattr(error, "code", 500)
                if code in _OUR_FAULT:
                    return self._ended(Reply(reason=reason))
                if not _passing(code) or number + 1 == self.tries:
                    break
                self._wait(_pause(number, error, rng))
            else:
                return self._ended(Reply(value))
        return self._ended(Reply(reason=reason), failed=True)

    def _ended(self, reply: Reply, failed: bool = False) -> Reply:
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            if self._failed >= MOST_FAILED:
                self._gone = reply.reason
        return reply

    def _post(self, body: object) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "culpa"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers, method="POST")
        deadline = time.monotonic() + self.timeout
        data = b""
        with self._open(request, timeout=self.timeout) as response:
            while part := response.read1(1 << 16):
                data += part
                if time.monotonic() > deadline:
                    raise TimeoutError
                if len(data) > LARGEST:
                    raise OddReplyError(f"longer than {LARGEST >> 20} MB")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise OddReplyError("no JSON") from error

    def _reason(self, error: Exception) -> str:
        """Kind and text, without the key."""
        text = _described(error, self.timeout)
        return shorten(text.replace(self._key, "***") if self._key else text, 200)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirection stays what it is: an answer without a score."""


def _pause(number: int, error: Exception, rng: np.random.Generator) -> float:
    asked = 0.0
    if isinstance(error, urllib.error.HTTPError):
        try:
            asked = float(error.headers.get("Retry-After") or 0.0)
        except ValueError:
            asked = 0.0  # a date
    own = FIRST_WAIT * 2**number * (0.5 + float(rng.random()))
    return float(min(max(own, asked), LONGEST_WAIT))


def _passing(code: int) -> bool:
    """Whether an HTTP error may be gone the next time."""
    return code in (408, 425, 429) or code >= 500


def _described(error: Exception, timeout: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}{_said(error)}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"time-out: no answer within {timeout:g} s"
    if isinstance(error, OddReplyError):
        return f"reply: {error}"
    return f"no connection: {getattr(cause, 'strerror', None) or cause or type(cause).__name__}"


def _said(error: urllib.error.HTTPError) -> str:
    """What the server says of it; of a refused key nothing, for some repeat it."""
    if error.code in (401, 403):
        return ""
    try:
        found = json.loads(error.read(1 << 16))
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    inner = found.get("error", found.get("detail")) if isinstance(found, dict) else None
    text = inner.get("message") if isinstance(inner, dict) else inner
    return f": {shorten(text, 120)}" if isinstance(text, str) else ""


def _check(url: str, timeout: float, tries: int, threads: int) -> None:
    try:
        parts = urlsplit(url)
        odd = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        named = parts.username is not None
    except ValueError:
        odd, named = True, False
    if named:
        problem = "the address of the server holds a user name."
        raise InputError(problem, remedy="Put the key in an environment variable and name it with --key-env.")
    if odd:
        raise InputError(f"{shorten(repr(url))} is no address of a server.", remedy="Write http://HOST:PORT/PATH.")
    if not 0 < timeout < float("inf") or tries < 1 or threads < 1:
        problem = f"time-out {timeout}, tries {tries}, threads {threads}."
        raise InputError(problem, remedy="Give a time-out above 0 seconds, and at least 1 try and 1 thread.")
