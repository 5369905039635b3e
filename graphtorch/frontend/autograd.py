"""Reverse-mode autograd for eager mode: a tape of nodes, each of which replays its op's `vjp`."""

from __future__ import annotations

import functools
import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from graphtorch.ir.errors import AutogradError
from graphtorch.ir.graph import Builder, Graph, Param, Value, ancestors
from graphtorch.ir.op import Op
from graphtorch.ir.ops.in_float32 import gradients
from graphtorch.ir.types import TensorType

if TYPE_CHECKING:
    from graphtorch.frontend.tensor import Storage, Tensor


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


@dataclass(frozen=True)
class Shaped:
    """Stands for an operand whose data `vjp` does not read, so that the tape need not keep it."""

    aval: TensorType


@dataclass(frozen=True)
class Saved:
    """A tensor kept for backward, and the version that its storage had then."""

    tensor: Tensor
    version: int


class GradNode:
    """Where a result came from. ``edges`` hold, for each operand, what its gradient flows into:
    another node's result (node, index), a leaf tensor, or None."""

    def __init__(self, edges: Sequence[tuple[GradNode, int] | Tensor | None], avals: Sequence[TensorType]) -> None:
        self.edges = tuple(edges)
        self.avals = tuple(avals)
        self.order = next(_sequence)

    @property
    def name(self) -> str:
        return type(self).__name__

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        """The gradient of each operand from that of each result (None: zero)."""
        raise NotImplementedError(type(self).__name__)

    def release(self) -> None:
        """Forget what was saved; another backward is an error."""


class OpNode(GradNode):
    """A primitive, with what its `vjp` reads."""

    def __init__(self, op: Op, operands: Sequence[Tensor], attrs: dict[str, Any], results: Sequence[Tensor]) -> None:
        super().__init__([edge_of(o) for o in operands], [r.aval for r in results])
        self.op, self.attrs = op, attrs
        keep_result, keep = op.saved_for_backward
        keep = keep if len(keep) == len(operands) else (True,) * len(operands)
        self.results: list[Saved | Shaped] | None = [
            Saved(r._alias(), r._storage.version) if keep_result else Shaped(r.aval) for r in results
        ]
        self.operands: list[Saved | Shaped] = [
            Saved(o._alias(), o._storage.version) if k else Shaped(o.aval) for o, k in zip(operands, keep, strict=True)
        ]

    @property
    def name(self) -> str:
        return self.op.name

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        from graphtorch.frontend.tensor import zeros_of

        if self.results is None:
            raise freed(self.op.name)
        self._check_versions()
        filled = [zeros_of(a) if g is None else g for g, a in zip(grads, self.avals, strict=True)]
        ys = [k.tensor if isinstance(k, Saved) else k for k in self.results]
        xs = [k.tensor if isinstance(k, Saved) else k for k in self.operands]
        one = len(ys) == 1
        return gradients(self.op, filled[0] if one else filled, ys[0] if one else ys, xs, self.attrs)

    def keep(self, storage: Storage) -> None:
        """What lies in ``storage`` is about to be overwritten by this node's own result (x.pow_(2)): keep a copy."""
        for i, kept in enumerate(self.operands):
            if isinstance(kept, Saved) and kept.tensor._storage is storage and kept.version == storage.version:
                copy = type(kept.tensor)._from_array(kept.tensor._array.copy())
                self.operands[i] = Saved(copy, copy._storage.version)

    def _check_versions(self) -> None:
        """AutogradError GT502 if a tensor was changed in place since, and a gradient that is wanted depends on it."""
        kept = [*(self.results or ()), *self.operands]
        stale = {i for i, k in enumerate(kept) if isinstance(k, Saved) and k.tensor._storage.version != k.version}
        if not stale:
            return
        found = reads(self.op, self.avals, [_aval_of(o) for o in self.operands], self.attrs)
        if any(edge is not None and stale & wanted for edge, wanted in zip(self.edges, found, strict=True)):
            raise AutogradError(
                "GT502",
                f"a tensor saved for the backward of {self.op.name} was changed in place since",
                ["clone it before the in-place operation, or do that operation after backward()"],
            )

    def release(self) -> None:
        if any(isinstance(kept, Saved) for kept in (*(self.results or ()), *self.operands)):
            self.results, self.operands = None, []


def _aval_of(kept: Saved | Shaped) -> TensorType:
    return kept.aval if isinstance(kept, Shaped) else kept.tensor.aval


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


def edge_of(t: Tensor) -> tuple[GradNode, int] | Tensor | None:
    if t._grad_fn is not None:
        return t._grad_fn, t._output_index
    return t if t._requires_grad else None


def run_backward(
    root: Tensor, gradient: Tensor, retain_graph: bool, accumulate: Callable[[Tensor, Tensor], None]
) -> None:
    """Walk the tape from ``root`` in reverse order of recording; ``accumulate(leaf, gradient)`` takes results."""
    if root._grad_fn is None:
        accumulate(root, gradient)
        return
    pending: dict[GradNode, list[Tensor | None]] = {}
    heap: list[tuple[int, GradNode]] = []
    leaves: dict[int, tuple[Tensor, Tensor]] = {}

    def send(edge: tuple[GradNode, int] | Tensor | None, g: Tensor | None) -> None:
        if edge is None or g is None:
            return
        if not isinstance(edge, tuple):
            have = leaves.get(id(edge))
            leaves[id(edge)] = (edge, g if have is None else have[1] + g)
            return
        node, index = edge
        if node not in pending:
            pending[node] = [None] * len(node.avals)
            heapq.heappush(heap, (-node.order, node))
        have_g = pending[node][index]
        pending[node][index] = g if have_g is None else have_g + g

    with no_grad():
        send((root._grad_fn, root._output_index), gradient)
        while heap:
            _, node = heapq.heappop(heap)
            grads = node.backward(pending.pop(node))
            for edge, g in zip(node.edges, grads, strict=True):
                send(edge, g)
            if not retain_graph:
                node.release()
        for leaf, g in leaves.values():  # only now: a failed backward changes no gradient
            accumulate(leaf, g)
