"""Expressions of Kernel IR as CUDA C, by the tables of cuda_tables.py.

Indices are int64 in the IR. Where the bounds of an expression show that 32 bits hold it and all that it
is made of, it is computed in `int`, which is several times faster on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphtorch.codegen.cuda_tables import C_TYPES, EXACT, POSITIVE, TABLES, UNSIGNED, WRAPPING
from graphtorch.codegen.kernel_grammar import Names
from graphtorch.ir.errors import IRError
from graphtorch.ir.expr import (
    Binary,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    Select,
    Unary,
    Var,
    bounds,
    children,
    flat_index,
)
from graphtorch.ir.types import LOW_PRECISION, DType, bool_, float64, int64


def c_type(dtype: DType) -> str:
    return C_TYPES[dtype.short]


def index_type(e: Expr) -> str:
    """The C type in which an int64 expression is computed."""
    return "int" if _fits_int(e) else "i64"


def type_of(e: Expr) -> str:
    return index_type(e) if e.dtype == int64 else c_type(e.dtype)


def _fits_int(e: Expr) -> bool:
    low, high = bounds(e)
    if not (low > -(2**31) and high < 2**31):
        return False
    return isinstance(e, Const | Var) or (isinstance(e, Binary | Select) and all(map(_fits_int, _parts(e))))


def _parts(e: Binary | Select) -> tuple[Expr, ...]:
    return (e.a, e.b)


def _known(e: Expr) -> bool:
    """Whether the bounds of an int64 expression show that it does not overflow."""
    low, high = bounds(e)
    return e.dtype == int64 and low >= -(2**63) and high < 2**63


class CudaExprs:
    """Translates scalar expressions, with the names that the emitter binds."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def __call__(self, e: Expr) -> str:
        if e.lanes > 1:
            raise IRError("GT826", f"kernel @{self.names.kernel.name}: a vector expression in CUDA code")
        match e:
            case Const():
                return literal(e)
            case Var():
                return self.names[e]
            case Load():
                return self.load(e)
            case Unary() | Binary():
                return self.apply(e)
            case Select():
                return f"({self(e.cond)} ? {self(e.a)} : {self(e.b)})"
            case Cast():
                return self.cast(e)
        raise TypeError(f"not a scalar expression: {e!r}")

    def cast(self, e: Cast) -> str:
        if e.x.dtype in LOW_PRECISION:
            return f"gt_from_{e.x.dtype.short}({bare(self(e.x))})"
        if e.dtype in LOW_PRECISION:
            return f"gt_to_{e.dtype.short}({bare(self(e.x))})"
        return f"({self(e.x)} != 0)" if e.dtype == bool_ else f"(({type_of(e)}){self(e.x)})"

    def apply(self, e: Unary | Binary) -> str:
        operands = children(e)
        template = _template(e, operands)
        if template is None:
            raise IRError("GT826", f"{e.fn} of {operands[0].dtype.short} has no CUDA form")
        text = list(map(self, operands))
        if _widens(e, operands):
            text[0] = f"(i64){text[0]}"
        dtype = operands[0].dtype
        unsigned = "u64" if dtype.itemsize == 8 else "u32"
        return template.format(*text, T=type_of(e), U=unsigned, f="" if dtype == float64 else "f")

    def load(self, e: Load) -> str:
        element = self.element(e.buffer, e.indices)
        if e.where is None:
            return element
        zero = literal(Const({"f": 0.0, "b": False}.get(e.dtype.kind, 0), e.dtype))
        return f"({self(e.where)} ? {element} : {zero})"

    def element(self, buffer: Buffer, indices: Sequence[Expr]) -> str:
        return self.at(buffer, flat_index(buffer.shape, indices))

    def at(self, buffer: Buffer, position: Expr) -> str:
        """The element at a position in memory."""
        return f"{self.names[buffer]}[{bare(self(position))}]"


def _template(e: Unary | Binary, operands: tuple[Expr, ...]) -> str | None:
    if e.fn in EXACT and _known(e):
        return EXACT[e.fn]
    if e.fn in POSITIVE and operands[0].dtype == int64:
        (low, _), (least, _) = map(bounds, operands)
        if low >= 0 and least > 0:
            return POSITIVE[e.fn]
    dtype = operands[0].dtype
    narrow = dtype.kind == "u" and dtype.itemsize < 4 and e.fn in UNSIGNED
    return WRAPPING[e.fn] if narrow else TABLES[dtype.kind].get(e.fn)


def _widens(e: Unary | Binary, operands: tuple[Expr, ...]) -> bool:
    """Whether operands in `int` give a result that needs 64 bits."""
    return e.dtype == int64 and index_type(e) == "i64" and all(map(_fits_int, operands))


def bare(text: str) -> str:
    """``text`` without parentheses around the whole of it."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return text[1:-1] if i and i == len(text) - 1 and text[0] == "(" else text
    return text


# ---- literals -------------------------------------------------------------------------------------


def literal(e: Const) -> str:
    """A constant, exactly."""
    if e.dtype == bool_:
        return "true" if e.value else "false"
    if e.dtype in LOW_PRECISION:
        return f"(u16){int.from_bytes(e.dtype.np.type(e.value).tobytes(), 'little')}"
    text = _float(float(e.value), e.dtype) if e.dtype.kind == "f" else _integer(int(e.value), e.dtype)
    return f"({text})" if text.startswith("-") else text


def _float(value: float, dtype: DType) -> str:
    suffix = "" if dtype == float64 else "f"
    if math.isfinite(value):
        return f"{dtype.np.type(value)!s}{suffix}"
    name = "GT_NAN" if math.isnan(value) else "GT_INF" if value > 0 else "-GT_INF"
    return name if suffix else f"(double){name}" if value != -math.inf else "-(double)GT_INF"


def _integer(value: int, dtype: DType) -> str:
    if dtype.itemsize < 4:
        return f"({c_type(dtype)}){value}"
    if dtype.kind == "u":
        return f"{value}{'ull' if dtype.itemsize == 8 else 'u'}"
    if value in (-(2**63), -(2**31)):  # C has no literal for the least integer
        return f"-{-value - 1}{'ll' if value == -(2**63) else ''} - 1"
    return str(value) if abs(value) < 2**31 else f"{value}ll"
