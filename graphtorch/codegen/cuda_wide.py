"""Loops that copy neighbouring elements, as one access of 4, 8 or 16 bytes."""

from __future__ import annotations

from dataclasses import dataclass

from graphtorch.codegen.kernel_ir import For, Store
from graphtorch.codegen.warp import Copy
from graphtorch.ir.expr import Buffer, Const, Expr, Load, Memo, Var, const, flat_index, free_vars, linear, substitute
from graphtorch.ir.types import DType, int64

#: the vector types of CUDA, without their lengths. Floats are moved as floats: a float may alias no integer
_NAMES = {
    "f32": "float", "i32": "int", "u32": "uint", "f64": "double", "i64": "longlong", "u64": "ulonglong",
    "f16": "ushort", "bf16": "ushort", "i16": "short", "i8": "char", "u8": "uchar", "bool": "uchar",
}  # fmt: skip
WIDEST = 16


@dataclass(frozen=True)
class WideCopy:
    """From where to where, as flat positions of the first element; ``where`` says whether it is zeros instead."""

    to: tuple[Buffer, Expr]
    source: tuple[Buffer, Expr]
    where: Expr | None
    c_type: str


def wide_copy(s: For) -> WideCopy | None:
    """What a `vec` loop copies, if that is dense, and its bounds show that it is aligned; else None."""
    body = s.body[0] if len(s.body) == 1 else None
    if s.kind != "vec" or not isinstance(s.extent, Const) or not isinstance(body, Store) or body.where is not None:
        return None
    load, count = body.value, int(s.extent.value)
    name = vector_type(body.buffer.dtype, count)
    if name is None or not isinstance(load, Load) or load.dtype != body.buffer.dtype:
        return None
    if load.where is not None and s.var in free_vars(load.where):
        return None
    to, source = (_first(b, at, s.var, count) for b, at in ((body.buffer, body.indices), (load.buffer, load.indices)))
    if to is None or source is None:
        return None
    return WideCopy((body.buffer, to), (load.buffer, source), load.where, name)


@dataclass(frozen=True)
class WideAsync:
    """From where to where, in how many bytes; ``where`` says whether it is zeros instead."""

    to: tuple[Buffer, Expr]
    source: tuple[Buffer, Expr]
    where: Expr | None
    nbytes: int


def wide_async(s: For) -> WideAsync | None:
    """What a `vec` loop of a `copy` alone copies, by one access of 4, 8 or 16 bytes."""
    body = s.body[0] if len(s.body) == 1 else None
    if s.kind != "vec" or not isinstance(s.extent, Const) or not isinstance(body, Copy):
        return None
    load, count = body.value, int(s.extent.value)
    nbytes = count * body.buffer.dtype.itemsize
    if nbytes not in (4, 8, WIDEST) or (load.where is not None and s.var in free_vars(load.where)):
        return None
    to, source = (_first(b, at, s.var, count) for b, at in ((body.buffer, body.indices), (load.buffer, load.indices)))
    if to is None or source is None:
        return None
    return WideAsync((body.buffer, to), (load.buffer, source), load.where, nbytes)


def vector_type(dtype: DType, count: int) -> str | None:
    """The type of ``count`` elements together; None where there is none."""
    fits = count in (2, 4) and dtype.itemsize * count <= WIDEST
    return f"{_NAMES[dtype.short]}{count}" if fits else None


def _first(buffer: Buffer, indices: tuple[Expr, ...], var: Var, count: int) -> Expr | None:
    """The position at ``var`` = 0, a multiple of ``count``, if the elements after it are the next ones."""
    position = flat_index(buffer.shape, indices)
    form = linear(position)
    if form is None or form[0].get(var) != 1 or form[1] % count:
        return None
    if any(c % count for v, c in form[0].items() if v is not var):
        return None
    memo: Memo = {}
    return substitute(position, {var: const(0, int64)}, memo)
