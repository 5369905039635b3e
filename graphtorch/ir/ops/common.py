"""What several op files share: lifting Python numbers, promotion, broadcasting, dimension arguments."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.dim import example, is_dynamic, same
from graphtorch.ir.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    check,
    not_a_tensor,
)
from graphtorch.ir.op import OPS
from graphtorch.ir.types import DType, TensorType, category, greatest, least, promote, promote_scalar, scalar_dtype

Shape = tuple[int, ...]


def is_handle(x: Any) -> bool:
    """Whether ops can be applied to ``x``: a tensor or a graph value, not a Python number."""
    return hasattr(x, "aval")


def aval_of(x: Any) -> TensorType:
    """The type of a tensor; ArgumentTypeError GT301 for anything else."""
    found = getattr(x, "aval", None)
    if found is None:
        raise not_a_tensor(x)
    return found  # type: ignore[no-any-return]


def common_type(args: Sequence[Any]) -> TensorType | None:
    """The type that all of them have; None where types differ or one is a number."""
    first, eager = getattr(args[0], "aval", None), bind.is_default()
    for other in args[1:]:
        found = getattr(other, "aval", None)
        if found is not first and (found != first if eager else not same(found, first)):  # eager sizes are known
            return None
    return first


def shape_of(x: Any) -> Shape:
    return aval_of(x).shape


def dtype_of(x: Any) -> DType:
    return aval_of(x).dtype


def lift(value: Any, dtype: DType) -> Any:
    """A 0-d constant for a Python number; handles pass through."""
    return value if is_handle(value) else bind.bind(OPS["constant"], value=plain_number(value), dtype=dtype)


def plain_number(value: Any) -> bool | int | float:
    """A Python number of a value that may be a numpy scalar."""
    if type(value) in (bool, float):
        return value  # type: ignore[no-any-return]
    if type(value) is int:
        check(-(2**63) <= value < 2**64, "GT304", f"{value} is a number of more than 64 bits", kind=ArgumentError)
        return value
    item = getattr(value, "item", None)
    plain = item() if item and getattr(value, "shape", None) == () else value
    if not isinstance(plain, bool | int | float):
        facts = [f"value {value!r}", *not_a_tensor(value).facts]
        raise ArgumentTypeError("GT301", f"expected a tensor or a number, got {type(value).__name__}", facts)
    return plain


def fitting(value: Any, dtype: DType, name: str) -> Any:
    """``value`` as it is; ArgumentError GT304 for a Python number that ``dtype`` cannot hold.

    Negative numbers of unsigned dtypes count from the other end, as in torch.
    """
    if is_handle(value) or dtype.kind not in "iu":
        return value
    low, high = -greatest(dtype) if dtype.kind == "u" else least(dtype), greatest(dtype)
    check(
        low - 1 < plain_number(value) < high + 1,  # not so for nan
        "GT304",
        f"{name}={value!r} is not a number of {dtype!r}",
        f"expected {low} <= {name} <= {high}",
        kind=ArgumentError,
    )
    return value


def result_dtype(*args: Any) -> DType:
    """torch's promotion: tensors with dimensions first, then 0-d tensors, then Python numbers."""
    dtypes = {a.aval.dtype if is_handle(a) else None for a in args}
    if len(dtypes) == 1 and None not in dtypes:
        return dtypes.pop()  # type: ignore[return-value]
    result: DType | None = None
    for group in (
        [dtype_of(a) for a in args if is_handle(a) and shape_of(a)],
        [dtype_of(a) for a in args if is_handle(a) and not shape_of(a)],
    ):
        here: DType | None = None
        for dtype in group:
            here = dtype if here is None else promote(here, dtype)
        if here is not None:
            result = here if result is None else _weaker(result, here)
    for a in args:
        if not is_handle(a):
            value = plain_number(a)
            result = scalar_dtype(value) if result is None else promote_scalar(result, value)
    assert result is not None  # an op has an operand
    return result


def _weaker(strong: DType, weak: DType) -> DType:
    """A 0-d tensor counts only when its category is higher."""
    return weak if category(weak) > category(strong) else strong


def to_dtype(x: Any, dtype: DType) -> Any:
    return x if dtype_of(x) == dtype else bind.bind(OPS["cast"], x, dtype=dtype)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape of numpy's broadcasting rule; ShapeError GT101 when there is none."""
    if all(shape is shapes[0] or same(shape, shapes[0]) for shape in shapes):
        return tuple(shapes[0])
    ndim = max(map(len, shapes))
    out = []
    for i in range(-ndim, 0):
        sizes = {s[i] for s in shapes if len(s) >= -i} - {1}
        if len(sizes) > 1:
            sizes = _distinct(sizes)
        if len(sizes) > 1:
            between = " and ".join(map(str, sorted(sizes, key=example)))
            given = ", ".join(str(list(s)) for s in shapes)
            raise ShapeError(
                "GT101",
                f"sizes {between} at dimension {i} do not broadcast",
                [f"expected every size at a dimension to be equal or 1; shapes {given}"],
            )
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)


