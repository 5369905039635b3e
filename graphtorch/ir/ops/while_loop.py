"""The op that holds a loop which runs as long as its first carry, bool[], is true.

    while_loop(consts.., go, carries..) {consts, carries} graph @step(consts.., go, carries..) -> (go, carries..)

It is tested before each step. ``carries`` counts ``go`` as well. Consts, carries, and the form with state are those of
a scan (scan.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphtorch.ir.control_flow import Array, ControlFlow, Evaluate, fits
from graphtorch.ir.graph import Graph
from graphtorch.ir.op import register
from graphtorch.ir.ops.branches import PRED
from graphtorch.ir.ops.scan import carried, division, next_carries
from graphtorch.ir.types import TensorType


class WhileLoop(ControlFlow):
    """A loop whose number of steps is known when it runs. It has no gradient."""

    name = "while_loop"

    def types(self, operands: Sequence[TensorType], attrs: Mapping[str, Any], body: Graph) -> tuple[TensorType, ...]:
        d = division(attrs)
        _, carries, rest = d.of(operands)
        fits("the first carry of a while_loop is bool[]", carries[:1], [PRED])
        fits("a while_loop has no xs", rest, [])
        fits(f"the operands do not fit the parameters of @{body.name}", operands, [p.type for p in body.params])
        given, ys = carried(d, body)
        fits(f"@{body.name} gives carries of other types than it takes", [v.type for v in given], carries)
        fits("a while_loop has no ys", [v.type for v in ys], [])
        return tuple(carries)

    def run(self, operands: Sequence[Array], attrs: Mapping[str, Any], body: Graph, evaluate: Evaluate) -> list[Array]:
        d = division(attrs)
        consts, carries, _ = d.of(list(operands))
        while carries[0]:
            carries, _ = next_carries(d, body, [*consts, *carries], evaluate)
        return list(carries)


while_loop = register(WhileLoop())
