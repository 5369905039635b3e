"""Functions of several ops as one step of eager mode, and as one node on its tape: `linear`, losses, `softmax`.

The function itself, run once over values of a graph, gives the plans of its result and of its gradients (`joint`
keeps what backward needs of forward). `composite(whole=True)` says that a function may be run so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphtorch.frontend import autocast_mode, autograd, backward
from graphtorch.frontend.joint import join, split
from graphtorch.frontend.plans import Made, Plan, exactly, simplified
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import op as ops
from graphtorch.ir.graph import Builder, Graph, Param, Value, ancestors
from graphtorch.ir.loc import hearing, place, state
from graphtorch.ir.low_precision import is_low
from graphtorch.ir.op import OPS
from graphtorch.ir.types import TensorType, defaults
from graphtorch.runtime.cuda_array import on_gpu

_TENSOR = object()


class Call(NamedTuple):
    """A call of a function whose tensors are left out."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, tensors: Sequence[Any]) -> Any:
        given = iter(tensors)
        args = [next(given) if a is _TENSOR else a for a in self.args]
        return self.function(*args, **{k: next(given) if a is _TENSOR else a for k, a in self.kwargs.items()})


class Composite(NamedTuple):
    """What is known of a call with tensors of given types, of which some require gradients.

    ``forward`` takes the tensors, and gives the results and the residuals; ``backward`` takes the residuals, the
    tensors numbered ``shared``, and the gradient of each result, and gives those of the tensors numbered ``targets``.
    A write into the tensors numbered ``watched``, or the results numbered ``lent``, would change what backward reads.
    """

    call: Call
    made: tuple[TensorType, ...]
    forward: Plan
    backward: Plan | None
    targets: tuple[int, ...]
    shared: tuple[int, ...]
    watched: tuple[int, ...]
    lent: tuple[int, ...] = ()


#: False for a call that is to be run op by op
_composites: Made[Composite | bool] = Made()


