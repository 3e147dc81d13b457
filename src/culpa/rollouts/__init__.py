"""The record; reading and writing it."""

from culpa.rollouts.detect import expand, known_readers
from culpa.rollouts.dump import Options
from culpa.rollouts.inputs import Input, inputs_of
from culpa.rollouts.read import read, scan
from culpa.rollouts.record import Array, Mask, Rollouts
from culpa.rollouts.write import replacing, write, write_text

__all__ = [
    "Array",
    "Input",
    "Mask",
    "Options",
    "Rollouts",
    "expand",
    "inputs_of",
    "known_readers",
    "read",
    "replacing",
    "scan",
    "write",
    "write_text",
]
