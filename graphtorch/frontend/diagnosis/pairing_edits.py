"""Single edits of calls that pair tensors: a dimension that one of them lacks, a matrix on the wrong side."""

from __future__ import annotations

import ast
import functools
from typing import Any

from graphtorch.frontend.diagnosis.abstract import PublicCall
from graphtorch.frontend.diagnosis.changes import Changes
from graphtorch.frontend.diagnosis.edits import Arguments
from graphtorch.frontend.diagnosis.source import call_at, operator_at
from graphtorch.frontend.diagnosis.written import tied
from graphtorch.frontend.tensor import Tensor

#: public functions that operators call, with these
_OPERATORS: dict[str, tuple[type[ast.operator | ast.cmpop], str]] = {
    "add": (ast.Add, "+"), "sub": (ast.Sub, "-"), "mul": (ast.Mult, "*"), "div": (ast.Div, "/"),
    "lt": (ast.Lt, "<"), "le": (ast.LtE, "<="), "gt": (ast.Gt, ">"), "ge": (ast.GtE, ">="),
    "eq": (ast.Eq, "=="), "ne": (ast.NotEq, "!="), "matmul": (ast.MatMult, "@"),
}  # fmt: skip
PAIRED = (*(name for name in _OPERATORS if name != "matmul"), "masked_fill", "maximum", "minimum", "pow")


def paired(call: PublicCall) -> Changes:
    """The operand of fewer dimensions with one more, so that it broadcasts: ``w.unsqueeze(-1) * x``; or the other one
    without its last, where that makes them equal."""
    args, kwargs = call.arguments
    if kwargs or len(args) < 2 or not all(isinstance(a, Tensor) for a in args[:2]) or args[0].ndim == args[1].ndim:
        return
    i = 0 if args[0].ndim < args[1].ndim else 1
    fewer, more = args[i].aval.shape, args[1 - i].aval.shape
    missing = len(more) - len(fewer)
    text = _with_operand(call, 1 - i, ".squeeze(-1)") if more == (*fewer, 1) else ""
    if text:
        yield 1, functools.partial(_narrowed, 1 - i), text
    for at in range(1, len(fewer) + 1) if missing == 1 else [len(fewer)]:
        if not _broadcasts((*fewer[:at], *(1,) * missing, *fewer[at:]), more):
            continue
        last = at == len(fewer)
        written = f".unsqueeze({-1 if last else at})" if missing == 1 else f"[..., {', '.join(['None'] * missing)}]"
        text = _with_operand(call, i, written)
        if text:
            yield 1, functools.partial(_widened, i, at, missing), text


def _broadcasts(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(n == m or 1 in (n, m) for n, m in zip(shape, other, strict=True))


def _widened(i: int, at: int, missing: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    t = args[i]
    for _ in range(missing):
        t = t.unsqueeze(at)
    return (*args[:i], t, *args[i + 1 :]), kwargs


def _narrowed(i: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return (*args[:i], args[i].squeeze(-1), *args[i + 1 :]), kwargs


def _with_operand(call: PublicCall, i: int, written: str) -> str:
    """The user's call, or operator, with something behind one of its first two operands; "" where it is not there."""
    kind, sign = _OPERATORS.get(call.name, (None, ""))
    sides = operator_at(call.loc, kind) if kind is not None else None
    if sides is not None:
        changed = [f"{tied(s)}{written}" if position == i else s for position, s in enumerate(sides)]
        return f" {sign} ".join(changed)
    source = call_at(call.loc, call.name)
    if source is None or source.starred:
        return ""
    ahead = 0 if len(source.arguments) == len(call.arguments[0]) else 1
    if i < ahead:
        return f"{tied(source.receiver)}{written}.{source.name}({', '.join(source.arguments)})"
    given = [f"{tied(a)}{written}" if position == i - ahead else a for position, a in enumerate(source.arguments)]
    return source.with_arguments(given, source.keywords)


def turned(call: PublicCall) -> Changes:
    """The matrices of a product, the other way round."""
    sides = operator_at(call.loc, ast.MatMult)
    if sides is not None:
        yield 2, _reversed, f"{tied(sides[1])} @ {tied(sides[0])}"


def _reversed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return args[::-1], kwargs


def gathered(call: PublicCall) -> Changes:
    """`gather` by an index that lacks the dimension along which it gathers."""
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if kwargs or len(args) != 3 or source is None or source.starred or not source.arguments:
        return
    dim, index = args[1], args[2]
    if isinstance(dim, int) and isinstance(index, Tensor) and index.ndim == args[0].ndim - 1:
        *ahead, last = source.arguments
        text = source.with_arguments([*ahead, f"{tied(last)}.unsqueeze({dim})"], source.keywords)
        yield 1, lambda args, kwargs: ((*args[:2], args[2].unsqueeze(dim)), kwargs), text


#: reductions that can keep the dimension which they reduce
REDUCED = ("mean", "sum", "amax", "amin", "std", "var", "norm", "logsumexp", "prod")


def kept(call: PublicCall) -> Changes:
    """A reduction along a dimension that keeps it."""
    args, kwargs = call.arguments
    source = call_at(call.loc, call.name)
    if source is None or source.starred or "keepdim" in kwargs or not (len(args) > 1 or "dim" in kwargs):
        return
    text = source.with_arguments(source.arguments, {**source.keywords, "keepdim": "True"})
    yield 1, lambda args, kwargs: (args, {**kwargs, "keepdim": True}), text