def run(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)``, by plans from the second call with arguments of the same types on."""
    if autocast_mode.mode.active:  # functions within it may cast
        return function(*args, **kwargs)
    tensors: list[Tensor] = []
    key: list[Any] = [function, defaults.dtype, len(args), *kwargs]
    recording = autograd.is_grad_enabled()
    for a in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(a, Tensor):
            tensors.append(a)
            key += a.aval, recording and a._requires_grad
        else:
            key += type(a), exactly(a)
    # on a GPU kernels are made once for the whole, and not for each op before
    at_once = ops.placed is not None and any(on_gpu(t._data) for t in tensors)
    found = _composites.get(tuple(key), lambda: _composite(function, name, args, kwargs), at_once)
    return _result(found, name, tensors) if isinstance(found, Composite) else function(*args, **kwargs)


def _result(composite: Composite, name: str, tensors: list[Tensor]) -> Any:
    if ops.placed:
        one_device(name, tensors)
    arrays, made = composite.forward([t._array for t in tensors]), composite.made
    results = [Tensor._made(a, t) for a, t in zip(arrays, made, strict=False)]
    for out in results:
        out._origin = name, state.scope
    if composite.backward is not None:
        node = CompositeNode(composite, name, tensors, results, arrays[len(made) :])
        for index, out in enumerate(results):
            out._requires_grad, out._grad_fn, out._output_index = True, node, index
    return results[0] if len(results) == 1 else tuple(results)


def one_device(name: str, tensors: Sequence[Tensor]) -> None:
    """DeviceError GT404 for tensors on different devices, but for single numbers on the CPU."""
    places = {t.device for t in tensors if t.ndim or on_gpu(t._data)}
    if len(places) > 1:
        from graphtorch.frontend.placement import mixed

        raise mixed(name, [(f"tensor {i}", t) for i, t in enumerate(tensors)])


# ---- making ----------------------------------------------------------------------------------------


def _composite(
    function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Composite | bool:
    call = Call(function, *(_without_tensors(x) for x in (args, kwargs)))
    tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
    graph = Graph(name, [Param(f"x{i}", t.aval) for i, t in enumerate(tensors)])
    with Builder(graph), hearing() as heard:
        out = call(graph.params)
    low = any(is_low(t.dtype) for t in tensors)
    results = out if type(out) is tuple else (out,)
    if heard or low or not all(isinstance(v, Value) and v.type.dtype.is_floating_point for v in results):
        return False
    graph.outputs = list(results)
    targets = tuple(i for i, t in enumerate(tensors) if t._requires_grad and autograd.is_grad_enabled())
    if targets:
        return _with_gradients(call, graph, targets)
    forward = simplified(graph)
    made = tuple(v.type for v in results)
    return _are_fresh(forward.outputs) and Composite(call, made, Plan(forward), None, (), (), ())


def _without_tensors(given: Any) -> Any:
    if isinstance(given, dict):
        return {k: _TENSOR if isinstance(a, Tensor) else a for k, a in given.items()}
    return tuple(_TENSOR if isinstance(a, Tensor) else a for a in given)


def _with_gradients(call: Call, graph: Graph, targets: tuple[int, ...]) -> Composite | bool:
    count, wanted = len(graph.outputs), [graph.params[i] for i in targets]
    if any(ancestors(o).isdisjoint(wanted) for o in graph.outputs):
        return False
    pair = split(simplified(join(graph, range(count), wanted)), count, count)
    forward, params = pair.forward, pair.forward.params
    roots = list(map(_root, forward.outputs))
    results, residuals = roots[:count], roots[count:]
    if not _are_fresh(forward.outputs[:count]):
        return False
    watched = {*pair.shared, *(params.index(r) for r in residuals if isinstance(r, Param))}
    lent = tuple(i for i, r in enumerate(results) if r in residuals)
    made = tuple(v.type for v in forward.outputs[:count])
    plans = Plan(forward), Plan(simplified(pair.backward))
    return Composite(call, made, *plans, targets, pair.shared, tuple(watched), lent)


def _are_fresh(values: Sequence[Value]) -> bool:
    """Whether each is computed: no parameter or constant, nor a view of one."""
    roots = [_root(v) for v in values]
    return all(r is not None and not isinstance(r, Param) for r in roots) and len(set(roots)) == len(roots)


def _root(value: Value) -> Value | None:
    """What ``value`` is a view of; None where that is a constant."""
    while value.node is not None and value.node.op.is_view:
        value = value.node.operands[0]
    return value if value.node is None or value.node.operands else None


# ---- the tape --------------------------------------------------------------------------------------


class CompositeNode(autograd.GradNode):
    """The place of a call on the tape."""

    def __init__(
        self,
        composite: Composite,
        name: str,
        tensors: Sequence[Tensor],
        results: Sequence[Tensor],
        residuals: list[Any],
    ) -> None:
        edges: list[autograd.Edge] = [None] * len(tensors)
        for i in composite.targets:
            edges[i] = autograd.edge_of(tensors[i])
        super().__init__(edges, composite.made)
        self._composite, self._name, self.place = composite, name, place()
        self._saved: list[autograd.Saved] | None = [autograd.saved(t) for t in tensors]
        self._lent = [autograd.saved(results[i]) for i in composite.lent]
        self._residuals = residuals

    @property
    def name(self) -> str:
        return self._name

    def backward(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        composite, kept = self._composite, self._saved
        if kept is None:
            raise autograd.freed(self._name)
        assert composite.backward is not None  # or there would be no node
        again = autograd.is_grad_enabled()
        read = [*kept, *self._lent] if again else [*[kept[i] for i in composite.watched], *self._lent]
        for each in read:
            if each.is_stale():
                raise autograd.changed(self, each)
        if again:
            return self._by_ops(grads, kept)
        out: list[Tensor | None] = [None] * len(self.edges)
        given = [autograd.array_of(g, type_) for g, type_ in zip(grads, self.avals, strict=True)]
        arrays = [*self._residuals, *[kept[i].data for i in composite.shared], *given]
        for i, array in zip(composite.targets, composite.backward(arrays), strict=True):
            out[i] = autograd.as_gradient(array, kept[i].aval, grads)
        return out

    def _by_ops(self, grads: Sequence[Tensor | None], kept: Sequence[autograd.Saved]) -> Sequence[Tensor | None]:
        """Gradients that have gradients themselves: the function runs again, op by op, on copies of its tensors, since
        one may be computed from another, whose gradient is another's affair."""
        xs = [autograd.restored(k, k.aval, edge) for k, edge in zip(kept, self.edges, strict=True)]
        xs = [x if edge is None else OPS["clone"](x) for x, edge in zip(xs, self.edges, strict=True)]
        targets = [xs[i] for i in self._composite.targets]
        out = self._composite.call(xs)
        roots = [(r, g) for r, g in zip(out if type(out) is tuple else (out,), grads, strict=True) if g is not None]
        found = backward.run([r for r, _ in roots], [g for _, g in roots], True, True, targets)
        return [found[id(x)][1] if id(x) in found else None for x in xs]

    def release(self) -> None:
        if self._residuals or self._composite.shared:
            self._saved, self._lent, self._residuals = None, [], []
