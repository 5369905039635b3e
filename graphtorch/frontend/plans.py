"""Small graphs run by numpy, op after op, with no tensor between the ops: what eager mode does often.

The gradient of an op is a formula of other ops (`Op.vjp`), and so is a function such as `cross_entropy`. Op by op each
step would make a tensor, look up its type and go onto the tape, which takes many times longer than numpy does for
small arrays. A plan is made of the formula itself, by the compiler's own passes; there is no second formula.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from graphtorch.frontend.typed_calls import TypedCall
from graphtorch.ir import op as ops
from graphtorch.ir.graph import Builder, Graph, Node, Param, Value
from graphtorch.ir.low_precision import is_low, reference
from graphtorch.ir.op import Op
from graphtorch.ir.ops.in_float32 import gradients
from graphtorch.ir.ops.movement import iota
from graphtorch.runtime.cuda_array import on_gpu

Array = np.ndarray[Any, Any]
T = TypeVar("T")


class _Step(NamedTuple):
    """One op: which slots it reads and writes, and which of them are not read again."""

    run: Callable[..., Any]
    attrs: dict[str, Any]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    dead: tuple[int, ...]
    #: whether results are laid out in row-major order, as eager mode lays them
    ordered: bool


class Plan:
    """``plan(arrays)`` gives the outputs of a graph for arrays in the order of its parameters.

    Constants, and what repeats them, are made once: such an output is read-only. An output may be a view of an array
    that came in, or that array. Floating-point errors are ignored, as in `ref`.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._slots: list[Any] = [None] * len(graph.params)
        number: dict[Value, int] = {p: i for i, p in enumerate(graph.params)}
        later: list[Node] = []
        for node in graph.nodes:
            known = [self._slots[number[o]] if o in number else None for o in node.operands]
            if _is_constant(node) and all(a is not None for a in known):
                number[node.result] = self._append(_array(reference(node.op, known, node.attrs)[0]))
            else:
                later.append(node)
                number.update((r, self._append(None)) for r in node.results)
        outputs = [number[o] for o in graph.outputs]
        self._outputs = outputs
        self._steps = _steps(later, number, {*outputs, *(i for i, a in enumerate(self._slots) if a is not None)})
        self._params = len(graph.params)

    @functools.cached_property
    def _on_device(self) -> Callable[[Sequence[Any]], list[Any]]:
        """The same graph as kernels."""
        from graphtorch.frontend.on_device import DevicePlan  # which the CPU does without

        return DevicePlan(self._graph)

    def _append(self, array: Any) -> int:
        self._slots.append(array)
        return len(self._slots) - 1

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        if ops.placed and any(on_gpu(a) for a in arrays):
            return self._on_device(arrays)
        slots = [*arrays, *self._slots[self._params :]]
        with np.errstate(all="ignore"):
            for run, attrs, reads, writes, dead, ordered in self._steps:
                found = run(*[slots[i] for i in reads], **attrs)
                for i, array in zip(writes, found if isinstance(found, tuple | list) else (found,), strict=True):
                    slots[i] = np.ascontiguousarray(array) if ordered and not array.flags.c_contiguous else array
                for i in dead:
                    slots[i] = None
        return [_array(slots[i]) for i in self._outputs]


def _array(x: Any) -> Array:
    return x if type(x) is np.ndarray else np.asarray(x)


def _is_constant(node: Node) -> bool:
    """Whether it takes no memory to speak of to keep the result, once its operands are kept."""
    return node.op.name == "constant" or node.op is iota or (bool(node.operands) and node.op.is_view)


def _runner(node: Node) -> Callable[..., Any]:
    types = [v.type for v in (*node.operands, *node.results)]
    if not any(is_low(t.dtype) for t in types):
        return node.op.ufunc or node.op.ref
    return lambda *arrays, **attrs: reference(node.op, arrays, attrs)


def _steps(nodes: Sequence[Node], number: dict[Value, int], keep: set[int]) -> list[_Step]:
    viewed = {o for n in nodes if n.op.ufunc is None for o in n.operands}
    found: list[_Step] = []
    for node in reversed(nodes):
        reads, writes = (tuple(number[v] for v in values) for values in (node.operands, node.results))
        dead = tuple({*reads, *writes} - keep)
        free = {o for o in node.operands if number[o] in dead} - viewed
        keep |= {*reads, *writes}
        ordered = not (node.op.is_view or node.op.elementwise)
        found.append(_Step(_in_place(node, free) or _runner(node), node.attrs, reads, writes, dead, ordered))
    return found[::-1]


