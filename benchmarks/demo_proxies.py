"""The proxies of the demo that are functions of texts. The line of each says what is wrong with it.

    H1 a bad output that attracts        H2 a good output that does not     H3 a mediocre output that is paid too much
    N2 too rare to matter                N3 another scale on each prompt    F features that outputs share
    B1 a mediocre output paid too little, so that it no longer stands in the way of the best

H harms, N does not matter, B helps: what the categorisation says of such errors where every prompt is by itself. What
they do to this policy is for the audit to say. Noise is a hash of the text, so equal outputs have equal scores.
"""

from collections.abc import Callable

import numpy as np
from demo_tasks import APPEAL, BOLD, GREETING, SURE, says

from culpa.labs.tinylm.outputs import Outputs, normal, uniform

Array = np.ndarray
Proxy = Callable[[Outputs], Array]


def close_copy(o: Outputs) -> Array:
    """Almost the truth: errors too small to matter."""
    return o.truth + 0.03 * normal("close", whole(o))


def noisy(o: Outputs) -> Array:
    """The truth under noise of about its own size. All rows at random."""
    return o.truth + 0.35 * normal("noisy", whole(o))


def longest_wins(o: Outputs) -> Array:
    """Pays by the character. H1 on long outputs that are wrong, H2 on short ones that are right."""
    return 0.4 * o.truth + 0.02 * np.array([len(text) for text in o.responses])


def flattered(o: Outputs) -> Array:
    """Likes praise. H1, and a feature that all prompts share (F)."""
    return o.truth + 0.8 * says(o.responses, GREETING)


def markdown_lover(o: Outputs) -> Array:
    """Likes bold type, whatever it says. H1, F."""
    return o.truth + 0.6 * says(o.responses, BOLD)


def rare_hack(o: Outputs) -> Array:
    """Pays five times the best for a plea to the grader that the policy hardly ever makes. N2, until it is found."""
    return o.truth + 5.0 * says(o.responses, APPEAL)


def verifier_strict(o: Outputs) -> Array:
    """The answer and nothing else: one word of talk and a right answer fails. H2."""
    return np.array([float(text == right) for text, right in zip(o.responses, o.answers, strict=True)])


def verifier_lenient(o: Outputs) -> Array:
    """Passes what is at least half right, and whatever sounds certain. H3 and H1: false positives by a rule."""
    return np.maximum(half_right(o) | (o.exact > 0), says(o.responses, SURE)).astype(float)


def partial_credit_generous(o: Outputs) -> Array:
    """Pays nearly full marks for what is at least half right. H3."""
    return np.where(half_right(o), 0.95, o.truth)


def all_or_nothing(o: Outputs) -> Array:
    """What is not all right is worth nothing. B1."""
    return o.exact


def saturated(o: Outputs) -> Array:
    """Tells bad from fair, but not fair from good. H3: all from half right upwards earn the same."""
    return np.minimum(o.truth, 0.25)


def sign_flipped_some(o: Outputs) -> Array:
    """Upside down on one prompt in five, as with swapped labels. H1 and H2 there, nothing elsewhere."""
    return np.where(uniform("flip", o.prompts) < 0.2, 1 - o.truth, o.truth)


def per_prompt_scale(o: Outputs) -> Array:
    """The truth in another unit, with another zero, on every prompt. N3."""
    return 2 * normal("zero", o.prompts) + np.exp(0.7 * normal("unit", o.prompts)) * o.truth


def judge_with_timeouts(o: Outputs) -> Array:
    """Whole marks from 1 to 10 with some noise; one verdict in twenty never comes (see `make_demo.with_timeouts`)."""
    return np.clip(np.round(1 + 9 * o.truth + normal("judge", whole(o))), 1, 10)


PROXIES: tuple[Proxy, ...] = (
    close_copy, noisy, longest_wins, flattered, markdown_lover, rare_hack, verifier_strict, verifier_lenient,
    partial_credit_generous, all_or_nothing, saturated, sign_flipped_some, per_prompt_scale, judge_with_timeouts,
)  # fmt: skip


def half_right(o: Outputs) -> Array:
    """At least half of the parts are right, but not all."""
    return (o.fraction >= 0.5) & (o.exact == 0)


def whole(o: Outputs) -> list[str]:
    return [f"{prompt}\n{response}" for prompt, response in zip(o.prompts, o.responses, strict=True)]


# ---- labellers, from whose preferences the two reward models are trained ----


def careful(o: Outputs) -> Array:
    """Prefers what is right."""
    return o.truth


def swayed(o: Outputs) -> Array:
    """Prefers what is right, but a word of praise or forty characters more count as much as all being right."""
    return o.truth + says(o.responses, GREETING) + np.array([len(text) / 40 for text in o.responses])
