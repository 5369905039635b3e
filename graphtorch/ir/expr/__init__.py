"""Scalar and index expressions: what `Op.lower` is written in, and what Kernel IR computes with.

    expr ::= Const | Var                          a literal; a loop variable or a `let` binding
           | Load(buffer, indices, where)         an element; 0 where `where` is false
           | Unary(fn, x) | Binary(fn, a, b)      see UNARY and BINARY
           | Select(cond, a, b) | Cast(x)
           | Draw(seed, stream, position)         a random word; schedules write it out, Kernel IR has none
           | Ramp(base, lanes, step) | Splat(x, lanes)  vectors: base, base+step, ...; x in every lane

Index arithmetic is int64 and simplified on construction with the known extents of the variables:
``(i*4 + j) // 4`` is ``i`` where j runs over 4. `//` and `%` floor, as Python's do.
"""

from __future__ import annotations

from graphtorch.ir.expr import simplify as _simplify  # noqa: F401  # fills the tables of rules
from graphtorch.ir.expr.analysis import flat_index, linear, reshape_index, slopes, unflatten_index, whole
from graphtorch.ir.expr.attention import Attention, AttentionGrad
from graphtorch.ir.expr.bounds import bounds
from graphtorch.ir.expr.buffer import Buffer
from graphtorch.ir.expr.core import (
    BINARY,
    COMPARE,
    UNARY,
    Binary,
    Cast,
    Const,
    Expr,
    ExprLike,
    Load,
    Ramp,
    Select,
    Splat,
    Unary,
    Var,
    as_expr,
    binary,
    cast,
    const,
    select,
    unary,
)
from graphtorch.ir.expr.draw import WORDS, Draw, draw_word, philox_keys, philox_words
from graphtorch.ir.expr.lowered import (
    BufferSource,
    Compute,
    Lowered,
    Reduce,
    Scan,
    Scatter,
    Sort,
    Source,
    Values,
    compute,
    first_alone,
    maximum,
    minimum,
    reduce,
    together,
)
from graphtorch.ir.expr.rounding import Widened, narrowed, widened
from graphtorch.ir.expr.traverse import Memo, children, free_vars, same, substitute, walk, with_children

__all__ = [
    "BINARY",
    "COMPARE",
    "UNARY",
    "WORDS",
    "Attention",
    "AttentionGrad",
    "Binary",
    "Buffer",
    "BufferSource",
    "Cast",
    "Compute",
    "Const",
    "Draw",
    "Expr",
    "ExprLike",
    "Load",
    "Lowered",
    "Memo",
    "Ramp",
    "Reduce",
    "Scan",
    "Scatter",
    "Select",
    "Sort",
    "Source",
    "Splat",
    "Unary",
    "Values",
    "Var",
    "Widened",
    "as_expr",
    "binary",
    "bounds",
    "cast",
    "children",
    "compute",
    "const",
    "draw_word",
    "first_alone",
    "flat_index",
    "free_vars",
    "linear",
    "maximum",
    "minimum",
    "narrowed",
    "philox_keys",
    "philox_words",
    "reduce",
    "reshape_index",
    "same",
    "select",
    "slopes",
    "substitute",
    "together",
    "unary",
    "unflatten_index",
    "walk",
    "whole",
    "widened",
    "with_children",
]
