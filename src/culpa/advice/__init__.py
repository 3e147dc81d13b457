"""Partial credit or none: what rewarding half-right outputs would do to this policy under this learner."""

from culpa.advice.credit import CREDITS, Credit, credits
from culpa.advice.decide import Decision
from culpa.advice.run import Advice, advise

__all__ = ["CREDITS", "Advice", "Credit", "Decision", "advise", "credits"]
