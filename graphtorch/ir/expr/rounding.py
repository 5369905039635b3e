"""Expressions of 16-bit floats: memory holds them, and all arithmetic is float32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphtorch.ir.expr.core import Binary, Cast, Const, Expr, Select, Splat, Unary, cast
from graphtorch.ir.expr.lowered import Source
from graphtorch.ir.types import LOW_PRECISION, DType, bool_, float32

#: float32 operations whose results are elements of operands, or those with another sign
_CHOOSING = frozenset(["neg", "abs", "max", "min", "zip_low", "zip_high"])


def widened(e: Expr) -> Expr:
    """``e`` as float32. Rounding that changes no number is left out."""
    if e.dtype not in LOW_PRECISION:
        return e
    if isinstance(e, Cast) and _has(e.dtype, e.x):
        return e.x
    return cast(e, float32)


def narrowed(e: Expr, dtype: DType) -> Expr:
    """``e`` rounded to ``dtype``; without the way back where it comes from there."""
    return e.x if isinstance(e, Cast) and e.x.dtype == dtype and e.dtype == float32 else cast(e, dtype)


def _has(dtype: DType, e: Expr) -> bool:
    """Whether ``dtype`` is known to have every value of the float32 expression ``e``."""
    match e:
        case Cast():
            return e.x.dtype in (dtype, bool_)
        case Const():
            with np.errstate(over="ignore"):
                return float(np.float32(e.value).astype(dtype.np)) == e.value or e.value != e.value
        case Splat():
            return _has(dtype, e.x)
        case Select():
            return _has(dtype, e.a) and _has(dtype, e.b)
        case Unary():
            return e.fn in _CHOOSING and _has(dtype, e.x)
        case Binary():
            return e.fn in _CHOOSING and _has(dtype, e.a) and _has(dtype, e.b)
    return False


@dataclass(frozen=True, eq=False)
class Widened:
    """A `Source` of 16-bit floats, read as float32."""

    source: Source
    #: what was read, by id (held, so that none comes to mean another): an element that is read twice is one expression
    _memo: dict[int, tuple[Expr, Expr]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def dtype(self) -> DType:
        return float32

    def __getitem__(self, index: Any) -> Expr:
        return self._widened(self.source[index])

    def at(self, index: tuple[Expr, ...], where: Expr) -> Expr:
        return self._widened(self.source.at(index, where))

    def _widened(self, e: Expr) -> Expr:
        if id(e) not in self._memo:
            self._memo[id(e)] = e, widened(e)
        return self._memo[id(e)][1]

    def view(self, shape: tuple[int, ...]) -> Widened:
        return Widened(self.source.view(shape))
