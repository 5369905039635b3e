"""Reductions over dimensions, as torch names them, and softmax. The primitives stand in reduction.py."""

from __future__ import annotations

import math
from typing import Any

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, check
from graphtorch.ir.op import Op, composite
from graphtorch.ir.ops.arithmetic import maximum, minimum
from graphtorch.ir.ops.casts import detach
from graphtorch.ir.ops.common import (
    as_int,
    aval_of,
    broadcast,
    dtype_of,
    is_handle,
    lift,
    normalize_dim,
    normalize_dims,
    require_float,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.functions import exp, log
from graphtorch.ir.ops.in_float32 import in_float32
from graphtorch.ir.ops.movement import reshape
from graphtorch.ir.ops.reduction import (
    averaged,
    kept,
    reduce_argmax,
    reduce_argmin,
    reduce_max,
    reduce_max_at,
    reduce_min,
    reduce_min_at,
    reduce_prod,
    reduce_sum,
    reduced,
)
from graphtorch.ir.ops.return_types import aminmax_type, max_type, min_type
from graphtorch.ir.types import DType, bool_, int64, uint8


def accumulated(input: Any, dtype: DType | None) -> Any:
    """``input`` in the dtype in which sums and products of it are: ``dtype``, else its own; int64 for integers."""
    have = dtype_of(input)
    return to_dtype(input, dtype or (have if have.kind == "f" else int64))


@composite("gt", "Tensor")
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The sum over ``dim`` (all when None). Integers and bools add up in int64."""
    if dtype == bool_:
        dims = normalize_dims(dim, len(shape_of(input)))
        return any(to_dtype(input, bool_), dims or None, keepdim)
    return reduced(reduce_sum, accumulated(input, dtype), dim, keepdim)


@composite("gt", "Tensor", whole=True)
@in_float32("input")
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The mean over ``dim`` (all when None) of a floating-point tensor; of others where ``dtype`` is given."""
    x = to_dtype(input, dtype) if dtype else input
    require_float(aval_of(x), "the operand of mean")
    shape = shape_of(x)
    count = math.prod(shape[d] for d in normalize_dims(dim, len(shape)))
    return averaged(reduced(reduce_sum, x, dim, keepdim), count)


@composite("gt", "Tensor")
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None) -> Any:
    """The product over ``dim`` (all when None). Integers and bools multiply in int64."""
    check(
        dim is not None or not keepdim,
        "GT301",
        "keepdim=True needs dim",
        "expected the dimension to keep",
        kind=ArgumentTypeError,
    )
    dims = None if dim is None else as_int(dim, "dim")
    if dtype == bool_:
        return all(to_dtype(input, bool_), dims, keepdim)
    return reduced(reduce_prod, accumulated(input, dtype), dims, keepdim)


# ---- extrema --------------------------------------------------------------------------------------


