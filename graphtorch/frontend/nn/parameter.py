"""Parameter: a tensor that a module counts among its own; and those whose shape is not known yet."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphtorch.frontend.tensor import Tensor, as_tensor_of
from graphtorch.ir import bind
from graphtorch.ir.device import check_device, device
from graphtorch.ir.errors import ArgumentTypeError, StateError
from graphtorch.ir.types import DType, TensorType, defaults, dtype_from_name


class Parameter(Tensor):
    """A tensor to be trained. It shares the storage of ``data`` and requires gradients unless told not to.

    Assigned to an attribute of a `Module`, it appears in `Module.parameters`. Raises ArgumentTypeError
    GT301 when ``data`` is not a tensor, DTypeError GT202 when it cannot have gradients.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = as_tensor_of(np.empty(0, defaults.dtype.np))
        if not isinstance(data, Tensor):
            raise ArgumentTypeError(
                "GT301", f"data must be a tensor, got {type(data).__name__}", ["wrap it with graphtorch.tensor(...)"]
            )
        self._data, self._storage, self._aval = data._data, data._storage, data._aval
        self._traced = data._traced
        bind.current().constructing(self)
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor over the memory of ``data`` that becomes a buffer of the module to an attribute of which it is assigned.

    One that is not ``persistent`` stays out of `Module.state_dict`. As in torch, what there is then is a tensor like
    any other: `register_buffer` with less to write. ArgumentTypeError GT301 when ``data`` is not a tensor.
    """

    persistent: bool = True

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        made = Parameter(data, requires_grad=False)  # which takes the same
        self._data, self._storage, self._aval, self._traced = made._data, made._storage, made._aval, made._traced
        self.persistent = persistent

    def plain(self) -> Tensor:
        """The tensor that a module keeps: this one, without the wish to be a buffer."""
        self.__class__ = Tensor  # type: ignore[assignment]
        vars(self).pop("persistent")
        return self


class Uninitialized(Tensor):
    """A tensor of a lazy module, whose shape is not known before the first call: asking for it is StateError GT707.

    It stays the same object when it gets its shape, so an optimizer may have it before.
    """

    _becomes: ClassVar[type[Tensor]]
    _called: ClassVar[str]

    #: where what takes its place is to be
    _place: device | None = None

    @property
    def aval(self) -> TensorType:
        raise StateError(
            "GT707",
            f"the shape of a {self._called} of a lazy module is not known before the first call",
            ["call the module once, with an input as it is to get: net(gt.zeros(1, 3, 32, 32))"],
        )

    @property
    def dtype(self) -> DType:
        assert self._data is not None  # it is made of no trace
        return dtype_from_name(self._data.dtype.name)

    @property
    def data(self) -> Tensor:
        """Itself: there is nothing to share."""
        return self

    @data.setter
    def data(self, value: Tensor) -> None:
        self.become(value)

    def become(self, value: Tensor) -> None:
        """A tensor like any other, over the memory of ``value``."""
        self.__class__ = self._becomes  # type: ignore[assignment]
        self.data = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = memo[id(self)] = type(self)(self.requires_grad, dtype=self.dtype)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape is not known yet; ``dtype`` is the default dtype unless given."""

    _becomes, _called = Parameter, "parameter"

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: DType | None = None) -> None:
        check_device(device)
        super().__init__(_nothing(dtype), requires_grad)


class UninitializedBuffer(Uninitialized):
    """A buffer whose shape is not known yet; ``dtype`` is the default dtype unless given."""

    _becomes, _called = Tensor, "buffer"

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: DType | None = None) -> None:
        check_device(device)
        made = _nothing(dtype)
        self._data, self._storage, self._requires_grad = made._data, made._storage, requires_grad


def _nothing(dtype: DType | None) -> Tensor:
    """A tensor that says of which dtype the one in its place will be, and no more."""
    return as_tensor_of(np.empty(0, (dtype or defaults.dtype).np))
