"""Each rule fires where it should and is silent elsewhere: one row for each."""

import polars as pl
import pytest
from tests.report import case

from culpa.audit.warn import LEVELS, Seen, warn

RULERS = ("(longest)", "(most markdown)")
FACTS = {"prompts": 100, "outputs": 400, "truths": 400, "pairs": 0, "resampled_units": 100, "binned": False}


def metric(name, value, proxy="rm", **columns):
    given = {"proxy": proxy, "metric": name, "value": value, "low": None, "high": None, "chance": None, "n": 400}
    return given | columns


def seen(*rows, facts=None, p_holm=(), problems=(), level=0.95, names=("rm", "other"), ahead=None):
    schema = {"proxy": pl.String, "metric": pl.String, "n": pl.Int64}
    schema |= dict.fromkeys(("value", "low", "high", "chance"), pl.Float64)
    gaps = {"p_holm": list(p_holm), "detectable": [0.04] * len(p_holm)}
    return Seen(
        metrics=pl.DataFrame(list(rows), schema=schema),
        comparisons=pl.DataFrame(gaps, schema=dict.fromkeys(gaps, pl.Float64)),
        names=names,
        rulers=RULERS,
        facts=FACTS | (facts or {}),
        problems=list(problems),
        level=level,
        outlook=None if ahead is None else case.outlook({"rm": {"outcome": 0.75} | ahead}),
    )


def half(value, low, high, name="acc_half", **columns):
    return metric(name, value, low=low, high=high, chance=0.5, **columns)


