"""Thousands of calls leave nothing behind: no Python objects, no memory of numpy, no larger arena."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from benchmarks.leak import step_of


def frozen() -> Callable[[], Any]:
    net = gt.nn.Sequential(gt.nn.Linear(8, 6), gt.nn.ReLU()).eval()
    compiled = gt.compile(net, freeze=True)
    x = gt.randn(4, 8)

    def run() -> Any:
        with gt.no_grad():
            return compiled(x).numpy()

    return run


def joined() -> Callable[[], Any]:
    """A compiled module in an eager loop."""
    net = gt.compile(gt.nn.Linear(8, 6))
    x = gt.randn(4, 8)

    def run() -> Any:
        net.zero_grad()
        net(x).sum().backward()

    return run


def refused() -> Callable[[], Any]:
    """Calls that raise: what they held goes, too."""
    state = gt.zeros(3)
    compiled = gt.compile(lambda x: state.add_(x))

    def run() -> Any:
        with pytest.raises(gt.errors.TraceError, match="GT607"):
            compiled(state)

    compiled(gt.ones(3))
    return run


LOOPS: dict[str, tuple[Callable[[], Callable[[], Any]], int]] = {
    "a compiled training step": (lambda: step_of(compiled=True), 1000),
    "an eager training step": (lambda: step_of(compiled=False), 300),
    "frozen inference": (frozen, 1000),
    "a compiled module in an eager loop": (joined, 500),
    "refused calls": (refused, 500),
}


def counts(run: Callable[[], Any], calls: int) -> tuple[int, int]:
    """(objects that the collector knows, bytes that Python and numpy hold) after these calls."""
    for _ in range(calls):
        run()
    gc.collect()
    return len(gc.get_objects()), tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("name", LOOPS)
def test_nothing_is_left(name: str) -> None:
    make, calls = LOOPS[name]
    run = make()
    tracemalloc.start()
    try:
        counts(run, calls)  # free lists of Python and numpy fill slowly
        objects, held = counts(run, 50)
        rounds = [(objects, held), *(counts(run, calls) for _ in range(3))]
    finally:
        tracemalloc.stop()
    assert rounds[-1][0] - objects < 20
    # The least object takes 28 bytes. A table of Python's own (of interned strings: megabytes) grows now and then.
    assert min(b[1] - a[1] for a, b in pairwise(rounds)) < 8 * calls + 4096


def test_the_arena_stays() -> None:
    net = gt.nn.Linear(33, 17)
    compiled = gt.compile(lambda x: gt.tanh(net(x)) @ net.weight)
    with gt.no_grad():
        compiled(gt.randn(5, 33))
        program = compiled._order[0].forward
        before = [a.__array_interface__["data"][0] for a in program.entry._memory]
        for i in range(200):
            compiled(gt.full((5, 33), float(i)))
        after = [a.__array_interface__["data"][0] for a in program.entry._memory]
    assert before == after and len(compiled._order) == 1
    assert np.isfinite(compiled(gt.randn(5, 33)).detach().numpy()).all()
