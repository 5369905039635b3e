"""Passes of one's own over the program of a whole training step: one that looks, and one that rewrites.

    python examples/custom_pass.py

A pass is an object with a ``name`` and ``run(graph) -> graph``. `gt.compile` runs it once the graph is simplified, so
that it sees what will run: forward, backward and the optimizer's updates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import graphtorch as gt
from graphtorch import nn, optim
from graphtorch.ir.graph import Builder, Graph, Node, Value, rewrite


class CountProducts:
    """Adds up the multiplications of matrix products, for each module and line of the user; changes nothing."""

    name = "count_products"

    def __init__(self) -> None:
        self.multiplications: Counter[str] = Counter()

    def run(self, graph: Graph) -> Graph:
        for node in graph.nodes:
            if node.op.name == "dot":
                inner = node.operands[0].type.shape[-1]
                where = node.locs[0].path or "outside of modules"
                self.multiplications[where] += inner * math.prod(node.result.type.shape)
        return graph  # the very same object: there was nothing to do


@dataclass(frozen=True)
class SqrtDivision:
    """x / sqrt(v) becomes x * rsqrt(v): one instruction for the machine in the place of two that take long."""

    name: ClassVar[str] = "sqrt_division"

    def run(self, graph: Graph) -> Graph:
        if not any(map(_divides_by_a_root, graph.nodes)):
            return graph

        def rule(node: Node, operands: tuple[Value, ...], _: Builder) -> Sequence[Value] | None:
            if not _divides_by_a_root(node):
                return None
            root = operands[1].node  # in the new graph, in which the operands stand already
            return (operands[0] * gt.rsqrt(root.operands[0]),)

        return rewrite(graph, rule)


def _divides_by_a_root(node: Node) -> bool:
    made_by = node.operands[1].node if node.op.name == "div" else None
    return made_by is not None and made_by.op.name == "sqrt"


class Scaled(nn.Module):
    """x over the root of the mean of its squares, as a paper writes it."""

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        mean = (x * x).mean(-1, keepdim=True) + 1e-5
        return x / gt.sqrt(mean.expand_as(x))


def train(passes: Sequence[object], steps: int = 20) -> tuple[list[float], gt.Tensor]:
    """(losses, the compiled step) of a small net from the same seed."""
    gt.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 48), Scaled(), nn.ReLU(), nn.Linear(48, 5))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x, y = gt.randn(96, 24), gt.randint(0, 5, (96,))

    @gt.compile(passes=passes)
    def step(x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return [step(x, y).item() for _ in range(steps)], step


def ops(text: str) -> Counter[str]:
    """How often each op stands in the text of a graph: ``%3: f32[2] = relu(%2)``."""
    return Counter(line.split(" = ")[1].split("(")[0] for line in text.splitlines() if " = " in line)


def main() -> None:
    count = CountProducts()
    plain, _ = train(passes=[])
    losses, step = train(passes=[count, SqrtDivision()])

    print("multiplications in the matrix products of a training step, by module:")
    for where, number in count.multiplications.most_common():
        print(f"  {where:<6} {number:>9,}")
    stages = step.stages[0]
    print("\nops before and after sqrt_division:")
    for name in ("div", "rsqrt"):
        print(f"  {name:<6} {ops(stages['count_products'])[name]} -> {ops(stages['sqrt_division'])[name]}")
    gap = max(abs(a - b) for a, b in zip(plain, losses, strict=True))
    print(f"\nloss {losses[0]:.4f} -> {losses[-1]:.4f}; without the passes it differs by at most {gap:.0e}")


if __name__ == "__main__":
    main()
