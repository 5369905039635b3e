"""Reverse-mode autograd for eager mode: a tape of nodes, each of which replays its op's `vjp`."""

from __future__ import annotations

import functools
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from graphtorch.frontend.plans import Gradient, gradient_of
from graphtorch.frontend.tensors.storage import Storage, Unseen
from graphtorch.frontend.typed_calls import TypedCall
from graphtorch.ir.errors import AutogradError
from graphtorch.ir.graph import Builder, Graph, Param, Value, ancestors
from graphtorch.ir.loc import Place, of_place, place
from graphtorch.ir.op import Op
from graphtorch.ir.ops.in_float32 import gradients
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Tensor


class _Mode(threading.local):
    enabled: bool = True


_mode = _Mode()
_sequence = itertools.count()
F = TypeVar("F", bound=Callable[..., Any])


def is_grad_enabled() -> bool:
    """Whether ops record for backward in this thread."""
    return _mode.enabled


class set_grad_enabled:
    """Switch recording on or off: at once, as a context manager, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self._wanted, self._before = bool(mode), _mode.enabled
        if type(self) is set_grad_enabled:
            _mode.enabled = self._wanted

    def __enter__(self) -> None:
        if type(self) is not set_grad_enabled:
            self._before = _mode.enabled
        _mode.enabled = self._wanted

    def __exit__(self, *_: object) -> None:
        _mode.enabled = self._before

    def __call__(self, function: F) -> F:
        wanted = self._wanted

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            before, _mode.enabled = _mode.enabled, wanted
            try:
                return function(*args, **kwargs)
            finally:
                _mode.enabled = before

        return call  # type: ignore[return-value]


class no_grad(set_grad_enabled):
    """Nothing in the block (or in the decorated function) is recorded for backward."""

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Recording in the block (or in the decorated function), also inside of `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


#: what a gradient flows into: result number ``index`` of a node, a leaf, or nothing
Edge: TypeAlias = "tuple[GradNode, int] | Tensor | None"


@dataclass(frozen=True)
class Shaped:
    """Stands for an operand whose data `vjp` does not read, so that the tape need not keep it."""

    aval: TensorType


class Saved(NamedTuple):
    """The data of a tensor, kept for backward without its history, and the version that its storage had then."""

    data: Any
    storage: Storage
    aval: TensorType
    unseen: Unseen | None
    version: int

    def is_stale(self) -> bool:
        """Whether the data was written since."""
        return self.storage.version + (self.unseen.count if self.unseen is not None else 0) != self.version


def saved(t: Tensor) -> Saved:
    """What the tape keeps of ``t``."""
    return Saved(t._data, t._storage, t.aval, t._unseen, version_of(t))


class GradNode:
    """Where a result came from. ``edges`` hold, for each operand, what its gradient flows into:
    another node's result (node, index), a leaf tensor, or None."""

    def __init__(self, edges: Sequence[Edge], avals: Sequence[TensorType]) -> None:
        self.edges = tuple(edges)
        self.avals = tuple(avals)
        self.order = next(_sequence)

    #: the line of the user's that it comes from, where that is known
    place: Place | None = None
    #: by the number of a result: what `register_hook` put there, and the tensor that retains its gradient
    hooks: dict[int, dict[int, Callable[[Tensor], Any]]] | None = None
    retained: dict[int, weakref.ref[Tensor]] | None = None

    @property
    def name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        """The gradient of each operand from that of each result (None: zero)."""
        raise NotImplementedError(type(self).__name__)

    def release(self) -> None:
        """Forget what was saved; another backward is an error."""


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
        planned = None if is_grad_enabled() else gradient_of(self.op, self.call, self.attrs, wanted)
        return self._by_ops(grads, wanted) if planned is None else self._by_plan(grads, planned)

    def _by_ops(self, grads: list[Tensor | None], wanted: Sequence[bool]) -> Sequence[Tensor | None]:
        from graphtorch.frontend.tensor import zeros_of

        assert self.results is not None  # `backward` has looked
        filled = [zeros_of(a) if g is None else g for g, a in zip(grads, self.avals, strict=True)]
        ys = [restored(k, a, (self, i)) for i, (k, a) in enumerate(zip(self.results, self.avals, strict=True))]
        xs = [restored(k, a, e) for k, a, e in zip(self.operands, self.call.taken, self.edges, strict=True)]
        one = len(ys) == 1
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
                    kept[i] = saved(type(target)._from_array(k.data.copy()))

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


def restored(kept: Saved | None, aval: TensorType, edge: Edge) -> Any:
    """What was kept, with the history that it had where gradients are to have gradients themselves."""
    if kept is None:
        return Shaped(aval)
    recording = edge is not None and is_grad_enabled()
    if recording and not isinstance(edge, tuple):
        return edge
    from graphtorch.frontend.tensor import Tensor

    t = Tensor._from_array(kept.data, kept.storage)
    t._aval, t._unseen = kept.aval, kept.unseen
    if recording:
        node, index = edge  # type: ignore[misc]
        t._requires_grad, t._grad_fn, t._output_index = True, node, index  # type: ignore[assignment]
    return t


def array_of(g: Tensor | None, type_: TensorType) -> Any:
    """The numbers of a gradient; zeros where there is none."""
    return np.zeros(type_.shape, type_.dtype.np) if g is None else g._array


def data_of(kept: Saved | None) -> Any:
    """The data of what is known to be kept."""
    assert kept is not None  # it is read
    return kept.data


def as_gradient(array: Any, type_: TensorType, grads: Sequence[Tensor | None]) -> Tensor:
    """A tensor over a gradient that was computed from ``grads``; the one among them that it is."""
    from graphtorch.frontend.tensor import Tensor

    for g in grads:
        if g is not None and g._data is array:
            return g
    return Tensor._made(array, type_)


def changed(node: GradNode, kept: Saved | None) -> AutogradError:
    """The error for a saved tensor that was written since."""
    writer, at = kept.storage.changed if kept is not None else ("", None)
    facts = [f"saved by {node.name} at {of_place(node.place).show()}"] if node.place else []
    facts += [f"changed by {writer} at {of_place(at).show()}"] if at else []
    return AutogradError(
        "GT502",
        f"a tensor saved for the backward of {node.name} was changed in place since",
        [*facts, "clone it before the in-place operation, or do that operation after backward()"],
    )


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


def saves(op: Op) -> bool:
    """Whether backward through ``op`` needs tensors, which it then frees."""
    result, operands = op.saved_for_backward
    return result or any(operands)


def freed(name: str) -> AutogradError:
    """The error of a second backward."""
    return AutogradError(
        "GT501",
        f"the saved tensors of {name} were freed by an earlier backward",
        ["pass retain_graph=True to the first backward to run it again"],
    )


def edge_of(t: Tensor) -> Edge:
    """What the gradient of ``t`` flows into."""
    if t._view is not None:
        t._view.refresh(t)
    if t._grad_fn is not None:
        return t._grad_fn, t._output_index
    return t if t._requires_grad else None


def version_of(t: Tensor) -> int:
    """How often the memory of ``t`` was written, as far as autograd is told: not through `.data` of it."""
    return t._storage.version + (t._unseen.count if t._unseen is not None else 0)


def mark() -> int:
    """A point in time, for `made_since`."""
    return next(_sequence)


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
