"""A line to a server: what is tried again, how long it waits, when it gives up, and what it never tells."""

import socket
import threading
import time

import pytest
from tests.lm.server import ok, serving

from culpa.errors import InputError
from culpa.lm import line as module
from culpa.lm.line import FIRST_WAIT, MOST_FAILED, Line, OddReplyError


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def number(reply):
    if not isinstance(reply, dict) or "n" not in reply:
        raise OddReplyError("no n")
    return reply["n"]


def asked(answer, bodies=({"a": 1},), *, seed=0, **how):
    """Replies, what the server saw, and the waits."""
    waits = []
    with serving(answer) as (url, seen):
        line = Line(url, **({"tries": 3, "timeout": 2.0, "wait": waits.append, "threads": 1} | how))
        return line.ask(list(bodies), number, seed=seed), seen, waits


def test_replies_come_in_the_order_of_the_requests():
    def answer(body, _):
        time.sleep(0.03 * (body["a"] == 0))
        return ok({"n": body["a"]})

    replies, seen, waits = asked(answer, [{"a": one} for one in range(12)], threads=4)
    assert [one.value for one in replies] == list(range(12))
    assert len(seen.bodies) == 12
    assert waits == []


def test_several_requests_are_under_way_at_once():
    barrier = threading.Barrier(3, timeout=2.0)

    def answer(body, _):
        barrier.wait()
        return ok({"n": body["a"]})

    replies, *_ = asked(answer, [{"a": one} for one in range(3)], threads=3)
    assert [one.value for one in replies] == [0, 1, 2]


BAD = {
    "HTTP 500": (500, "oops"),
    "HTTP 503: busy": (503, '{"error": {"message": "busy"}}'),
    "HTTP 429: slow down": (429, '{"detail": "slow down"}'),
    "HTTP 408": (408, ""),
    "reply: no JSON": (200, "<html>"),
    "reply: no n": (200, '{"error": "overloaded"}'),
    "no connection: ": None,
}


@pytest.mark.parametrize("reason", BAD)
def test_what_may_pass_is_tried_again_and_then_given_up(reason):
    replies, seen, waits = asked(lambda *_: BAD[reason])
    assert replies[0].value is None
    assert replies[0].reason.startswith(reason) if reason.endswith(" ") else replies[0].reason == reason
    assert len(seen.bodies) == 3
    assert len(waits) == 2
    replies, seen, waits = asked(lambda _, place: BAD[reason] if place == 0 else ok({"n": 7}))
    assert (replies[0].value, replies[0].reason) == (7, "")
    assert len(seen.bodies) == 2


@pytest.mark.parametrize("code", [400, 401, 404, 413, 422])
def test_what_will_not_pass_is_not_tried_again(code):
    replies, seen, waits = asked(lambda *_: (code, '{"error": {"message": "no"}}'))
    assert replies[0].reason == f"HTTP {code}" + ("" if code == 401 else ": no")
    assert len(seen.bodies) == 1
    assert waits == []


def test_waits_double_and_jitter_by_the_seed():
    waits = asked(lambda *_: (500, ""), tries=6)[2]
    assert waits == asked(lambda *_: (500, ""), tries=6)[2]
    assert waits != asked(lambda *_: (500, ""), tries=6, seed=1)[2]
    for place, one in enumerate(waits):
        assert 0.5 <= one / (FIRST_WAIT * 2**place) < 1.5
    assert len({one / 2**place for place, one in enumerate(waits)}) == 5


def test_requests_do_not_wait_alike():
    waits = asked(lambda *_: (500, ""), [{"a": 0}, {"a": 1}], tries=2)[2]
    assert waits[0] != waits[1]


@pytest.mark.parametrize(("told", "least"), [("7", 7.0), ("999", 60.0), ("Fri, 31 Dec 1999", 0.0)])
def test_retry_after_is_heeded_up_to_a_minute(told, least):
    waits = asked(lambda *_: (429, "", {"Retry-After": told}), tries=2)[2]
    assert waits[0] == least if least else waits[0] < 1.5 * FIRST_WAIT


