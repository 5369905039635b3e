"""The eager interpreter: runs `Op.ref` at once and records the op for backward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtorch.frontend import autograd, epoch
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.bind import Interpreter
from graphtorch.ir.errors import AutogradError
from graphtorch.ir.loc import state
from graphtorch.ir.op import Op
from graphtorch.ir.ops.casts import detach as DETACH
from graphtorch.ir.types import TensorType


class Eager(Interpreter):
    """What runs outside of every trace. One instance serves all threads: it holds no state."""

    def bind(self, op: Op, operands: tuple[Tensor, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        if op is DETACH:
            return (_detached(operands[0]),)
        types = op.result_types(operands, attrs)
        found = op.ref(*[o._array for o in operands], **attrs)
        arrays = found if isinstance(found, tuple) else (found,)
        origin = op.name, state.scope
        results = []
        for array, type_ in zip(arrays, types, strict=True):
            result = self._wrap(op, operands, np.asarray(array), type_)
            result._origin = origin
            results.append(result)
        if autograd.is_grad_enabled() and not op.nondifferentiable:
            for o in operands:
                if o._rebased < o._storage.rebased:
                    raise _outdated(o)
            self._record(op, operands, attrs, results)
        return tuple(results)

    @staticmethod
    def _wrap(op: Op, operands: tuple[Tensor, ...], array: Any, type_: TensorType) -> Tensor:
        if op.is_view and np.may_share_memory(array, operands[0]._array):
            view = Tensor._from_array(array, operands[0]._storage)
            view._aval = type_
            return view
        return Tensor._made(array, type_)

    @staticmethod
    def _record(op: Op, operands: tuple[Tensor, ...], attrs: dict[str, Any], results: Sequence[Tensor]) -> None:
        if not any(o._requires_grad for o in operands):
            return
        differentiable = [r for r in results if r.aval.dtype.is_floating_point]
        if not differentiable:
            return
        node = autograd.OpNode(op, operands, attrs, results)
        for index, result in enumerate(results):
            if result.aval.dtype.is_floating_point:
                result._requires_grad, result._grad_fn, result._output_index = True, node, index

    # ---- what tensors ask of whatever interprets them ----

    def write(self, target: Tensor, source: Tensor) -> None:
        """target[...] = source, of equal shape and dtype."""
        if autograd.is_grad_enabled() and (target._requires_grad or source._requires_grad):
            self._rebase(target, source)
        np.copyto(target._array, source._array)
        target._storage.version += 1

    @staticmethod
    def _rebase(target: Tensor, source: Tensor) -> None:
        if target.is_leaf and target._requires_grad:
            raise AutogradError(
                "GT503",
                "a leaf that requires grad cannot be changed in place while gradients are recorded",
                ["do it inside of `with gt.no_grad():`, or change a copy: x = x.clone()"],
            )
        if target._array is not target._storage.array:
            raise AutogradError(
                "GT504",
                "a view cannot be changed in place while gradients are recorded",
                ["build the result out of place, e.g. with gt.where or gt.cat"],
            )
        if target.is_leaf != source.is_leaf or target._requires_grad != source._requires_grad:
            epoch.bump()  # programs that know it as a leaf look again
        if isinstance(source._grad_fn, autograd.OpNode):
            source._grad_fn.keep(target._storage)
        target._storage.rebased += 1
        target._rebased = target._storage.rebased
        target._requires_grad = source._requires_grad
        target._grad_fn, target._output_index = source._grad_fn, source._output_index

    def backward(self, root: Tensor, gradient: Tensor, retain_graph: bool) -> None:
        if root._rebased < root._storage.rebased:
            raise _outdated(root)
        autograd.run_backward(root, gradient, retain_graph, self._accumulate)

    @staticmethod
    def _accumulate(leaf: Tensor, gradient: Tensor) -> None:
        if leaf._grad is None:  # a copy: the gradient may be shared with others or be a broadcast view
            leaf._grad = Tensor._from_array(np.array(gradient._array))
        else:
            leaf._grad = leaf._grad + gradient

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
        return t._data

    def array(self, array: Any) -> Tensor:
        return Tensor._from_array(array)


def _detached(t: Tensor) -> Tensor:
    """The same data with no history: what is done most often to a result, and cannot fail."""
    view = Tensor._from_array(t._array.view(), t._storage)
    view._aval, view._rebased, view._origin = t.aval, math.inf, (DETACH.name, state.scope)
    return view


def _outdated(view: Tensor) -> AutogradError:
    return AutogradError(
        "GT504",
        f"a view of {view.aval} was taken before the tensor that it views was changed in place, and its gradient is "
        "that of the old values",
        ["take the view again after the change, or clone() it before"],
    )


EAGER = Eager()
