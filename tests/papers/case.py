"""What the tests of papers share."""

import json

from culpa.papers import paper
from culpa.papers.outcome import Outcome


def lost(name, outcome, change):
    """The claims of a paper that fail once the figures of its experiment are changed."""
    data = json.loads(json.dumps(dict(outcome.data)))
    change(data)
    return [check.claim for check in paper(name).holds(Outcome(0, data)) if not check.holds]
