"""Operations of one's own: a function with another gradient, and an op that the compiler knows from the inside.

python examples/custom_op.py
"""

from __future__ import annotations

from typing import Any

import numpy as np

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir import expr
from graphtorch.ir.op import register
from graphtorch.ir.ops.elementwise import Unary


# ---- 1. a gradient of one's own: torch's way, of any function --------------------------------------
class Rounded(gt.autograd.Function):
    """Numbers rounded to multiples of ``step``. The gradient is that of no rounding (Bengio et al., 2013)."""

    @staticmethod
    def forward(ctx: Any, x: gt.Tensor, step: float) -> gt.Tensor:
        return gt.round(x / step) * step

    @staticmethod
    def backward(ctx: Any, grad: gt.Tensor) -> tuple[gt.Tensor, None]:
        return grad, None


# ---- 2. an op: all that is known of it stands in one class -----------------------------------------
class Squareplus(Unary):
    """(x + sqrt(x^2 + 4)) / 2: smooth like softplus, without exponentials (J. T. Barron, arXiv:2112.11687)."""

    name = "squareplus"  # gt.squareplus, Tensor.squareplus, and the name in the text of a graph
    to_float = True
    kinds = "f"

    def ref(self, x: np.ndarray) -> np.ndarray:
        """With numpy: what eager mode runs, and what compiled programs are compared with."""
        return (x + np.sqrt(x * x + x.dtype.type(4))) * x.dtype.type(0.5)

    def vjp(self, g: Any, y: Any, _x: Any) -> Any:
        """With ops: y - x is 1 / y, so that the slope y^2 / (y^2 + 1) needs the result alone."""
        return g * (y * y / (y * y + 1))

    def scalar(self, x: expr.Expr) -> expr.Expr:
        """One element of the result: the loops, their fusion with neighbours and the vectors are the compiler's."""
        return (x + expr.unary("sqrt", x * x + 4.0)) * 0.5


squareplus = register(Squareplus())


class Net(nn.Module):
    """Two layers with weights of 1/8 steps and the new activation between them."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, 32)
        self.out = nn.Linear(32, 1)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        weight = Rounded.apply(self.hidden.weight, 0.125)
        return self.out(squareplus(nn.functional.linear(x, weight, self.hidden.bias)))


def main() -> None:
    x = gt.linspace(-3, 3, 7, dtype=gt.float64, requires_grad=True)
    print("squareplus of -3 to 3:", [round(v, 3) for v in gt.squareplus(x).tolist()])
    print("its gradient is that of finite differences:", gt.autograd.gradcheck(squareplus, x))

    gt.manual_seed(0)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    points = gt.randn(256, 2)
    target = (points[:, :1] * points[:, 1:]).sin()

    @gt.compile
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(points, target).item() for _ in range(300)]
    print(f"\nloss {losses[0]:.3f} -> {losses[-1]:.3f} in {len(losses)} compiled steps")
    with gt.no_grad():
        gap = (gt.compile(model)(points) - model(points)).abs().max().item()
    print(f"compiled and eager predictions differ by at most {gap:.0e}")

    kernels = [line for line in step.stages[0]["fuse"].splitlines() if " = fusion(" in line]
    bodies = step.stages[0]["fuse"].split(" = fusion(")[1:]
    fused = next(body for body in bodies if "squareplus" in body)
    body = [line.split(" = ")[1].split("(")[0] for line in fused.splitlines() if " = " in line]
    print(f"squareplus is one of {len(body)} ops of one of {len(kernels)} kernels: {', '.join(dict.fromkeys(body))}")


if __name__ == "__main__":
    main()
