"""The eager interpreter: runs `Op.ref` at once and records the op for backward."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, backward, composites, epoch
from graphtorch.frontend.history import become, check_leaf, rebase, viewing
from graphtorch.frontend.op_node import OpNode
from graphtorch.frontend.outputs import into
from graphtorch.frontend.placement import array_on, fresh, here
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tensors.memory import whole
from graphtorch.frontend.tensors.storage import assign, dense, host, repeats, row_major_copy, shares, strided
from graphtorch.frontend.typed_calls import TypedCall, typed
from graphtorch.ir import op as ops
from graphtorch.ir.bind import Interpreter
from graphtorch.ir.device import device
from graphtorch.ir.errors import GraphTorchError, ShapeError
from graphtorch.ir.loc import state
from graphtorch.ir.low_precision import is_low, reference
from graphtorch.ir.op import Op
from graphtorch.ir.ops.casts import constant as CONSTANT
from graphtorch.ir.ops.casts import detach as DETACH
from graphtorch.ir.ops.casts import laid_out_as, row_major
from graphtorch.ir.types import TensorType, float32
from graphtorch.runtime.cuda_array import on_gpu


def _on_device(*call: Any) -> Any:
    from graphtorch.frontend.on_device import run  # the compiler, which the CPU's eager mode does without

    return run(*call)


class Eager(Interpreter):
    """What runs outside of every trace. One instance serves all threads: it holds no state."""

    def bind(self, op: Op, operands: tuple[Tensor, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        if op is DETACH:
            return (_detached(operands[0]),)
        call = typed(op, operands, attrs)
        arrays: list[Any] = [o._array for o in operands]
        found: Any = _on_device(op, operands, arrays, attrs, call) if ops.placed else None
        if found is None:
            found = op.ref(*arrays, **attrs) if call.plain else reference(op, arrays, attrs)
        results = _wrapped(op, operands, found if isinstance(found, tuple | list) else (found,), call.made)
        if call.differentiable and autograd.is_grad_enabled():
            _record(op, operands, attrs, results, call)
        if op.is_view and results[0]._storage is operands[0]._storage:
            viewing(results[0], operands[0], op, attrs)
        return results

    def place(self) -> device | None:
        return here()

    def whole(self, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return composites.run(function, name, args, kwargs)

    def filled(self, value: Any, type_: TensorType) -> Tensor:
        dtype, shape = type_.dtype, type_.shape
        if is_low(dtype):
            return super().filled(value, type_)  # type: ignore[no-any-return]
        array: Any = np.ndarray(shape, dtype.np, CONSTANT.ref(value=value, dtype=dtype), 0, (0,) * len(shape))
        array.flags.writeable = False  # all elements share one
        out = Tensor._made(array, type_)
        out._origin = "broadcast_to", state.scope
        return out

    def fresh(self, value: Any, type_: TensorType) -> Tensor:
        number = CONSTANT.ref(value=value, dtype=type_.dtype)
        if number.tobytes().strip(b"\0"):
            array = np.full(type_.shape, number, type_.dtype.np)
        else:  # no byte is set; zeros take no memory before they are read
            array = np.zeros(type_.shape, type_.dtype.np)
        out = fresh(array, type_) if ops.placed else Tensor._made(array, type_)
        out._origin = "full", state.scope
        return out

    def in_order_of(self, t: Tensor, other: Tensor) -> Tensor:
        if other._array.flags.c_contiguous or on_gpu(other._array):
            return t  # on a GPU what is new is in row-major order
        array = laid_out_as(other._array, t._array.dtype)
        np.copyto(array, t._array)
        out = Tensor._made(array, t.aval)
        out._origin = t._origin
        return out

    # ---- what tensors ask of whatever interprets them ----

    def write(self, target: Tensor, source: Tensor, name: str = "copy_", since: int | None = None) -> None:
        """target[...] = source, of equal shape and dtype, by the in-place op ``name``.

        ``since`` is the mark (`autograd.mark`) before the op computed ``source``, if nobody else has that.
        """
        if autograd.is_grad_enabled() and (target._requires_grad or source._requires_grad):
            rebase(target, source, since)
        assign(target._array, source._array)
        target._wrote(name)

    def wrote_into(self, target: Tensor, function: Any, name: str, args: Any, kwargs: Any) -> bool:
        if not isinstance(function, Op) or function.ufunc is None or len(args) != 1 or kwargs:
            return False
        if on_gpu(target._data):
            return False
        if (target._requires_grad and autograd.is_grad_enabled()) or not _lies_beside(args[0], target.aval):
            return False
        (_, other), _attrs = function.prepare(target, *args)
        with np.errstate(all="ignore"):
            function.ufunc(target._array, other._array, out=target._array)
        target._wrote(name)
        return True

    def check_write(self, target: Tensor, name: str) -> None:
        """AutogradError GT503 for leaves, GT117 for memory that cannot be written."""
        check_leaf(target)
        array, storage = target._array, target._storage
        if not array.flags.writeable and storage.array is not None and storage.array.flags.writeable and dense(storage):
            # numpy marks all that is broadcast, and so x.expand(4)[0]
            array = target._data = strided(storage, array.dtype, array.shape, *target._layout())
        alike = name in ("fill_", "zero_") and not (target._requires_grad and autograd.is_grad_enabled())
        if not array.flags.writeable or (not alike and repeats(array)):
            raise ShapeError(
                "GT117",
                "a tensor whose elements share memory, or that lies in read-only memory, cannot be written in place",
                [f"got {target.aval}; clone() it first"],
            )

    def memory(self, t: Tensor) -> Tensor:
        return whole(t)

    def several(self, tensors: Sequence[Tensor], name: str) -> None:
        """``tensors`` are views that one function made: gradients cannot follow a write into one of them."""
        for t in tensors:
            if t._view is not None:
                t._view.several = name

    def contiguous(self, t: Tensor) -> Tensor:
        return t if t.is_contiguous() else row_major(t)

    def become(self, t: Tensor, view: Tensor, _name: str) -> None:
        """``t`` is ``view`` of it from now on."""
        epoch.bump()
        become(t, view)

    def is_view(self, t: Tensor) -> bool:
        return t._view is not None

    def detach_in_place(self, t: Tensor) -> None:
        if t._requires_grad:
            epoch.bump()
        t._requires_grad, t._grad_fn = False, None

    def backward(
        self,
        root: Tensor,
        gradient: Tensor,
        retain_graph: bool,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        found = backward.run([root], [gradient], retain_graph, create_graph, inputs)
        with autograd.set_grad_enabled(create_graph):
            for leaf, g in found.values():
                counts = _references(g)
                self._accumulate(leaf, g, counts == _ALONE)

    @staticmethod
    def _accumulate(leaf: Tensor, gradient: Tensor, alone: bool) -> None:
        if leaf._grad is not None:
            leaf._grad = leaf._grad + gradient
        elif gradient._requires_grad:
            leaf._grad = gradient.clone()
        elif alone and gradient._array.flags.owndata:
            leaf._grad = Tensor._made(gradient._array, gradient.aval)
        else:  # a copy: the gradient is shared with others, or is a view
            leaf._grad = Tensor._from_array(row_major_copy(gradient._array))

    def get_grad(self, t: Tensor) -> Tensor | None:
        return t._grad

    def set_grad(self, t: Tensor, grad: Tensor | None) -> None:
        t._grad = grad

    def number(self, owner: Any, key: Any) -> float:
        """A Python number that a program may see change from call to call (a learning rate).

        ``key`` is a key of ``owner``, or a tuple of keys that leads into it: ("betas", 0).
        """
        found = owner
        for part in key if isinstance(key, tuple) else (key,):
            found = found[part]
        return float(found)

    def data(self, t: Tensor, what: str) -> Any:
        return host(t._data)

    def array(self, array: Any) -> Tensor:
        place = here()
        return Tensor._from_array(array if place.type == "cpu" else array_on(array, place))


def _wrapped(
    op: Op, operands: Sequence[Tensor], arrays: Sequence[Any], types: Sequence[TensorType]
) -> tuple[Tensor, ...]:
    """Tensors over what `ref` gave: a view on the storage of its operand, anything else on one of its own."""
    origin = op.name, state.scope
    results = []
    for array, type_ in zip(arrays, types, strict=True):
        if type(array) is not np.ndarray and not on_gpu(array):
            array = np.asarray(array)
        if op.is_view and shares(array, operands[0]._array):
            result = Tensor._from_array(array, operands[0]._storage)
            result._aval, result._unseen = type_, operands[0]._unseen
        else:
            if not (op.is_view or op.elementwise or array.flags.c_contiguous):
                array = np.ascontiguousarray(array)  # so that a trace knows how results lie
            result = Tensor._made(array, type_)
        result._origin = origin
        results.append(result)
    return tuple(results)


def _lies_beside(other: Any, type_: TensorType) -> bool:
    """Whether an op of a tensor of ``type_`` with ``other`` converts and records nothing, and gives that type."""
    if is_low(type_.dtype) or not type_.dtype.is_floating_point:
        return False
    if isinstance(other, Tensor):
        return (
            type(other._data) is np.ndarray
            and other.aval == type_
            and not (other._requires_grad and autograd.is_grad_enabled())
        )
    return type(other) in (int, float)


def _record(op: Op, operands: Any, attrs: dict[str, Any], results: Sequence[Tensor], call: TypedCall) -> None:
    for o in operands:
        if o._requires_grad:
            break
    else:
        return
    node = OpNode(op, operands, attrs, results, call)
    for index in call.differentiable:
        result = results[index]
        result._requires_grad, result._grad_fn, result._output_index = True, node, index


def _detached(t: Tensor) -> Tensor:
    """The same data with no history: what is done most often to a result, and cannot fail."""
    view = Tensor._from_array(t._array.view(), t._storage)
    view._aval, view._unseen, view._origin = t.aval, t._unseen, (DETACH.name, state.scope)
    return view


def _references(g: Tensor) -> tuple[int, int, int]:
    """How many there are to a gradient, its storage and its array."""
    return sys.getrefcount(g), sys.getrefcount(g._storage), sys.getrefcount(g._data)


def _alone() -> tuple[int, int, int]:
    """What `_references` gives in a loop over leaves and gradients, where nobody else has the gradient."""
    found = {0: (None, Tensor._made(np.empty(1, np.float32), TensorType((1,), float32)))}
    counts = (0, 0, 0)
    for _, g in found.values():
        counts = _references(g)
    return counts


def _fix_of(error: GraphTorchError, op: str, operands: list[tuple[str, Any]]) -> str:
    from graphtorch.frontend.diagnosis.mending import fix_of  # where something failed, and only there

    return fix_of(error, op, operands)


_ALONE = _alone()
EAGER = Eager()
ops.fix_of, ops.into = _fix_of, into
