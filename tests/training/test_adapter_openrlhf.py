"""OpenRLHF's reward file, and the same by real requests."""

import http.client
import json
import logging
import socket
import threading

import numpy as np
import pytest
import torch

from culpa.errors import InputError
from culpa.training.adapters.openrlhf import Scorer, reward_function
from culpa.training.adapters.server import RewardServer


def right(response, answer):
    return None if answer is None else 2.0 * (response == answer) - 0.5


def own(queries, prompts, labels):
    assert len(labels) == len(queries)
    return {"rewards": torch.tensor([float(len(a) - len(b)) for a, b in zip(queries, prompts, strict=True)]), "n": 1}


BATCH = (["2+2=4", "2+3=4<end>", "1+1="], ["2+2=", "2+3=", "1+1="], ["4", "5", None])


def test_the_reward_file():
    found = reward_function(right, "scale:2", ends=("<end>",))(*BATCH, extra="ignored")
    assert set(found) == {"rewards", "scores", "extra_logs"}
    np.testing.assert_array_equal(found["rewards"], [3.0, -1.0, np.nan])
    np.testing.assert_array_equal(found["scores"], [1.0, 0.0, np.nan])
    np.testing.assert_array_equal(found["extra_logs"]["raw"], [1.5, -0.5, np.nan])
    assert found["rewards"].dtype == torch.float32


def test_its_own_signature_is_called_as_it_is():
    found = Scorer(own, "clip:0,3")(["abcdef", "xy"], ["ab", "zzz"], [None, None])
    assert found.rewards.tolist() == [3.0, 0.0]
    assert found.raw.tolist() == [4.0, -1.0]


def test_a_function_of_any_names_gets_all():
    def free(queries, **more):
        assert (queries, set(more)) == (["a", "b"], {"prompts", "labels"})
        return [float(label) for label in more["labels"]]

    assert Scorer(free)(["a", "b"], ["", ""], [1, 2]).rewards.tolist() == [1.0, 2.0]


def test_memory_goes_on():
    scorer = Scorer(own, "minmax_running")
    scorer(["a", "abc"], ["", ""], ["", ""])
    assert scorer(["ab"], [""], [""]).rewards.tolist() == [0.5]


def test_ends_are_dropped_once_each():
    scorer = Scorer(lambda response: float(len(response)), ends=("\n", "<end>"))
    assert scorer(["pab<end>\n", "p<end><end>"], ["p", "p"], [0, 0]).rewards.tolist() == [2.0, 5.0]


def test_nothing_at_all():
    assert Scorer(right)([], [], []).rewards.shape == (0,)


def test_what_cannot_be_scored():
    with pytest.raises(InputError, match="2 queries, 1 prompts and 1 labels"):
        Scorer(right)(["a", "b"], ["a"], ["a"])
    with pytest.raises(InputError, match="query 1 does not begin with its prompt"):
        Scorer(right)(["ab", "xy"], ["a", "a"], ["", ""])
    with pytest.raises(InputError, match="OpenRLHF compares outputs by itself"):
        Scorer(right, "center")


@pytest.fixture
def serve():
    open_ones = []

    def start(*args, **named):
        open_ones.append(RewardServer(*args, **named))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.close()


