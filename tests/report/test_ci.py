"""SARIF and JUnit: what a finding becomes, what passes, what is skipped, and names that would break either."""

import ast
import hashlib
import inspect
import json
from dataclasses import replace
from xml.etree import ElementTree as Tree

import pytest
from tests.report import case

from culpa.audit import LEVELS, Finding, Provenance, warn
from culpa.report import to_junit, to_sarif
from culpa.report.ci import LARGEST
from culpa.report.rules import HARMFUL, RULES, by_case
from culpa.rollouts import Input

HOSTILE = ("\x1b[31mevil", "<script>&]]>", 'a"b\nc', "L" * 10_000, "\x00\ufffe\u202e")
FILE = Input("runs/a b.csv", 3, "ab" * 32, "whole")


def found(*warnings, inputs=(), **parts):
    rows = [case.metric("rm", "hacc", 0.9), case.metric("(longest)", "hacc", 0.5, ruler=True)]
    provenance = Provenance({"replicates": 100, "level": 0.95, "metrics": []}, 3, tuple(inputs))
    return case.verdict(rows, warnings=warnings, provenance=provenance, **parts)


def run(verdict):
    whole = json.loads(to_sarif(verdict), parse_constant=pytest.fail)
    assert (whole["version"], len(whole["runs"])) == ("2.1.0", 1)
    assert whole["$schema"].endswith("sarif-schema-2.1.0.json")
    return whole["runs"][0]


def cases(verdict, *fail_on):
    suite = Tree.fromstring(to_junit(verdict, *fail_on)).find("testsuite")
    return {(one.get("classname"), one.get("name")): one for one in suite.findall("testcase")}


# ---- rules ----


def gravest():
    """The gravest level of every code, by the calls in the source of the findings: Finding(level, code, ...)."""
    calls = [one for one in ast.walk(ast.parse(inspect.getsource(warn))) if isinstance(one, ast.Call)]
    found = [one.args for one in calls if getattr(one.func, "id", "") == "Finding"]
    levels = [[one.value for one in ast.walk(args[0]) if getattr(one, "value", None) in LEVELS] for args in found]
    return {args[1].value: max(given, key=LEVELS.index) for args, given in zip(found, levels, strict=True)}


def test_every_finding_that_there_can_be_is_a_rule_of_its_level_and_no_other():
    assert len(gravest()) > 10
    assert gravest() == {code: rule.level for code, rule in RULES.items() if code != HARMFUL}


@pytest.mark.parametrize("code", RULES)
def test_a_rule_has_words(code):
    rule = RULES[code]
    assert rule.level in LEVELS
    assert not rule.short.endswith(".")
    assert rule.help.endswith((".", "?"))


# ---- SARIF ----


