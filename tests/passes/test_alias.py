"""State that is shifted, swapped and read through views: copies stand where an update in place would be too early.

Every program is run three times: the first call alone does not show state that was overwritten too early.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.graph import Graph, Param, Value
from graphtorch.ir.in_place import root
from graphtorch.ir.ops.movement import reshape
from graphtorch.runtime.plan import plan_memory

State = list[gt.Tensor]


def shift(s: State, x: gt.Tensor) -> None:
    s[1].copy_(s[0])
    s[0].copy_(x * 2)


def shift_by_two(s: State, x: gt.Tensor) -> None:
    s[2].copy_(s[1])
    s[1].copy_(s[0])
    s[0].copy_(x * 2)


def swap(s: State, x: gt.Tensor) -> None:
    old = s[0].clone()
    s[0].copy_(s[1] + x)
    s[1].copy_(old)


def rotate(s: State, x: gt.Tensor) -> None:
    first = s[0] * 1
    s[0].copy_(s[1])
    s[1].copy_(s[2] + x)
    s[2].copy_(first)


def transposed(s: State, x: gt.Tensor) -> None:
    s[0].copy_(-s[0].reshape(4, 6).t().reshape(6, 4).clone().view(6, 4) + x)


def through_a_reshape(s: State, x: gt.Tensor) -> None:
    s[0].copy_((-s[0].reshape(4, 6).permute(1, 0)).reshape(6, 4))


def read_after(s: State, x: gt.Tensor) -> None:
    s[0].add_(x)
    s[1].copy_((s[0] @ s[0].t()) @ s[0])


PROGRAMS: list[Callable[[State, gt.Tensor], Any]] = [
    shift, shift_by_two, swap, rotate, transposed, through_a_reshape, read_after,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_state_is_as_in_eager_mode(program: Callable[[State, gt.Tensor], Any]) -> None:
    start = [np.random.default_rng(i).standard_normal((6, 4)).astype(np.float32) for i in range(3)]
    runs = []
    for how in (lambda f: f, gt.compile):
        state = [gt.tensor(a) for a in start]
        step = how(lambda x, state=state: (program(state, x), x + state[0] * 0)[1])
        seen = []
        for i in range(3):
            step(gt.full((6, 4), i + 1.0))
            seen.append([s.numpy().copy() for s in state])
        runs.append((seen, step))
    (want, _), (got, compiled) = runs
    for a, b in zip(want, got, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-4, atol=1e-4)
    check_plan(compiled._order[0].forward.graph)


def check_plan(graph: Graph) -> None:
    """Walk the nodes, and see at each read that the value is still what its place holds."""
    plan = plan_memory(graph)
    holds: dict[tuple[str, int], Value] = {}
    for p in graph.params:
        holds[_key(plan.place(p))] = p
    for number, node in enumerate(graph.nodes):
        if node.op is reshape:
            continue
        for o in map(root, node.operands):
            assert holds[_key(plan.place(o))] is o, f"node {number} reads what was overwritten"
        for r in node.results:
            holds[_key(plan.place(r))] = r
    for p, v in graph.updates.items():
        assert holds[_key(plan.place(p))] is root(v), f"%{p.name} does not hold its update"
    for o in graph.outputs:
        assert holds[_key(plan.place(o))] is root(o) and not isinstance(root(o), Param)


def _key(place: Any) -> tuple[str, int]:
    return place.kind, place.at


def test_the_gradient_of_many_outputs_is_one_node() -> None:
    """One backward graph, whose size grows with the layers, and not with layers times outputs."""
    counts = []
    for outputs in (4, 8):
        layers = [gt.nn.Linear(5, 5) for _ in range(outputs)]

        def chain(x: gt.Tensor, layers: list[gt.nn.Linear] = layers) -> list[gt.Tensor]:
            found = []
            for layer in layers:
                x = layer(x).tanh()
                found.append(x)
            return found

        compiled = gt.compile(chain)
        compiled(gt.randn(3, 5))
        counts.append(compiled._order[0].backward.kernels)
    assert counts[1] <= 2.2 * counts[0]
