"""scan: a loop over slices, as torch names it. In eager mode a Python loop; in a trace one node with one body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, bodies
from graphtorch.frontend.history import moved
from graphtorch.frontend.tensor import Tensor, as_tensor_of, zeros_of
from graphtorch.frontend.tracer import Tracer
from graphtorch.frontend.tree import leaves, map_leaves, structure
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, ShapeError, check
from graphtorch.ir.loc import here
from graphtorch.ir.op import composite
from graphtorch.ir.ops.common import normalize_dim
from graphtorch.ir.ops.joining import stack
from graphtorch.ir.ops.scan import Division, append_scan

Function = Callable[..., Any]


@composite("gt")
def scan(combine_fn: Function, init: Any, xs: Any, dim: int = 0, reverse: bool = False) -> tuple[Any, Any]:
    """(carry, ys) after ``carry, y = combine_fn(carry, x)`` for each slice of ``xs`` along ``dim``, from ``init`` on.

    ``init``, ``xs`` and each y are tensors, None, or tuples, lists and dicts of them; ys are stacked along a new first
    dimension. ``reverse`` begins with the last slice; each y stands where its slice did. A carry keeps its structure,
    shapes and dtypes (ShapeError GT118). Under gt.compile ``combine_fn`` is traced once, whatever the number of slices;
    it may read tensors from outside, which get gradients, but not write them (TraceError GT616).
    """
    slices, length = _slices(xs, dim)
    check_tensors("init", init)
    interpreter = bind.current()
    if isinstance(interpreter, Tracer):
        return _traced(interpreter, combine_fn, init, slices, length, bool(reverse))
    order = range(length)[::-1] if reverse else range(length)
    if not length:
        return init, _empty(combine_fn, init, slices)
    carry, ys = init, []
    each = [unbound(x) for x in tensors_of(slices)]
    for t in order:
        carry, y = _step(combine_fn, carry, with_tensors(slices, [parts[t] for parts in each]))
        ys.append(y)
    return carry, _stacked(ys[::-1] if reverse else ys)


def _slices(xs: Any, dim: int) -> tuple[Any, int]:
    """``xs`` with ``dim`` in front, and how many slices there are."""
    check_tensors("xs", xs)
    tensors = tensors_of(xs)
    check(
        bool(tensors),
        "GT304",
        "xs holds no tensor",
        "expected at least one, whose slices count the steps",
        kind=ArgumentError,
    )
    for x in tensors:
        check(x.ndim > 0, "GT107", "a tensor of no dimensions in xs has no slices", f"got {x.aval}")
    front = map_leaves(lambda x: x if x is None else _to_front(x, dim), xs)
    lengths = [x.shape[0] for x in tensors_of(front)]
    facts = f"dimension {dim} of " + ", ".join(str(x.aval) for x in tensors)
    check(all(n == lengths[0] for n in lengths), "GT101", "the tensors of xs have different numbers of slices", facts)
    return front, int(lengths[0])


def _to_front(x: Tensor, dim: int) -> Tensor:
    dim = normalize_dim(dim, x.ndim)
    return x if dim == 0 else x.permute((dim, *(d for d in range(x.ndim) if d != dim)))


def tensors_of(tree: Any) -> list[Tensor]:
    return [t for t in leaves(tree) if t is not None]


def check_tensors(name: str, tree: Any) -> None:
    """ArgumentTypeError GT301 for a leaf that is neither a tensor nor None."""
    for leaf in leaves(tree):
        if leaf is not None and not isinstance(leaf, Tensor):
            facts = ["expected tensors, None, and tuples, lists and dicts of them"]
            raise ArgumentTypeError("GT301", f"{name} holds {type(leaf).__name__} {leaf!r}", facts)


def with_tensors(tree: Any, tensors: Sequence[Tensor]) -> Any:
    """``tree`` with these tensors in the place of its own."""
    rest = iter(tensors)
    return map_leaves(lambda leaf: None if leaf is None else next(rest), tree)


# ---- a step -----------------------------------------------------------------------------------------


def _step(combine_fn: Function, carry: Any, x: Any) -> tuple[Any, Any]:
    """The next carry and y, which are what they have to be."""
    found = combine_fn(carry, x)
    if not isinstance(found, tuple) or len(found) != 2:
        what = f"a tuple of {len(found)}" if isinstance(found, tuple) else type(found).__name__
        raise ShapeError("GT118", f"combine_fn returns {what}", ["expected (carry, y)", defined(combine_fn)])
    new, y = found
    check_tensors("the carry that combine_fn returns", new)
    check_tensors("the y that combine_fn returns", y)
    sources = "it was", f"{function_name(combine_fn)} returns"
    check_same("carry", carry, new, "changes its", sources, [defined(combine_fn)])
    return new, y


def check_same(name: str, before: Any, after: Any, what: str, sources: tuple[str, str], facts: Sequence[str]) -> None:
    """ShapeError GT118, naming the leaf, unless both trees have the same structure and types.

    ``what`` is the verb for that ("changes its"); ``sources`` say where each of the two comes from.
    """
    old, new = (structure(tree, lambda leaf: leaf is None) for tree in (before, after))
    if old != new:
        seen = f"{sources[0]} {_shown(before)}, and {sources[1]} {_shown(after)}"
        raise ShapeError("GT118", f"{name} {what} structure", [seen, *facts])
    for (path, a), (_, b) in zip(_paths(name, before), _paths(name, after), strict=True):
        if a is not None and a.aval != b.aval:
            raise ShapeError(
                "GT118", f"{path} {what} type", [f"{sources[0]} {a.aval}, and {sources[1]} {b.aval}", *facts]
            )


def _paths(name: str, tree: Any) -> list[tuple[str, Any]]:
    """Leaves with how Python would reach them: carry[0]["h"]."""
    if isinstance(tree, dict):
        return [found for key, item in tree.items() for found in _paths(f"{name}[{key!r}]", item)]
    if isinstance(tree, tuple | list):
        return [found for i, item in enumerate(tree) for found in _paths(f"{name}[{i}]", item)]
    return [(name, tree)]


def _shown(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {_shown(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, list):
        return f"[{', '.join(map(_shown, tree))}]"
    if isinstance(tree, tuple):
        return f"({', '.join(map(_shown, tree))}{',' if len(tree) == 1 else ''})"
    return "None" if tree is None else str(tree.aval)


def function_name(function: Function) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def defined(function: Function) -> str:
    """Where a function stands."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return f"{function_name(function)} is a {type(function).__name__}"
    return f"{function_name(function)} is defined at {code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}"


