"""A module in another dtype: `Module.to` and its kin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from graphtorch.frontend import dtypes
from graphtorch.frontend.nn.members import Members
from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.placement import move_in_place
from graphtorch.frontend.tensor import Tensor
from graphtorch.frontend.tensors.protocols import gpu_named
from graphtorch.ir.device import check_device, device
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import PUBLIC, parameters_of
from graphtorch.ir.types import DType, bfloat16, float16, float32, float64


class Convertible(Members):
    """The conversions of a module: the tensors stay the same objects."""

    parameters: Callable[..., Iterator[Any]]
    buffers: Callable[..., Iterator[Any]]

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert the floating-point parameters and buffers, or move all of them: ``net.to(gt.float64)``,
        ``net.to("cuda")``, ``net.to("cpu")``.

        The tensors stay the same objects, so an optimizer that has them need not be made again. DTypeError GT202 for a
        dtype that is not floating point, DeviceError GT402 for a device that cannot hold tensors.
        """
        dtype, place = target_of(args, kwargs)
        for tensor in (*self.parameters(), *self.buffers()):
            if dtype is not None and tensor.dtype.is_floating_point:
                convert(tensor, dtype)
            if place is not None:
                move(tensor, place)
        return self

    def type(self, dst_type: DType | str) -> Self:
        """Convert all parameters and buffers, integers among them, to a dtype, or to what a type such as
        ``gt.DoubleTensor`` or its name holds. DTypeError GT202 for a dtype that is not floating point."""
        dtype = dst_type if isinstance(dst_type, DType) else dtypes.of_tensor_type(dst_type)
        target_of((dtype,), {})
        for tensor in (*self.parameters(), *self.buffers()):
            convert(tensor, dtype)
        return self

    def float(self) -> Self:
        """All floating-point parameters and buffers as float32."""
        return self.to(float32)

    def double(self) -> Self:
        """All floating-point parameters and buffers as float64."""
        return self.to(float64)

    def half(self) -> Self:
        """All floating-point parameters and buffers as float16."""
        return self.to(float16)

    def bfloat16(self) -> Self:
        """All floating-point parameters and buffers as bfloat16."""
        return self.to(bfloat16)

    def cpu(self) -> Self:
        """All parameters and buffers on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        """All parameters and buffers on a GPU, the current one unless ``device`` is its number or name: see `to`."""
        return self.to("cuda" if device is None else gpu_named(device))

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Give the parameters and buffers new memory, which holds anything: for weights to be loaded."""
        place = check_device(device)
        for tensor in (*self.parameters(recurse=recurse), *self.buffers(recurse=recurse)):
            if not isinstance(tensor, Uninitialized):
                tensor.data = PUBLIC["gt"]["empty_like"](tensor.data, device=place)
        return self

    def share_memory(self) -> Self:
        """This module: a process that is forked has a copy of it. A DataLoader's batches are shared by themselves."""
        return self


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