def test_a_server_that_says_nothing_times_out():
    gate = threading.Event()

    def answer(*_):
        gate.wait(2.0)
        return ok({"n": 1})

    replies, *_ = asked(answer, timeout=0.1, tries=1)
    gate.set()
    assert replies[0].reason == "time-out: no answer within 0.1 s"


def test_a_server_that_drips_times_out():
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        with listener.accept()[0] as stream:
            stream.recv(1 << 16)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                for _ in range(100):
                    stream.sendall(b" ")
                    time.sleep(0.02)
            except OSError:
                pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    start = time.monotonic()
    line = Line(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2, tries=1)
    assert line.ask([{}], number)[0].reason == "time-out: no answer within 0.2 s"
    assert time.monotonic() - start < 1.5
    thread.join()
    listener.close()


def test_a_reply_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 2 << 20)
    replies, *_ = asked(lambda *_: (200, " " * (3 << 20)), tries=1)
    assert replies[0].reason == "reply: longer than 2 MB"


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    line = Line(f"http://127.0.0.1:{port}", tries=2, wait=lambda _: None)
    assert line.ask([{}], number)[0].reason == "no connection: Connection refused"


def test_a_server_that_is_gone_stops_the_work():
    with serving(lambda *_: (500, "")) as (url, seen):
        line = Line(url, tries=2, threads=1, wait=lambda _: None)
        with pytest.raises(InputError) as error:
            line.ask([{"a": one} for one in range(50)], number)
    assert str(error.value) == (
        f"{url} does not answer: {MOST_FAILED} requests in a row failed (HTTP 500). "
        "See that it runs, and run the same command again: it goes on where it stopped."
    )
    assert len(seen.bodies) == 2 * MOST_FAILED


def test_failures_in_a_row_are_counted_over_calls():
    with serving(lambda *_: (500, "")) as (url, _):
        line = Line(url, tries=1, threads=1)
        assert len(line.ask([{}] * (MOST_FAILED - 1), number)) == MOST_FAILED - 1
        with pytest.raises(InputError, match="does not answer"):
            line.ask([{}], number)


@pytest.mark.parametrize("between", [ok({"n": 1}), (400, "")])
def test_an_answer_in_between_begins_the_count_again(between):
    replies, *_ = asked(
        lambda body, _: between if body["a"] % MOST_FAILED == MOST_FAILED - 1 else (500, ""),
        [{"a": one} for one in range(3 * MOST_FAILED)],
        tries=1,
    )
    assert len(replies) == 3 * MOST_FAILED


def test_the_key_is_sent_and_never_told():
    said = '{"error": {"message": "the key sk-secret is odd"}}'
    replies, seen, _ = asked(lambda *_: (400, said), key="sk-secret")
    assert seen.headers[0]["Authorization"] == "Bearer sk-secret"
    assert replies[0].reason == "HTTP 400: the key *** is odd"
    assert "Authorization" not in asked(lambda *_: ok({"n": 1}))[1].headers[0]
    for code in (401, 403):
        assert asked(lambda *_, code=code: (code, said), key="sk-secret")[0][0].reason == f"HTTP {code}"


def test_redirections_are_not_followed():
    with serving(lambda *_: ok({"n": 1})) as (other, elsewhere):
        replies, seen, _ = asked(lambda *_: (302, "", {"Location": other}), key="sk-secret")
    assert replies[0].reason == "HTTP 302"
    assert len(seen.bodies) == 1
    assert elsewhere.bodies == []


@pytest.mark.parametrize("url", ["ftp://host", "file:///etc/passwd", "host:80", "http://", "http://[", "http://h:x"])
def test_addresses_that_are_none(url):
    with pytest.raises(InputError, match=r"is no address of a server\. Write http://HOST:PORT/PATH\."):
        Line(url)


def test_a_key_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(InputError) as error:
        Line("http://me:sk-secret@host")
    assert str(error.value) == (
        "the address of the server holds a user name. "
        "Put the key in an environment variable and name it with --key-env."
    )


@pytest.mark.parametrize("how", [{"timeout": 0.0}, {"timeout": float("nan")}, {"tries": 0}, {"threads": 0}])
def test_settings_that_ask_nothing(how):
    with pytest.raises(InputError, match="at least 1 try and 1 thread"):
        Line("http://host", **how)
