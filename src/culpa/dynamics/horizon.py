"""How long to train in rehearsal, as text."""

from culpa.dynamics.simulate import MAX_STEPS, Horizon
from culpa.errors import InputError, shorten


def parse_horizon(text: str, most: int = MAX_STEPS) -> Horizon:
    """A horizon by its name; `most` steps are walked where it is a divergence or a gain.

    "kl=0.4": each proxy until the policy has moved so far; "clock=1": all for the same time, until the median one has
    moved so far; "gain=0.5": until the proxy has risen by so many standard deviations; "steps=500".

    >>> parse_horizon("kl=0.4", 1000), parse_horizon("steps=50")
    (Horizon(kl=0.4, steps=1000), Horizon(kl=None, steps=50))
    """
    kind, _, value = text.replace(" ", "").partition("=")
    try:
        if kind == "kl":
            return Horizon(float(value), most)
        if kind == "clock":
            return Horizon(float(value), most, together=True)
        if kind == "gain":
            return Horizon(None, most, float(value))
        if kind == "steps":
            return Horizon(None, int(value))
    except ValueError as error:
        problem = f"the horizon is {shorten(text)!r}."
        remedy = "Use kl=VALUE, clock=VALUE or gain=VALUE above 0, or steps=NUMBER of at least 1."
        raise InputError(problem, remedy=remedy) from error
    raise InputError(
        f"the horizon is {shorten(text)!r}.", remedy="Use kl=VALUE, clock=VALUE, gain=VALUE or steps=NUMBER."
    )
