"""What the passes do grows with the graph: counted in calls, not in time."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE

#: twice as large takes no more than so many times the calls; a sort's are among them
TWICE = 2.25
SIZE = 64


def dense(x: Any, n: int) -> Any:
    """Every layer reads the last four and the first."""
    found = [x]
    for _ in range(n):
        found.append(gt.tanh(gt.cat(found[-4:], 1).sum(1, True) + x))
    return found[-1]


SHAPES: dict[str, Callable[[Any, int], Any]] = {
    "reductions of one array": lambda x, n: [(x * float(i + 2)).sum(1) for i in range(n)],
    "readers of one value": lambda x, n: [gt.exp(x) * float(i + 2) for i in range(n)],
    "softmaxes of one array": lambda x, n: [gt.softmax(x * float(i + 2), 1) for i in range(n)],
    "a sum of many": lambda x, n: sum((x + float(i)).sum() for i in range(n)),
    "a cat of many": lambda x, n: gt.cat([x * float(i + 2) for i in range(n)]),
    "a stack that is reduced": lambda x, n: gt.stack([gt.exp(x * float(i + 2)) for i in range(n)]).sum(0),
    "parts of a split": lambda x, n: [gt.exp(p) for p in x.broadcast_to((n, 7, 11)).split(1)],
    "skips": dense,
}


def calls(function: Callable[[Any, int], Any], n: int) -> int:
    """Of Python functions, while the passes run."""
    graph = gt.trace(lambda x: function(x, n), gt.TensorSpec((7, 11), gt.float32))
    profile = cProfile.Profile()
    profile.runcall(run_passes, graph, OPTIMIZE)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SHAPES)
def test_twice_as_many_nodes_take_twice_the_work(name: str) -> None:
    small, large = (calls(SHAPES[name], n) for n in (SIZE, 2 * SIZE))
    assert large <= TWICE * small