def test_tool_and_rules():
    driver = run(found())["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("culpa", "0.1.0")
    assert [one["id"] for one in driver["rules"]] == list(RULES)
    for one in driver["rules"]:
        assert one["shortDescription"]["text"]
        assert one["help"]["text"]
        assert one["defaultConfiguration"]["level"] in LEVELS


def test_a_finding_is_a_result():
    one = run(found(Finding("error", "chance", "rm", "is like chance"), inputs=[FILE]))["results"][0]
    assert (one["ruleId"], list(RULES)[one["ruleIndex"]], one["level"]) == ("chance", "chance", "error")
    assert one["message"] == {"text": "rm: is like chance"}
    assert one["properties"] == {"proxy": "rm"}
    place = one["locations"][0]
    uri = {"uri": "runs/a%20b.csv", "index": 0}
    assert place["physicalLocation"] == {"artifactLocation": uri, "region": {"startLine": 1}}
    assert place["logicalLocations"] == [{"name": "rm", "fullyQualifiedName": "rm", "kind": "proxy"}]


def test_a_result_stands_in_the_first_of_several_files():
    place = run(found(Finding("error", "chance", "rm", "x"), inputs=[FILE, FILE._replace(path="b")]))["results"][0]
    assert place["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "runs/a%20b.csv", "index": 0}


def test_a_finding_on_the_data_has_no_proxy():
    one = run(found(Finding("note", "few-prompts", "", "only 3 prompts"), inputs=[FILE]))["results"][0]
    assert (one["message"], one["properties"]) == ({"text": "only 3 prompts"}, {})
    assert set(one["locations"][0]) == {"physicalLocation"}


def test_without_input_files_there_is_no_place_in_one():
    result = run(found(Finding("error", "chance", "rm", "x")))
    assert result["artifacts"] == []
    assert set(result["results"][0]["locations"][0]) == {"logicalLocations"}


def test_input_files_are_artifacts_with_the_hash_of_the_whole_file_alone():
    ends, pipe = Input("/big.csv", 9, "cd" * 32, "ends"), Input("p", None, None, None)
    assert run(found(inputs=[FILE, ends, pipe]))["artifacts"] == [
        {"location": {"uri": "runs/a%20b.csv"}, "length": 3, "hashes": {"sha-256": "ab" * 32}},
        {"location": {"uri": "file:///big.csv"}, "length": 9},
        {"location": {"uri": "p"}},
    ]


def test_provenance_is_with_the_run():
    verdict = found(inputs=[FILE])
    assert run(verdict)["properties"]["provenance"] == verdict.to_dict()["provenance"]


def prints(*findings):
    return [one["partialFingerprints"]["culpa/v1"] for one in run(found(*findings))["results"]]


def test_the_same_finding_with_other_numbers_is_the_same_alert():
    first, second = (Finding("error", "chance", "rm", f"is chance (0.{n} v 0.5, {n}%)") for n in (51, 4))
    assert len(set(prints(first, second))) == 1


def test_other_rules_other_proxies_and_other_words_are_other_alerts():
    words = [("chance", "rm", "x"), ("ruler", "rm", "x"), ("chance", "other", "x"), ("chance", "rm", "y")]
    assert len(set(prints(*(Finding("error", *one) for one in words)))) == 4


def harmful(count, **parts):
    errors = [{"effect": -(n + 1) / 1000, "prompt_id": f"q{n}", "output": n} for n in range(count)]
    return case.rehearsed({"rm": {"outcome": 0.6}}, [*errors, *parts.pop("others", ())], **parts)


def test_a_harmful_error_is_a_result_with_its_output():
    one = run(harmful(1))["results"][0]
    assert (one["ruleId"], one["level"]) == (HARMFUL, "warning")
    assert one["message"]["text"] == (
        "rm: the score 1 of output 0 of prompt q0 costs 0.001 of the truth after training with grpo:8 "
        "(attracts a bad output); 0.5 would be right."
    )
    known = {"proxy": "rm", "prompt_id": "q0", "output": 0, "gain": 0.001, "score": 1.0, "right": 0.5, "truth": 0.75}
    assert known.items() <= one["properties"].items()
    logical = {"name": "0", "fullyQualifiedName": "rm/q0/0", "kind": "output"}
    assert one["locations"][0]["logicalLocations"] == [logical]


def test_benign_helpful_and_unproven_errors_are_no_results():
    others = [{"kind": "benign"}, {"kind": "beneficial", "effect": 0.5}, {"method": "adjoint", "effect": -0.9}]
    assert len(run(harmful(1, others=others))["results"]) == 1


def test_the_largest_errors_only_and_each_an_alert_of_its_own():
    results = run(harmful(LARGEST + 5))["results"]
    gains = [one["properties"]["gain"] for one in results]
    assert len(results) == LARGEST
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx((LARGEST + 5) / 1000)
    assert len({one["partialFingerprints"]["culpa/v1"] for one in results}) == LARGEST


def test_fingerprints_do_not_move_with_the_version():
    same = hashlib.sha256(json.dumps([HARMFUL, "rm", "q0", "0"]).encode()).hexdigest()
    assert run(harmful(1))["results"][0]["partialFingerprints"]["culpa/v1"] == same


# ---- JUnit ----


def test_a_case_for_every_proxy_and_rule_and_none_for_rulers():
    names = set(cases(found()))
    data = {("culpa.(data)", code) for code, rule in RULES.items() if rule.about == "data"}
    own = {("culpa.rm", code) for code, rule in RULES.items() if rule.about == "proxy" and code != HARMFUL}
    assert names == data | own


@pytest.mark.parametrize(("level", "failed"), [("error", 1), ("warning", 2), ("note", 3)])
def test_a_failure_from_the_level_on_and_a_note_below_it(level, failed):
    three = [
        Finding(one, code, "rm", f"is {one}") for one, code in zip(LEVELS, ("ties", "ruler", "chance"), strict=True)
    ]
    made = cases(found(*three), level)
    assert sum(one.find("failure") is not None for one in made.values()) == failed
    assert made["culpa.rm", "chance"].find("failure").text == f"error: is error\n{RULES['chance'].help}"
    assert made["culpa.rm", "chance"].find("failure").attrib == {
        "message": f"rm: {RULES['chance'].short}",
        "type": "error",
    }
    if level == "error":
        assert made["culpa.rm", "ties"].findtext("system-out") == "note: is note"
        assert made["culpa.rm", "ruler"].findtext("system-out") == "warning: is warning"


def test_errors_fail_if_nothing_is_said():
    findings = Finding("warning", "ruler", "rm", "x"), Finding("error", "chance", "rm", "x")
    assert to_junit(found(*findings)) == to_junit(found(*findings), "error")


def test_several_findings_of_one_rule_are_one_case_as_grave_as_the_gravest():
    two = Finding("note", "follows-ruler", "rm", "one"), Finding("error", "follows-ruler", "rm", "two")
    failure = cases(found(*two))["culpa.rm", "follows-ruler"].find("failure")
    assert failure.text.startswith("note: one\nerror: two\n")
    assert failure.get("type") == "error"


def skipped(verdict):
    return {
        name for (whose, name), one in cases(verdict).items() if whose == "culpa.rm" and one.find("skipped") is not None
    }


def test_rules_without_what_they_need_are_skipped():
    needs = {kind: {code for code, rule in RULES.items() if rule.needs == kind} for kind in ("truth", "forecast")}
    own = {code for code, rule in RULES.items() if rule.about == "proxy"} - {HARMFUL}
    assert skipped(harmful(0)) == set()
    assert skipped(found()) == needs["forecast"] & own
    assert skipped(found(facts={"truths": 0, "pairs": 9})) == needs["forecast"] & own
    assert skipped(found(facts={"truths": 0})) == (needs["forecast"] | needs["truth"]) & own
    assert cases(found())["culpa.rm", "lowers-truth"].find("skipped").get("message") == "there is no forecast"


def test_findings_of_the_rehearsal_need_a_forecast_and_those_of_the_truth_a_truth():
    """By the rules that make them."""
    source = {name: inspect.getsource(rule) for name, rule in vars(warn).items() if inspect.isfunction(rule)}
    ahead = {code for code in RULES for text in source.values() if f'"{code}"' in text and "_ahead(seen)" in text}
    assert ahead == {code for code, rule in RULES.items() if rule.needs == "forecast"} - {HARMFUL}
    assert {code for code, rule in RULES.items() if rule.needs == "truth"} == {
        "ties-in-ranking", "worse-than-chance", "chance", "ruler",
    }  # fmt: skip


def test_a_proxy_that_the_forecast_lacks_is_skipped():
    verdict = replace(harmful(0), metrics=found().metrics.with_columns(proxy=case.pl.lit("rm 2"), ruler=False))
    assert cases(verdict)["culpa.rm 2", "lowers-truth"].find("skipped") is not None


def test_the_counts_are_those_of_the_cases():
    verdict = found(Finding("error", "chance", "rm", "x"), facts={"truths": 0})
    suite = Tree.fromstring(to_junit(verdict)).find("testsuite")
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "skipped", "errors")}
    every = list(cases(verdict).values())
    assert counts == {
        "tests": len(every), "failures": 1, "errors": 0,
        "skipped": sum(one.find("skipped") is not None for one in every),
    }  # fmt: skip
    assert counts["skipped"] > 5


