"""What tensors have of autograd: requires_grad, grad, backward(), data."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ref

from graphtorch.frontend import epoch
from graphtorch.frontend.tensors.base import TensorBase, interpreter
from graphtorch.frontend.tensors.storage import Unseen
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, DTypeError, ShapeError, TraceError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.ops.common import to_dtype

if TYPE_CHECKING:
    from graphtorch.frontend.autograd import GradNode
    from graphtorch.frontend.tensor import Tensor


class RemovableHandle:
    """What `register_hook` and the like give: ``remove()``, or the end of a ``with`` block, takes the hook out."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks, self.id = hooks, next(_keys)
        hooks[self.id] = hook
        epoch.bump()

    def remove(self) -> None:
        self._hooks.pop(self.id, None)
        epoch.bump()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def seed(root: Tensor, gradient: Tensor | None) -> Tensor:
    """The gradient that backward from ``root`` starts with: 1 for a tensor of one element, unless given.

    AutogradError GT506, ShapeError GT113 and GT103 where it cannot start.
    """
    if not root._requires_grad:
        raise AutogradError(
            "GT506",
            "backward() of a tensor that does not depend on anything that requires gradients",
            [
                *interpreter().path_ends(root),
                "call requires_grad_() on what you want gradients of, or leave gt.no_grad()",
            ],
        )
    if gradient is None:
        check(
            root.numel() == 1,
            "GT113",
            f"backward() without a gradient needs a tensor of one element, got {list(root.shape)}",
            "reduce it first, e.g. loss.mean().backward(), or pass gradient=",
            kind=ShapeError,
        )
        place = None if root.is_cpu else root.device
        return PUBLIC["gt"]["full"](root.shape, 1.0, dtype=root.dtype, device=place)  # type: ignore[no-any-return]
    if not isinstance(gradient, TensorBase):
        raise ArgumentTypeError("GT301", f"gradient must be a tensor, got {type(gradient).__name__}")
    check(
        gradient.shape == root.shape,
        "GT103",
        "the gradient has the shape of its tensor",
        f"expected {root.aval}, got {gradient.aval}",
    )
    return to_dtype(gradient, root.dtype)  # type: ignore[no-any-return]


def _untraced(what: str) -> TraceError:
    return TraceError("GT602", f"{what} cannot be traced", ["call it outside of gt.compile"])


_keys = itertools.count()


class Differentiable(TensorBase):
    """The history of a tensor, and its gradient."""

    @property
    def is_leaf(self) -> bool:
        return self._grad_fn is None

    @property
    def grad_fn(self) -> GradNode | None:
        if self._view is not None:
            self._view.refresh(self)  # type: ignore[arg-type]
        return self._grad_fn

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients of this leaf (or no longer)."""
        if requires_grad and not self.dtype.is_floating_point:
            raise DTypeError(
                "GT202",
                "only floating-point tensors can require gradients",
                [f"got {self.dtype!r}; convert it first with .to(graphtorch.float32)"],
            )
        if not self.is_leaf and not requires_grad:
            raise AutogradError(
                "GT505", "requires_grad of a computed tensor cannot be switched off", ["use x.detach() instead"]
            )
        if requires_grad != self._requires_grad:
            bind.current().switching(self)
            epoch.bump()
        self._requires_grad = requires_grad
        return self  # type: ignore[return-value]

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None before the first backward()."""
        return interpreter().get_grad(self)  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            check(
                isinstance(value, TensorBase) and value.aval == self.aval,
                "GT103",
                "a gradient has the type of its tensor",
                f"expected {self.aval}, got {value.aval if isinstance(value, TensorBase) else type(value).__name__}",
            )
        interpreter().set_grad(self, value)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradients of this tensor to ``.grad`` of every leaf that it depends on, or of ``inputs`` alone.

        ``gradient`` has this tensor's shape; it may be left out for a tensor of one element. ``create_graph`` records
        the gradients, so that they have gradients themselves, and keeps what backward needs, as ``retain_graph`` does.
        Raises AutogradError GT506 when nothing that it depends on requires gradients.
        """
        gradient = seed(self, gradient)  # type: ignore[arg-type]
        keep = create_graph if retain_graph is None else retain_graph
        wanted = None if inputs is None else [inputs] if isinstance(inputs, TensorBase) else list(inputs)
        interpreter().backward(self, gradient, keep, create_graph, wanted)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call ``hook(gradient)`` whenever the gradient of this tensor is computed; what it returns takes its place.

        AutogradError GT506 for a tensor that requires no gradient. Returns a handle with ``remove()``. In a compiled
        function the hook is a part of the program: it is called while that is traced, and backward must run there, too
        (TraceError GT602).
        """
        self._require_grad("register_hook()")
        if interpreter().tracing:
            return RemovableHandle(interpreter().hooks_of(self), hook)
        node, index = self.grad_fn, self._output_index
        if node is None:
            self._hooks = hooks = self._hooks if self._hooks is not None else {}
        else:
            node.hooks = node.hooks if node.hooks is not None else {}
            hooks = node.hooks.setdefault(index, {})
        return RemovableHandle(hooks, hook)

    def retain_grad(self) -> None:
        """Have ``.grad`` of this computed tensor set by backward, too; nothing changes for a leaf."""
        self._require_grad("retain_grad()")
        if interpreter().tracing:
            raise _untraced("retain_grad()")
        node = self.grad_fn
        if node is not None:
            node.retained = {**(node.retained or {}), self._output_index: ref(self)}  # type: ignore[arg-type]
            self._retains_grad = True

    @property
    def retains_grad(self) -> bool:
        """Whether backward sets ``.grad`` of this computed tensor."""
        return self._retains_grad

    def _require_grad(self, what: str) -> None:
        if not self.requires_grad:
            raise AutogradError("GT506", f"{what} of a tensor that does not require gradients")

    @property
    def data(self) -> Tensor:
        """The same storage, outside of autograd."""
        out = self._alias()
        out._is_data, out._unseen = self._requires_grad, Unseen()
        return out  # type: ignore[no-any-return]

    @data.setter
    def data(self, value: Tensor) -> None:
        if self._traced is not None or value._traced is not None or interpreter().tracing:
            raise TraceError(
                "GT602", "`.data = ...` cannot be traced", ["write into the tensor instead: t.copy_(value)"]
            )
        epoch.bump()
        self._data, self._storage, self._aval = value._array, value._storage, None
