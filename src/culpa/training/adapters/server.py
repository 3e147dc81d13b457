"""A reward function behind HTTP, as OpenRLHF asks for rewards: one POST for each batch.

request    {"query": [text, ...], "prompts": [text, ...], "labels": [anything, ...]}
answer     200 {"rewards": [...], "scores": [...], "extra_logs": {"raw": [...]}}; null where there is no verdict
           400 garbage, 408 too slow, 411 without a length, 413 too long, 415 not JSON, 500 the reward failed:
           {"error": text}

What went wrong inside stands in the server's log, never in an answer. There is no password: it listens to this machine
alone unless told otherwise.
"""

import json
import logging
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np

from culpa.errors import InputError
from culpa.training.adapters.openrlhf import Scorer

_LOG = logging.getLogger(__name__)
_LONGEST = 32 << 20  # bytes of a request
_PATIENCE = 60.0  # seconds for a client to send it
_DIGITS = 16  # of a length
_DRAINED = 1 << 16  # bytes read of what is refused, so that the client reads why
_LISTS = ("query", "prompts", "labels")
_WANTED = '{"query": [text, ...], "prompts": [text, ...], "labels": [...]} is wanted.'


class RewardServer:
    """Serves a scorer until it is closed; one batch is scored at a time.

    longest   bytes of a request at most; patience: seconds for a client to send it
    missing   what is sent where there is no verdict: None, null in JSON, or a number for a trainer that knows no null
    port      0 takes a free one; `url` tells

        with RewardServer(Scorer(my_reward, "par:0.5"), port=5000) as server:
            server.wait()
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        longest: int = _LONGEST,
        missing: float | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        if missing is not None and not np.isfinite(missing):
            raise InputError(f"missing must be None or a finite number, got {missing}.", remedy="None is null in JSON.")
        self.scorer, self.longest, self.missing = scorer, longest, missing
        self._turn = threading.Lock()
        handler = type("Handler", (_Handler,), {"rewards": self, "timeout": patience})
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            raise InputError(f"cannot listen on {host}, port {port}: {error}.", remedy="Take another port.") from error
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens: what OpenRLHF is told as `--remote_rm_url`."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def wait(self) -> None:
        """Until it is closed, or interrupted."""
        self._thread.join()

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """The server itself, closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close."""
        self.close()

    def read(self, body: bytes) -> tuple[list[str], list[str], list[Any]]:
        """Queries, prompts and labels of a request's body; an `InputError` where it has none that can be scored."""
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise InputError("the body is not JSON.", remedy=_WANTED) from error
        lists: list[Any] = [asked.get(name) for name in _LISTS] if isinstance(asked, Mapping) else [None]
        if not all(isinstance(one, list) for one in lists):
            raise InputError("the body is no object of three lists.", remedy=_WANTED)
        query, prompts, labels = lists
        if not all(isinstance(one, str) for one in (*query, *prompts)):
            raise InputError("a query or a prompt is no text.", remedy=_WANTED)
        self.scorer.check(query, prompts, labels)
        return query, prompts, labels

    def answer(self, query: list[str], prompts: list[str], labels: list[Any]) -> dict[str, Any]:
        """What is answered to them."""
        with self._turn:
            found = self.scorer(query, prompts, labels)
        rewards, scores, raw = ([self._sent(one) for one in part.tolist()] for part in found)
        return {"rewards": rewards, "scores": scores, "extra_logs": {"raw": raw}}

    def _sent(self, value: float) -> float | None:
        return self.missing if np.isnan(value) else value


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        _LOG.debug("%s from %s", request, client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    rewards: RewardServer
    server_version, sys_version = "culpa", ""

    def do_POST(self) -> None:
        """One batch."""
        status, reply = self._reply()
        body = json.dumps(reply, allow_nan=False).encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """To the log, not to the screen."""
        _LOG.debug(format, *args)

    def _reply(self) -> tuple[int, dict[str, Any]]:
        header = self.headers.get("Content-Length", "")
        if not (header.isdecimal() and len(header) < _DIGITS):
            return 411, {"error": "a request tells its Content-Length."}
        length, most = int(header), self.rewards.longest
        refused = None
        if length > most:
            refused = 413, {"error": f"a request has at most {most} bytes: send fewer outputs at once."}
        elif self.headers.get_content_type() != "application/json":
            refused = 415, {"error": "a request is application/json."}
        try:
            body = self.rfile.read(length if refused is None else min(length, _DRAINED))
            asked = None if refused else self.rewards.read(body)
        except TimeoutError:
            return 408, {"error": "the request took too long."}
        except InputError as error:
            return 400, {"error": str(error)}
        return refused or self._scored(asked)

    def _scored(self, asked: Any) -> tuple[int, dict[str, Any]]:
        try:
            return 200, self.rewards.answer(*asked)
        except Exception:
            _LOG.exception("the reward failed")
            return 500, {"error": "the reward failed: the server's log says how."}
