"""Random numbers of transforms: from gt's default generator, so that `gt.manual_seed` repeats them.

A `DataLoader` seeds that generator for each batch, in its workers as well. They decide in Python what is done, so that
a program (`gt.compile`) cannot hold them: TraceError GT601 there.
"""

from __future__ import annotations

from graphtorch.frontend.random import default_generator, randperm


def uniform(low: float = 0.0, high: float = 1.0) -> float:
    """A number from ``low`` up to ``high``."""
    return low + (high - low) * default_generator.number()


def integer(low: int, high: int) -> int:
    """An integer from ``low`` up to, not including, ``high``."""
    return low + int(uniform() * (high - low))


def chance(p: float) -> bool:
    """Whether something of probability ``p`` happens."""
    return uniform() < p


def order(n: int) -> list[int]:
    """0 to n - 1 in a random order."""
    return [int(i) for i in randperm(n).tolist()]
