"""The findings of an audit as rules: what each looks at, what to do about it, and what it needs to say anything."""

from typing import Literal, NamedTuple

from culpa.audit import Finding, Level, Verdict

Needs = Literal["nothing", "truth", "forecast"]
HARMFUL = "harmful-error"


class Rule(NamedTuple):
    """One kind of finding."""

    about: Literal["data", "proxy"]
    needs: Needs  # without which it says nothing, and its silence means nothing
    level: Level  # of its gravest finding
    short: str
    help: str


RULES: dict[str, Rule] = {
    "no-truth": Rule(
        "data", "nothing", "warning", "No truth to judge the proxies by",
        "Proxies are compared with each other only. Have the outputs under `relabel` judged, and join the judgements "
        "with --join.",
    ),
    "partial-truth": Rule(
        "data", "nothing", "note", "The truth is known for some outputs only",
        "Measures use the outputs whose truth is known. `relabel` lists which to have judged next.",
    ),
    "few-prompts": Rule(
        "data", "nothing", "warning", "Too few prompts for intervals",
        "The bootstrap draws prompts; from fewer than 30 its intervals are too narrow. Add prompts.",
    ),
    "pair-weights": Rule(
        "data", "nothing", "warning", "The weights of pairs cannot be relied on",
        "The policy's log-probabilities are missing or leave most of the weight on a few pairs. Read the unweighted "
        "accuracy.",
    ),
    "ties-in-ranking": Rule(
        "data", "truth", "note", "Proxies that cannot be told apart",
        "So many prompts do not show which of them is better. Add prompts, or choose by other reasons.",
    ),
    "missing-verdicts": Rule(
        "proxy", "nothing", "warning", "Outputs without a verdict",
        "The proxy gave no number (it timed out, say). Such outputs are left out; a trainer may count them as 0.",
    ),
    "dead-groups": Rule(
        "proxy", "nothing", "warning", "Prompts whose outputs all get one score",
        "There is no gradient from such a prompt. Use a finer proxy, larger groups, or other prompts.",
    ),
    "follows-ruler": Rule(
        "proxy", "nothing", "warning", "The score follows length or markdown",
        "Within prompts the proxy goes with something that needs no judge. Training on it will move that first.",
    ),
    "ties": Rule(
        "proxy", "nothing", "note", "Most pairs of outputs are exact ties",
        "An accuracy that counts a tie as wrong looks low. Read the one with ties at a half.",
    ),
    "worse-than-chance": Rule(
        "proxy", "truth", "error", "Ranks outputs worse than chance",
        "The whole interval of the accuracy is below chance. Is the sign of the proxy flipped?",
    ),
    "chance": Rule(
        "proxy", "truth", "error", "Cannot be told from chance",
        "The interval of the accuracy holds the chance level: on these outputs the proxy says nothing that is known "
        "of the truth.",
    ),
    "ruler": Rule(
        "proxy", "truth", "warning", "Ranks no better than a ruler",
        "Length or the amount of markdown orders the outputs as well as the proxy does.",
    ),
    "lowers-truth": Rule(
        "proxy", "forecast", "error", "Training on it lowers the truth",
        "In rehearsal the policy trained on this proxy ends with a lower truth than it began with. Do not train on it; "
        "`repair` lists the errors to put right first.",
    ),
    "may-not-raise": Rule(
        "proxy", "forecast", "warning", "Training on it may not raise the truth",
        "The interval of what training adds to the truth reaches down to zero. Add prompts, or repair the proxy.",
    ),
    "shuffled-truth": Rule(
        "proxy", "forecast", "warning", "Its gradient is like that of a shuffled truth",
        "The proxy's policy gradient agrees with the truth's no more than one does that knows nothing.",
    ),
    "horizon-not-reached": Rule(
        "proxy", "forecast", "note", "The rehearsal ends before its horizon",
        "The policy moved less than asked in the steps that were walked. Compare this proxy's numbers with care.",
    ),
    HARMFUL: Rule(
        "proxy", "forecast", "warning", "A wrong score that costs truth",
        "Put right alone, this score would raise the truth after training by its gain. The 100 of largest gain are "
        "listed.",
    ),
}  # fmt: skip


def checked(verdict: Verdict, code: str, proxy: str) -> bool:
    """Whether a rule had what it needs, so that finding nothing means that all is well."""
    needs = RULES[code].needs
    if needs == "truth":
        return bool(verdict.facts["truths"] or verdict.facts["pairs"])
    if needs == "forecast":
        return verdict.outlook is not None and proxy in verdict.outlook.prediction["proxy"]
    return True


def by_case(verdict: Verdict) -> dict[tuple[str, str], list[Finding]]:
    """What every rule found, by (proxy, code): nothing is an empty list, and proxy "" is the data."""
    proxies = verdict.metrics.filter(~verdict.metrics["ruler"])["proxy"].unique(maintain_order=True).to_list()
    codes = [code for code in RULES if code != HARMFUL]
    found: dict[tuple[str, str], list[Finding]] = {("", code): [] for code in codes if RULES[code].about == "data"}
    found |= {(proxy, code): [] for proxy in proxies for code in codes if RULES[code].about == "proxy"}
    for one in verdict.warnings:
        found.setdefault((one.proxy, one.code), []).append(one)
    return found
