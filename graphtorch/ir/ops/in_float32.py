"""What is computed in float32 as a whole, and then rounded once to 16 bits: formulas of several ops.

torch's kernels compute a softmax, a norm or a gradient in float32; op by op, each step would be rounded.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, TypeVar

from graphtorch.ir.low_precision import is_low, wide_attrs
from graphtorch.ir.op import Op, parameters_of
from graphtorch.ir.ops.common import dtype_of, is_handle, result_dtype, shape_of, to_dtype
from graphtorch.ir.types import LOW_PRECISION, DType, TensorType, float16, float32, promote

F = TypeVar("F", bound=Callable[..., Any])

# ---- gradients -------------------------------------------------------------------------------------


class _TypeOnly:
    """An operand that `vjp` looks at for its type alone."""

    __slots__ = ("aval",)

    def __init__(self, aval: TensorType) -> None:
        self.aval = aval


def gradients(
    op: Op, g: Any, y: Any, operands: Sequence[Any], attrs: dict[str, Any], wanted: Sequence[bool] | None = None
) -> tuple[Any, ...]:
    """What `op.vjp` gives, as a tuple: of the operands that are ``wanted``, all unless given, and None for others
    that have something left to compute. An elementwise op's formula is computed in float32 as a whole, and rounded."""
    low = [o.aval.dtype in LOW_PRECISION for o in operands] if op.elementwise else []
    if True not in low:
        return _computed(op.vjp(g, y, *operands, **attrs), wanted)
    reads_result, reads = op.saved_for_backward
    wide = [_wide(o, read) if is_low_ else o for o, read, is_low_ in zip(operands, reads, low, strict=True)]
    found = _computed(op.vjp(_wide(g, True), _wide(y, reads_result), *wide, **wide_attrs(attrs)), wanted)
    return tuple(
        to_dtype(d, dtype_of(o)) if d is not None and is_low_ else d
        for d, o, is_low_ in zip(found, operands, low, strict=True)
    )


def _computed(found: Any, wanted: Sequence[bool] | None) -> tuple[Any, ...]:
    """A tuple of gradients, of which some may be functions that compute one."""
    found = found if isinstance(found, tuple) else (found,)
    asked = wanted if wanted is not None else (True,) * len(found)
    return tuple([(d() if w else None) if type(d) is FunctionType else d for d, w in zip(found, asked, strict=True)])


def _wide(x: Any, read: bool) -> Any:
    if not is_low(dtype_of(x)):
        return x
    return to_dtype(x, float32) if read else _TypeOnly(x.aval.with_dtype(float32))


# ---- composites ------------------------------------------------------------------------------------


def in_float32(*names: str) -> Callable[[F], F]:
    """Decorates a composite that is computed in float32 as a whole where a parameter in ``names`` is of 16 bits.

    Its result is rounded once, to the dtype to which those are promoted, unless the call gives ``dtype``.
    """

    def decorate(function: F) -> F:
        places = [(parameters_of(function).index(name), name) for name in names]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = [args[i] if i < len(args) else kwargs.get(name) for i, name in places]
            dtype = _common_low(given)
            if dtype is None:
                return function(*args, **kwargs)
            wide = list(args)
            for (i, name), x in zip(places, given, strict=True):
                if i < len(wide):
                    wide[i] = widened(x)
                elif name in kwargs:
                    kwargs[name] = widened(x)
            out = function(*wide, **kwargs)
            if kwargs.get("dtype"):
                return out
            if isinstance(out, tuple):
                return tuple(to_dtype(x, dtype) for x in out)
            return to_dtype(out, dtype)

        return call  # type: ignore[return-value]

    return decorate


def widened(x: Any) -> Any:
    """A 16-bit tensor as float32; anything else as it is."""
    return to_dtype(x, float32) if is_handle(x) and is_low(dtype_of(x)) else x


def _common_low(given: Sequence[Any]) -> DType | None:
    """The 16-bit dtype to which the tensors among ``given`` are promoted; None where it is another one."""
    dtypes = [x.aval.dtype for x in given if is_handle(x)]
    if not any(map(is_low, dtypes)):
        return None
    found = functools.reduce(promote, dtypes)
    return found if is_low(found) else None


def beside_a_number(args: Sequence[Any]) -> DType | None:
    """The 16-bit dtype of an arithmetic op's result, where an operand is a number that this dtype does not have.

    Such a number (a Python float, or a 0-d tensor of more bits) is not rounded before the op, as in torch: 0.999
    would be 1.
    """
    for a in args:  # a loop, because every call of eager mode comes through here
        found = getattr(a, "aval", None)
        if found is not None and found.dtype in LOW_PRECISION:
            break
    else:
        return None
    dtype = result_dtype(*args)
    return dtype if is_low(dtype) and any(_is_finer(a, dtype) for a in args) else None


def _is_finer(x: Any, dtype: DType) -> bool:
    if is_handle(x):
        return not shape_of(x) and x.aval.dtype.is_floating_point and not is_low(x.aval.dtype)
    return isinstance(x, int | float) and math.isfinite(x) and not _has(x, dtype)


def _has(x: float, dtype: DType) -> bool:
    """Whether ``x`` is a number of ``dtype``."""
    try:
        if dtype is float16:
            return bool(struct.unpack("<e", struct.pack("<e", x))[0] == x)
        bits = struct.pack("<f", x)
        return bits[:2] == b"\0\0" and bool(struct.unpack("<f", bits)[0] == x)
    except (OverflowError, struct.error):  # of floats, and of ints, that are too large
        return False
