"""The signatures that trainers call rewards by: told by the names of their parameters, and how each is filled."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from culpa.errors import InputError, shorten
from culpa.probing.case import ANSWERS, Case
from culpa.verifiers.process import Call


class Style(NamedTuple):
    """One way of being called."""

    name: str
    batched: bool  # all outputs of a batch in one call
    chat: bool  # prompts and responses as lists of messages
    meaning: str


STYLES = {
    one.name: one
    for one in (
        Style("trl", True, False, "prompts, completions, **columns -> list of numbers or None"),
        Style("trl-chat", True, True, "the same, prompts and completions as lists of messages"),
        Style("verl", False, False, "data_source, solution_str, ground_truth, extra_info -> number or dict with score"),
        Style("openrlhf", True, False, "queries, prompts, labels -> dict with rewards, or list"),
        Style("verifiers", False, False, "prompt, completion, answer, state, info -> number, may be async"),
        Style("verifiers-chat", False, True, "the same, prompt and completion as lists of messages"),
        Style("plain", False, False, "response; prompt, response; or prompt, response, answer -> number"),
    )
}
Parameters = Sequence[Sequence[Any]]  # name, kind, whether it has to be given

_PROMPTS = {"prompt", "question", "query", "instruction", "problem", "input"}
_RESPONSES = {"response", "output", "text", "generation", "completion", "solution_str"}
_FIXED = {
    "trainer_state": {"__given__": "trainer_state"},
    "log_extra": {"__given__": "nothing"},
    "log_metric": {"__given__": "nothing"},
    "task": "default",
}
_DATA_SOURCE = "openai/gsm8k"  # where the data name none; rewards of verl choose their rule by it


def detect(parameters: Parameters) -> Style:
    """The style to which the names of the parameters belong.

    >>> detect([["completions", "positional_or_keyword", True], ["kwargs", "var_keyword", True]]).name
    'trl'
    """
    names = {str(name) for name, *_ in parameters}
    marks = (("trl", {"completions"}), ("verl", {"solution_str"}), ("openrlhf", {"queries"}))
    for style, mark in marks:
        if mark & names:
            return STYLES[style]
    if {"completion", "state"} & names:
        return STYLES["verifiers"]
    if names & (_RESPONSES - {"solution_str", "completion"}):
        return STYLES["plain"]
    raise InputError(f"the reward's parameters ({_listed(parameters)}) fit no known style.", remedy=_known())


def known_style(name: str) -> Style:
    """A style by its name."""
    if name not in STYLES:
        raise InputError(f"no style is called {shorten(name)!r}.", remedy=f"Known: {', '.join(STYLES)}.")
    return STYLES[name]


def calls(style: Style, parameters: Parameters, cases: Sequence[Case]) -> list[Call]:
    """One call for all cases where the style is batched, else one for each."""
    if style.batched:
        return [_call(style, parameters, cases)]
    return [_call(style, parameters, [case]) for case in cases]


def _call(style: Style, parameters: Parameters, cases: Sequence[Case]) -> Call:
    """Positional parameters by position, the others by name; what a function of **columns may ask for by any name."""
    args: list[object] = []
    named: dict[str, object] = {}
    free = [str(name) for name, kind, needed in parameters if needed and not str(kind).startswith("var_")]
    by_place = style.name == "plain" and not set(free) & (_PROMPTS | _RESPONSES)
    for name, kind, needed in parameters:
        if kind == "var_positional":
            continue
        if kind == "var_keyword":
            named |= _everything(style, cases)
            continue
        place = free.index(str(name)) if by_place and name in free else None
        found, value = _value(style, str(name), place, (cases, len(free)))
        if found and (needed or not by_place):
            if kind == "positional_only":
                args.append(value)
            else:
                named[str(name)] = value
        elif needed:
            raise _unknown(str(name), style, cases)
    return Call(args, named)


def _value(style: Style, name: str, place: int | None, data: tuple[Sequence[Case], int]) -> tuple[bool, object]:
    """Whether the data have something for a parameter, and what."""
    cases, count = data
    if place is not None:
        if count > 3:
            return False, None
        role = (("response",), ("prompt", "response"), ("prompt", "response", "answer"))[count - 1][place]
        return True, _role(style, role, cases[0])
    table = _everything(style, cases)
    return name in table, table.get(name)


def _everything(style: Style, cases: Sequence[Case]) -> dict[str, object]:
    """All that a trainer of this style has to give, by name."""
    singles = [_single(style, case) for case in cases]
    if not style.batched:
        return singles[0]
    table: dict[str, object] = {name: [one.get(name) for one in singles] for name in singles[0]}
    if style.name == "openrlhf":
        return {
            "queries": [case.prompt + case.response for case in cases],
            "prompts": table["prompt"],
            "labels": table["label"],
        }
    ids = [list(case.response.encode("utf-8", "replace")) for case in cases]  # no tokenizer here: bytes
    return table | {"prompts": table["prompt"], "completions": table["response"], "completion_ids": ids} | _FIXED


def _single(style: Style, case: Case) -> dict[str, object]:
    prompt, response = _role(style, "prompt", case), _role(style, "response", case)
    table: dict[str, object] = {**case.columns, **dict.fromkeys(ANSWERS, case.answer)}
    table |= dict.fromkeys(_PROMPTS, prompt) | dict.fromkeys(_RESPONSES, response)
    if style.name.startswith("verifiers"):
        state = {"prompt": prompt, "completion": response, "answer": case.answer, "task": "default", "info": {}}
        table |= {"state": state, "info": {}, "task": "default"}
    if style.name == "verl":
        table |= {"data_source": case.columns.get("data_source", _DATA_SOURCE)}
        table |= {"extra_info": {**case.columns, "split": "train", "index": case.prompt_id}}
    return table


def _role(style: Style, role: str, case: Case) -> object:
    text = {"prompt": case.prompt, "response": case.response, "answer": case.answer}[role]
    if not style.chat or role == "answer":
        return text
    return [{"role": "user" if role == "prompt" else "assistant", "content": text}]


def _listed(parameters: Parameters) -> str:
    stars = {"var_positional": "*", "var_keyword": "**"}
    return ", ".join(f"{stars.get(str(kind), '')}{shorten(name, 30)}" for name, kind, _ in parameters) or "none"


def _known() -> str:
    return f"Known: {'; '.join(f'{one.name} ({one.meaning})' for one in STYLES.values())}. Or say which: --style."


def _unknown(name: str, style: Style, cases: Sequence[Case]) -> InputError:
    columns = ", ".join(shorten(column, 30) for column in cases[0].columns) or "none"
    problem = f"the reward needs {shorten(name)!r}, which {style.name} and the data do not have."
    remedy = f"Columns of the data: {columns}. Give rollouts with that column, give it a default, or try --style."
    return InputError(problem, remedy=remedy)
