"""The op that a trace leaves for `loss.backward()`; the autodiff pass expands it."""

from __future__ import annotations

from graphtorch.ir.errors import check
from graphtorch.ir.graph import Graph
from graphtorch.ir.op import Op, register
from graphtorch.ir.types import TensorType


class Gradient(Op):
    """The gradient of ``loss`` (weighted by ``seed``, of its type) for each target."""

    name = "gradient"
    nondifferentiable = True

    def infer(self, loss: TensorType, seed: TensorType, *targets: TensorType) -> tuple[TensorType, ...]:
        check(seed == loss, "GT103", "the seed has the type of the loss", f"expected {loss}, got {seed}")
        return targets


gradient = register(Gradient())


def has_gradients(graph: Graph) -> bool:
    """Whether autodiff has not run yet: passes that merge values must wait for it."""
    return any(n.op is gradient or (n.body is not None and has_gradients(n.body)) for n in graph.nodes)
