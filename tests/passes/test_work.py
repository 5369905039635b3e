"""What the passes do grows with the graph: counted in calls, not in time."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

import pytest

import graphtorch as gt
from graphtorch.ir.graph import Graph
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


def parts(x: Any, n: int) -> Any:
    """The gradient of a split has a part of each of n results."""
    x = x.broadcast_to((n, 7, 11)).detach().requires_grad_(True)
    sum((gt.exp(p) * float(i + 2)).sum() for i, p in enumerate(x.split(1))).backward()
    return x.grad


SHAPES: dict[str, Callable[[Any, int], Any]] = {
    "reductions of one array": lambda x, n: [(x * float(i + 2)).sum(1) for i in range(n)],
    "readers of one value": lambda x, n: [gt.exp(x) * float(i + 2) for i in range(n)],
    "softmaxes of one array": lambda x, n: [gt.softmax(x * float(i + 2), 1) for i in range(n)],
    "a sum of many": lambda x, n: sum((x + float(i)).sum() for i in range(n)),
    "a cat of many": lambda x, n: gt.cat([x * float(i + 2) for i in range(n)]),
    "a stack that is reduced": lambda x, n: gt.stack([gt.exp(x * float(i + 2)) for i in range(n)]).sum(0),
    "parts of a split": lambda x, n: [gt.exp(p) for p in x.broadcast_to((n, 7, 11)).split(1)],
    "skips": dense,
    "gradient of a split": parts,
}


def calls(function: Callable[[Any, int], Any], n: int) -> int:
    """Of Python functions, while the passes run."""
    return calls_of(gt.trace(lambda x: function(x, n), gt.TensorSpec((7, 11), gt.float32)))


def calls_of(graph: Graph) -> int:
    profile = cProfile.Profile()
    profile.runcall(run_passes, graph, OPTIMIZE)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def stats(profile: cProfile.Profile) -> Any:
    """(file, line, name) of each function, and what it took."""
    return pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SHAPES)
def test_twice_as_many_nodes_take_twice_the_work(name: str) -> None:
    small, large = (calls(SHAPES[name], n) for n in (SIZE, 2 * SIZE))
    assert large <= TWICE * small


def updates(n: int) -> Any:
    """A step of Adam with n parameters, of three shapes."""
    params = [gt.nn.Parameter(gt.ones(3, 11 - i % 3)) for i in range(n)]
    optimizer = gt.optim.Adam(params)

    def step(x: gt.Tensor) -> None:
        sum((p * x).sum() for p in params).backward()  # type: ignore[union-attr]
        optimizer.step()

    return gt.trace(step, gt.TensorSpec(()))


def test_twice_as_many_parameters_take_twice_the_work() -> None:
    """C functions count as well: whether a loop reads a parameter is one."""
    small, large = (calls_of(updates(n)) for n in (SIZE, 2 * SIZE))
    assert large <= TWICE * small


def test_who_reads_what_in_a_bundle_is_found_once() -> None:
    """A bundle that writes n tensors over was gone through for each of them."""

    def scale(*tensors: gt.Tensor) -> None:
        for t in tensors:
            t.mul_(2.0)

    counted = []
    for n in (SIZE, 4 * SIZE):
        graph = gt.trace(scale, *(gt.TensorSpec((3, 11 - i % 3)) for i in range(n)))
        profile = cProfile.Profile()
        profile.runcall(run_passes, graph, OPTIMIZE)
        counted.append(sum(calls for (_, _, name), (calls, *_) in stats(profile) if "isdisjoint" in name))
    assert counted[1] <= 4 * TWICE / 2 * counted[0]
