"""Signatures: which style they are, what they are given, and what is said of those that are none."""

import pytest
from tests.probing import stand

from culpa.errors import InputError
from culpa.probing.case import Case
from culpa.probing.style import STYLES, calls, detect, known_style

ANSWERED = {
    "trl": "trl",
    "trl_chat": "trl-chat",
    "trl_async": "trl",
    "verl": "verl",
    "openrlhf": "openrlhf",
    "verifiers": "verifiers",
    "verifiers_chat": "verifiers-chat",
    "plain": "plain",
    "positional": "plain",
}


@pytest.mark.parametrize(("name", "style"), ANSWERED.items())
def test_each_signature_is_known_and_gets_what_its_trainer_gives(name, style):
    with stand.bench(name) as one:
        assert one.style.name == style
        scores = stand.seen(one).scores
    assert [score.value for score in scores] == [1.0, 0.0] * 12


def test_a_style_that_is_said_is_taken():
    with stand.bench("by_place", "plain") as one:
        assert stand.seen(one).scores[0].value == 1.0
    with stand.bench("trl_chat", "trl-chat") as one:
        assert stand.seen(one).scores[1].value == 0.0
    with stand.bench("trl_chat", "trl") as one:
        assert stand.seen(one).scores[0].reason == "raised"


@pytest.mark.parametrize(
    ("name", "style", "text"),
    [
        ("unclear", None, "the reward's parameters (first, second) fit no known style. Known: trl (prompts,"),
        ("needs_column", None, "the reward needs 'difficulty', which trl and the data do not have. Columns of the"),
        ("plain", "openrlhf", "the reward needs 'response', which openrlhf and the data do not have."),
    ],
)  # fmt: skip
def test_an_unclear_signature_lists_what_came_and_what_is_known(name, style, text):
    with pytest.raises(InputError) as error:
        stand.bench(name, style)
    assert text in str(error.value)
    assert "--style" in str(error.value)


def test_a_style_of_another_name_is_refused():
    with pytest.raises(InputError) as error:
        known_style("nemo")
    assert str(error.value) == (
        "no style is called 'nemo'. Known: trl, trl-chat, verl, openrlhf, verifiers, verifiers-chat, plain."
    )


def needed(*names, kind="positional_or_keyword"):
    return [[name, kind, True] for name in names]


@pytest.mark.parametrize(
    ("names", "style"),
    [
        (("prompts", "completions"), "trl"),
        (("completions", "answer"), "trl"),
        (("data_source", "solution_str", "ground_truth", "extra_info"), "verl"),
        (("queries", "prompts", "labels"), "openrlhf"),
        (("completion", "answer"), "verifiers"),
        (("state",), "verifiers"),
        (("prompt", "response"), "plain"),
        (("text", "label"), "plain"),
    ],
)
def test_styles_by_their_parameters(names, style):
    assert detect(needed(*names)).name == style


@pytest.mark.parametrize("names", [(), ("x",), ("prompt",), ("prompts", "labels")])
def test_what_is_not_enough(names):
    with pytest.raises(InputError):
        detect(needed(*names))


CASES = [
    Case("P1", "R1", "A1", columns={"level": 3, "answer": "A1"}),
    Case("P2", "Ré", "A2", columns={"level": 4, "answer": "A2"}),
]


def test_batched_styles_get_columns_as_lists():
    (call,) = calls(STYLES["trl"], needed("completions", "level", "completion_ids", "ground_truth"), CASES)
    assert call.args == []
    assert call.named == {
        "completions": ["R1", "Ré"],
        "level": [3, 4],
        "completion_ids": [[82, 49], [82, 195, 169]],
        "ground_truth": ["A1", "A2"],
    }


def test_a_function_of_any_columns_gets_all_of_them_once():
    parameters = [*needed("completions"), ["kwargs", "var_keyword", True]]
    (call,) = calls(STYLES["trl"], parameters, CASES)
    assert {"prompts", "completions", "level", "answer", "solution", "log_extra", "trainer_state"} <= set(call.named)
    assert call.named["completions"] == ["R1", "Ré"]


def test_openrlhf_gets_prompt_and_response_in_one():
    (call,) = calls(STYLES["openrlhf"], needed("queries", "prompts", "labels"), CASES)
    assert call.named == {"queries": ["P1R1", "P2Ré"], "prompts": ["P1", "P2"], "labels": ["A1", "A2"]}


def test_single_styles_get_one_call_for_each():
    parameters = [*needed("completion"), ["level", "keyword_only", False], ["weight", "keyword_only", False]]
    first, second = calls(STYLES["verifiers-chat"], parameters, CASES)
    assert first.named == {"completion": [{"role": "assistant", "content": "R1"}], "level": 3}
    assert second.named["level"] == 4


def test_positional_parameters_go_by_place():
    (call, _) = calls(STYLES["plain"], needed("response", "answer", kind="positional_only"), CASES)
    assert (call.args, call.named) == (["R1", "A1"], {})
    for names, values in ((("a",), ["R1"]), (("a", "b"), ["P1", "R1"]), (("a", "b", "c"), ["P1", "R1", "A1"])):
        (call, _) = calls(STYLES["plain"], needed(*names), CASES)
        assert list(call.named.values()) == values


def test_verl_takes_the_data_source_of_the_data():
    case = CASES[0]._replace(columns={"data_source": "mine", "k": 1})
    (call,) = calls(STYLES["verl"], needed("data_source", "solution_str", "ground_truth", "extra_info"), [case])
    assert call.named["data_source"] == "mine"
    assert call.named["extra_info"]["k"] == 1
    assert call.named["ground_truth"] == "A1"