def _stacked(ys: Sequence[Any]) -> Any:
    each = [tensors_of(y) for y in ys]
    return with_tensors(ys[0], [stack(list(elements)) for elements in zip(*each, strict=True)])


def _empty(combine_fn: Function, init: Any, slices: Any) -> Any:
    """The ys of no steps: a trace tells their types."""
    tracer = Tracer("scan")
    bind.push(tracer)
    try:
        traced = _trace(tracer, combine_fn, init, slices)
    finally:
        bind.pop()
    ys = traced.outputs[len(tensors_of(init)) :]
    return with_tensors(traced.result[1], [as_tensor_of(np.empty((0, *y.shape), y.dtype.np)) for y in ys])


def unbound(x: Tensor) -> list[Tensor]:
    """The slices of ``x`` along its first dimension. Their gradients go to it as one stack: each by itself would be a
    tensor of its size, zeros but for a slice."""
    parts = [x[t] for t in range(x.shape[0])]
    if x.requires_grad and autograd.is_grad_enabled():
        node = _Unbound([autograd.edge_of(x)], [part.aval for part in parts])
        for t, part in enumerate(parts):
            moved(part, node, t)
    return parts


class _Unbound(autograd.GradNode):
    """unbind: a gradient is that of each slice, stacked."""

    @property
    def name(self) -> str:
        return "unbind"

    def backward(self, grads: list[Tensor | None]) -> list[Tensor]:
        return [stack([zeros_of(a) if g is None else g for g, a in zip(grads, self.avals, strict=True)])]


# ---- in a trace -------------------------------------------------------------------------------------


def _trace(tracer: Tracer, combine_fn: Function, init: Any, slices: Any) -> bodies.Traced:
    starts, xs = tensors_of(init), tensors_of(slices)
    types = [t.aval for t in starts] + [t.aval.with_shape(t.aval.shape[1:]) for t in xs]

    def call(given: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
        carry, x = with_tensors(init, given[: len(starts)]), with_tensors(slices, given[len(starts) :])
        found = _step(combine_fn, carry, x)
        return found, [*tensors_of(found[0]), *tensors_of(found[1])]

    return bodies.trace_body(tracer, "scan", function_name(combine_fn), types, call)


def _traced(
    tracer: Tracer, combine_fn: Function, init: Any, slices: Any, length: int, reverse: bool
) -> tuple[Any, Any]:
    operands, count = [*tensors_of(init), *tensors_of(slices)], len(tensors_of(init))
    traced = _trace(tracer, combine_fn, init, slices)
    graph = traced.graph
    graph.params = graph.params[len(operands) :] + graph.params[: len(operands)]
    tracer.builder.locs = (here(),)
    values = [*traced.captured, *tracer.operands(operands, autograd.is_grad_enabled())]
    found = append_scan(tracer.builder, Division(len(traced.captured), count, length, reverse), values, graph)
    results = bodies.results_of(tracer, found[: len(traced.outputs)], operands, traced.captured)
    carry, y = traced.result
    return with_tensors(carry, results[:count]), with_tensors(y, results[count:])
