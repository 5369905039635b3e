"""What `Module.to` is asked for, and what it does to a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.frontend.nn.parameter import Uninitialized
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.device import device, require_cpu
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.types import DType


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
