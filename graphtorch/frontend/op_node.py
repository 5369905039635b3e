"""The node of a primitive on the tape, and what is known of it: what it keeps, and what its `vjp` reads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from graphtorch.frontend.autograd import (
    Edge,
    GradNode,
    Saved,
    array_of,
    as_gradient,
    changed,
    data_of,
    edge_of,
    freed,
    is_grad_enabled,
    restored,
    saved,
)
from graphtorch.frontend.plans import Gradient, gradient_of
from graphtorch.frontend.tensors.storage import copy_of
from graphtorch.frontend.typed_calls import TypedCall
from graphtorch.ir import op as ops
from graphtorch.ir.graph import Builder, Graph, Param, Value, ancestors
from graphtorch.ir.loc import place
from graphtorch.ir.op import Op
from graphtorch.ir.ops.in_float32 import gradients
from graphtorch.ir.types import TensorType
from graphtorch.runtime.cuda_array import on_gpu

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class OpNode(GradNode):
    """A primitive, with what its `vjp` reads."""

    def __init__(
        self, op: Op, operands: Sequence[Tensor], attrs: dict[str, Any], results: Sequence[Tensor], call: TypedCall
    ) -> None:
        super().__init__([edge_of(o) for o in operands], call.made)
        self.op, self.attrs, self.place, self.call = op, attrs, place(), call
        #: None stands for what `vjp` does not read
        self.results: list[Saved | None] | None = [saved(r) if call.keeps_results else None for r in results]
        self.operands = [saved(o) if k else None for o, k in zip(operands, call.keeps, strict=True)]

    @classmethod
    def of_types(cls, op: Op, attrs: dict[str, Any], edge: Edge, taken: TensorType, made: TensorType) -> OpNode:
        """The node of an op of one operand, whose `vjp` reads no data."""
        node = cls.__new__(cls)
        GradNode.__init__(node, [edge], [made])
        node.op, node.attrs, node.place = op, attrs, None
        node.call = TypedCall((made,), (taken,), True, (0,), False, (False,))
        node.results, node.operands = [None], [None]
        return node

    @property
    def name(self) -> str:
        return self.op.name

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if self.results is None:
            raise freed(self.op.name)
        self._check_versions()
        wanted = tuple([e is not None for e in self.edges])
        planned = None
        if not is_grad_enabled():
            planned = gradient_of(self.op, self.call, self.attrs, wanted, ops.placed is not None and _on_device(grads))
        return self._by_ops(grads, wanted) if planned is None else self._by_plan(grads, planned)

    def _by_ops(self, grads: list[Tensor | None], wanted: Sequence[bool]) -> Sequence[Tensor | None]:
        from graphtorch.frontend.tensor import zeros_of

        assert self.results is not None  # `backward` has looked
        filled = [zeros_of(a, grads) if g is None else g for g, a in zip(grads, self.avals, strict=True)]
        ys = [restored(k, a, (self, i)) for i, (k, a) in enumerate(zip(self.results, self.avals, strict=True))]
        xs = [restored(k, a, e) for k, a, e in zip(self.operands, self.call.taken, self.edges, strict=True)]
        one = len(ys) == 1
        with at_the_device(grads):
            return gradients(self.op, filled[0] if one else filled, ys[0] if one else ys, xs, self.attrs, wanted)

    def _by_plan(self, grads: list[Tensor | None], planned: Gradient) -> Sequence[Tensor | None]:
        kept = [*(self.results or ()), *self.operands]
        count = len(grads)
        arrays = [array_of(grads[i], self.avals[i]) if i < count else data_of(kept[i - count]) for i in planned.takes]
        out: list[Tensor | None] = [None] * len(self.edges)
        for i, array in zip(planned.gives, planned.plan(arrays), strict=True):
            out[i] = as_gradient(array, self.call.taken[i], grads)
        return out

    def keep(self, target: Tensor) -> None:
        """``target`` is about to be overwritten by what this node helped to compute (x.pow_(2)): keep a copy."""
        assert self.results is not None  # it was made a moment ago
        for kept in (self.results, self.operands):
            for i, k in enumerate(kept):
                if k is not None and k.storage is target._storage and not k.is_stale():
                    kept[i] = saved(type(target)._from_array(copy_of(k.data)))

    def _check_versions(self) -> None:
        """AutogradError GT502 if a tensor was changed in place since, and a gradient that is wanted depends on it."""
        kept = [*(self.results or ()), *self.operands]
        for k in kept:
            if k is not None and k.is_stale():
                break
        else:
            return
        stale = {i for i, k in enumerate(kept) if k is not None and k.is_stale()}
        found = reads(self.op, self.avals, self.call.taken, self.attrs)
        if any(edge is not None and stale & wanted for edge, wanted in zip(self.edges, found, strict=True)):
            raise changed(self, kept[min(stale)])

    def release(self) -> None:
        for kept in (*(self.results or ()), *self.operands):
            if kept is not None:
                self.results, self.operands = None, []
                return


def at_the_device(grads: Sequence[Tensor | None]) -> AbstractContextManager[None]:
    """What formulas make of numbers is made where the gradients are."""
    if ops.placed is None:
        return nullcontext()
    from graphtorch.frontend import placement  # which has nodes itself

    return placement.at(placement.of(grads))


def _on_device(grads: Sequence[Tensor | None]) -> bool:
    return any(g is not None and on_gpu(g._data) for g in grads)


def reads(op: Op, results: Sequence[TensorType], operands: Sequence[TensorType], attrs: Any) -> list[set[int]]:
    """For the gradient of each operand: which results and then operands, by number, its `vjp` reads."""
    graph = Graph(op.name)
    kinds = [*results, *results, *operands]
    graph.params = [Param(f"p{i}", t) for i, t in enumerate(kinds)]
    g, y, x = (
        graph.params[: len(results)],
        graph.params[len(results) : 2 * len(results)],
        graph.params[2 * len(results) :],
    )
    one = len(results) == 1
    with Builder(graph):
        found = gradients(op, g[0] if one else g, y[0] if one else y, x, attrs)
    number: dict[Value, int] = {p: i for i, p in enumerate([*y, *x])}
    return [{number[v] for v in ancestors(f) if v in number} if isinstance(f, Value) else set() for f in found]


def made_since(node: GradNode, since: int) -> list[OpNode]:
    """``node`` and the nodes of ops before it, as far as they were recorded after the mark ``since``."""
    found: dict[GradNode, None] = {}
    stack = [node]
    while stack:
        n = stack.pop()
        if n.order > since and n not in found:
            found[n] = None
            stack += [e[0] for e in n.edges if isinstance(e, tuple)]
    return [n for n in found if isinstance(n, OpNode)]
