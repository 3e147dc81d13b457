"""Verifiers: rewards that compare a response with a reference, or count what it was told to do."""

from culpa.verifiers.answers import exact, json_answer, regex
from culpa.verifiers.constraints import CONSTRAINTS, credit, satisfied
from culpa.verifiers.extract import boxed, final_answer
from culpa.verifiers.maths import MathVerifier, math_answer

__all__ = [
    "CONSTRAINTS",
    "MathVerifier",
    "boxed",
    "credit",
    "exact",
    "final_answer",
    "json_answer",
    "math_answer",
    "regex",
    "satisfied",
]
