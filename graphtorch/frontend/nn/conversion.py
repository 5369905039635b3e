"""What `Module.to` is asked for, and what it does to a tensor."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.placement import move_in_place
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import check_device, device
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import parameters_of
from graphtorch.ir.types import DType


def target_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[DType | None, device | None]:
    """The dtype and the device that arguments of `Module.to` ask for."""
    dtype, place = kwargs.get("dtype"), check_device(kwargs.get("device"))
    for at, arg in enumerate(args):
        if isinstance(arg, Tensor):
            dtype, place = arg.dtype, arg.device
        elif isinstance(arg, DType):
            dtype = arg
        elif isinstance(arg, str | device) or (type(arg) is int and at == 0):
            place = check_device(arg)
        elif isinstance(arg, bool):
            pass  # non_blocking
        else:
            raise ArgumentTypeError("GT301", f"to() does not take {arg!r}", ["expected a dtype, a device or a tensor"])
    check(
        dtype is None or dtype.is_floating_point,
        "GT202",
        "a module can only be converted to a floating-point dtype",
        f"expected graphtorch.float32 or another of its kind, got {dtype!r}",
        kind=DTypeError,
    )
    return dtype, place


def convert(tensor: Tensor, dtype: DType) -> None:
    """Another dtype for the same tensor object, and for its gradient."""
    if isinstance(tensor, Uninitialized):
        tensor._data = np.empty(0, dtype.np)
        return
    tensor.data = tensor.data.to(dtype)
    if tensor.grad is not None:
        tensor.grad.data = tensor.grad.data.to(dtype)


def move(tensor: Tensor, place: device) -> None:
    """The same tensor object on another device, with its gradient; one of a lazy layer will be made there."""
    if isinstance(tensor, Uninitialized):
        tensor._place = place
    else:
        move_in_place(tensor, place)


def made_there(cls: type) -> None:
    """Layers of ours whose constructor has ``device`` are made on the CPU, and then moved there."""
    own: Any = vars(cls).get("__init__")
    if own is None or not cls.__module__.startswith("graphtorch.") or "device" not in (names := parameters_of(own)):
        return
    at = names.index("device")

    @functools.wraps(own)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        own(self, *args, **kwargs)
        given = kwargs.get("device", args[at - 1] if 0 < at <= len(args) else None)
        if given is not None:
            self.to(given)

    cls.__init__ = init  # type: ignore[misc]
