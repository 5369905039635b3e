"""Random numbers in data sets: each batch has streams of its own, whichever process makes it.

What a data set or a sampler draws comes from generators that a whole process shares: gt's default one, numpy's
(`np.random.seed`) and Python's (`random.seed`). Before a batch is made they are all seeded, with a number that depends
on the pass and on the batch alone, so that the batch is the same in the training process and in any of its workers;
and the training's own numbers are put back after it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from graphtorch.frontend.random import Generator, default_generator, stream_of
from graphtorch.ir.types import float64

_MASK = 2**64 - 1


class States(NamedTuple):
    """What the three shared generators go on from."""

    graphtorch: Any
    numpy: Any
    python: Any


def states() -> States:
    """The states of the shared generators."""
    return States(default_generator.get_state(), np.random.get_state(), random.getstate())


def restore(kept: States) -> None:
    """Go on from states that `states` gave."""
    default_generator.set_state(kept.graphtorch)
    np.random.set_state(kept.numpy)
    random.setstate(kept.python)


def seed_all(seed: int) -> None:
    """Seed the shared generators."""
    default_generator.manual_seed(seed)
    np.random.seed((seed & 0xFFFFFFFF, seed >> 32))
    random.seed(seed)


@contextmanager
def own_streams(seed: int) -> Iterator[None]:
    """The shared generators are seeded in the block, and have after it the states that they had before."""
    kept = states()
    try:
        seed_all(seed)
        yield
    finally:
        restore(kept)


def mix(*words: int) -> int:
    """A seed of 64 bits from several numbers, by the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = 0
    for word in words:
        mixed = (mixed + word + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK
        mixed ^= mixed >> 31
    return mixed


def draw_seed(generator: Generator | None) -> int:
    """A number below 2**53 from ``generator``, or from gt's default one."""
    return int(stream_of(generator).uniform((), float64).item() * 2**53)