def _distinct(sizes: set[int]) -> set[int]:
    """Those that differ, which sizes that are not known do by example."""
    found: list[int] = []
    for size in sorted(sizes, key=is_dynamic):  # known ones first: they say more
        if size not in found:
            found.append(size)
    return set(found)


def broadcast(x: Any, shape: Shape) -> Any:
    return x if same(shape_of(x), shape) else bind.bind(OPS["broadcast_to"], x, shape=shape)


def unify(*args: Any, dtype: DType | None = None) -> tuple[Any, ...]:
    """Operands of one dtype (the promoted one unless given) and one shape, numbers made constants."""
    dtype = dtype or result_dtype(*args)
    handles = [to_dtype(lift(a, dtype), dtype) for a in args]
    shapes = [h.aval.shape for h in handles]
    shape = broadcast_shapes(*shapes)
    return tuple(h if s is shape else broadcast(h, shape) for h, s in zip(handles, shapes, strict=True))


def same_types(*types: TensorType) -> TensorType:
    """The type that all operands must have; what `infer` of an elementwise op asks for."""
    first = types[0]
    for other in types[1:]:
        if other == first:
            continue
        check(
            other.shape == first.shape,
            "GT103",
            "operands of one shape are needed here",
            f"expected {list(first.shape)}, got {list(other.shape)}",
        )
        check(
            other.dtype == first.dtype,
            "GT201",
            "operands of one dtype are needed here",
            f"expected {first.dtype!r}, got {other.dtype!r}",
            kind=DTypeError,
        )
    return first


def same_dtype(a: TensorType, b: TensorType) -> None:
    check(
        a.dtype == b.dtype,
        "GT201",
        "operands of one dtype are needed here",
        f"expected {a.dtype!r}, got {b.dtype!r}",
        kind=DTypeError,
    )


def as_int(value: Any, name: str) -> int:
    """``value`` as an int, and no bool, as torch has it; ArgumentTypeError GT301 names the parameter."""
    if type(value) is int or is_dynamic(value):  # as nearly always
        return value
    try:
        if not isinstance(value, bool):
            return int(operator.index(value))
        raise TypeError
    except TypeError:
        got = f"{type(value).__name__} {value!r}"
        raise ArgumentTypeError("GT301", f"{name} must be an int, got {got}") from None


def normalize_dim(dim: Any, ndim: int, name: str = "dim") -> int:
    """A dimension in [0, ndim); negative ones count from the end; IndexRangeError GT302."""
    given, span = as_int(dim, name), max(ndim, 1)
    if 0 <= given < span:  # nothing to word
        return given
    check(
        -span <= given < span,
        "GT302",
        f"{name}={given} is out of range",
        f"expected {-span} <= {name} <= {span - 1} for a tensor of {ndim} dimensions",
        kind=IndexRangeError,
    )
    return given % span


def normalize_dims(dim: int | Sequence[int] | None, ndim: int, name: str = "dim") -> tuple[int, ...]:
    """Sorted distinct dimensions; None and () mean all of them."""
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return tuple(range(ndim))
    given = tuple(dim) if isinstance(dim, Sequence) else (dim,)
    dims = tuple([normalize_dim(d, ndim, name) for d in given])
    if len(dims) == 1:
        return dims if ndim else ()
    check(
        len(set(dims)) == len(dims),
        "GT303",
        f"{name}={list(given)} names a dimension twice",
        "expected distinct dimensions",
        kind=IndexRangeError,
    )
    return tuple(d for d in sorted(dims) if ndim)


def sizes(args: tuple[Any, ...], name: str = "size") -> tuple[int, ...]:
    """Sizes given as ``f(2, 3)`` or ``f((2, 3))``."""
    if len(args) == 1 and isinstance(args[0], Sequence):
        args = tuple(args[0])
    return tuple(as_int(a, name) for a in args)


def require_float(t: TensorType, what: str) -> None:
    check(
        t.dtype.is_floating_point,
        "GT202",
        f"{what} must be floating point",
        f"expected graphtorch.float32 or float64, got {t.dtype!r}",
        kind=DTypeError,
    )


def check_sizes(values: Sequence[int], name: str, least: int = 0) -> None:
    """ArgumentError GT304 unless every entry of ``name`` is >= ``least``."""
    check(
        all(v >= least for v in values),
        "GT304",
        f"{name}={list(values)} is not allowed",
        f"expected numbers >= {least}",
        kind=ArgumentError,
    )


def check_dim(dim: int, ndim: int, name: str = "dim") -> None:
    """IndexRangeError GT302 unless 0 <= ``dim`` < ``ndim``: what the primitives take."""
    check(
        0 <= dim < ndim,
        "GT302",
        f"{name}={dim} is out of range",
        f"expected 0 <= {name} < {ndim}",
        kind=IndexRangeError,
    )
