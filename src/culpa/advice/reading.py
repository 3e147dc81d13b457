"""Where courses are read off: at equal steps and at equal divergence, whichever the horizon is not."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.advice.course import Course

Array = npt.NDArray[np.float64]


class Reading(NamedTuple):
    """What each of d draws has come to."""

    success: Array  # (d,)
    step: Array  # (d,) where it was read
    kl: Array  # (d,)
    reached: npt.NDArray[np.bool_]  # (d,) whether it came so far


def at_steps(course: Course, steps: float) -> Reading:
    """After so many steps, or at the end of a course that is over before.

    >>> way = Course(*[np.array([[0.0], [4.0]])] * 3, np.zeros((2, 1)), np.zeros(1))
    >>> at_steps(way, 3).success.tolist(), at_steps(way, 5).reached.tolist()
    ([3.0], [False])
    """
    found = [_between(course, draw, np.minimum(steps, course.step[-1, draw])) for draw in range(course.step.shape[1])]
    return _reading(found, np.atleast_1d(course.step[-1] >= steps))


def at_kl(course: Course, kl: float) -> Reading:
    """Where the divergence first comes to this, between two looks in proportion; else at the end.

    >>> way = Course(*[np.array([[0.0], [4.0]])] * 3, np.zeros((2, 1)), np.zeros(1))
    >>> at_kl(way, 1.0).step.tolist()
    [1.0]
    """
    far = course.kl >= kl
    found = []
    for draw in range(course.step.shape[1]):
        last = int(far[:, draw].argmax()) if far[:, draw].any() else len(far) - 1
        step = course.step[last, draw]
        if last and far[last, draw]:
            before, after = course.kl[last - 1, draw], course.kl[last, draw]
            start = course.step[last - 1, draw]
            step = start + (step - start) * (kl - before) / (after - before)
        found.append(_between(course, draw, step))
    return _reading(found, np.atleast_1d(far.any(axis=0)))


def furthest(courses: list[Course]) -> tuple[float, float]:
    """The steps that all of these took, and the divergence that all of them came to, in their first draw."""
    return (
        min(float(one.step[-1, 0]) for one in courses),
        min(float(one.kl[:, 0].max()) for one in courses),
    )


def _between(course: Course, draw: int, step: float) -> tuple[float, float, float]:
    success, kl = (np.interp(step, course.step[:, draw], column[:, draw]) for column in (course.success, course.kl))
    return float(success), float(step), float(kl)


def _reading(found: list[tuple[float, float, float]], reached: npt.NDArray[np.bool_]) -> Reading:
    success, step, kl = np.array(found).T
    return Reading(success, step, kl, reached)
