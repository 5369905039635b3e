"""The gradient of a scan is a scan the other way.

A step computes its forward step again, of the carries that this took (which the forward scan has stacked) and its
slices, and applies the backward graph of that. Its carries are the gradients of the forward carries, and sums of the
gradients of consts; its ys are the gradients of xs. It stacks its own carries too, so that it has a gradient itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphtorch.ir.graph import Builder, Graph, Node, Value
from graphtorch.ir.ops.scan import Division, append_scan, division, params_like
from graphtorch.ir.types import TensorType

#: (builder, losses, seeds, targets) -> the gradient of each target, None where the losses do not depend on it
Differentiate = Callable[[Builder, Sequence[Value], Sequence[Value], Sequence[Value]], list[Value | None]]
Zeros = Callable[[Value], Value]


@dataclass(frozen=True)
class _Wanted:
    """What of a step has gradients: numbers of consts, carries, xs and ys."""

    consts: list[int]
    carries: list[int]
    xs: list[int]
    ys: list[int]


def scan_gradient(
    builder: Builder, node: Node, have: Sequence[Value | None], differentiate: Differentiate, zeros: Zeros
) -> list[Value | None]:
    """The gradient of each operand of ``node`` from those of its results (None where there is none)."""
    body, d = node.body, division(node.attrs)
    assert body is not None  # a scan has one
    consts, carries, xs = d.of(node.operands)
    ys = {i: g for i, g in enumerate(have[d.carries :]) if g is not None and g.type.dtype.is_floating_point}
    wanted = _Wanted(_floating(consts), _floating(carries), _floating(xs), list(ys))
    last = [(carries[i], have[i]) for i in wanted.carries]
    starts = [zeros(c) if g is None else g for c, g in last] + [zeros(consts[i]) for i in wanted.consts]
    inverse = Division(len(consts), len(starts), d.length, not d.reverse)
    operands = [*consts, *starts, *_stacked_carries(builder, node, body, d), *xs, *ys.values()]
    step = _Step(body, d, inverse, [o.type for o in operands], wanted)
    with Builder(step.graph) as inner, inner.at(node.locs):
        step.build(inner, differentiate, zeros)
    found = append_scan(builder, inverse, operands, step.graph)
    return _by_operand(node, d, wanted, step.missing, found)


def _floating(values: Sequence[Value]) -> list[int]:
    return [i for i, v in enumerate(values) if v.type.dtype.is_floating_point]


def _stacked_carries(builder: Builder, node: Node, body: Graph, d: Division) -> Sequence[Value]:
    """The carries that each step took, out of ``node``, or out of a scan that is the same but gives those."""
    outputs = body.outputs[d.carries :]
    params = d.of(body.params)[1]
    if all(p in outputs for p in params):
        return [node.results[d.carries + outputs.index(p)] for p in params]
    again = Graph(body.name, list(body.params), list(body.nodes), body.outputs[: d.carries])
    return append_scan(builder, d, node.operands, again)[d.carries :]


class _Step:
    """The body of the backward scan; ``missing`` are the numbers of consts that have no gradient after all."""

    def __init__(
        self, body: Graph, d: Division, inverse: Division, types: Sequence[TensorType], wanted: _Wanted
    ) -> None:
        self.graph = Graph(f"{body.name}_backward", params_like(inverse, types))
        self.missing: set[int] = set()
        self._body, self._forward, self._wanted = body, d, wanted
        self._consts, self._grads, slices = inverse.of(self.graph.params)
        count = len(slices) - len(wanted.ys)
        self._saved, self._xs, self._seeds = slices[: d.carries], slices[d.carries : count], slices[count:]

    def build(self, builder: Builder, differentiate: Differentiate, zeros: Zeros) -> None:
        wanted, first = self._wanted, self._forward.carries
        inner = replayed(builder, self._body, [*self._consts, *self._saved, *self._xs])
        losses = [inner[i] for i in wanted.carries] + [inner[first + i] for i in wanted.ys]
        groups = (self._saved, wanted.carries), (self._consts, wanted.consts), (self._xs, wanted.xs)
        targets = [part[i] for part, numbers in groups for i in numbers]
        carried, sums = self._grads[: len(wanted.carries)], self._grads[len(wanted.carries) :]
        found = differentiate(builder, losses, [*carried, *self._seeds], targets)
        for at, (g, target) in enumerate(zip(found, targets, strict=True)):
            number = at - len(carried)
            if 0 <= number < len(sums):
                self._add(wanted.consts[number], sums[number], g)
            else:
                self.graph.outputs.append(zeros(target) if g is None else g)

    def _add(self, const: int, total: Value, g: Value | None) -> None:
        if g is None:
            self.missing.add(const)
        self.graph.outputs.append(total if g is None else total + g)


def replayed(builder: Builder, body: Graph, values: Sequence[Value]) -> list[Value]:
    """What the outputs of ``body`` are for these values of its parameters."""
    env: dict[Value, Value] = dict(zip(body.params, values, strict=True))
    for node in body.nodes:
        env.update(zip(node.results, builder.clone(node, [env[o] for o in node.operands]), strict=True))
    return [env[o] for o in body.outputs]


def _by_operand(
    node: Node, d: Division, wanted: _Wanted, missing: set[int], found: Sequence[Value]
) -> list[Value | None]:
    out: list[Value | None] = [None] * len(node.operands)
    places = [d.consts + i for i in wanted.carries] + wanted.consts + [d.consts + d.carries + i for i in wanted.xs]
    for place, g in zip(places, found, strict=False):
        out[place] = None if place in missing else g
    return out
