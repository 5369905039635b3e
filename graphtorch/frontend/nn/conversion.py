"""A module in another dtype: `Module.to` and its kin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from graphtorch.frontend import dtypes
from graphtorch.frontend.nn.members import Members
from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import device, require_cpu
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType, bfloat16, float16, float32, float64


class Convertible(Members):
    """The conversions of a module: the tensors stay the same objects."""

    parameters: Callable[..., Iterator[Any]]
    buffers: Callable[..., Iterator[Any]]

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert the floating-point parameters and buffers: ``net.to(gt.float64)``, ``net.to("cpu")``.

        DTypeError GT202 for a dtype that is not floating point, DeviceError GT402 for a device that cannot hold
        tensors.
        """
        dtype = target_dtype(args, kwargs)
        if dtype is None:
            return self
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.is_floating_point:
                convert(tensor, dtype)
        return self

    def type(self, dst_type: DType | str) -> Self:
        """Convert all parameters and buffers, integers among them, to a dtype, or to what a type such as
        ``gt.DoubleTensor`` or its name holds. DTypeError GT202 for a dtype that is not floating point."""
        dtype = dst_type if isinstance(dst_type, DType) else dtypes.of_tensor_type(dst_type)
        target_dtype((dtype,), {})
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
        """This module: its tensors are on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """DeviceError GT402: see `to`."""
        return self.to("cuda")

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Give the parameters and buffers new memory, which holds anything: for weights to be loaded."""
        require_cpu(device)
        for tensor in (*self.parameters(recurse=recurse), *self.buffers(recurse=recurse)):
            if not isinstance(tensor, Uninitialized):
                tensor.data = PUBLIC["gt"]["empty_like"](tensor.data)
        return self

    def share_memory(self) -> Self:
        """This module: a process that is forked has a copy of it. A DataLoader's batches are shared by themselves."""
        return self


def target_dtype(args: tuple[Any, ...], kwargs: dict[str, Any]) -> DType | None:
    """The dtype that arguments of `Module.to` ask for."""
    dtype = kwargs.get("dtype")
    require_cpu(kwargs.get("device"))
    for arg in args:
        if isinstance(arg, Tensor | DType):
            dtype = arg.dtype if isinstance(arg, Tensor) else arg
        elif isinstance(arg, str | device):
            require_cpu(arg)
        else:
            raise ArgumentTypeError("GT301", f"to() does not take {arg!r}", ["expected a dtype, a device or a tensor"])
    check(
        dtype is None or dtype.is_floating_point,
        "GT202",
        "a module can only be converted to a floating-point dtype",
        f"expected graphtorch.float32 or another of its kind, got {dtype!r}",
        kind=DTypeError,
    )
    return dtype


def convert(tensor: Tensor, dtype: DType) -> None:
    """Another dtype for the same tensor object, and for its gradient."""
    if isinstance(tensor, Uninitialized):
        tensor._data = np.empty(0, dtype.np)
        return
    tensor.data = tensor.data.to(dtype)
    if tensor.grad is not None:
        tensor.grad.data = tensor.grad.data.to(dtype)
