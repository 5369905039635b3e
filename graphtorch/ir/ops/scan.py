"""The op that holds a loop over slices: its body is the graph of one step.

    scan(consts.., carries.., xs..) {consts, carries, length, reverse} graph @step(consts.., carries.., slices..)

A step takes the consts, the carries that the step before gave, and a slice of each x (of its first dimension, which has
``length`` elements); it gives the next carries and an element of each y. Results are the last carries, and the ys
stacked along a new first dimension. With ``reverse`` the last slice comes first, and each y stands where its slice did.

The pass `carries` turns a body into one with state: carries are ``inout`` parameters, which the body updates, and its
outputs are the ys alone. That is the form that code is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from graphtorch.ir.control_flow import Array, ControlFlow, Evaluate, fits
from graphtorch.ir.errors import IRError, check
from graphtorch.ir.graph import Attr, Builder, Graph, Node, Param, Value
from graphtorch.ir.op import register
from graphtorch.ir.types import TensorType

T = TypeVar("T")


class Division(NamedTuple):
    """How many operands are consts and carries (the rest are xs), and the steps. It is all attributes of the node."""

    consts: int
    carries: int
    length: int
    reverse: bool

    def of(self, values: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
        """Consts, carries and xs, among operands or the body's parameters."""
        first, second = self.consts, self.consts + self.carries
        return values[:first], values[first:second], values[second:]

    @property
    def attrs(self) -> dict[str, Attr]:
        return self._asdict()

    def steps(self) -> range:
        """The index of each step's slices, in order."""
        return range(self.length)[::-1] if self.reverse else range(self.length)


def division(attrs: Mapping[str, Any]) -> Division:
    """That of a scan, or of a while_loop, which has no length; IRError GT808 for attributes that divide nothing."""
    found = Division(
        attrs.get("consts", -1), attrs.get("carries", -1), attrs.get("length", 0), attrs.get("reverse", False)
    )
    counts = found.consts, found.carries, found.length
    fine = all(type(n) is int and n >= 0 for n in counts) and isinstance(found.reverse, bool)
    facts = "expected consts, carries and length >= 0, and reverse=true or false"
    check(fine, "GT808", f"the attributes of a loop are not right: {dict(attrs)}", facts, kind=IRError)
    return found


def is_loop(node: Node) -> bool:
    """Whether it has carries, and a body that is run again and again."""
    return node.op.name in ("scan", "while_loop") and node.body is not None


def carried(d: Division, body: Graph) -> tuple[Sequence[Value], Sequence[Value]]:
    """The next carries and the ys, of a body of either form."""
    if body.updates:
        return [body.updates.get(p, p) for p in d.of(body.params)[1]], body.outputs
    return body.outputs[: d.carries], body.outputs[d.carries :]


def next_carries(
    d: Division, body: Graph, values: Sequence[Array], evaluate: Evaluate
) -> tuple[list[Array], list[Array]]:
    """Carries and ys of a step, by numpy."""
    outputs, state = evaluate(body, values)
    if not body.updates:
        return outputs[: d.carries], outputs[d.carries :]
    params = zip(body.params, values, strict=True)
    return d.of([state.get(p.name, v) for p, v in params])[1], outputs  # type: ignore[return-value]  # a list's slice


class Scan(ControlFlow):
    """A loop over slices of operands. Its gradient is a scan as well (passes/_scan_gradient.py)."""

    name = "scan"

    def types(self, operands: Sequence[TensorType], attrs: Mapping[str, Any], body: Graph) -> tuple[TensorType, ...]:
        d = division(attrs)
        params = [p.type for p in body.params]
        check(len(operands) >= d.consts + d.carries, "GT808", "a scan has too few operands", kind=IRError)
        whole = (*operands[: d.consts + d.carries], *(sliced(t, d.length) for t in d.of(operands)[2]))
        fits(f"the operands do not fit the parameters of @{body.name}", whole, params)
        carries = d.of(operands)[1]
        given, ys = carried(d, body)
        fits(f"@{body.name} gives carries of other types than it takes", [v.type for v in given], carries)
        return (*carries, *(stacked(y.type, d.length) for y in ys))

    def run(self, operands: Sequence[Array], attrs: Mapping[str, Any], body: Graph, evaluate: Evaluate) -> list[Array]:
        d = division(attrs)
        consts, carries, xs = d.of(list(operands))
        ys = [np.empty((d.length, *o.type.shape), o.type.dtype.np) for o in carried(d, body)[1]]
        for t in d.steps():
            carries, elements = next_carries(d, body, [*consts, *carries, *(x[t] for x in xs)], evaluate)
            for y, element in zip(ys, elements, strict=True):
                y[t] = element
        return [*carries, *ys]


scan = register(Scan())


def sliced(t: TensorType, length: int) -> TensorType:
    """The type of a slice; IRError GT808 where there are not ``length`` of them."""
    check(bool(t.shape) and t.shape[0] == length, "GT808", f"{t} has not {length} slices", kind=IRError)
    return t.with_shape(t.shape[1:])


def stacked(t: TensorType, length: int) -> TensorType:
    return t.with_shape((length, *t.shape))


def append_scan(builder: Builder, d: Division, operands: Sequence[Value], body: Graph) -> tuple[Value, ...]:
    """The results of a new scan: the last carries, then the stacked ys, then the carries that each step took, stacked.

    The last are what a gradient needs; `dce` drops them where there is none. ``body`` gets the outputs for them.
    """
    body.outputs += d.of(body.params)[1]
    types = scan.types([o.type for o in operands], d.attrs, body)
    return builder.append(Node(scan, operands, d.attrs, types, builder.locs, body)).results


def params_like(d: Division, operands: Sequence[TensorType]) -> list[Param]:
    """Parameters of a body for operands of these types: k0.. for consts, c0.. for carries, x0.. for slices."""
    whole = (*operands[: d.consts + d.carries], *(sliced(t, d.length) for t in d.of(operands)[2]))
    names = [f"{kind}{i}" for kind, part in zip("kcx", d.of(whole), strict=True) for i in range(len(part))]
    return [Param(name, t) for name, t in zip(names, whole, strict=True)]
