"""A bench for reward functions: run one in a process of its own, and see what it does that it should not."""

from culpa.probing.report import Report
from culpa.probing.run import Settings, check
from culpa.probing.target import parse_target

__all__ = ["Report", "Settings", "check", "parse_target"]
