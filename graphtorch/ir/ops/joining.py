"""Tensors put together."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtorch.ir import expr
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.expr import Compute, Expr, Source, compute
from graphtorch.ir.op import Op, composite, register
from graphtorch.ir.ops.common import (
    check_dim,
    normalize_dim,
    result_dtype,
    same_types,
    shape_of,
    to_dtype,
)
from graphtorch.ir.ops.shapes import narrow, unsqueeze
from graphtorch.ir.types import TensorType

Array = Any


class Cat(Op):
    """Operands one after the other along ``dim``."""

    name = "cat"
    surface = ("gt",)

    def prepare(self, tensors: Any, dim: int = 0) -> Any:
        _check_sequence(tensors)
        check(
            len(tensors) > 0,
            "GT304",
            "cat needs at least one tensor",
            "expected a non-empty sequence",
            kind=ArgumentError,
        )
        shapes = [shape_of(t) for t in tensors]
        dtype = result_dtype(*tensors)
        # a tensor of shape [0] fits any other, as in torch
        kept = [t for t, shape in zip(tensors, shapes, strict=True) if shape != (0,)] or tensors
        operands = tuple(to_dtype(t, dtype) for t in kept)
        return operands, {"dim": normalize_dim(dim, len(shape_of(operands[0])))}

    def infer(self, *tensors: TensorType, dim: int) -> TensorType:
        first = tensors[0]
        check_dim(dim, first.ndim)
        same_types(*(t.with_shape(()) for t in tensors))
        for t in tensors[1:]:
            rest = (t.shape[:dim], t.shape[dim + 1 :]) == (first.shape[:dim], first.shape[dim + 1 :])
            check(
                rest and t.ndim == first.ndim,
                "GT106",
                f"{list(first.shape)} and {list(t.shape)} cannot be joined along dim {dim}",
                f"expected equal sizes at every dimension except {dim}",
            )
        total = sum(t.shape[dim] for t in tensors)
        return first.with_shape((*first.shape[:dim], total, *first.shape[dim + 1 :]))

    def ref(self, *tensors: Array, dim: int) -> Array:
        return np.concatenate(tensors, dim)

    def vjp(self, g: Any, _y: Any, *tensors: Any, dim: int) -> Any:
        grads, at = [], 0
        for t in tensors:
            n = shape_of(t)[dim]
            grads.append(narrow(g, dim, at, n))
            at += n
        return tuple(grads)

    def lower(self, *tensors: Source, dim: int) -> Compute:
        t = self.infer(*(TensorType(s.shape, s.dtype) for s in tensors), dim=dim)

        def body(*i: Expr) -> Expr:
            out: Expr | None = None
            end = t.shape[dim]
            for s in reversed(tensors):
                begin = end - s.shape[dim]
                at = (*i[:dim], i[dim] - begin, *i[dim + 1 :])
                inside = (i[dim] >= begin) & (i[dim] < end)
                part = s.at(at, inside)
                out = part if out is None else expr.select(inside, part, out)
                end = begin
            assert out is not None  # prepare() refuses no tensors
            return out

        return compute(t.shape, t.dtype, body)


def _check_sequence(tensors: Any) -> None:
    check(
        isinstance(tensors, list | tuple),
        "GT301",
        f"tensors must be a sequence of tensors, got {type(tensors).__name__}",
        kind=ArgumentTypeError,
    )


cat = register(Cat())


@composite("gt")
def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape, joined along a new dimension."""
    _check_sequence(tensors)
    shapes = [list(shape_of(x)) for x in tensors]
    check(bool(shapes), "GT304", "stack needs at least one tensor", "expected a non-empty sequence", kind=ArgumentError)
    check(
        all(s == shapes[0] for s in shapes),
        "GT106",
        "only tensors of one shape can be stacked",
        f"expected {shapes[0]} for each, got {', '.join(map(str, shapes))}",
    )
    return cat([unsqueeze(x, dim) for x in tensors], dim if dim >= 0 else dim + len(shape_of(tensors[0])) + 1)