def _extreme(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    if dtype_of(input) == bool_:
        return to_dtype(reduced(op, to_dtype(input, uint8), dim, keepdim), bool_)
    return reduced(op, input, dim, keepdim)


@composite("gt", "Tensor")
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The greatest over ``dim`` (all when empty). Equal ones share the gradient."""
    return _extreme(reduce_max, input, dim, keepdim)


@composite("gt", "Tensor")
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """The smallest over ``dim`` (all when empty). Equal ones share the gradient."""
    return _extreme(reduce_min, input, dim, keepdim)


@composite("gt", "Tensor")
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """(min, max) along ``dim``, or of all."""
    dims = None if dim is None else normalize_dim(dim, len(shape_of(input)))
    return aminmax_type(amin(input, dims, keepdim), amax(input, dims, keepdim))


def along(op: Op, input: Any, dim: Any, keepdim: bool) -> Any:
    """What ``op``, which reduces one dimension, finds along ``dim``; of a number, in that number."""
    shape = shape_of(input)
    d = normalize_dim(dim, len(shape))
    found = bind.bind(op, input if shape else reshape(input, (1,)), dim=d)
    if not keepdim or not shape:
        return found
    keep = kept(shape, (d,))
    return tuple(reshape(x, keep) for x in found) if isinstance(found, tuple) else reshape(found, keep)


def _place(op: Op, input: Any, dim: int | None, keepdim: bool) -> Any:
    check(
        dtype_of(input) != bool_,
        "GT203",
        f"{op.name.removeprefix('reduce_')} does not take {bool_!r}",
        "convert it first, e.g. with .to(graphtorch.int64)",
        kind=DTypeError,
    )
    if dim is not None:
        return along(op, input, dim, keepdim)
    shape = shape_of(input)
    out = bind.bind(op, reshape(input, (math.prod(shape),)), dim=0)
    return reshape(out, (1,) * len(shape)) if keepdim else out


@composite("gt", "Tensor")
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The first position of the greatest element along ``dim``, or in the flattened tensor."""
    return _place(reduce_argmax, input, dim, keepdim)


@composite("gt", "Tensor")
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The first position of the smallest element along ``dim``, or in the flattened tensor."""
    return _place(reduce_argmin, input, dim, keepdim)


def _choose(ops: tuple[Op, Op, Any], kind: Any, input: Any, dim: Any, keepdim: bool, other: Any) -> Any:
    """torch's three functions called max: of all, along a dimension with positions, and of two tensors."""
    whole, place, elementwise = ops
    if other is not None or is_handle(dim):
        check(
            other is None or dim is None,
            "GT301",
            "dim and other exclude each other",
            "expected (input), (input, dim, keepdim) or (input, other)",
            kind=ArgumentTypeError,
        )
        return elementwise(input, dim if other is None else other)
    if dim is None:
        check(not keepdim, "GT301", "keepdim=True needs dim", "expected the dimension", kind=ArgumentTypeError)
        return _extreme(whole, input, None, False)
    truth = dtype_of(input) == bool_
    values, indices = along(place, to_dtype(input, uint8) if truth else input, dim, keepdim)
    return kind(to_dtype(values, bool_) if truth else values, indices)


@composite("gt", "Tensor")
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The greatest element; or with ``dim`` (values, indices) along it; or of two tensors, element by element.

    Of equal ones along a dimension the first counts, and gets the gradient; nan is greater than all. Equal ones of a
    whole tensor share it.
    """
    return _choose((reduce_max, reduce_max_at, maximum), max_type, input, dim, keepdim, other)


@composite("gt", "Tensor")
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; or with ``dim`` (values, indices) along it; or of two tensors. As `max` otherwise."""
    return _choose((reduce_min, reduce_min_at, minimum), min_type, input, dim, keepdim, other)


# ---- truth ----------------------------------------------------------------------------------------


def _truth(op: Op, of_none: bool, input: Any, dim: Any, keepdim: bool) -> Any:
    """Bools as bytes, reduced by ``op``; ``of_none`` is the answer where there is no element. As in torch, bytes give
    bytes, and ``dim=()`` reduces nothing."""
    shape, out = shape_of(input), uint8 if dtype_of(input) == uint8 else bool_
    truth = to_dtype(to_dtype(input, bool_), uint8)
    if dim is None or is_number(dim) or len(dim):
        dims = normalize_dims(dim, len(shape))
        if 0 in [shape[d] for d in dims]:
            keep = kept(shape, dims)
            left = keep if keepdim else tuple(n for d, n in enumerate(shape) if d not in dims)
            return broadcast(lift(of_none, out), left)
        truth = reduced(op, truth, dim, keepdim)
    return truth if out == uint8 else to_dtype(truth, bool_)


def is_number(dim: Any) -> bool:
    return not hasattr(dim, "__len__")


@composite("gt", "Tensor")
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether every element over ``dim`` (all when None) is true, which nan is. Of uint8 the answer is uint8."""
    return _truth(reduce_min, True, input, dim, keepdim)


@composite("gt", "Tensor")
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether an element over ``dim`` (all when None) is true, which nan is. Of uint8 the answer is uint8."""
    return _truth(reduce_max, False, input, dim, keepdim)


# ---- softmax --------------------------------------------------------------------------------------


def _shifted(input: Any, dim: int) -> Any:
    """``input`` less its greatest along ``dim``, which changes no softmax and keeps exp from overflow."""
    if not shape_of(input)[dim]:
        return input
    return input - detach(amax(input, dim, keepdim=True))


@composite("gt", "Tensor", "F", whole=True)
@in_float32("input")
def log_softmax(input: Any, dim: int, dtype: DType | None = None) -> Any:
    """log(softmax(input, dim)), computed without overflow."""
    x = to_dtype(input, dtype) if dtype else input
    require_float(aval_of(x), "the operand of log_softmax")
    dim = normalize_dim(dim, len(shape_of(x)))
    if not shape_of(x):
        return x - x
    shifted = _shifted(x, dim)
    return shifted - log(sum(exp(shifted), dim, keepdim=True))


@composite("gt", "Tensor", "F", whole=True)
@in_float32("input")
def softmax(input: Any, dim: int, dtype: DType | None = None) -> Any:
    """exp(input) over its sum along ``dim``, computed without overflow."""
    x = to_dtype(input, dtype) if dtype else input
    require_float(aval_of(x), "the operand of softmax")
    dim = normalize_dim(dim, len(shape_of(x)))
    if not shape_of(x):
        return exp(x - x)
    e = exp(_shifted(x, dim))
    return e / sum(e, dim, keepdim=True)
