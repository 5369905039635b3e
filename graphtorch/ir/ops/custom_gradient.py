"""The op that gives values a gradient of their own: what a trace leaves for a call of an `autograd.Function`.

    custom_gradient(values.., inputs.., captured..) {values=n, inputs=m}
      graph @backward(gradients.., values.., captured..) {
        return ..                                      a gradient for each input
      }

Its results are its values. Gradients do not pass to these, but, by way of the body, to the inputs. The autodiff pass
writes the body out where a gradient is asked for, and drops the node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphtorch.ir.control_flow import Array, ControlFlow, Evaluate, fits
from graphtorch.ir.errors import IRError, check
from graphtorch.ir.graph import Builder, Graph, Node, Value
from graphtorch.ir.op import register
from graphtorch.ir.types import TensorType


class CustomGradient(ControlFlow):
    """Values whose gradient the body says."""

    name = "custom_gradient"

    def types(self, operands: Sequence[TensorType], attrs: Mapping[str, Any], body: Graph) -> tuple[TensorType, ...]:
        n, m = attrs.get("values", 0), attrs.get("inputs", 0)
        check(
            n >= 1 and 0 <= m <= len(operands) - n,
            "GT808",
            f"values={n}, inputs={m} are not allowed with {len(operands)} operands",
            "expected at least one value, and operands for all",
            kind=IRError,
        )
        values, inputs, captured = operands[:n], operands[n : n + m], operands[n + m :]
        wanted = [*values, *values, *captured]
        fits(f"the operands do not fit the parameters of @{body.name}", wanted, [p.type for p in body.params])
        fits(f"the gradients of @{body.name} do not fit the inputs", [o.type for o in body.outputs], inputs)
        return tuple(values)

    def run(self, operands: Sequence[Array], attrs: Mapping[str, Any], body: Graph, evaluate: Evaluate) -> list[Array]:
        return list(operands[: attrs["values"]])


custom_gradient = register(CustomGradient())


def paths(node: Node) -> tuple[Value, ...]:
    """The operands that gradients pass to."""
    if node.op is not custom_gradient:
        return node.operands
    first, count = node.attrs["values"], node.attrs["inputs"]
    assert isinstance(first, int) and isinstance(count, int)  # by types
    return node.operands[first : first + count]


def append_custom(
    builder: Builder, values: Sequence[Value], inputs: Sequence[Value], captured: Sequence[Value], body: Graph
) -> tuple[Value, ...]:
    """``values`` as results of a new node."""
    attrs = {"values": len(values), "inputs": len(inputs)}
    types = [v.type for v in values]
    return builder.append(
        Node(custom_gradient, [*values, *inputs, *captured], attrs, types, builder.locs, body)
    ).results


def gradient_of(
    builder: Builder,
    node: Node,
    have: Sequence[Value | None],
    _differentiate: object,
    zeros: Callable[[Value], Value],
) -> list[Value | None]:
    """The gradient of each operand of ``node`` from those of its results: the body, written out."""
    body = node.body
    assert body is not None  # by types
    n = len(node.results)
    given = [zeros(r) if g is None else g for r, g in zip(node.results, have, strict=True)]
    captured = node.operands[n + len(body.outputs) :]
    inside: dict[Value, Value] = dict(zip(body.params, (*given, *node.results, *captured), strict=True))
    for inner in body.nodes:
        with builder.at(inner.locs):
            inside.update(zip(inner.results, builder.clone(inner, [inside[o] for o in inner.operands]), strict=True))
    return [*[None] * n, *(inside[o] for o in body.outputs), *[None] * len(captured)]
