"""A line search for the strong Wolfe conditions.

J. Nocedal, S. Wright, Numerical Optimization (2nd ed.), algorithms 3.5 and 3.6, with cubic interpolation (3.59). What
the book leaves open is torch's choice, so that iterates are the same: how far a step grows, and how one that falls too
near to an end of its bracket is moved away from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from graphtorch.frontend.tensor import Tensor

#: what the loss must fall by, in parts of what the slope promises; what the slope must fall to, in parts of the first
_DECREASE, _CURVATURE = 1e-4, 0.9
#: the next step goes on by at least this part of the last one, and to no more than this many times it
_LEAST_GROWTH, _MOST_GROWTH = 0.01, 10
#: a point nearer than this part of the bracket to its end tells little
_MARGIN = 0.1


class Point(NamedTuple):
    """Where the search has been: the step from its start, and the loss, gradient and slope along the line there."""

    step: float
    loss: float
    gradient: Tensor
    slope: float


class _Line:
    """The conditions, and how many evaluations are left."""

    def __init__(self, evaluate: Callable[[float], Point], start: Point, budget: int) -> None:
        self._evaluate, self.start, self.left = evaluate, start, budget

    def at(self, step: float) -> Point:
        self.left -= 1
        return self._evaluate(step)

    def too_high(self, point: Point) -> bool:
        return point.loss > self.start.loss + _DECREASE * point.step * self.start.slope

    def flat_enough(self, point: Point) -> bool:
        return abs(point.slope) <= -_CURVATURE * self.start.slope


def search(evaluate: Callable[[float], Point], start: Point, first: float, least: float, most: int) -> Point:
    """A point with the strong Wolfe conditions, or the best one found (algorithm 3.5).

    ``start`` has step 0 and a negative slope, ``first`` is the step to try. There is one evaluation and ``most`` more;
    a bracket that is shorter than ``least`` ends the search.
    """
    line = _Line(evaluate, start, most + 1)
    before, now = start, line.at(first)
    while line.left:
        later = line.left < most - 1  # the book's i > 1; torch's comparison begins one point later
        if line.too_high(now) or (later and now.loss >= before.loss):
            return _zoom(line, before, now, least)
        if line.flat_enough(now):
            return now
        if now.slope >= 0:
            return _zoom(line, before, now, least)
        bounds = now.step + _LEAST_GROWTH * (now.step - before.step), now.step * _MOST_GROWTH
        before, now = now, line.at(_cubic(before, now, *bounds))
    return start if start.loss <= now.loss else now


def _zoom(line: _Line, a: Point, b: Point, least: float) -> Point:
    """The best point between two around one with the conditions (algorithm 3.6)."""
    low, high = (a, b) if a.loss <= b.loss else (b, a)
    stalled = False
    while line.left and abs(high.step - low.step) >= least:
        step, stalled = _apart(_cubic(low, high), low.step, high.step, stalled)
        new = line.at(step)
        if line.too_high(new) or new.loss >= low.loss:
            low, high = (low, new) if low.loss <= new.loss else (new, low)
            continue
        if line.flat_enough(new):
            return new
        if new.slope * (high.step - low.step) >= 0:
            high = low
        low = new
    return low


def _apart(step: float, a: float, b: float, stalled: bool) -> tuple[float, bool]:
    """A step that is not near an end of its bracket twice in a row, and whether it was now."""
    first, last = min(a, b), max(a, b)
    margin = _MARGIN * (last - first)
    if min(last - step, step - first) >= margin:
        return step, False
    if not (stalled or step >= last or step <= first):
        return step, True
    return (last - margin if abs(step - last) < abs(step - first) else first + margin), False


def _cubic(a: Point, b: Point, first: float | None = None, last: float | None = None) -> float:
    """The minimum in [first, last] of the cubic through two points with their slopes: (3.59); else their middle.

    Unless bounds are given, they are the points' own steps.
    """
    a, b = (a, b) if a.step <= b.step else (b, a)
    first, last = a.step if first is None else first, b.step if last is None else last
    width = b.step - a.step
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step) if width else math.nan
    square = d1 * d1 - a.slope * b.slope
    bottom = b.slope - a.slope + 2 * math.sqrt(square) if square >= 0 else 0.0
    if not bottom:
        return (first + last) / 2
    step = b.step - width * ((b.slope + math.sqrt(square) - d1) / bottom)
    return min(max(step, first), last)
