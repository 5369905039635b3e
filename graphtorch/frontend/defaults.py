"""What tensors are made of where nobody says it: the default dtype, and the default device."""

from __future__ import annotations

from typing import Any

from graphtorch.frontend import dtypes, placement
from graphtorch.ir.device import CPU, check_device, device
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.types import DType, defaults


def set_default_dtype(d: DType) -> None:
    """What Python's floats become from now on, in every thread; float32 at the start.

    It is the dtype of ``gt.tensor(0.5)``, of what is made of a shape alone (``zeros``, ``rand``, the parameters of
    layers), of an integer tensor beside a Python float, and of a division or a sine of integers. A compiled function
    has programs of its own for each, and may change it only for as long as it runs (TraceError GT605).

    ArgumentTypeError GT301 unless ``d`` is a dtype; DTypeError GT202 unless float64, float32, float16 or bfloat16.

        >>> import graphtorch as gt
        >>> gt.set_default_dtype(gt.float64)
        >>> (gt.tensor([1, 2]) * 0.5).dtype
        graphtorch.float64
        >>> gt.set_default_dtype(gt.float32)
    """
    if not isinstance(d, DType):
        raise ArgumentTypeError("GT301", f"d must be a dtype, got {type(d).__name__} {d!r}")
    check(
        d.is_floating_point,
        "GT202",
        f"{d!r} cannot be the default dtype",
        "expected graphtorch.float32, float64, float16 or bfloat16",
        kind=DTypeError,
    )
    defaults.dtype = d


def get_default_dtype() -> DType:
    """The dtype that `set_default_dtype` has set; graphtorch.float32 at the start."""
    return defaults.dtype


def set_default_tensor_type(t: Any) -> None:
    """torch's older name for `set_default_dtype`: of ``gt.DoubleTensor``, or of "torch.DoubleTensor"."""
    set_default_dtype(dtypes.of_tensor_type(t))


def set_default_device(device: Any) -> None:
    """Where tensors are made from now on if nothing says where; None is the CPU. DeviceError GT402 for a device that
    cannot hold tensors."""
    placement.set_default(check_device(device) or CPU)


def get_default_device() -> device:
    """The device on which tensors are made: ``device("cpu")`` at the start."""
    return placement.default