def test_version_seed_and_files_are_properties():
    suite = Tree.fromstring(to_junit(found(inputs=[FILE]))).find("testsuite")
    known = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert known == {"version": "0.1.0", "seed": "3", "input 1": f"runs/a b.csv {'ab' * 32}"}


# ---- hostile names ----


def hostile():
    rows = [case.metric(name, "hacc", 0.5) for name in HOSTILE]
    errors = [{"proxy": name, "prompt_id": name} for name in HOSTILE]
    warnings = [Finding("error", "chance", name, f"says {name}") for name in HOSTILE]
    verdict = case.rehearsed({name: {"outcome": 0.5} for name in HOSTILE}, errors, rows=rows, warnings=tuple(warnings))
    return replace(
        verdict, provenance=replace(verdict.provenance, inputs=(Input("\x1b[31m<x>.csv", 1, "00", "whole"),))
    )


def test_hostile_names_leave_the_xml_whole():
    text = to_junit(hostile())
    text.encode()
    assert not {sign for sign in text if not sign.isprintable() and sign != "\n"}
    assert len([one for one in cases(hostile()).values() if one.find("failure") is not None]) == len(HOSTILE)
    assert max(map(len, text.splitlines())) < 4000


def test_hostile_names_are_plain_in_the_messages_of_sarif_and_whole_in_its_properties():
    text = to_sarif(hostile())
    assert not {sign for sign in text if not sign.isprintable() and sign != "\n"}
    results = run(hostile())["results"]
    assert {one["properties"]["proxy"] for one in results} == set(HOSTILE)
    assert all(one["message"]["text"].isprintable() for one in results)
    assert len({one["partialFingerprints"]["culpa/v1"] for one in results}) == 2 * len(HOSTILE)


def test_cases_are_by_whole_names():
    assert {proxy for proxy, _ in by_case(hostile())} == {"", *HOSTILE}
