"""Further tensors from shapes and numbers: sequences, identities, and those that follow another tensor."""

from __future__ import annotations

from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.device import check_device
from graphtorch.ir.dim import is_dynamic
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.formats import preserve_format
from graphtorch.ir.op import composite
from graphtorch.ir.ops.arguments import given
from graphtorch.ir.ops.common import as_int, aval_of, dtype_of, is_handle, lift, shape_of, sizes, to_dtype
from graphtorch.ir.ops.creation import full, full_like
from graphtorch.ir.ops.logic import where
from graphtorch.ir.ops.movement import broadcast_to, iota
from graphtorch.ir.types import DType, defaults, float64, int64


def _line(count: int, dtype: DType = int64) -> Any:
    return bind.bind(iota, shape=(count,), dim=0, dtype=dtype)


@composite("gt")
def linspace(
    start: Any, end: Any, steps: int, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """``steps`` numbers from ``start`` to ``end``, both among them, evenly spaced, of ``dtype`` or the default one.

    From the middle on they are counted from the end, as in torch, so that they are symmetric.
    """
    check_device(device)
    out = to_dtype(_spaced(start, end, steps, dtype or defaults.dtype), dtype or defaults.dtype)
    return out.requires_grad_() if requires_grad else out


@composite("gt")
def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """``base`` to the powers that `linspace` gives."""
    check_device(device)
    out = to_dtype(
        _number(base, "base") ** _spaced(start, end, steps, dtype or defaults.dtype), dtype or defaults.dtype
    )
    return out.requires_grad_() if requires_grad else out


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ArgumentTypeError("GT301", f"{name} must be a number, got {type(value).__name__}") from None


def _spaced(start: Any, end: Any, steps: int, dtype: DType) -> Any:
    """In float64; for a ``dtype`` of whole numbers between ends that are cut to such, as in torch."""
    count = as_int(steps, "steps")
    check(count >= 0, "GT304", f"steps={count} is not allowed", "expected a number >= 0", kind=ArgumentError)
    first, last = _number(start, "start"), _number(end, "end")
    if dtype.kind in "iu":
        first, last = float(int(first)), float(int(last))
    gaps = max(count - 1, 1)
    line = _line(count, float64)
    step = lift(last - first, float64) / gaps if is_dynamic(count) else (last - first) / gaps
    return where(_line(count) < (count + 1) // 2, line * step + first, (line - (count - 1)) * step + last)


@composite("gt")
def eye(
    n: int, m: int | None = None, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """``n`` rows and ``m`` (or ``n``) columns with ones along the diagonal, of ``dtype`` or the default one."""
    check_device(device)
    rows = as_int(n, "n")
    columns = rows if m is None else as_int(m, "m")
    check(
        rows >= 0 and columns >= 0, "GT304", f"n={n}, m={m} are not allowed", "expected sizes >= 0", kind=ArgumentError
    )
    shape = rows, columns
    across, down = (bind.bind(iota, shape=shape, dim=d, dtype=int64) for d in (1, 0))
    out = to_dtype(across.eq(down), dtype or defaults.dtype)
    return out.requires_grad_() if requires_grad else out


@composite("gt")
def scalar_tensor(s: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A number as a 0-d tensor of the default dtype unless ``dtype`` says otherwise."""
    return full((), s, dtype=dtype or defaults.dtype, device=device, requires_grad=requires_grad)


@composite("gt")
def fill(input: Any, value: Any) -> Any:
    """A tensor like ``input`` with ``value``, a number or a 0-d tensor, everywhere."""
    if not is_handle(value):
        return full_like(input, value)
    kind = aval_of(value)
    check(kind.ndim == 0, "GT107", f"value has {kind.ndim} dimensions", "expected a number or a 0-d tensor")
    return to_dtype(broadcast_to(value, shape_of(input)), dtype_of(input)) + 0


@composite("gt")
def empty_like(
    input: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = preserve_format,
) -> Any:
    """A tensor like ``input``, in its order in memory (as `clone`), whose content is unspecified (zeros, here)."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


@composite("Tensor")
def new_full(
    input: Any,
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """`full` of this tensor's dtype, unless ``dtype`` is given."""
    return full(size, fill_value, dtype=dtype or dtype_of(input), device=device, requires_grad=requires_grad)


def _new(value: int) -> Any:
    def make(
        input: Any,
        *size: Any,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        **kwargs: Any,
    ) -> Any:
        shape = sizes(given(size, kwargs, "size"))
        return full(shape, value, dtype=dtype or dtype_of(input), device=device, requires_grad=requires_grad)

    return make


for _name, _value, _what in (
    ("zeros", 0, "Zeros"),
    ("ones", 1, "Ones"),
    ("empty", 0, "What is unspecified (zeros, here)"),
):
    _made = _new(_value)
    _made.__doc__ = f"{_what}, of this tensor's dtype, unless ``dtype`` is given."
    _made.__name__ = f"new_{_name}"
    composite("Tensor")(_made)
