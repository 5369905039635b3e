"""What tensors have of autograd: requires_grad, grad, backward(), data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphtorch.frontend import epoch
from graphtorch.frontend.tensors.base import TensorBase, interpreter
from graphtorch.frontend.tensors.storage import Unseen
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, AutogradError, DTypeError, ShapeError, TraceError, check
from graphtorch.ir.op import PUBLIC

if TYPE_CHECKING:
    from graphtorch.frontend.autograd import GradNode
    from graphtorch.frontend.tensor import Tensor


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

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
        """Add the gradients of this tensor to ``.grad`` of every leaf that it depends on.

        ``gradient`` has this tensor's shape; it may be left out for a tensor of one element. Raises
        AutogradError GT506 when nothing that it depends on requires gradients.
        """
        if not self._requires_grad:
            raise AutogradError(
                "GT506",
                "backward() of a tensor that does not depend on anything that requires gradients",
                ["call requires_grad_() on what you want gradients of, or leave gt.no_grad()"],
            )
        if gradient is None:
            check(
                self.numel() == 1,
                "GT113",
                f"backward() without a gradient needs a tensor of one element, got {list(self.shape)}",
                "reduce it first, e.g. loss.mean().backward(), or pass gradient=",
                kind=ShapeError,
            )
            gradient = PUBLIC["gt"]["full"](self.shape, 1.0, dtype=self.dtype)
        if not isinstance(gradient, TensorBase):
            raise ArgumentTypeError("GT301", f"gradient must be a tensor, got {type(gradient).__name__}")
        check(
            gradient.aval == self.aval,
            "GT103",
            "the gradient has the type of its tensor",
            f"expected {self.aval}, got {gradient.aval}",
        )
        interpreter().backward(self, gradient, retain_graph)

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