def _in_place(node: Node, free: set[Value]) -> Callable[..., Any] | None:
    """An op that writes over one of its operands, of those that are ``free``: memory that is at hand costs less than
    new memory. None where there is none of the result's type that an op of the plan has made."""
    ufunc, type_ = node.op.ufunc, node.results[0].type
    if ufunc is None or not type_.ndim or is_low(type_.dtype):
        return None
    for at, o in enumerate(node.operands):
        if o in free and o.type == type_ and o.node is not None and o.node.op.ufunc is not None:
            return lambda *arrays: ufunc(*arrays, out=arrays[at])
    return None


def simplified(graph: Graph) -> Graph:
    """``graph`` after the passes that drop ops and change no element; gradients are expanded."""
    from graphtorch.ir.passes.autodiff import Autodiff  # here, because what never trains never needs them
    from graphtorch.ir.passes.canonicalize import Canonicalize
    from graphtorch.ir.passes.cse import Cse
    from graphtorch.ir.passes.dce import Dce
    from graphtorch.ir.passes.transposes import Transposes

    for step in (Autodiff(), Canonicalize(), Transposes(), Cse(), Dce()):
        graph = step.run(graph)
    return graph


#: stands for what was asked for once
_SEEN = object()


class Made(Generic[T]):
    """What was made for each key, from the second time on that it was asked for: a plan costs some milliseconds, and
    where every call has another shape it would never be used. All are forgotten when there are too many."""

    FULL = 2000

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T], at_once: bool = False) -> T | None:
        """None at the first time, unless ``at_once``, and for a key that has no hash."""
        try:
            found = self._made.get(key)
        except TypeError:
            return None
        if found is None:
            if len(self._made) >= self.FULL:
                self._made.clear()
            self._made[key] = found = _SEEN
            if not at_once:
                return None
        if found is _SEEN:
            made = self._made[key] = make()
            return made
        return found  # type: ignore[return-value]


def exactly(value: Any) -> Any:
    """A key for an attribute that a plan computes with: 0.0 is not -0.0."""
    return repr(value) if type(value) is float else value


# ---- gradients of ops ------------------------------------------------------------------------------


class Gradient(NamedTuple):
    """The gradients of an op: ``plan`` takes of [gradients of results, results, operands] those numbered ``takes``,
    and gives the gradients of the operands numbered ``gives``."""

    plan: Plan
    takes: tuple[int, ...]
    gives: tuple[int, ...]


_gradients: Made[Gradient] = Made()


def gradient_of(
    op: Op, call: TypedCall, attrs: dict[str, Any], wanted: tuple[bool, ...], at_once: bool = False
) -> Gradient | None:
    """How the gradients of the ``wanted`` operands are computed; None where `vjp` is to be run op by op."""
    if op.gradient_by_layout:
        return None
    key = op, call.taken, wanted, *[(k, exactly(v)) for k, v in attrs.items()]
    return _gradients.get(key, lambda: _made(op, call, attrs, wanted), at_once)


def _made(op: Op, call: TypedCall, attrs: dict[str, Any], wanted: Sequence[bool]) -> Gradient:
    count, graph = len(call.made), Graph(op.name)
    graph.params = [Param(f"p{i}", t) for i, t in enumerate((*call.made, *call.made, *call.taken))]
    g, y, x = graph.params[:count], graph.params[count : 2 * count], graph.params[2 * count :]
    one = count == 1
    with Builder(graph):
        found = gradients(op, g[0] if one else g, y[0] if one else y, x, attrs, wanted)
    gives = tuple(i for i, (v, w) in enumerate(zip(found, wanted, strict=True)) if w and v is not None)
    graph.outputs = [found[i] for i in gives]
    graph = simplified(graph)
    read = {o for n in graph.nodes for o in n.operands} | set(graph.outputs)
    takes = tuple(i for i, p in enumerate(graph.params) if p in read)
    graph.params = [graph.params[i] for i in takes]
    return Gradient(Plan(graph), takes, gives)
