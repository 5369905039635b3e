"""What is drawn at random is drawn again by who reads it, where that saves memory: masks of dropout are in none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import SIMPLIFY
from graphtorch.ir.types import bool_

F = nn.functional


def fused(function: Callable[..., Any], *inputs: gt.Tensor) -> Graph:
    return run_passes(gt.trace(function, *inputs), (*SIMPLIFY, Fuse()))


def bodies(graph: Graph) -> list[list[Node]]:
    return [n.body.nodes for n in graph.nodes if n.body is not None]


def drawing(graph: Graph) -> list[list[Node]]:
    return [nodes for nodes in bodies(graph) if any(n.op.name == "random_uniform" for n in nodes)]


def stored(graph: Graph) -> list[tuple[tuple[int, ...], Any]]:
    return [(r.type.shape, r.type.dtype) for n in graph.nodes for r in n.results]


def two_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(33, 51), nn.Tanh(), nn.Dropout(0.25), nn.Linear(51, 29), nn.Tanh(), nn.Dropout(0.5))


def step_of(model: nn.Module) -> Callable[[gt.Tensor], gt.Tensor]:
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def test_masks_of_a_training_step_are_in_no_memory() -> None:
    step, x = step_of(two_layers()), gt.randn(37, 33)
    graph = fused(step, x)
    assert not [s for s in stored(graph) if s[1] == bool_]
    assert len(drawing(graph)) == 3, "after both products, the second with its gradient, and in backward of the first"
    plain = run_passes(gt.trace(step, x), (*SIMPLIFY, Fuse(recompute=False)))
    assert ((37, 51), bool_) in stored(plain)


def elementwise(x: gt.Tensor, w: gt.Tensor) -> tuple[gt.Tensor | None, gt.Tensor]:
    """Each operation exact in its order: results are the same bits, eager or compiled."""
    loss = (F.dropout(F.dropout(x * w, 0.3).relu(), 0.5) * x).sum()
    w.grad = None
    loss.backward()
    return w.grad, loss


@pytest.mark.parametrize("threads", [1, 2])
def test_backward_has_the_mask_that_forward_had(threads: int) -> None:
    x, w = gt.randn(67, 1031), gt.randn(67, 1031, requires_grad=True)
    before = gt.get_num_threads()
    gt.set_num_threads(threads)
    try:
        gt.manual_seed(11)
        want = [elementwise(x, w)[0].numpy().copy() for _ in range(2)]
        gt.manual_seed(11)
        compiled = gt.compile(elementwise)
        got = [compiled(x, w)[0].numpy().copy() for _ in range(2)]
    finally:
        gt.set_num_threads(before)
    np.testing.assert_array_equal(got, want)
    assert (want[0] != want[1]).any(), "the second call draws other numbers"


def test_a_mask_of_channels_is_stored() -> None:
    """One word for each of 13 * 7 places would be made for each of 13 * 7 * 5 * 11."""

    def step(x: gt.Tensor, w: gt.Tensor) -> gt.Tensor:
        kept = gt.rand(13, 7, 1, 1) >= 0.5
        loss = (x * w * kept.to(x.dtype)).tanh().sum()
        loss.backward()
        return loss

    graph = fused(step, gt.randn(13, 7, 5, 11), gt.randn(7, 5, 11, requires_grad=True))
    ((drawn,),) = [[n for n in nodes if n.op.name == "random_uniform"] for nodes in drawing(graph)]
    assert drawn.result.type.shape == (13, 7, 1, 1)


def test_a_product_does_not_draw_for_each_of_its_tiles() -> None:
    def step(x: gt.Tensor, w: gt.Tensor) -> gt.Tensor:
        loss = (F.dropout(x) @ w).square().sum()
        loss.backward()
        return loss

    x, w = gt.randn(65, 67, requires_grad=True), gt.randn(67, 69, requires_grad=True)
    for nodes in drawing(fused(step, x, w)):
        products = [n for n in nodes if n.op.name == "dot"]
        assert all(n.result.type.shape == (65, 67) for n in products), "the draw may only follow a product"


def test_forward_keeps_no_mask_and_no_constant_for_backward() -> None:
    model, x = nn.Sequential(nn.Linear(33, 64), nn.Dropout(0.25)), gt.randn(41, 33)
    compiled = gt.compile(model)
    gt.manual_seed(3)
    model(x).square().sum().backward()
    want = model[0].weight.grad.numpy().copy()
    model.zero_grad()
    gt.manual_seed(3)
    out = compiled(x)
    gt.rand(5)  # the generator goes on before backward runs
    out.square().sum().backward()
    np.testing.assert_allclose(model[0].weight.grad.numpy(), want, rtol=1e-5, atol=1e-5)
    assert compiled.memory(x).saved == 16, "the generator's state"