RULER = [half(0.55, 0.5, 0.6, proxy="(longest)"), half(0.6, 0.55, 0.65, proxy="(most markdown)")]
FIRES = {
    "no truth": (
        seen(facts={"truths": 0}),
        ("warning", "no-truth", ""),
        "no truth: proxies are compared with each other only; have the outputs under 'label first' judged",
    ),
    "no truth, one proxy": (
        seen(facts={"truths": 0}, names=("rm",)),
        ("warning", "no-truth", ""),
        "no truth, and no second proxy to compare with: have some outputs judged",
    ),
    "part of the truth": (
        seen(facts={"truths": 100}),
        ("note", "partial-truth", ""),
        "the truth is known for 100 of 400 outputs (25%); measures use those",
    ),
    "few prompts": (
        seen(facts={"prompts": 29}),
        ("warning", "few-prompts", ""),
        "only 29 prompts: intervals from so few are too narrow",
    ),
    "missing verdicts": (
        seen(metric("missing", 0.05)),
        ("warning", "missing-verdicts", "rm"),
        "no verdict on 20 of 400 outputs (5.0%); they are left out, not counted as 0",
    ),
    "hardly any missing verdict": (
        seen(metric("missing", 0.005)),
        ("note", "missing-verdicts", "rm"),
        "no verdict on 2 of 400 outputs (0.5%); they are left out, not counted as 0",
    ),
    "dead groups": (
        seen(metric("dead", 0.21)),
        ("warning", "dead-groups", "rm"),
        "21% of prompts get one score for all outputs: no gradient from them",
    ),
    "worse than chance": (
        seen(half(0.4, 0.35, 0.45)),
        ("error", "worse-than-chance", "rm"),
        "ranks worse than chance (0.40 v 0.50): is its sign flipped?",
    ),
    "chance": (
        seen(half(0.52, 0.48, 0.56)),
        ("error", "chance", "rm"),
        "cannot be told from chance (0.48 to 0.56, chance 0.50)",
    ),
    "constant": (
        seen(half(0.5, 0.5, 0.5)),
        ("error", "chance", "rm"),
        "cannot be told from chance (0.50 to 0.50, chance 0.50)",
    ),
    "chance, offline": (
        seen(half(0.52, 0.48, 0.56, name="acc_off_half")),
        ("error", "chance", "rm"),
        "cannot be told from chance (0.48 to 0.56, chance 0.50)",
    ),
    "ruler": (
        seen(half(0.58, 0.53, 0.62), *RULER),
        ("warning", "ruler", "rm"),
        "ranks no better than the ruler (most markdown) (0.58 v 0.60)",
    ),
    "follows length": (
        seen(metric("length_correlation", -0.51)),
        ("warning", "follows-ruler", "rm"),
        "follows length (correlation -0.51 within prompts)",
    ),
    "follows markdown": (
        seen(metric("markdown_correlation", 0.6)),
        ("warning", "follows-ruler", "rm"),
        "follows the amount of markdown (correlation +0.60 within prompts)",
    ),
    "ties": (
        seen(metric("ties", 0.51)),
        ("note", "ties", "rm"),
        "51% of pairs are exact ties; where a tie counts as wrong, read the column with ties ½",
    ),
    "not told apart": (
        seen(p_holm=(0.051, 0.01, 0.7, None)),
        ("note", "ties-in-ranking", ""),
        "2 of 3 pairs of proxies cannot be told apart; 100 prompts show differences from about 0.040 on",
    ),
    "not told apart at this level": (
        seen(p_holm=(0.02,), level=0.99),
        ("note", "ties-in-ranking", ""),
        "1 of 1 pairs of proxies cannot be told apart; 100 prompts show differences from about 0.040 on",
    ),
    "lowers the truth": (
        seen(ahead={"outcome": 0.25, "gain_low": -0.4, "gain_high": -0.001}),
        ("error", "lowers-truth", "rm"),
        "training on it lowers the truth (0.500 → 0.250)",
    ),
    "may lower the truth": (
        seen(ahead={"outcome": 0.45, "gain_low": -0.2, "gain_high": 0.1}),
        ("warning", "may-not-raise", "rm"),
        "training on it may not raise the truth (0.500 → 0.450, by -0.200 to 0.100)",
    ),
    "moves nothing": (
        seen(ahead={"outcome": 0.5, "gain_low": 0.0, "gain_high": 0.0}),
        ("warning", "may-not-raise", "rm"),
        "training on it may not raise the truth (0.500 → 0.500, by 0.000 to 0.000)",
    ),
    "no more than a shuffled truth": (
        seen(ahead={"cosine": 0.4, "null_high": 0.4}),
        ("warning", "shuffled-truth", "rm"),
        "its policy gradient agrees with the truth's no more than with a shuffled truth's (cosine 0.40; shuffled up to "
        "0.40)",
    ),
    "horizon not reached": (
        seen(ahead={"reached": False, "steps": 10_000}),
        ("note", "horizon-not-reached", "rm"),
        "the rehearsal ends after 10,000 steps, before the policy has moved as far as asked",
    ),
    "pair weights": (
        seen(problems=["raw weights rest on 1.0 of 40 pairs"]),
        ("warning", "pair-weights", ""),
        "raw weights rest on 1.0 of 40 pairs",
    ),
}
SILENT = {
    "nothing": seen(),
    "no truth but pairs": seen(facts={"truths": 0, "pairs": 10}),
    "prompts enough": seen(facts={"prompts": 30}),
    "all verdicts": seen(metric("missing", 0.0)),
    "few dead groups": seen(metric("dead", 0.2)),
    "better than chance": seen(half(0.6, 0.51, 0.7)),
    "no interval": seen(half(0.4, None, None)),
    "beats the rulers": seen(half(0.7, 0.65, 0.75), *RULER),
    "rulers without a value": seen(half(0.7, 0.65, 0.75), half(None, None, None, proxy="(longest)")),
    "rulers alone": seen(*RULER, metric("missing", 0.5, "(longest)"), metric("dead", 0.9, "(longest)")),
    "unlike length": seen(metric("length_correlation", 0.5), metric("markdown_correlation", None)),
    "half of the pairs tied": seen(metric("ties", 0.5)),
    "all told apart": seen(p_holm=(0.049, 0.01)),
    "no p-values": seen(p_holm=(None,)),
    "raises the truth": seen(ahead={"gain_low": 0.001, "gain_high": 0.1}),
    "an uncertain level of a certain rise": seen(ahead={"low": 0.2, "high": 0.9}),
    "one prompt": seen(ahead={"outcome": 0.1} | dict.fromkeys(("low", "high", "gain_low", "gain_high"))),
    "more than a shuffled truth": seen(ahead={"cosine": 0.41, "null_high": 0.4}),
    "no gradient": seen(ahead=dict.fromkeys(("cosine", "null_low", "null_high"))),
}


@pytest.mark.parametrize(("given", "head", "text"), FIRES.values(), ids=FIRES)
def test_rule_fires_alone(given, head, text):
    assert [tuple(finding) for finding in warn(given)] == [(*head, text)]


@pytest.mark.parametrize("given", SILENT.values(), ids=SILENT)
def test_rule_is_silent(given):
    assert warn(given) == []


def test_gravest_first_and_every_level_is_known():
    found = warn(seen(metric("ties", 0.9), metric("dead", 0.9), half(0.4, 0.3, 0.45)))
    assert [finding.level for finding in found] == ["error", "warning", "note"]
    assert {head[0] for _, head, _ in FIRES.values()} == set(LEVELS)