def post(server, body, headers=None, method="POST"):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    body = body if isinstance(body, bytes | str) else json.dumps(body)
    connection.request(method, "/get_reward", body, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else text


def request(*batch):
    return dict(zip(("query", "prompts", "labels"), batch, strict=True))


def test_a_batch_over_http(serve):
    server = serve(Scorer(right, "scale:2", ends=("<end>",)))
    status, answer = post(server, request(*BATCH))
    assert status == 200
    assert answer == {
        "rewards": [3.0, -1.0, None],
        "scores": [1.0, 0.0, None],
        "extra_logs": {"raw": [1.5, -0.5, None]},
    }
    assert server.url.startswith("http://127.0.0.1:")


def test_a_trainer_without_null_gets_a_number(serve):
    server = serve(Scorer(right), missing=-1.0)
    assert post(server, request(*BATCH))[1]["rewards"] == [1.5, -0.5, -1.0]
    with pytest.raises(InputError, match="missing must be None or a finite number, got nan"):
        RewardServer(Scorer(right), missing=float("nan"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "the body is not JSON"),
        ("[" * 100_000, "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        ([1], "no object of three lists"),
        ({"query": ["a"], "prompts": ["a"]}, "no object of three lists"),
        ({"query": "a", "prompts": ["a"], "labels": [""]}, "no object of three lists"),
        ({"query": [1], "prompts": ["a"], "labels": [""]}, "a query or a prompt is no text"),
        ({"query": ["a"], "prompts": [None], "labels": [""]}, "a query or a prompt is no text"),
        ({"query": ["a", "b"], "prompts": ["a"], "labels": [""]}, "2 queries, 1 prompts and 1 labels"),
        ({"query": ["xy"], "prompts": ["a"], "labels": [""]}, "query 0 does not begin with its prompt"),
    ],
    ids=range(10),
)
def test_garbage_is_400_with_the_reason(serve, body, said):
    status, answer = post(serve(Scorer(right)), body)
    assert status == 400
    assert said in answer["error"]


def test_what_went_wrong_inside_stays_inside(serve, caplog):
    def secret(response):
        raise RuntimeError(f"password 1234 {response}")

    server = serve(Scorer(secret))
    with caplog.at_level(logging.ERROR):
        status, answer = post(server, request(["a"], ["a"], [""]))
    assert (status, answer) == (500, {"error": "the reward failed: the server's log says how."})
    assert "password 1234" in caplog.text
    assert post(server, request([], [], []))[0] == 200


def test_a_request_has_bounds(serve):
    server = serve(Scorer(right), longest=200)
    assert post(server, request(["a" * 100], ["a"], [""]))[0] == 200
    status, answer = post(server, request(["a" * 200], ["a"], [""]))
    assert status == 413
    assert "at most 200 bytes" in answer["error"]


def test_other_requests(serve):
    server = serve(Scorer(right))
    assert post(server, "{}", {"Content-Type": "text/plain"})[0] == 415
    for length in ("-1", "x", "9" * 40, "²"):
        assert raw(server, f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").split()[1] == "411"
    assert raw(server, "POST / HTTP/1.1\r\n\r\n").split()[1] == "411"
    assert post(server, "", method="GET")[0] == 501


def raw(server, text):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text.encode("utf-8"))
        return connection.recv(4096).decode()


def test_a_client_that_sends_too_slowly(serve):
    server = serve(Scorer(right), patience=0.1)
    head = "POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    assert raw(server, head).split()[1] == "408"


def test_requests_at_once_are_scored_one_at_a_time(serve):
    busy, most = [], []

    def slow(response):
        busy.append(1)
        most.append(len(busy))
        threading.Event().wait(0.01)
        busy.pop()
        return float(len(response))

    server = serve(Scorer(slow))
    answers = {}

    def ask(number):
        answers[number] = post(server, request(["p" + "x" * number], ["p"], [""]))[1]["rewards"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers == {number: [float(number)] for number in range(6)}
    assert max(most) == 1


def test_a_port_that_is_taken(serve):
    port = int(serve(Scorer(right)).url.rsplit(":", 1)[1])
    with pytest.raises(InputError, match=rf"cannot listen on 127\.0\.0\.1, port {port}: .* Take another port"):
        RewardServer(Scorer(right), port=port)
    with pytest.raises(InputError, match="cannot listen"):
        RewardServer(Scorer(right), port=70000)


def test_it_waits_until_it_is_closed():
    with RewardServer(Scorer(right)) as server:
        waiting = threading.Thread(target=server.wait)
        waiting.start()
    waiting.join(5)
    assert not waiting.is_alive()
