"""Tensors from shapes and numbers. ``device`` is "cpu" or None: DeviceError GT402 for another one."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.device import check_device
from graphtorch.ir.errors import ArgumentError, DTypeError, check
from graphtorch.ir.formats import preserve_format, preserves
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import given
from graphtorch.ir.ops.casts import holdable, row_major
from graphtorch.ir.ops.common import dtype_of, is_handle, plain_number, shape_of, sizes, to_dtype
from graphtorch.ir.ops.movement import broadcast_to, iota
from graphtorch.ir.types import DType, TensorType, bool_, defaults, float64, int64, scalar_dtype


def _filled(value: bool | int | float, shape: tuple[int, ...], dtype: DType, device: Any, requires_grad: bool) -> Any:
    check_device(device)
    holdable(value, dtype, "fill_value")
    check(
        all(n >= 0 for n in shape),
        "GT304",
        f"size={list(shape)} is not allowed",
        "expected sizes >= 0",
        kind=ArgumentError,
    )
    if is_handle(value):
        out = row_major(broadcast_to(value, shape))
    else:
        out = bind.current().fresh(plain_number(value), TensorType(shape, dtype))
    return out.requires_grad_() if requires_grad else out


def arranged(out: Any, input: Any, memory_format: Any, requires_grad: bool) -> Any:
    """``out``, which is new, in the order of ``input``'s dimensions unless ``memory_format`` says row-major."""
    out = bind.current().in_order_of(out, input) if preserves(memory_format) else out
    return out.requires_grad_() if requires_grad else out


@composite("gt")
def full(
    size: Any, fill_value: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """A tensor of ``fill_value``; its dtype follows the number unless given."""
    dtype = dtype or scalar_dtype(fill_value)
    return _filled(fill_value, sizes((size,)), dtype, device, requires_grad)


@composite("gt")
def zeros(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Any:
    """Zeros, of the default dtype unless ``dtype`` says otherwise."""
    return _filled(
        0, sizes(given(size, named, "size") if named else size), dtype or defaults.dtype, device, requires_grad
    )


@composite("gt")
def ones(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Any:
    """Ones, of the default dtype unless ``dtype`` says otherwise."""
    return _filled(
        1, sizes(given(size, named, "size") if named else size), dtype or defaults.dtype, device, requires_grad
    )


@composite("gt")
def empty(*size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **named: Any) -> Any:
    """A tensor of the default dtype whose content is unspecified (zeros, here)."""
    return _filled(
        0, sizes(given(size, named, "size") if named else size), dtype or defaults.dtype, device, requires_grad
    )


@composite("gt")
def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """`full` with the shape, the order in memory (as `clone`) and (unless given) the dtype of ``input``."""
    out = _filled(fill_value, shape_of(input), dtype or dtype_of(input), device, False)
    return arranged(out, input, memory_format, requires_grad)


@composite("gt")
def zeros_like(
    input: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """`zeros` with the shape, the order in memory (as `clone`) and (unless given) the dtype of ``input``."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


@composite("gt")
def ones_like(
    input: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """`ones` with the shape, the order in memory (as `clone`) and (unless given) the dtype of ``input``."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


@composite("gt")
def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """start, start + step, ... below ``end``; ``arange(end)`` starts at 0. int64 unless a number is a float. The
    three may be tensors of one element.

    Floats are cut to whole numbers where ``dtype`` is of such. The number of elements is then that of what was given,
    and for int64 that of what it is cut to, as in torch.
    """
    check_device(device)
    start, end, step = (v.item() if is_handle(v) else v for v in (start, end, step))
    start, end = (0, start) if end is None else (start, end)
    check(dtype != bool_, "GT203", "arange does not make graphtorch.bool", "expected numbers", kind=DTypeError)
    check(
        all(math.isfinite(v) for v in (start, end, step) if isinstance(v, float)),
        "GT304",
        f"there is no line from {start} to {end} by {step}",
        "expected finite numbers",
        kind=ArgumentError,
    )
    if dtype is int64:
        start, end, step = int(start), int(end), int(step)
    check(
        step != 0 and (end - start) * step >= 0,
        "GT304",
        f"step={step} does not lead from {start} to {end}",
        "expected a step that is not 0 and points from start to end",
        kind=ArgumentError,
    )
    whole = all(isinstance(v, int) for v in (start, end, step))
    count = (abs(end - start) + abs(step) - 1) // abs(step) if whole else math.ceil((end - start) / step)
    if dtype is not None and dtype.kind in "iu" and not whole:
        start, step, whole = int(start), int(step), True
    line = bind.bind(iota, shape=(count,), dim=0, dtype=int64 if whole else float64)
    out = to_dtype(line * step + start, dtype or (int64 if whole else defaults.dtype))
    return out.requires_grad_() if requires_grad else out
