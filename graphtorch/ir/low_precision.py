"""How ops treat float16 and bfloat16: they are stored in 16 bits, and computed in float32.

An op reads its operands as float32, computes, and rounds each element of its result once, to the nearest, ties to even.
That holds here for every op at once, in eager mode (`reference`) and in kernels (`lower_op`), so no op knows of these
dtypes. In a fused kernel, too, each op's result is rounded: a number is the same wherever it is computed. A compiled
program's graph says which roundings it leaves out (passes/widen.py, docs/adr/0018-low-precision.md). What is computed
in float32 as a whole stands in ops/in_float32.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphtorch.ir.expr import (
    Attention,
    AttentionGrad,
    Compute,
    Expr,
    Reduce,
    Scan,
    Scatter,
    Sort,
    Source,
    Widened,
    narrowed,
)
from graphtorch.ir.graph import Node
from graphtorch.ir.op import Op
from graphtorch.ir.types import LOW_PRECISION, DType, TensorType, dtype_from_name, float32

Array = Any


def is_low(dtype: Any) -> bool:
    return dtype in LOW_PRECISION


# ---- eager mode ------------------------------------------------------------------------------------


def reference(op: Op, arrays: Sequence[Array], attrs: Mapping[str, Any]) -> Sequence[Array]:
    """What `op.ref` gives, as a sequence: for 16-bit operands by way of float32, and rounded."""
    for a in arrays:  # a loop, because every op of eager mode comes through here
        if a.itemsize == 2 and _is_low_array(a):
            plain = op.is_view
            break
    else:
        plain = not attrs or attrs.get("dtype") not in LOW_PRECISION
    if plain:
        found = op.ref(*arrays, **attrs)
        return found if isinstance(found, tuple) else (found,)
    types = op.infer(*(TensorType(a.shape, dtype_from_name(a.dtype.name)) for a in arrays), **attrs)
    wide = [a.astype(np.float32) if _is_low_array(a) else a for a in arrays]
    found = op.ref(*wide, **wide_attrs(attrs))
    pairs = zip(*((v if isinstance(v, tuple) else (v,)) for v in (found, types)), strict=True)
    return [rounded(np.asarray(a), t.dtype) if is_low(t.dtype) else a for a, t in pairs]


def _is_low_array(a: Array) -> bool:
    return bool(a.itemsize == 2 and a.dtype.kind != "i")


def wide_attrs(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """An op that makes numbers of a given dtype makes float32."""
    return {**attrs, "dtype": float32} if is_low(attrs.get("dtype")) else attrs


def rounded(array: Array, dtype: DType) -> Array:
    """Numbers as those of a 16-bit dtype, by way of float32; what is too large is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, copy=False).astype(dtype.np)


# ---- kernels ---------------------------------------------------------------------------------------


def lower_op(node: Node, sources: Sequence[Source]) -> Any:
    """What `op.lower` gives, over 16-bit operands that are read as float32; results are rounded."""
    dtypes = [r.type.dtype for r in node.results]
    if not any(map(is_low, (*dtypes, *(s.dtype for s in sources)))):
        return node.op.lower(*sources, **node.attrs)
    wide = [Widened(s) if is_low(s.dtype) else s for s in sources]
    found = node.op.lower(*wide, **wide_attrs(node.attrs))
    match found:
        case Reduce() | Scan():
            return replace(found, post=lambda acc: tuple(map(_narrowed, found.post(acc), dtypes)))
        case Scatter() if node.attrs.get("accumulate") is False:
            return node.op.lower(*sources, **node.attrs)  # which moves numbers as they are
        case Scatter():
            raise ValueError(f"{node.op.name} of {dtypes[0]} adds up in memory: canonicalize makes it float32")
        case Attention() | AttentionGrad() | Sort():
            return found  # what is stored is rounded
        case tuple():
            return tuple(map(_rounded, found, dtypes))
    return _rounded(found, dtypes[0])


def _narrowed(e: Expr, dtype: DType) -> Expr:
    return narrowed(e, dtype) if is_low(dtype) else e


def _rounded(c: Compute, dtype: DType) -> Compute:
    return Compute(c.shape, dtype, lambda *i: _narrowed(c[i], dtype)) if is_low(dtype) else c
