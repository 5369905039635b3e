"""The op that a trace leaves for `loss.backward()`; the autodiff pass expands it."""

from __future__ import annotations

from graphtorch.ir.errors import ArgumentError, check
from graphtorch.ir.graph import Graph
from graphtorch.ir.op import Op, register
from graphtorch.ir.types import TensorType


class Gradient(Op):
    """The gradient of a loss, weighted by a seed of its type, for each target.

    Operands are the losses (``losses`` of them), a seed for each, and the targets; several are added up.
    """

    name = "gradient"
    nondifferentiable = True

    def infer(self, *operands: TensorType, losses: int = 1) -> tuple[TensorType, ...]:
        check(
            isinstance(losses, int) and 1 <= losses <= len(operands) // 2,
            "GT304",
            f"losses={losses} is not allowed with {len(operands)} operands",
            "expected the losses, a seed for each, and the targets",
            kind=ArgumentError,
        )
        for loss, seed in zip(operands[:losses], operands[losses : 2 * losses], strict=True):
            check(seed == loss, "GT103", "the seed has the type of the loss", f"expected {loss}, got {seed}")
        return operands[2 * losses :]


gradient = register(Gradient())


def has_gradients(graph: Graph) -> bool:
    """Whether autodiff has not run yet: passes that merge values must wait for it."""
    return any(n.op is gradient or (n.body is not None and has_gradients(n.body)) for n in graph.nodes)
