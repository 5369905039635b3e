"""Cats of many operands are trees of cats, which stay kernels of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir.evaluate import evaluate
from graphtorch.ir.fusible import MOST_JOINED
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.joins import Joins
from graphtorch.ir.passmanager import run_passes
from graphtorch.ir.pipeline import OPTIMIZE
from graphtorch.ir.verify import verify


def cat_of(count: int, dim: int) -> tuple[Graph, list[np.ndarray[Any, Any]]]:
    """A cat of arrays of different sizes along ``dim``, and what they hold."""
    rng = np.random.default_rng(count)
    shapes = [(1 + i % 3, 5) if dim == 0 else (5, 1 + i % 3) for i in range(count)]
    graph = gt.trace(lambda *xs: gt.cat(xs, dim), *(gt.TensorSpec(s, gt.float32) for s in shapes))
    return graph, [rng.standard_normal(s).astype(np.float32) for s in shapes]


def widths(graph: Graph) -> list[int]:
    return [len(n.operands) for n in graph.nodes if n.op.name == "cat"]


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("count", [17, 64, 65, 130])
def test_a_tree_joins_the_same_in_the_same_order(count: int, dim: int) -> None:
    graph, arrays = cat_of(count, dim)
    made = Joins().run(graph)
    verify(made)
    assert max(widths(made)) <= 8 and sum(widths(made)) < 2 * count
    (found,), _ = evaluate(made, {p.name: a for p, a in zip(made.params, arrays, strict=True)})
    np.testing.assert_array_equal(found, np.concatenate(arrays, dim))


def test_few_operands_are_joined_at_once() -> None:
    graph, _ = cat_of(MOST_JOINED, 0)
    assert Joins().run(graph) is graph


def test_no_kernel_chooses_among_many() -> None:
    specs = [gt.TensorSpec((3, 7), gt.float32)] * 70
    graph = run_passes(gt.trace(lambda *xs: gt.exp(gt.stack([x + 1 for x in xs])).sum(0), *specs), OPTIMIZE)
    bodies = [n.body for n in graph.nodes if n.body is not None]
    assert bodies and all(sum(widths(body)) <= MOST_JOINED for body in bodies)


def test_a_compiled_stack_and_its_gradient() -> None:
    rng = np.random.default_rng(7)
    arrays = [rng.standard_normal((3, 7)).astype(np.float32) for _ in range(37)]
    weight = rng.standard_normal((37, 3, 7)).astype(np.float32)

    @gt.compile
    def f(scale: gt.Tensor, *xs: gt.Tensor) -> gt.Tensor:
        y = gt.stack(xs, 1)
        (y.permute(1, 0, 2) * scale).sum().backward()
        return y

    tensors = [gt.tensor(a, requires_grad=number == 11) for number, a in enumerate(arrays)]
    y = f(gt.tensor(weight), *tensors)
    np.testing.assert_array_equal(y.detach().numpy(), np.stack(arrays, 1))
    np.testing.assert_allclose(tensors[11].grad.numpy(), weight[11])
